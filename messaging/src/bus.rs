//! The handle that programs hold.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::debug;
use uuid::Uuid;

use crate::clock;
use crate::connection::publish::{Expiry, Outgoing};
use crate::connection::session::Lasting;
use crate::connection::{self, Offsets};
use crate::core::{Core, SendError};
use crate::counters::{Counters, Ended};
use crate::envelope::{self, RequestFields};
use crate::error::CallError;
use crate::link::{Link, LinkState};
use crate::listen::Listen;
use crate::request::{Incoming, Request, Timeout};
use crate::settings::Settings;
use crate::topology::{self, Exchange};

/// The longest name in AMQP.
const LONGEST_NAME: usize = 255;

/// A process' connection to its message brokers. Clones share it; when the last is dropped, it is closed.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use messaging::{Bus, Endpoint, Listen, Request, Settings, Timeout, Version};
///
/// let endpoint = Endpoint { namespace: None, version: Version::new(1, 0), methods: Some(&["greet"]) };
/// let news = Listen {
///     topic: "news".into(),
///     host: Some("node1".into()),
///     shared: false,
///     fanout: true,
///     endpoints: vec![endpoint],
/// };
/// let (bus, mut incoming) = Bus::start(Settings::from_url("rabbit://guest:guest@localhost/")?, vec![news]);
/// let hello = Request {
///     topic: "server".into(),
///     server: None,
///     namespace: None,
///     method: "hello".into(),
///     version: Version::new(1, 0),
///     args: serde_json::Map::new(),
///     timeout: Timeout::Usual,
/// };
/// println!("{}", bus.call(hello).await?);
/// while let Some(one) = incoming.recv().await {
///     one.answer.send(Ok("hello to you".into()));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bus {
    core: Arc<Core>,
    more: mpsc::UnboundedSender<Listen>,
    closing: Arc<watch::Sender<bool>>,
}

impl Bus {
    /// Starts connecting, in the background and for ever, and hands over what arrives for `listen`. The receiver is
    /// bounded: when it is full, messages stay with the broker. Must be called inside a tokio runtime.
    pub fn start(settings: Settings, listen: Vec<Listen>) -> (Self, mpsc::Receiver<Incoming>) {
        let (incoming, receiver) = mpsc::channel(usize::from(settings.prefetch.max(1)));
        let (answers, replies) = mpsc::unbounded_channel();
        let (more, more_receiver) = mpsc::unbounded_channel();
        let (closing, closing_receiver) = watch::channel(false);
        let core = Arc::new(Core::new(settings, listen.into_iter().collect(), answers));
        let lasting = Lasting {
            core: Arc::clone(&core),
            incoming,
            offsets: Arc::new(Offsets::default()),
            more: more_receiver,
            closing: closing_receiver,
        };
        let answering = tokio::spawn(connection::answering(Arc::clone(&core), replies));
        tokio::spawn(async move {
            connection::keep(lasting).await;
            answering.abort();
        });
        (Self { core, more, closing: Arc::new(closing) }, receiver)
    }

