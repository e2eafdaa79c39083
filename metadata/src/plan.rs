//! What has to be done: compares what must listen with what does. Pure; equal states give no step.
//!
//! A listener that was opened in a namespace or on a device that is not the one of that name any more is dead: another
//! takes its place. A namespace that is not there yet is no reason to wait here: another part of the node may
//! make it in this very pass, and opening a listener comes last.

use model::{Plan, Stage};

use crate::actual::{Actual, Found, Opened};
use crate::place::{Bind, Place};
use crate::spec::{PlaceSpec, Spec};
use crate::step::{Change, Step};

/// The steps from what exists to what must.
pub fn plan(want: &Spec, have: &Actual) -> Plan<Step> {
    let mut plan = Plan::default();
    let nothing = Found::default();
    for (place, spec) in &want.places {
        let found = have.places.get(place).unwrap_or(&nothing);
        match spec {
            Some(spec) => keep(*place, spec, found, &mut plan),
            None if want.left_alone.contains(place) => {}
            None => clear(*place, found, &mut plan),
        }
    }
    if want.everything {
        let is_stale = |place: &Place| !want.places.contains_key(place) && !want.left_alone.contains(place);
        for (place, found) in have.places.iter().filter(|(place, _)| is_stale(place)) {
            clear(*place, found, &mut plan);
        }
    }
    plan.sort();
    plan
}

fn keep(place: Place, spec: &PlaceSpec, found: &Found, plan: &mut Plan<Step>) {
    for bind in found.open.keys().filter(|bind| !spec.binds.contains(bind)) {
        push(plan, Stage::StopServices, place, Change::Close { bind: bind.clone() });
    }
    for bind in &spec.binds {
        if found.open.get(bind).is_none_or(|opened| !is_alive(bind, opened, spec, found)) {
            let change = Change::Open { bind: bind.clone(), guests_of: spec.guests_of };
            push(plan, Stage::StartServices, place, change);
        }
    }
}

fn clear(place: Place, found: &Found, plan: &mut Plan<Step>) {
    for bind in found.open.keys() {
        push(plan, Stage::StopServices, place, Change::Close { bind: bind.clone() });
    }
    if let Some(process) = found.leftover {
        push(plan, Stage::StopServices, place, Change::EndLeftover { process });
    }
}

/// Whether what guests send still comes in, and is taken for that of the right guests.
fn is_alive(bind: &Bind, opened: &Opened, spec: &PlaceSpec, found: &Found) -> bool {
    let device = match bind {
        Bind::Port(_) | Bind::V4 => true,
        Bind::V6 { device } => {
            !found.arrived.contains(device) && found.devices.get(device).copied() == opened.device
        }
    };
    device && found.namespace == Some(opened.namespace) && opened.guests_of == spec.guests_of
}

fn push(plan: &mut Plan<Step>, stage: Stage, place: Place, change: Change) {
    plan.push(stage, place.object(), Step { place, change });
}
