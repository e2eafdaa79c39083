//! Sending answers. A caller whose queue is gone for the moment may come back with it; one that does not is remembered
//! for a while, so that it costs nothing more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::publish::{Delivered, Outgoing};
use crate::answer::{Reply, ReplyTo};
use crate::core::{Core, SendError};
use crate::envelope;

/// How long, and how often, an answer is tried.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);
/// How many answers may be on their way at once.
const MOST: usize = 1000;

/// Sends answers as they come, until the sender's end is dropped or the task ended.
pub(crate) async fn answering(core: Arc<Core>, mut replies: mpsc::UnboundedReceiver<Reply>) {
    let gone = Arc::new(Gone::default());
    let mut on_their_way = JoinSet::new();
    while let Some(reply) = replies.recv().await {
        while on_their_way.try_join_next().is_some() {}
        let ReplyTo { queue, topic, method, .. } = &reply.to;
        if on_their_way.len() >= MOST {
            warn!(topic, method, queue, "an answer is dropped: {MOST} wait to be delivered");
        } else if gone.contains(queue) {
            debug!(topic, method, queue, "an answer is dropped: its caller is gone");
        } else {
            on_their_way.spawn(deliver(Arc::clone(&core), Arc::clone(&gone), reply));
        }
    }
}

async fn deliver(core: Arc<Core>, gone: Arc<Gone>, reply: Reply) {
    let Reply { to, result } = reply;
    let ReplyTo { queue, message_id, topic, method } = to;
    if let Err(failure) = &result {
        debug!(topic, method, "answering with a failure: {failure}");
    }
    let message = Outgoing {
        exchange: None,
        key: queue.clone(),
        body: envelope::reply(&message_id, &Uuid::new_v4().simple().to_string(), &result),
        expiry: None,
        mandatory: true,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match core.send(&message, deadline).await {
            Ok((Delivered::Taken, _)) | Err(SendError::Closed) => return,
            Ok((Delivered::Returned, _)) => core.meter.returned(),
            Err(SendError::NoLink) => return debug!(topic, method, queue, "an answer was not sent in time"),
            Err(SendError::Refused(why)) => {
                return warn!(topic, method, queue, "an answer was not sent: {why}");
            }
        }
        if Instant::now() + PAUSE >= deadline {
            info!(topic, method, queue, "an answer was not delivered: its caller is gone");
            return gone.insert(queue);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Queues that answers were returned from for too long.
#[derive(Debug, Default)]
struct Gone(Mutex<HashMap<String, Instant>>);

impl Gone {
    const REMEMBERED: usize = 200;

    fn contains(&self, queue: &str) -> bool {
        self.lock().get(queue).is_some_and(|since| since.elapsed() < PATIENCE)
    }

    fn insert(&self, queue: String) {
        let mut queues = self.lock();
        queues.retain(|_, since| since.elapsed() < PATIENCE);
        if queues.len() < Self::REMEMBERED {
            queues.insert(queue, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
