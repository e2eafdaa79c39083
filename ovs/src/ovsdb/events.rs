//! What happened, for one reader. The backlog is bounded: it holds at most one change per row, from what the reader
//! knows to what is so, however far behind the reader is. A reader that is late sees fewer steps, never a wrong end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use super::error::Error;
use super::replica::RowChange;
use super::row::Row;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The connection is up and the replica is that of the server. Rows that changed meanwhile come as
    /// [`Event::Changed`] after this; at the first connection those are all rows.
    Connected,
    /// The connection is gone, or an attempt to make one failed. The replica stays as it was last seen.
    Disconnected { why: Arc<Error> },
    /// Rows changed. In no particular order; one entry per row.
    Changed(Vec<RowChange>),
}

/// The reading end. Dropping it is fine: then nothing is kept.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
}

impl Events {
    /// The next event, or none when the client is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let notified = self.queue.notify.notified();
            {
                let mut backlog = self.queue.lock();
                if let Some(event) = backlog.take() {
                    return Some(event);
                }
                if backlog.closed {
                    return None;
                }
            }
            notified.await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut backlog = self.queue.lock();
        *backlog = Backlog { unread: true, ..Backlog::default() };
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct EventSink {
    queue: Arc<Queue>,
}

pub(crate) fn channel() -> (EventSink, Events) {
    let queue = Arc::new(Queue::default());
    (EventSink { queue: queue.clone() }, Events { queue })
}

impl EventSink {
    pub(crate) fn connected(&self, changes: Vec<RowChange>) {
        self.add(|backlog| {
            backlog.connected = true;
            backlog.merge(changes);
        });
    }

    pub(crate) fn disconnected(&self, why: Arc<Error>) {
        self.add(|backlog| {
            backlog.connected = false;
            backlog.disconnected = Some(why);
        });
    }

    pub(crate) fn changed(&self, changes: Vec<RowChange>) {
        if !changes.is_empty() {
            self.add(|backlog| backlog.merge(changes));
        }
    }

    fn add(&self, change: impl FnOnce(&mut Backlog)) {
        let mut backlog = self.queue.lock();
        if !backlog.unread {
            change(&mut backlog);
            self.queue.notify.notify_one();
        }
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.notify.notify_one();
    }
}

#[derive(Debug, Default)]
struct Queue {
    backlog: Mutex<Backlog>,
    notify: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Backlog {
    disconnected: Option<Arc<Error>>,
    connected: bool,
    changes: BTreeMap<(Arc<str>, Uuid), Sides>,
    closed: bool,
    unread: bool,
}

#[derive(Debug)]
struct Sides {
    old: Option<Arc<Row>>,
    new: Option<Arc<Row>>,
}

impl Backlog {
    fn take(&mut self) -> Option<Event> {
        if let Some(why) = self.disconnected.take() {
            return Some(Event::Disconnected { why });
        }
        if std::mem::take(&mut self.connected) {
            return Some(Event::Connected);
        }
        if self.changes.is_empty() {
            return None;
        }
        let changes = std::mem::take(&mut self.changes).into_iter();
        let change = |((table, uuid), Sides { old, new }): ((Arc<str>, Uuid), Sides)| RowChange {
            table,
            uuid,
            old,
            new,
        };
        Some(Event::Changed(changes.map(change).collect()))
    }

    fn merge(&mut self, changes: Vec<RowChange>) {
        for RowChange { table, uuid, old, new } in changes {
            let key = (table, uuid);
            match self.changes.get_mut(&key) {
                None => {
                    self.changes.insert(key, Sides { old, new });
                }
                Some(sides) if sides.old == new => {
                    self.changes.remove(&key);
                }
                Some(sides) => sides.new = new,
            }
        }
    }
}
