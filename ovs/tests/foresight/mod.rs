//! What a rehearsal says of the flows of an agent before us, all of which it knows.

use model::{Desired, Domain as _, Effect, ObjectRef, Planned, Role, Scope};
use ovs::Switch;
use ovs::mirror::Mirror;
use ovs::openflow::{Action, Flow, Match};
use ovs::step::Step;

use super::{Simulated, node};

const BEFORE: u64 = 0x5ca1_ab1e;

/// The bridges as they are with all of ours, under the cookie of another agent, and more of its flows.
fn taken_over(more: &[Flow]) -> Simulated {
    let mut switch = node();
    for mirror in switch.actual.flows.values_mut() {
        let same = mirror.flows().map(|flow| flow.clone().cookie(BEFORE));
        *mirror = Mirror::default().with_everything(same.chain(more.iter().cloned()).collect());
    }
    switch.restart_agent();
    switch
}

fn nothing(complete: bool) -> Desired {
    let mut desired = Desired::default();
    desired.complete.extend(complete.then_some(Role::L2));
    desired
}

fn effects(switch: &mut Simulated, complete: bool) -> Vec<(Planned<Step>, Effect)> {
    let plan = switch.rehearsed(&nothing(complete), &Scope::All);
    let with_effect = |planned: Planned<Step>| {
        let effect = Switch::effect(&planned, &switch.actual);
        (planned, effect)
    };
    plan.steps.into_iter().map(with_effect).collect()
}

#[test]
fn flows_that_are_the_same_only_change_hands() {
    let learnt = Flow::new(20, 1, Match::new().in_port(7)).cookie(BEFORE).hard_timeout(300);
    let others = Flow::new(71, 1, Match::new().udp()).cookie(0x77).action(Action::Normal);
    let mut switch = taken_over(&[learnt, others]);
    for complete in [true, false] {
        let effects = effects(&mut switch, complete);
        assert!(effects.iter().filter(|(_, effect)| *effect == Effect::Cookie).count() > 20);
        let changes: Vec<String> = effects
            .iter()
            .filter(|(_, effect)| !matches!(effect, Effect::Cookie | Effect::Mark))
            .map(|(planned, _)| planned.step.to_string())
            .collect();
        assert_eq!(changes, [""; 0]);
    }
}

/// A firewall's flows, that nothing of ours takes the place of.
#[test]
fn flows_that_have_no_counterpart_are_foreseen_to_go() {
    let firewall = Flow::new(71, 95, Match::new().in_port(3)).cookie(BEFORE).action(Action::Normal);
    let mut switch = taken_over(std::slice::from_ref(&firewall));
    let bridges = |switch: &mut Simulated, complete| -> Vec<String> {
        let going =
            effects(switch, complete).into_iter().filter_map(|(planned, effect)| match planned.step {
                Step::DeleteFlow { bridge, flow } if flow == firewall => {
                    assert_eq!((planned.object, effect), (ObjectRef::Node, Effect::Changes));
                    Some(bridge)
                }
                _ => None,
            });
        going.collect()
    };
    assert_eq!(bridges(&mut switch, true), ["br-int", "br-tun", "br-other", "br-ex"]);
    // Which flows of the tunnel bridge go is not known before everything was told.
    assert_eq!(bridges(&mut switch, false), ["br-int", "br-other", "br-ex"]);
}
