//! journald's own protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>): one datagram an event.
//!
//! The fields of an event can be searched for (`journalctl F_ROUTER=…`), and are in what `journalctl` prints as
//! well, which shows the message only. Errors are there with their causes.
//!
//! A journald that takes nothing stops nobody for long: events are lost then, and the journal says how many.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::layer::is_shown;
use crate::syslog::severity;
use crate::text;

pub(crate) const SOCKET: &str = "/run/systemd/journal/socket";
/// How long an event may wait for a busy journald.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes of a value; what is longer is cut, so that an event is always a datagram that the kernel takes (208 KiB
/// unless it is told otherwise).
const LONGEST_VALUE: usize = 16 << 10;
/// Bytes of a name, with which journald leaves out fields that have more.
const LONGEST_NAME: usize = 64;

/// Gets every event that passed the filter.
#[derive(Debug)]
pub(crate) struct Journald {
    journald: PathBuf,
    /// What journald calls us.
    identifier: String,
    /// Waits a moment for room.
    patient: UnixDatagram,
    /// Does not, and is used after an event was lost.
    hasty: UnixDatagram,
    /// Events that journald has not heard of yet that they are missing.
    lost: AtomicU64,
}

impl Journald {
    /// # Errors
    ///
    /// When journald is not there.
    pub(crate) fn connect(journald: &Path) -> io::Result<Self> {
        let patient = UnixDatagram::unbound()?;
        patient.set_write_timeout(Some(PATIENCE))?;
        let hasty = UnixDatagram::unbound()?;
        hasty.set_nonblocking(true)?;
        // Nothing, which is what journald makes of it.
        patient.send_to(&[], journald)?;
        let program = std::env::current_exe().unwrap_or_default();
        let identifier = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { journald: journald.to_owned(), identifier, patient, hasty, lost: AtomicU64::new(0) })
    }

    fn send(&self, datagram: &[u8]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let socket = if lost == 0 { &self.patient } else { &self.hasty };
        if lost > 0 && self.send_by(socket, &complaint(&self.identifier, lost)).is_err() {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        } else if self.send_by(socket, datagram).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// By the name of journald's socket each time: a journald that was started anew has another one.
    fn send_by(&self, socket: &UnixDatagram, datagram: &[u8]) -> io::Result<usize> {
        socket.send_to(datagram, &self.journald)
    }
}

impl<S: Subscriber> Layer<S> for Journald {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What came by way of the crate `log` has its target and so on in fields.
        let normalised = event.normalized_metadata();
        let metadata = normalised.as_ref().unwrap_or_else(|| event.metadata());
        self.send(&datagram(&self.identifier, metadata, |visit| event.record(visit)));
    }
}

/// The datagram of an event; `record` shows it the fields, twice.
fn datagram(identifier: &str, metadata: &Metadata<'_>, record: impl Fn(&mut dyn Visit)) -> Vec<u8> {
    let mut datagram = begin(identifier, *metadata.level(), metadata.target());
    if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
        put(&mut datagram, "CODE_FILE", file.as_bytes());
        put(&mut datagram, "CODE_LINE", line.to_string().as_bytes());
    }
    let mut message = Vec::new();
    text::write_fields(&mut message, &record);
    put(&mut datagram, "MESSAGE", message.trim_ascii_start());
    record(&mut Fields(&mut datagram));
    datagram
}

fn complaint(identifier: &str, lost: u64) -> Vec<u8> {
    let mut datagram = begin(identifier, Level::WARN, "diary");
    put(&mut datagram, "MESSAGE", format!("lines of this log are missing lost={lost}").as_bytes());
    put(&mut datagram, "F_LOST", lost.to_string().as_bytes());
    datagram
}

fn begin(identifier: &str, level: Level, target: &str) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(512);
    put(&mut datagram, "PRIORITY", severity(level).to_string().as_bytes());
    put(&mut datagram, "SYSLOG_IDENTIFIER", identifier.as_bytes());
    put(&mut datagram, "TARGET", target.as_bytes());
    datagram
}

/// A value with line ends has its length before it.
fn put(datagram: &mut Vec<u8>, name: &str, value: &[u8]) {
    let value = cut(value);
    datagram.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value);
    datagram.push(b'\n');
}

/// Not within a character of UTF-8.
fn cut(value: &[u8]) -> &[u8] {
    if value.len() <= LONGEST_VALUE {
        return value;
    }
    let begins = |at: &usize| value.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80);
    let at = (0..=LONGEST_VALUE).rev().find(begins).unwrap_or(0);
    &value[..at]
}

/// `F_ROUTER` for `router`: names of journald's own have no prefix, and none begins with an underscore.
fn name_of(field: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let name: String = field.trim_start_matches("r#").chars().map(plain).collect();
    format!("F_{name}").chars().take(LONGEST_NAME).collect()
}

