//! What a step means to the packets that pass this switch: whether it changes what they meet, or only writes
//! down whose something is. Pure.
//!
//! A flow is held against the one in its place, which is known of other programs' flows only when the
//! configuration asks for them ([`crate::Config::foreign_flows`]); one that is not known counts as another.

use model::Effect;

use crate::observe::Actual;
use crate::openflow::{Action, Flow};
use crate::pipeline::spoof_guard;
use crate::pipeline::tables::tunnel::FLOOD_TO_TUN;
use crate::step::{InterfaceChange, PortChange, Step};

/// Why a flood has fewer tunnels than one of Neutron's agent.
pub const FLOOD: &str = "A network that comes to a node is flooded by Neutron to every tunnel that exists, also to \
                         nodes without a port on it. Baryon floods to those that the server named.";

/// Why the check of a neighbour advertisement is another flow.
pub const ADVERTISEMENT: &str = "Open vSwitch 3.1 gives the kernel a flow without the address that is announced, unless \
                                 the code of ICMPv6 is matched as well. Neutron's flow does not match it, so that one right \
                                 advertisement lets wrong ones pass.";

pub(crate) fn effect(step: &Step, have: &Actual) -> Effect {
    match step {
        Step::AddFlow { bridge, flow } => {
            let Some(mirror) = have.flows.get(bridge) else { return Effect::Changes };
            if let Some(before) = mirror.in_place_of(flow) {
                return exchange(before, flow);
            }
            let theirs = spoof_guard::of_neutron(flow);
            let before = theirs.as_ref().and_then(|theirs| Some((mirror.in_place_of(theirs)?, theirs)));
            match before.map(|(before, theirs)| exchange(before, theirs)) {
                Some(Effect::Cookie) => Effect::Differs(ADVERTISEMENT),
                _ => Effect::Changes,
            }
        }
        Step::SetPredecessors { .. } => Effect::Mark,
        Step::SetPort(change) if is_note_of_port(change, have) => Effect::Mark,
        Step::SetInterface(change) if is_note_of_interface(change) => Effect::Mark,
        Step::MakeBridge(_)
        | Step::SetBridge(_)
        | Step::MakePort(_)
        | Step::RemovePort { .. }
        | Step::SetPort(_)
        | Step::SetInterface(_)
        | Step::DeleteFlow { .. }
        | Step::DeleteCookie { .. } => Effect::Changes,
    }
}

fn exchange(before: &Flow, after: &Flow) -> Effect {
    if bare(before) == bare(after) {
        return Effect::Cookie;
    }
    let is_fewer = outputs(after).all(|output| before.actions.contains(output));
    if after.table == FLOOD_TO_TUN && is_fewer && without_outputs(before) == without_outputs(after) {
        return Effect::Differs(FLOOD);
    }
    Effect::Changes
}

/// What it does, without what says whose it is: its own cookie, and that of the flows that it makes.
fn bare(flow: &Flow) -> Flow {
    let mut bare = flow.clone().cookie(0);
    for action in &mut bare.actions {
        if let Action::Learn(learn) = action {
            learn.cookie = 0;
        }
    }
    // At the end, to look a table up and come back is to go on there.
    if let Some(Action::Resubmit { port: None, table: Some(table) }) = bare.actions.last() {
        let onwards = Action::GotoTable(*table);
        bare.actions.pop();
        bare.actions.push(onwards);
    }
    // A flood does not depend on the order of its tunnels.
    if bare.table == FLOOD_TO_TUN && bare.actions.iter().any(is_output) {
        bare.actions.sort();
    }
    bare
}

fn is_output(action: &Action) -> bool {
    matches!(action, Action::Output(_))
}

fn outputs(flow: &Flow) -> impl Iterator<Item = &Action> {
    flow.actions.iter().filter(|action| is_output(action))
}

fn without_outputs(flow: &Flow) -> Flow {
    let mut rest = bare(flow);
    rest.actions.retain(|action| !is_output(action));
    rest
}

