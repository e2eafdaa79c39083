//! A machine played against a small model of the server, with every disorder that messages and answers can come in:
//! what the property tests of the machines share.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use model::Report;
use proptest::prelude::*;
use serde_json::Value;

use super::fault::Fault;
use super::finding::Finding;
use super::role::{Event, Machine, Message, Request};

/// The server, and what the machine found out: what differs from machine to machine.
pub(crate) trait World {
    type Machine: Machine<Ask: Clone> + Debug;
    type Change: Copy + Debug;
    /// Findings put together.
    type Found: Default;

    /// Somebody changes something at the server, which may say so.
    fn change(&mut self, change: Self::Change);
    /// What the server has said and has not arrived.
    fn said(&mut self) -> &mut Vec<Message>;
    fn answer(&mut self, request: &Request) -> Result<Value, Fault>;

    fn machine() -> Self::Machine;
    fn take_in(found: &mut Self::Found, findings: Vec<Finding>);
    fn takes_away(finding: &Finding) -> bool;
    /// Whether nothing may be taken away because of an event.
    fn is_harmless(event: &Event<'_, <Self::Machine as Machine>::Ask>) -> bool;
    /// The engine has looked at everything.
    fn report(found: &Self::Found, good: bool) -> Report;
}

/// Whatever can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<C> {
    Change(C),
    /// A message arrives, and maybe again later.
    Deliver {
        which: u8,
        keep: bool,
    },
    Lose(u8),
    /// The server carries out a call.
    Work(u8),
    /// An answer arrives, or a time-out instead of it.
    Answer {
        which: u8,
        good: bool,
    },
    Wait(u16),
    Gap,
    Closed,
    Open,
    Report(bool),
}

/// An ask, and what the server answered when it has carried it out.
type Asked<M> = (<M as Machine>::Ask, Option<Result<Value, Fault>>);

/// So many asks a machine may have open.
const MOST_ASKS: usize = 12;

pub(crate) struct Play<W: World> {
    pub(crate) machine: W::Machine,
    pub(crate) world: W,
    pub(crate) found: W::Found,
    now: Instant,
    asks: Vec<Asked<W::Machine>>,
}

impl<W: World> Play<W> {
    pub(crate) fn new(world: W) -> Self {
        let found = W::Found::default();
        Self { machine: W::machine(), world, found, now: Instant::now(), asks: Vec::new() }
    }

    fn hear(&mut self, event: Event<'_, <W::Machine as Machine>::Ask>) {
        let harmless = W::is_harmless(&event);
        self.machine.hear(event, self.now);
        let findings = self.machine.findings();
        assert!(!harmless || !findings.iter().any(W::takes_away), "{findings:?}");
        W::take_in(&mut self.found, findings);
        self.asks.extend(self.machine.asks(self.now).into_iter().map(|ask| (ask, None)));
        assert!(self.asks.len() <= MOST_ASKS, "{:?}", self.asks);
    }

    pub(crate) fn step(&mut self, step: Step<W::Change>) {
        match step {
            Step::Change(change) => self.world.change(change),
            Step::Deliver { which, keep } => self.deliver(usize::from(which), keep),
            Step::Lose(which) => {
                let said = self.world.said();
                if !said.is_empty() {
                    said.remove(usize::from(which) % said.len());
                }
            }
            Step::Work(which) => self.work(usize::from(which)),
            Step::Answer { which, good } => {
                if good {
                    self.work(usize::from(which));
                }
                self.answer(usize::from(which), good);
            }
            Step::Wait(milliseconds) => {
                self.now += Duration::from_millis(milliseconds.into());
                self.hear(Event::Tick);
            }
            Step::Gap => self.hear(Event::Gap),
            Step::Closed => {
                self.hear(Event::Closed);
                while !self.asks.is_empty() {
                    self.answer(0, false);
                }
            }
            Step::Open => self.hear(Event::Open),
            Step::Report(good) => self.report(good),
        }
    }

    fn deliver(&mut self, which: usize, keep: bool) {
        let said = self.world.said();
        if said.is_empty() {
            return;
        }
        let which = which % said.len();
        let message = if keep { said[which].clone() } else { said.remove(which) };
        self.hear(Event::Message(&message));
    }

    fn work(&mut self, which: usize) {
        let count = self.asks.len();
        if let Some((ask, done)) = self.asks.get_mut(which % count.max(1))
            && done.is_none()
        {
            let request = self.machine.request(ask);
            *done = Some(self.world.answer(&request));
        }
    }

    fn answer(&mut self, which: usize, good: bool) {
        if self.asks.is_empty() {
            return;
        }
        let (ask, done) = self.asks.remove(which % self.asks.len());
        let failed = || Err(Fault::Timeout(Duration::from_secs(60)));
        let answer = done.filter(|_| good).unwrap_or_else(failed);
        self.hear(Event::Answer(ask, answer));
    }

    fn report(&mut self, good: bool) {
        let report = W::report(&self.found, good);
        self.hear(Event::Report(&report));
    }

    /// Everything that was said and has not arrived is lost, the machine hears that there is a gap, and from
    /// now on all is well; but what was on its way arrives, in whatever order.
    pub(crate) fn come_to_rest(&mut self, mut chance: u64) {
        self.world.said().clear();
        self.hear(Event::Gap);
        self.hear(Event::Open);
        let mut reported = false;
        for _ in 0..2000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let which = usize::from((chance >> 32) as u16);
            if !self.asks.is_empty() && chance >> 63 == 0 {
                self.work(which);
            } else if !self.world.said().is_empty() {
                self.deliver(which, false);
            } else if !self.asks.is_empty() {
                self.work(which);
                self.answer(which, true);
            } else if let Some(due) = self.machine.due() {
                self.now = self.now.max(due);
                self.hear(Event::Tick);
                self.report(true);
            } else if reported {
                return;
            } else {
                self.report(true);
                reported = true;
            }
        }
        panic!("no rest: {:?}", self.machine);
    }
}

/// Steps of all kinds, with the changes that are given.
pub(crate) fn step<C: Copy + Debug>(change: impl Strategy<Value = C>) -> impl Strategy<Value = Step<C>> {
    prop_oneof![
        8 => change.prop_map(Step::Change),
        8 => (any::<u8>(), prop::bool::weighted(0.2)).prop_map(|(which, keep)| Step::Deliver { which, keep }),
        1 => any::<u8>().prop_map(Step::Lose),
        4 => any::<u8>().prop_map(Step::Work),
        8 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(which, good)| Step::Answer { which, good }),
        3 => (0..6000_u16).prop_map(Step::Wait),
        1 => Just(Step::Gap),
        1 => Just(Step::Closed),
        3 => Just(Step::Open),
        3 => prop::bool::weighted(0.8).prop_map(Step::Report),
    ]
}