struct Fields<'d>(&'d mut Vec<u8>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_shown(field) && field.name() != "message" {
            put(self.0, &name_of(field.name()), value.as_bytes());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let causes = std::iter::successors(value.source(), |&error| error.source());
        let chain: Vec<_> =
            std::iter::once(value.to_string()).chain(causes.map(ToString::to_string)).collect();
        self.record_str(field, &chain.join(": "));
    }
}

#[cfg(test)]
mod tests {
    use tracing::{error, info, warn};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("running nft")]
    struct Failed(#[source] std::fmt::Error);

    /// A socket in journald's place, which is gone with the test.
    struct Place {
        path: PathBuf,
        socket: UnixDatagram,
    }

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("diary-{name}-{}", std::process::id()));
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            Self { path, socket }
        }

        fn hear(&self) -> Vec<u8> {
            let mut datagram = vec![0; 1 << 20];
            let length = self.socket.recv(&mut datagram).unwrap();
            datagram.truncate(length);
            datagram
        }

        /// The next event as text, without where it was logged.
        fn text(&self) -> String {
            let text = String::from_utf8(self.hear()).unwrap();
            text.split_inclusive('\n').filter(|line| !line.starts_with("CODE_")).collect()
        }

        fn log(&self, log: impl FnOnce()) {
            let journald =
                Journald { identifier: "baryon".to_owned(), ..Journald::connect(&self.path).unwrap() };
            assert!(self.hear().is_empty());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(journald), log);
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn an_event_is_a_datagram_of_fields() {
        let place = Place::new("fields");
        place.log(|| {
            info!(network = %"9b71be4a", r#type = 3, "DHCP server listens");
            error!(error = &Failed(std::fmt::Error) as &dyn Error, "failed");
            warn!(said = "two\nlines", "odd");
        });
        assert_eq!(
            place.text(),
            "PRIORITY=6\nSYSLOG_IDENTIFIER=baryon\nTARGET=diary::journald::tests\n\
             MESSAGE=DHCP server listens network=9b71be4a type=3\nF_NETWORK=9b71be4a\nF_TYPE=3\n"
        );
        let cause = "an error occurred when formatting an argument";
        assert_eq!(
            place.text(),
            format!(
                "PRIORITY=3\nSYSLOG_IDENTIFIER=baryon\nTARGET=diary::journald::tests\n\
                 MESSAGE=failed error=running nft error.sources=[{cause}]\nF_ERROR=running nft: {cause}\n"
            )
        );
        assert_eq!(
            place.text(),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=baryon\nTARGET=diary::journald::tests\n\
             MESSAGE=odd said=\"two\\nlines\"\nF_SAID\n\u{9}\0\0\0\0\0\0\0two\nlines\n"
        );
    }

    #[test]
    fn no_value_is_too_long_for_a_datagram() {
        let place = Place::new("long");
        place.log(|| {
            for shift in 0..3 {
                info!(said = format!("{}{}", &"abc"[..shift], "ü".repeat(1 << 20)), "long");
            }
        });
        for shift in 0..3 {
            let text = place.text();
            let said = text.lines().find_map(|line| line.strip_prefix("F_SAID=")).unwrap();
            assert!(said.len() > LONGEST_VALUE - 2 && said.chars().skip(shift).all(|letter| letter == 'ü'));
        }
    }

    /// Whoever logs goes on when journald is stuck, and the journal says what it missed.
    #[test]
    fn a_stuck_journald_stops_nobody() {
        let place = Place::new("stuck");
        let logged = 5_000;
        let before = std::time::Instant::now();
        place.log(|| {
            (0..logged).for_each(|number| info!(number, "one of many"));
            assert!(before.elapsed() < Duration::from_secs(60), "{:?}", before.elapsed());
            let mut heard = 0;
            place.socket.set_nonblocking(true).unwrap();
            let mut datagram = vec![0; 4096];
            while place.socket.recv(&mut datagram).is_ok() {
                heard += 1;
            }
            assert!(heard < logged, "the kernel kept all {logged}");
            info!("the last");
            place.socket.set_nonblocking(false).unwrap();
            assert!(place.text().contains(&format!("F_LOST={}\n", logged - heard)));
            assert!(place.text().contains("MESSAGE=the last\n"));
        });
    }

    #[test]
    fn names_are_as_journald_wants_them() {
        assert_eq!(name_of("router"), "F_ROUTER");
        assert_eq!(name_of("r#type"), "F_TYPE");
        assert_eq!(name_of("error.code"), "F_ERROR_CODE");
        assert_eq!(name_of(&"x".repeat(100)).len(), LONGEST_NAME);
    }

    #[test]
    fn no_journald_is_an_error() {
        assert!(Journald::connect(Path::new("/nowhere/socket")).is_err());
    }
}
