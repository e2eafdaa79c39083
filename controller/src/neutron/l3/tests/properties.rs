//! Whatever happens in whatever order: in the end the machine knows what a fresh one would find out, the
//! server knows what became of floating IPs, and nothing was taken away because an ask failed.

use std::time::{Duration, Instant};

use model::{ObjectRef, Outcome, Report};
use proptest::prelude::*;
use serde_json::Value;

use super::server::{Change, Server, router_id};
use super::{Found, machine, takes_away};
use crate::neutron::fault::Fault;
use crate::neutron::l3::{Ask, L3};
use crate::neutron::role::{Event, Machine};

#[derive(Clone, Copy, Debug)]
enum Step {
    Change(Change),
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

struct Play {
    l3: L3,
    server: Server,
    now: Instant,
    asks: Vec<(Ask, Option<Result<Value, Fault>>)>,
    found: Found,
}

impl Play {
    fn new(server: Server) -> Self {
        Self { l3: machine(), server, now: Instant::now(), asks: Vec::new(), found: Found::default() }
    }

    fn hear(&mut self, event: Event<'_, Ask>) {
        let harmless = matches!(
            event,
            Event::Answer(_, Err(_)) | Event::Gap | Event::Closed | Event::Open | Event::Message(_)
        );
        self.l3.hear(event, self.now);
        let findings = self.l3.findings();
        assert!(!harmless || !findings.iter().any(takes_away), "{findings:?}");
        self.found.take_in(findings);
        self.asks.extend(self.l3.asks(self.now).into_iter().map(|ask| (ask, None)));
        assert!(self.asks.len() <= 12, "{:?}", self.asks);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(change) => self.server.change(change),
            Step::Deliver { which, keep } => {
                if self.server.said.is_empty() {
                    return;
                }
                let which = usize::from(which) % self.server.said.len();
                let message = self.server.said[which].clone();
                if !keep {
                    self.server.said.remove(which);
                }
                self.hear(Event::Message(&message));
            }
            Step::Lose(which) => {
                if !self.server.said.is_empty() {
                    self.server.said.remove(usize::from(which) % self.server.said.len());
                }
            }
            Step::Work(which) => self.work(usize::from(which)),
            Step::Answer { which, good } => {
                if self.asks.is_empty() {
                    return;
                }
                let which = usize::from(which) % self.asks.len();
                if good {
                    self.work(which);
                }
                self.answer(which, good);
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

    fn work(&mut self, which: usize) {
        let count = self.asks.len();
        if let Some((ask, done)) = self.asks.get_mut(which % count.max(1))
            && done.is_none()
        {
            let request = self.l3.request(ask);
            *done = Some(self.server.answer(&request));
        }
    }

    fn answer(&mut self, which: usize, good: bool) {
        let (ask, done) = self.asks.remove(which);
        let failed = || Err(Fault::Timeout(Duration::from_secs(60)));
        let answer = done.filter(|_| good).unwrap_or_else(failed);
        self.hear(Event::Answer(ask, answer));
    }

    /// The engine has looked at everything.
    fn report(&mut self, good: bool) {
        let retry = model::Retry::Soon;
        let outcome = if good { Outcome::Done } else { Outcome::Failed { chain: Vec::new(), retry } };
        let routers = self.found.routers.keys().map(|id| (ObjectRef::Router(*id), outcome.clone()));
        let report = Report(routers.collect());
        self.hear(Event::Report(&report));
    }

    /// Everything that was said and has not arrived is lost, the machine hears that there is a gap, and from
    /// now on all is well; but what was on its way arrives, in whatever order.
    fn come_to_rest(&mut self, mut chance: u64) {
        self.server.said.clear();
        self.hear(Event::Gap);
        self.hear(Event::Open);
        let mut reported = false;
        for _ in 0..2000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let which = usize::from((chance >> 32) as u16);
            if !self.asks.is_empty() {
                let which = which % self.asks.len();
                self.work(which);
                if chance >> 63 == 0 {
                    self.answer(which, true);
                }
            } else if let Some(due) = self.l3.due() {
                self.now = self.now.max(due);
                self.hear(Event::Tick);
            } else if reported {
                return;
            } else {
                self.report(true);
                reported = true;
            }
        }
        panic!("no rest: {:?}", self.l3);
    }
}

fn change() -> impl Strategy<Value = Change> {
    let r = || 0..3_u8;
    let f = || 1..4_u8;
    prop_oneof![
        4 => r().prop_map(Change::Router),
        2 => (r(), any::<bool>()).prop_map(|(r, ours)| Change::Ours(r, ours)),
        1 => (r(), any::<bool>()).prop_map(|(r, up)| Change::Up(r, up)),
        1 => (r(), prop::bool::weighted(0.3)).prop_map(|(r, ha)| Change::Ha(r, ha)),
        4 => (r(), 0..3_u8).prop_map(|(r, n)| Change::Leg(r, n)),
        1 => (r(), 0..3_u8).prop_map(|(r, n)| Change::DropLeg(r, n)),
        4 => (r(), f(), 1..9_u8).prop_map(|(r, f, fixed)| Change::Floating(r, f, fixed)),
        2 => f().prop_map(Change::DropFloating),
        4 => (r(), f(), 1..9_u16).prop_map(|(r, f, port)| Change::Forwarding(r, f, port)),
        2 => (0..3_u8, 1..9_u16).prop_map(|(which, port)| Change::Reforward(which, port)),
        2 => (0..3_u8).prop_map(Change::DropForwarding),
        1 => (0..3_u8).prop_map(Change::Mtu),
        1 => r().prop_map(Change::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => change().prop_map(Step::Change),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_disorder_ends_as_a_fresh_start(
        steps in prop::collection::vec(step(), 0..80),
        chance in any::<u64>(),
    ) {
        let mut play = Play::new(Server::default());
        steps.into_iter().for_each(|step| play.step(step));
        play.come_to_rest(chance);
        prop_assert!(play.found.complete);

        let mut fresh = Play::new(play.server.clone());
        fresh.come_to_rest(chance);
        // What was run before it became more than this node can do goes on as it is.
        let alone: Vec<_> = play.l3.left_alone().collect();
        let of_one_left_alone: Vec<_> =
            alone.iter().filter_map(|id| play.found.routers.remove(id)).collect();
        for router in of_one_left_alone {
            let legs = router.interfaces.iter().chain(router.gateway.iter().map(|gateway| &gateway.interface));
            legs.for_each(|leg| _ = play.found.ports.remove(&leg.port));
        }
        prop_assert_eq!(&play.found, &fresh.found);

        for (r, router) in &play.server.routers {
            if !play.found.routers.contains_key(&router_id(*r)) {
                continue;
            }
            prop_assert!(router.ours && router.up);
            for f in router.floating.keys().chain(router.forwarded.keys()) {
                prop_assert_eq!(&play.server.statuses[f], "ACTIVE");
            }
        }
    }
}
