//! Whatever happens in whatever order: in the end the machine knows what a fresh one would find out, our
//! ports are there, guests may go, and nothing was taken away because an ask failed.

use model::{ObjectRef, Outcome, Report, Retry};
use proptest::prelude::*;
use serde_json::Value;

use super::server::{Change, Server, network_id, port_id};
use super::{Found, machine, takes_away};
use crate::neutron::dhcp::{Ask, Dhcp};
use crate::neutron::fault::Fault;
use crate::neutron::finding::Finding;
use crate::neutron::play::{Play, World, step};
use crate::neutron::role::{Event, Message, Request};

impl World for Server {
    type Machine = Dhcp;
    type Change = Change;
    type Found = Found;

    fn change(&mut self, change: Change) {
        self.change(change);
    }

    fn said(&mut self) -> &mut Vec<Message> {
        &mut self.said
    }

    fn answer(&mut self, request: &Request) -> Result<Value, Fault> {
        self.answer(request)
    }

    fn machine() -> Dhcp {
        machine()
    }

    fn take_in(found: &mut Found, findings: Vec<Finding>) {
        found.take_in(findings);
    }

    fn takes_away(finding: &Finding) -> bool {
        takes_away(finding)
    }

    fn is_harmless(event: &Event<'_, Ask>) -> bool {
        matches!(event, Event::Answer(_, Err(_)) | Event::Gap | Event::Closed | Event::Open)
    }

    fn report(found: &Found, good: bool) -> Report {
        let retry = Retry::Soon;
        let outcome = if good { Outcome::Done } else { Outcome::Failed { chain: Vec::new(), retry } };
        let networks = found.networks.keys().map(|id| ObjectRef::Network(*id));
        let ports = found.ports.keys().map(|id| ObjectRef::Port(*id));
        Report(networks.chain(ports).map(|object| (object, outcome.clone())).collect())
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_disorder_ends_as_a_fresh_start(
        steps in prop::collection::vec(step(change()), 0..80),
        chance in any::<u64>(),
    ) {
        let mut play = Play::new(Server::default());
        steps.into_iter().for_each(|step| play.step(step));
        play.come_to_rest(chance);
        prop_assert!(play.found.complete);

        let mut fresh = Play::new(play.world.clone());
        fresh.come_to_rest(chance);
        prop_assert_eq!(&play.found, &fresh.found);

        for (n, net) in &play.world.networks {
            let served = net.ours && net.up && net.subnets.values().any(|dhcp| *dhcp);
            prop_assert_eq!(served, play.found.networks.contains_key(&network_id(*n)));
            let own = play.found.own.values().filter(|own| own.port.network == network_id(*n));
            prop_assert_eq!(usize::from(served), own.count());
            let here = play.world.ports.values().filter(|port| port.network == *n);
            let ours = here.filter(|port| port.device.starts_with("dhcp")).count();
            if !served {
                prop_assert_eq!(ours, 0, "our port was not given back");
                continue;
            }
            for (id, port) in play.world.ports.iter().filter(|(_, port)| port.network == *n) {
                let served = port.addresses.keys().any(|subnet| net.subnets[subnet]);
                if served && play.found.ports.contains_key(&port_id(*id)) {
                    prop_assert!(play.world.ready.contains(id), "port {} was not called ready", id);
                }
            }
        }
    }
}
