//! Flow changes of one bridge as one bundle, removals first: a key may move from one object to another.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{ObjectRef, Planned, Report};
use tracing::warn;

use super::{Hands, fail};
use crate::error::ApplyError;
use crate::openflow::codec::FlowMod;
use crate::openflow::{Bundle, BundleError, FlowFilter};
use crate::step::Step;

pub(super) async fn apply(bridge: &str, steps: Vec<Planned<Step>>, hands: Hands<'_>, report: &mut Report) {
    let mut changes: Vec<(ObjectRef, FlowMod)> = steps.into_iter().filter_map(change).collect();
    changes.sort_by_key(|(_, change)| matches!(change, FlowMod::Add(_)));
    // Each round leaves out the objects that were refused, so this ends.
    while !changes.is_empty() {
        let bundle: Bundle = changes.iter().map(|(_, change)| change.clone()).collect();
        match hands.links.commit(bridge, &bundle).await {
            Some(Ok(())) => return,
            Some(Err(BundleError::Refused { failures, .. })) => {
                let mut refused = BTreeSet::new();
                for failure in failures {
                    let Some((object, _)) = changes.get(failure.index) else { continue };
                    let flow = failure.change.to_string();
                    warn!(%object, bridge, flow, reason = %failure.reason, "the switch refused a flow");
                    refused.insert(*object);
                    let source = failure.reason;
                    fail(report, *object, &ApplyError::Flow { bridge: bridge.to_owned(), flow, source });
                }
                let before = changes.len();
                changes.retain(|(object, _)| !refused.contains(object));
                if changes.len() == before {
                    return;
                }
            }
            Some(Err(error)) => {
                let source = Arc::new(error);
                let error = |_| ApplyError::Flows { bridge: bridge.to_owned(), source: source.clone() };
                return changes.iter().for_each(|(object, _)| fail(report, *object, &error(())));
            }
            None => {
                let error = ApplyError::NoConnection { bridge: bridge.to_owned() };
                return changes.iter().for_each(|(object, _)| fail(report, *object, &error));
            }
        }
    }
}

fn change(planned: Planned<Step>) -> Option<(ObjectRef, FlowMod)> {
    match planned.step {
        Step::AddFlow { flow, .. } => Some((planned.object, FlowMod::Add(flow))),
        Step::DeleteFlow { flow, .. } => {
            Some((planned.object, FlowMod::RemoveWithCookie(flow.key(), flow.cookie)))
        }
        Step::DeleteCookie { cookie, .. } => {
            Some((planned.object, FlowMod::RemoveAll(FlowFilter::all().cookie(cookie, u64::MAX))))
        }
        _ => None,
    }
}
