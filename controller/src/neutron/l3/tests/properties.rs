//! Whatever happens in whatever order: in the end the machine knows what a fresh one would find out, the
//! server knows what became of floating IPs, and nothing was taken away because an ask failed.

use model::{ObjectRef, Outcome, Report, Retry};
use proptest::prelude::*;
use serde_json::Value;

use super::server::{Change, Server, router_id};
use super::{Found, machine, takes_away};
use crate::neutron::fault::Fault;
use crate::neutron::finding::Finding;
use crate::neutron::l3::{Ask, L3};
use crate::neutron::play::{Play, World, step};
use crate::neutron::role::{Event, Message, Request};

impl World for Server {
    type Machine = L3;
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

    fn machine() -> L3 {
        machine()
    }

    fn take_in(found: &mut Found, findings: Vec<Finding>) {
        found.take_in(findings);
    }

    fn takes_away(finding: &Finding) -> bool {
        takes_away(finding)
    }

    fn is_harmless(event: &Event<'_, Ask>) -> bool {
        let asked = matches!(event, Event::Answer(_, Err(_)) | Event::Gap | Event::Closed | Event::Open);
        asked || matches!(event, Event::Message(_))
    }

    fn report(found: &Found, good: bool) -> Report {
        let retry = Retry::Soon;
        let outcome = if good { Outcome::Done } else { Outcome::Failed { chain: Vec::new(), retry } };
        Report(found.routers.keys().map(|id| (ObjectRef::Router(*id), outcome.clone())).collect())
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
        // What was run before it became more than this node can do goes on as it is.
        let alone: Vec<_> = play.machine.left_alone().collect();
        let of_one_left_alone: Vec<_> =
            alone.iter().filter_map(|id| play.found.routers.remove(id)).collect();
        for router in of_one_left_alone {
            let legs = router.interfaces.iter().chain(router.gateway.iter().map(|gateway| &gateway.interface));
            legs.for_each(|leg| _ = play.found.ports.remove(&leg.port));
        }
        prop_assert_eq!(&play.found, &fresh.found);

        for (r, router) in &play.world.routers {
            if !play.found.routers.contains_key(&router_id(*r)) {
                continue;
            }
            prop_assert!(router.ours && router.up);
            for f in router.floating.keys().chain(router.forwarded.keys()) {
                prop_assert_eq!(&play.world.statuses[f], "ACTIVE");
            }
        }
    }
}
