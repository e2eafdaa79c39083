//! Whatever happens in whatever order: in the end the machine knows what a fresh one would find out, our
//! ports are there, guests may go, and nothing was taken away because an ask failed.

use std::time::{Duration, Instant};

use model::{ObjectRef, Outcome, Report};
use proptest::prelude::*;
use serde_json::Value;

use super::server::{Change, Server, network_id, port_id};
use super::{Found, machine, start, takes_away};
use crate::neutron::dhcp::{Ask, Dhcp};
use crate::neutron::fault::Fault;
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
    Report,
}

struct Play {
    dhcp: Dhcp,
    server: Server,
    now: Instant,
    asks: Vec<(Ask, Option<Result<Value, Fault>>)>,
    found: Found,
}

impl Play {
    fn new(server: Server) -> Self {
        Self { dhcp: machine(), server, now: start(), asks: Vec::new(), found: Found::default() }
    }

    fn hear(&mut self, event: Event<'_, Ask>) {
        let harmless = matches!(event, Event::Answer(_, Err(_)) | Event::Gap | Event::Closed | Event::Open);
        if std::env::var("DBG").is_ok() {
            eprintln!("HEAR {:.200}", format!("{event:?}"));
        }
        self.dhcp.hear(event, self.now);
        let findings = self.dhcp.findings();
        assert!(!harmless || !findings.iter().any(takes_away), "{findings:?}");
        self.found.take_in(findings);
        self.ask();
    }

    fn ask(&mut self) {
        self.asks.extend(self.dhcp.asks(self.now).into_iter().map(|ask| (ask, None)));
        if std::env::var("DBG").is_ok() {
            eprintln!("OPEN {:.400}", format!("{:?}", self.asks));
        }
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
            Step::Report => self.report(),
        }
    }

    fn work(&mut self, which: usize) {
        let count = self.asks.len();
        if let Some((ask, done)) = self.asks.get_mut(which % count.max(1))
            && done.is_none()
        {
            let request = self.dhcp.request(ask);
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
    fn report(&mut self) {
        let networks = self.found.networks.keys().map(|id| ObjectRef::Network(*id));
        let ports = self.found.ports.keys().map(|id| ObjectRef::Port(*id));
        let objects = networks.chain(ports).map(|object| (object, Outcome::Done));
        let report = Report(objects.collect());
        self.hear(Event::Report(&report));
    }

    /// Everything that was said and has not arrived is lost, the machine hears that there is a gap, and from
    /// now on all is well; but what was on its way arrives, in whatever order.
    fn come_to_rest(&mut self, mut chance: u64) {
        self.server.said.clear();
        self.hear(Event::Gap);
        self.hear(Event::Open);
        for _ in 0..2000 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let which = usize::from((chance >> 32) as u16);
            if !self.asks.is_empty() && chance >> 63 == 0 {
                let which = which % self.asks.len();
                self.work(which);
            } else if !self.server.said.is_empty() {
                let which = which % self.server.said.len();
                let message = self.server.said.remove(which);
                self.hear(Event::Message(&message));
            } else if !self.asks.is_empty() {
                let which = which % self.asks.len();
                self.work(which);
                self.answer(which, true);
            } else if let Some(due) = self.dhcp.due() {
                self.now = self.now.max(due);
                self.hear(Event::Tick);
                self.report();
            } else {
                return self.report_and_tell();
            }
        }
        panic!("no rest: {:?}", self.dhcp);
    }

    fn report_and_tell(&mut self) {
        self.report();
        for _ in 0..200 {
            if !self.asks.is_empty() {
                self.work(0);
                self.answer(0, true);
            } else if let Some(due) = self.dhcp.due() {
                self.now = self.now.max(due);
                self.hear(Event::Tick);
            } else {
                return;
            }
        }
        panic!("never done telling: {:?}", self.dhcp);
    }
}

fn change() -> impl Strategy<Value = Change> {
    let n = || 0..3_u8;
    prop_oneof![
        4 => n().prop_map(Change::Network),
        6 => (n(), 0..2_u8, prop::bool::weighted(0.8)).prop_map(|(n, s, dhcp)| Change::Subnet(n, s, dhcp)),
        1 => (n(), 0..2_u8).prop_map(|(n, s)| Change::DropSubnet(n, s)),
        1 => (n(), any::<bool>()).prop_map(|(n, up)| Change::Up(n, up)),
        1 => n().prop_map(Change::Mtu),
        2 => (n(), any::<bool>()).prop_map(|(n, ours)| Change::Ours(n, ours)),
        1 => n().prop_map(Change::DropNetwork),
        6 => n().prop_map(Change::Port),
        1 => n().prop_map(Change::FloatingIp),
        2 => (0..6_u8).prop_map(Change::Readdress),
        2 => (0..6_u8).prop_map(Change::DropPort),
        1 => n().prop_map(Change::DropOwn),
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
        2 => Just(Step::Report),
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
        prop_assert_eq!(&play.found, &fresh.found);

        for (n, net) in &play.server.networks {
            let served = net.ours && net.up && net.subnets.values().any(|dhcp| *dhcp);
            prop_assert_eq!(served, play.found.networks.contains_key(&network_id(*n)));
            let own = play.found.own.values().filter(|own| own.port.network == network_id(*n));
            prop_assert_eq!(usize::from(served), own.count());
            let here = play.server.ports.values().filter(|port| port.network == *n);
            let ours = here.filter(|port| port.device.starts_with("dhcp")).count();
            if !served {
                prop_assert_eq!(ours, 0, "our port was not given back");
                continue;
            }
            for (id, port) in play.server.ports.iter().filter(|(_, port)| port.network == *n) {
                let served = port.addresses.keys().any(|subnet| net.subnets[subnet]);
                if served && play.found.ports.contains_key(&port_id(*id)) {
                    prop_assert!(play.server.ready.contains(id), "port {} was not called ready", id);
                }
            }
        }
    }
}
