//! The system's log daemon: one message for each event, beside whatever else the log goes to.
//!
//! A message is as the C library's syslog(3) writes it (RFC 3164): `<14>neutron-dhcp-agent: text`, but without a time,
//! which would be in a zone that has to be guessed; a daemon takes the moment at which it got the message. A daemon that
//! takes nothing or is not there costs its messages and nothing else.

use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::layer::Form;

/// Where log daemons listen.
pub const SOCKET: &str = "/dev/log";

/// Which daemon gets messages, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    pub socket: PathBuf,
    /// The program, as it calls itself.
    pub name: String,
    pub facility: Facility,
}

/// The kind of program that logs, by its number (RFC 3164, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

/// It is none of the names that syslog(3) has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has to be LOG_USER, LOG_DAEMON, LOG_LOCAL0 to LOG_LOCAL7 or another facility of syslog")]
pub struct NoFacility;

/// In the order of their numbers; some numbers have no name.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP", "",
    "", "", "", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
];

impl Facility {
    pub const USER: Self = Self(1);
}

impl FromStr for Facility {
    type Err = NoFacility;

    /// With or without `LOG_`, in whatever case, as oslo.log has it.
    fn from_str(text: &str) -> Result<Self, NoFacility> {
        let text = text.to_ascii_uppercase();
        let name = text.strip_prefix("LOG_").unwrap_or(&text);
        let number = FACILITIES.iter().position(|known| *known == name && !name.is_empty());
        number.and_then(|number| u8::try_from(number).ok()).map(Self).ok_or(NoFacility)
    }
}

/// As oslo.log's option has it.
impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FACILITIES.get(usize::from(self.0)).unwrap_or(&"");
        write!(f, "LOG_{name}")
    }
}

/// How bad it is, as syslog and journald count (RFC 5424, 6.2.1).
pub(crate) fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Gets every event that passed the filter.
#[derive(Debug)]
pub(crate) struct SyslogLayer {
    pub(crate) form: Form,
    to: Syslog,
    /// Absent while there is no daemon.
    socket: Mutex<Option<UnixDatagram>>,
}

impl SyslogLayer {
    pub(crate) fn new(to: Syslog, form: Form) -> Self {
        let socket = Mutex::new(connect(&to.socket).ok());
        Self { form, to, socket }
    }

    fn message(&self, metadata: &Metadata<'_>, event: &Event<'_>) -> Vec<u8> {
        let priority = self.to.facility.0 * 8 + severity(*metadata.level());
        let mut message = format!("<{priority}>{}: ", self.to.name).into_bytes();
        self.form.write(&mut message, metadata, event);
        // The end of a message is the end of its datagram.
        message.pop();
        message
    }

    /// A daemon that was started anew has another socket under the same name.
    fn send(&self, message: &[u8]) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = socket.as_ref().map(|socket| socket.send(message));
        if matches!(&sent, Some(Ok(_))) || is_busy(sent.as_ref()) {
            return;
        }
        *socket = connect(&self.to.socket).ok();
        if let Some(socket) = &*socket {
            // Who cannot write a log has nobody to tell but the log.
            let _ = socket.send(message);
        }
    }
}

impl<S: Subscriber> Layer<S> for SyslogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let normalised = event.normalized_metadata();
        self.send(&self.message(normalised.as_ref().unwrap_or_else(|| event.metadata()), event));
    }
}

fn is_busy(sent: Option<&io::Result<usize>>) -> bool {
    matches!(sent, Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Nobody waits for a daemon.
fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing::{debug, error, info};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn facilities_are_read_as_oslo_log_reads_them() {
        let number = |text: &str| text.parse().map(|Facility(number)| number);
        assert_eq!(number("LOG_USER"), Ok(1));
        assert_eq!(number("user"), Ok(1));
        assert_eq!(number("LOG_AUTHPRIV"), Ok(10));
        assert_eq!(number("local7"), Ok(23));
        assert_eq!("daemon".parse::<Facility>().unwrap().to_string(), "LOG_DAEMON");
        for text in ["", "LOG_", "LOG_LOCAL8", "1", "LOG_LOG_USER"] {
            assert_eq!(number(text), Err(NoFacility), "{text}");
        }
    }

    /// The other end, which may go and come back.
    fn daemon(path: &Path) -> UnixDatagram {
        let _ = std::fs::remove_file(path);
        let daemon = UnixDatagram::bind(path).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        daemon
    }

    fn heard(daemon: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let length = daemon.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn an_event_is_a_message_and_a_daemon_may_come_and_go() {
        let path = std::env::temp_dir().join(format!("syslog-{}", std::process::id()));
        let first = daemon(&path);
        let to = Syslog {
            socket: path.clone(),
            name: "neutron-l3-agent".to_owned(),
            facility: "LOG_LOCAL3".parse().unwrap(),
        };
        let layer = SyslogLayer::new(to, Form::Text { colours: false });
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            info!(router = 5, "router is built");
            let message = heard(&first);
            assert!(message.starts_with("<158>neutron-l3-agent: 20"), "{message}");
            assert!(message.ends_with(" router is built router=5"), "{message}");
            error!("failed");
            assert!(heard(&first).starts_with("<155>neutron-l3-agent: "));
            drop(first);
            std::fs::remove_file(&path).unwrap();
            info!("nobody hears this");
            let second = daemon(&path);
            debug!("somebody hears\nthat");
            let message = heard(&second);
            assert!(message.starts_with("<159>") && message.ends_with("somebody hears\\nthat"), "{message}");
            // One that does not read holds up nobody.
            (0..5000).for_each(|number| info!(number, "too much"));
        });
        std::fs::remove_file(&path).unwrap();
    }
}