    /// Calls a method and waits for its result, and before that, within the same time, for a connection.
    ///
    /// # Errors
    /// See [`CallError`]. After a time-out of a usual call the caller hears of it only after a random pause, and the
    /// method has twice the time from then on.
    pub async fn call(&self, request: Request) -> Result<Value, CallError> {
        let started = Instant::now();
        let timeout = match request.timeout {
            Timeout::Exactly(timeout) => timeout,
            Timeout::Usual => self.core.patience().timeout(request.namespace.as_deref(), &request.method),
        };
        let outcome = self.ask(&request, started, timeout).await;
        let ended = match &outcome {
            Ok(_) => Ended::Answered,
            Err(CallError::Timeout { .. }) => Ended::TimedOut,
            Err(_) => Ended::Failed,
        };
        self.core.meter.called(&request.topic, &request.method, started.elapsed(), ended);
        if ended == Ended::TimedOut && request.timeout == Timeout::Usual {
            let pause = {
                let mut patience = self.core.patience();
                patience.timed_out(request.namespace.as_deref(), &request.method, timeout);
                patience.pause(timeout, chance())
            };
            let mut link = self.link();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = link.wait_for(|link| link.state == LinkState::Closed) => {}
            }
        }
        outcome
    }

    /// Sends a request that nobody answers. `Ok` means that the broker has it, not that anybody listens. It waits for
    /// a connection as long as a call would.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn cast(&self, request: Request) -> Result<(), CallError> {
        let (exchange, key) = self.way(&request)?;
        self.tell(&request, exchange, key).await
    }

    /// Sends a request to everybody who listens on its topic.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn fanout(&self, request: Request) -> Result<(), CallError> {
        let exchange = topology::fanout(&self.core.settings, &request.topic);
        fits(&exchange.name)?;
        self.tell(&request, exchange, String::new()).await
    }

    /// How the connection stands, now and later.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.core.link.subscribe()
    }

    /// Listens on one more topic, from now on and on every later connection. A topic that is listened on already gets
    /// the further endpoints.
    pub fn listen_more(&self, listen: Listen) {
        // The other end is gone only when the bus is closed.
        let _ = self.more.send(listen);
    }

    pub fn counters(&self) -> Counters {
        self.core.meter.counters()
    }

    /// Ends waiting calls, deletes our fanout and reply queues, and closes the connection. The receiver of incoming
    /// messages ends.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let mut link = self.link();
        // The sender lives as long as this bus.
        let _ = link.wait_for(|link| link.state == LinkState::Closed).await;
    }

    async fn ask(&self, request: &Request, started: Instant, timeout: Duration) -> Result<Value, CallError> {
        let deadline = started + timeout;
        let (exchange, key) = self.way(request)?;
        let id = identifier();
        let (_place, outcome) = self.core.waiting.enter(&id, &request.topic, &request.method);
        let queue = self.core.names().reply().to_owned();
        let message = Outgoing {
            exchange: Some(exchange),
            key,
            body: body(request, Some((&queue, &id))),
            expiry: Some(Expiry { whole: timeout, deadline }),
            mandatory: false,
        };
        let given_up = async {
            match self.core.send(&message, deadline).await {
                Ok((_, epoch)) => self.core.waiting.sent(&id, epoch),
                Err(error) => return self.unsent(request, error, timeout),
            }
            tokio::time::sleep_until(deadline.into()).await;
            self.unsent(request, SendError::NoLink, timeout)
        };
        // The answer may overtake the broker's confirmation of the request.
        tokio::select! {
            biased;
            outcome = outcome => outcome.unwrap_or(Err(CallError::Closed)),
            error = given_up => Err(error),
        }
    }

    async fn tell(&self, request: &Request, exchange: Exchange, key: String) -> Result<(), CallError> {
        let message = Outgoing {
            exchange: Some(exchange),
            key,
            body: body(request, None),
            expiry: None,
            mandatory: false,
        };
        let timeout = match request.timeout {
            Timeout::Usual => self.core.settings.response_timeout,
            Timeout::Exactly(timeout) => timeout,
        };
        let sent = self.core.send(&message, Instant::now() + timeout).await;
        sent.map(drop).map_err(|error| self.unsent(request, error, timeout))
    }

    /// The exchange and the routing key of a request.
    fn way(&self, request: &Request) -> Result<(Exchange, String), CallError> {
        let key = match &request.server {
            Some(server) => topology::server(&request.topic, server),
            None => request.topic.clone(),
        };
        fits(&key)?;
        Ok((topology::control(&self.core.settings), key))
    }

    /// Time is up, or the message cannot go: with a connection the other side was too slow, without one it was not
    /// asked.
    fn unsent(&self, request: &Request, error: SendError, after: Duration) -> CallError {
        let (topic, method) = (request.topic.clone(), request.method.clone());
        match error {
            SendError::Closed => CallError::Closed,
            SendError::Refused(why) => {
                CallError::Send(format!("{method} of {topic} could not be sent: {why}"))
            }
            SendError::NoLink if self.core.link.borrow().is_up() => {
                CallError::Timeout { topic, method, after }
            }
            SendError::NoLink => CallError::NoLink { topic, method, why: self.core.why() },
        }
    }
}

fn body(request: &Request, reply_to: Option<(&str, &str)>) -> Vec<u8> {
    let request_id = format!("req-{}", Uuid::new_v4());
    debug!(topic = request.topic, method = request.method, request_id, "sending");
    envelope::request(&RequestFields {
        namespace: request.namespace.as_deref(),
        method: &request.method,
        version: request.version,
        args: &request.args,
        unique_id: &identifier(),
        reply_to,
        request_id: &request_id,
        timestamp: &clock::timestamp(SystemTime::now()),
    })
}

fn fits(name: &str) -> Result<(), CallError> {
    match name.len() > LONGEST_NAME {
        true => Err(CallError::TooLong(name.chars().take(80).collect())),
        false => Ok(()),
    }
}

/// 32 hexadecimal digits.
fn identifier() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Between 0 and 1.
fn chance() -> f64 {
    f64::from(Uuid::new_v4().as_u64_pair().1 as u32) / f64::from(u32::MAX)
}
