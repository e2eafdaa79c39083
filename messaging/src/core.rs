//! What the handle, the connection and the tasks share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::timeout_at;
use tracing::info;

use crate::answer::Reply;
use crate::backoff::Patience;
use crate::connection::publish::{Delivered, Outgoing, PublishError, Publisher};
use crate::counters::Meter;
use crate::duplicates::Duplicates;
use crate::link::{Link, LinkState};
use crate::listen::Listens;
use crate::names::Names;
use crate::settings::Settings;
use crate::waiting::Waiting;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) meter: Meter,
    pub(crate) waiting: Waiting,
    pub(crate) link: watch::Sender<Link>,
    /// Where answers go out.
    pub(crate) answers: mpsc::UnboundedSender<Reply>,
    patience: Mutex<Patience>,
    names: Mutex<Names>,
    listens: Mutex<Listens>,
    duplicates: Mutex<Duplicates>,
    /// Set while the broker takes messages.
    publisher: watch::Sender<Option<Arc<Publisher>>>,
}

/// Why a message was not handed to a broker.
#[derive(Debug)]
pub(crate) enum SendError {
    /// There was no connection that takes messages until the deadline.
    NoLink,
    Closed,
    /// The broker refused it: its reason.
    Refused(String),
}

impl Core {
    pub(crate) fn new(settings: Settings, listens: Listens, answers: mpsc::UnboundedSender<Reply>) -> Self {
        Self {
            patience: Mutex::new(Patience::new(settings.response_timeout, settings.response_max_timeout)),
            names: Mutex::new(Names::new(settings.queues.manager.clone())),
            listens: Mutex::new(listens),
            duplicates: Mutex::default(),
            meter: Meter::default(),
            waiting: Waiting::default(),
            link: watch::Sender::new(Link::initial()),
            publisher: watch::Sender::new(None),
            settings,
            answers,
        }
    }

    pub(crate) fn patience(&self) -> MutexGuard<'_, Patience> {
        lock(&self.patience)
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.names)
    }

    pub(crate) fn listens(&self) -> MutexGuard<'_, Listens> {
        lock(&self.listens)
    }

    pub(crate) fn duplicates(&self) -> MutexGuard<'_, Duplicates> {
        lock(&self.duplicates)
    }

    /// Hands a message to the broker, over as many connections as it takes. Returns on which one it went.
    pub(crate) async fn send(
        &self,
        message: &Outgoing,
        deadline: Instant,
    ) -> Result<(Delivered, u64), SendError> {
        let mut spent: Option<Arc<Publisher>> = None;
        loop {
            let publisher = self.usable(spent.as_ref(), deadline).await?;
            match timeout_at(deadline.into(), publisher.publish(message)).await {
                Err(_) => return Err(SendError::NoLink),
                Ok(Err(PublishError::Lost)) => spent = Some(publisher),
                Ok(Err(PublishError::Refused(why))) => return Err(SendError::Refused(why)),
                Ok(Ok(delivered)) => {
                    self.meter.sent(message.body.len());
                    return Ok((delivered, publisher.epoch()));
                }
            }
        }
    }

    /// Waits for a way to send that is not the one that is spent.
    async fn usable(
        &self,
        spent: Option<&Arc<Publisher>>,
        deadline: Instant,
    ) -> Result<Arc<Publisher>, SendError> {
        let fresh = |one: &Arc<Publisher>| spent.is_none_or(|spent| !Arc::ptr_eq(spent, one));
        let mut publishers = self.publisher.subscribe();
        let mut link = self.link.subscribe();
        let found = async {
            tokio::select! {
                found = publishers.wait_for(|one| one.as_ref().is_some_and(fresh)) => {
                    found.ok().and_then(|one| one.clone()).ok_or(SendError::Closed)
                }
                _ = link.wait_for(|link| link.state == LinkState::Closed) => Err(SendError::Closed),
            }
        };
        timeout_at(deadline.into(), found).await.unwrap_or(Err(SendError::NoLink))
    }

    /// A connection stands, everything is declared, and messages come. The queue of answers may have `survived` since
    /// the last one.
    pub(crate) fn up(self: &Arc<Self>, publisher: Arc<Publisher>, survived: bool) {
        self.link.send_modify(|link| {
            link.state = LinkState::Up;
            link.epoch = publisher.epoch();
            link.up_since = Some(Instant::now());
        });
        self.publisher.send_replace(Some(publisher));
        self.answers_survived(survived);
    }

    /// The broker lost something of ours, but the connection stands: a gap, from `since` to now.
    pub(crate) fn gap(self: &Arc<Self>, since: Instant, survived: bool) {
        self.link.send_modify(|link| {
            link.epoch += 1;
            link.lost_at = Some(since);
            link.up_since = Some(Instant::now());
        });
        self.answers_survived(survived);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.link.borrow().epoch
    }

    /// The broker takes nothing for a while.
    pub(crate) fn blocked(&self, why: String) {
        self.publisher.send_replace(None);
        self.link.send_modify(|link| link.state = LinkState::Blocked { why });
    }

    pub(crate) fn unblocked(&self, publisher: Arc<Publisher>) {
        self.link.send_modify(|link| link.state = LinkState::Up);
        self.publisher.send_replace(Some(publisher));
    }

    /// There is no connection, and why.
    pub(crate) fn down(&self, why: String) {
        self.publisher.send_replace(None);
        self.link.send_modify(|link| {
            if link.up_since.take().is_some() {
                link.lost_at = Some(Instant::now());
            }
            link.state = LinkState::Connecting { why: Some(why) };
        });
    }

    pub(crate) fn closed(&self) {
        self.publisher.send_replace(None);
        self.link.send_modify(|link| {
            link.state = LinkState::Closed;
            link.up_since = None;
        });
        self.waiting.close();
    }

    /// Why messages do not go out, if that is known.
    pub(crate) fn why(&self) -> Option<String> {
        match &self.link.borrow().state {
            LinkState::Connecting { why } => why.clone(),
            LinkState::Blocked { why } => Some(format!("the message broker takes no messages: {why}")),
            LinkState::Up | LinkState::Closed => None,
        }
    }

    /// When the queue of answers was gone, what was asked before has a last moment for an answer that its sender
    /// repeats, and is then told that there will be none.
    fn answers_survived(self: &Arc<Self>, survived: bool) {
        const LAST_MOMENT: Duration = Duration::from_secs(5);
        let ids = if survived { Vec::new() } else { self.waiting.sent_before(self.epoch()) };
        if ids.is_empty() {
            return;
        }
        info!(
            calls = ids.len(),
            "the message broker forgot the queue of answers; calls under way may be lost"
        );
        let core = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_MOMENT).await;
            core.waiting.lose(&ids);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
