//! The connection to a broker, kept up for ever: one host after the other, with pauses.
//!
//! The client library can recover by itself. It is not used for that, because it would hide that messages were missed,
//! and because here everything is known that must be declared again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::backoff;
use dial::DialError;
use session::{End, Lasting, Session};

mod answering;
mod consume;
mod declare;
mod dial;
pub(crate) mod publish;
mod refusal;
pub(crate) mod session;
mod tls;
mod wire;

pub(crate) use answering::answering;
pub(crate) use consume::Offsets;

/// A connection that stood shorter than this counts as an attempt that failed.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a broker may take over declaring everything: a cluster that lost its majority never answers.
pub(crate) const DECLARING: Duration = Duration::from_secs(120);
/// The same complaint is repeated after this time.
const REMINDER: Duration = Duration::from_secs(600);

/// Connects until the bus is closed.
pub(crate) async fn keep(mut lasting: Lasting) {
    let core = Arc::clone(&lasting.core);
    let mut told = Told::default();
    let mut failed = 0;
    for attempt in 0.. {
        let mut closing = lasting.closing.clone();
        let opened = tokio::select! {
            opened = connect(&mut lasting, attempt) => opened,
            () = session::closed(&mut closing) => break,
        };
        match opened {
            Ok(mut session) => {
                if attempt > 0 && core.epoch() > 1 {
                    core.meter.reconnected();
                }
                told = Told::default();
                let since = Instant::now();
                let end = session.run(&mut lasting).await;
                if since.elapsed() > SETTLED {
                    failed = 0;
                }
                match end {
                    End::Closing => {
                        session.close(&core).await;
                        break;
                    }
                    End::Lost(why) => {
                        warn!("{why}");
                        core.down(why);
                    }
                }
            }
            Err(why) => {
                told.tell(&why);
                core.down(why);
            }
        }
        failed += 1;
        let pause = backoff::pause(&core.settings.retry, failed);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = session::closed(&mut closing) => break,
        }
    }
    core.closed();
}

/// Makes a connection to the host whose turn it is.
async fn connect(lasting: &mut Lasting, attempt: usize) -> Result<Session, String> {
    let core = Arc::clone(&lasting.core);
    let brokers = &core.settings.brokers;
    let Some(broker) = brokers.get(attempt % brokers.len().max(1)) else {
        return Err("transport_url names no host".to_owned());
    };
    debug!(%broker, "connecting to the message broker");
    let dialled = dial::dial(&core.settings, broker).await.map_err(|error: DialError| error.to_string())?;
    let opened = timeout(DECLARING, Session::open(lasting, dialled)).await;
    let opened = opened.unwrap_or_else(|_| Err("it does not answer what is declared".to_owned()));
    let session = opened.map_err(|why| format!("the message broker {broker} cannot be used: {why}"))?;
    info!(%broker, host = core.settings.virtual_host, epoch = core.epoch(), "connected to the message broker");
    Ok(session)
}

/// What the operator was told last, so as not to repeat it with each attempt.
#[derive(Debug, Default)]
struct Told(Option<(String, Instant)>);

impl Told {
    fn tell(&mut self, why: &str) {
        match &self.0 {
            Some((told, at)) if told == why && at.elapsed() < REMINDER => debug!("{why}"),
            _ => {
                warn!("{why}");
                self.0 = Some((why.to_owned(), Instant::now()));
            }
        }
    }
}