/// The tag is as it was; only what the row remembers and whose it is are written.
fn is_note_of_port(change: &PortChange, have: &Actual) -> bool {
    let row = have.rows.port_by_uuid(change.port);
    !change.access && row.is_some_and(|row| row.tag == Some(change.tag))
}

/// The MTU is asked for of the ports of services only, whose domains see to that of the device itself.
fn is_note_of_interface(change: &InterfaceChange) -> bool {
    change.kind.is_none() && change.options.is_none() && change.number.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Mirror;
    use crate::openflow::{Field, Learn, Match};

    fn among(foreign: Vec<Flow>, flow: &Flow) -> Effect {
        let mut have = Actual::default();
        have.flows.insert("br-tun".to_owned(), Mirror::default().with_everything(foreign));
        effect(&Step::AddFlow { bridge: "br-tun".to_owned(), flow: flow.clone() }, &have)
    }

    fn teacher(cookie: u64) -> Flow {
        let learn = Learn { cookie, ..Learn::new(20) };
        Flow::new(10, 1, Match::new()).cookie(cookie).action(Action::learn(learn)).action(Action::Output(1))
    }

    fn flood(cookie: u64, ports: &[u32]) -> Flow {
        let flow = Flow::new(FLOOD_TO_TUN, 1, Match::new().field(Field::VlanVid, 0x1001_u128)).cookie(cookie);
        flow.action(Action::PopVlan).actions(ports.iter().map(|port| Action::Output(*port)))
    }

    #[test]
    fn another_cookie_is_no_change_also_in_what_is_taught() {
        assert_eq!(among(vec![teacher(7)], &teacher(0xba01_0000_0000_0001)), Effect::Cookie);
    }

    #[test]
    fn to_look_up_a_table_at_the_end_is_to_go_on_there() {
        let to = |action| Flow::new(0, 0, Match::new()).action(action);
        let onwards = to(Action::GotoTable(58)).cookie(0xba01_0000_0000_0001);
        assert_eq!(among(vec![to(Action::resubmit_table(58))], &onwards), Effect::Cookie);
        assert_eq!(among(vec![to(Action::resubmit_table(59))], &onwards), Effect::Changes);
        let back_again = to(Action::resubmit_table(58)).action(Action::Normal);
        assert_eq!(among(vec![back_again], &onwards), Effect::Changes);
    }

    #[test]
    fn other_actions_another_limit_and_an_empty_place_are_changes() {
        let flow = teacher(0xba01_0000_0000_0001);
        assert_eq!(among(vec![], &flow), Effect::Changes);
        assert_eq!(among(vec![teacher(7).action(Action::Output(2))], &flow), Effect::Changes);
        assert_eq!(among(vec![teacher(7).idle_timeout(9)], &flow), Effect::Changes);
        assert_eq!(among(vec![Flow { priority: 2, ..teacher(7) }], &flow), Effect::Changes);
    }

    #[test]
    fn the_check_of_an_advertisement_is_argued() {
        let check = |cookie| {
            let matches = Match::new().in_port(1).icmp6().icmpv6_type(136);
            let matches = matches.nd_target("2001:db8::1/128".parse::<ipnet::Ipv6Net>().unwrap());
            Flow::new(24, 2, matches).cookie(cookie).action(Action::GotoTable(58))
        };
        let mut ours = check(0xba06_0000_0000_0001);
        ours.matches = ours.matches.icmpv6_code(0);
        assert_eq!(among(vec![check(7)], &ours), Effect::Differs(ADVERTISEMENT));
        assert_eq!(among(vec![check(7).action(Action::Normal)], &ours), Effect::Changes);
        assert_eq!(among(vec![], &ours), Effect::Changes);
    }

    #[test]
    fn a_flood_to_fewer_tunnels_is_argued() {
        let ours = flood(0xba03_0000_0000_0001, &[3, 2]);
        assert_eq!(among(vec![flood(7, &[2, 3])], &ours), Effect::Cookie);
        assert_eq!(among(vec![flood(7, &[2, 3, 4])], &ours), Effect::Differs(FLOOD));
        assert_eq!(among(vec![flood(7, &[2])], &ours), Effect::Changes);
    }
}
