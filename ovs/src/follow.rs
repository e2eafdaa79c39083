//! The task that follows the switch's database: it keeps the rows in step, wakes whom a change concerns,
//! and hands out copies of the rows as they are after everything that has been heard of.

use std::sync::Arc;

use futures::FutureExt as _;
use model::{Scope, SwitchFacts};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, trace};

use crate::error::Error;
use crate::links::{Links, Wake};
use crate::ovsdb::{self, Event};
use crate::rows::{Change, Rows};
use crate::spec::NodeSpec;
use crate::wakes::wakes;

/// Asks for the rows.
pub(crate) type Request = oneshot::Sender<Result<Rows, Error>>;

/// See the head of this module.
pub(crate) struct Follower {
    events: ovsdb::Events,
    node: Arc<NodeSpec>,
    links: Arc<Links>,
    wake: Wake,
    facts: watch::Sender<SwitchFacts>,
    rows: Rows,
    state: State,
    /// Those who asked before it was known whether there is a database.
    early: Vec<Request>,
}

enum State {
    Starting,
    Connected,
    Away(Arc<ovsdb::Error>),
}

impl Follower {
    pub(crate) fn new(
        events: ovsdb::Events,
        node: Arc<NodeSpec>,
        links: Arc<Links>,
        wake: Wake,
        facts: watch::Sender<SwitchFacts>,
    ) -> Self {
        let (rows, state) = (Rows::default(), State::Starting);
        Self { events, node, links, wake, facts, rows, state, early: Vec::new() }
    }

    /// Runs until nobody can ask any more.
    pub(crate) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => self.handle(event),
                    None => return,
                },
                request = requests.recv() => match request {
                    Some(request) => self.answer(request),
                    None => return,
                },
            }
        }
    }

    /// First takes up what has already been heard: what our own last transaction did is part of it.
    fn answer(&mut self, request: Request) {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            self.handle(event);
        }
        self.give(request);
    }

    fn give(&mut self, request: Request) {
        // Who asked may have gone.
        let _ = match &self.state {
            State::Starting => return self.early.push(request),
            State::Connected => request.send(Ok(self.rows.clone())),
            State::Away(why) => request.send(Err(Error::Database(why.clone()))),
        };
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected(),
            Event::Changed(changes) => {
                let changes = self.rows.follow(&changes);
                self.nudge(&changes);
                self.wake_for(&changes);
                self.tell_facts();
            }
            Event::Disconnected { why } => {
                if !matches!(self.state, State::Away(_)) {
                    // The client has said so in the log, and the next look at the switch reports it.
                    (self.wake)(Scope::All);
                }
                self.state = State::Away(why);
                self.facts.send_modify(|facts| facts.alive = false);
            }
        }
        if !matches!(self.state, State::Starting) {
            for request in std::mem::take(&mut self.early) {
                self.give(request);
            }
        }
    }

    /// The rows that changed while there was no connection come in one event right behind; they are
    /// taken up here, so that nobody sees the rows of before.
    fn connected(&mut self) {
        match self.events.next().now_or_never().flatten() {
            Some(Event::Changed(changes)) => {
                let changes = self.rows.follow(&changes);
                self.nudge(&changes);
            }
            Some(other) => return self.handle(other),
            None => {}
        }
        info!(rows = ?self.rows, "connected to the switch's database");
        self.state = State::Connected;
        self.tell_facts();
        // Who has been waiting for this looks at everything now, and needs no wake.
        if self.early.is_empty() {
            (self.wake)(Scope::All);
        }
    }

    fn tell_facts(&self) {
        if matches!(self.state, State::Connected) {
            let facts = self.rows.facts();
            self.facts.send_if_modified(|before| {
                let differs = *before != facts;
                *before = facts;
                differs
            });
        }
    }

    /// A bridge that vswitchd has just made has its socket now. (The column is empty until then, and for
    /// a while after a restart of the database.) One that gets another `fail_mode` loses its flows.
    fn nudge(&self, changes: &[Change]) {
        for change in changes {
            let Change::Bridge(old, Some(new)) = change else { continue };
            if old.as_ref().is_some_and(|old| old.fail_mode != new.fail_mode) {
                self.links.alarm(&new.name);
            }
            if old.as_ref().is_none_or(|old| old.datapath_id != new.datapath_id) {
                self.links.nudge(&new.name);
            }
        }
    }

    fn wake_for(&self, changes: &[Change]) {
        if !matches!(self.state, State::Connected) {
            return;
        }
        match wakes(changes, &self.rows, &self.node) {
            Scope::Objects(objects) if objects.is_empty() => {}
            scope => {
                trace!(?scope, "rows changed");
                (self.wake)(scope);
            }
        }
    }
}
