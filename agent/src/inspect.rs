//! The answers to questions about this node, as JSON: what is shown by `baryon show`, `why`, `plan`,
//! `topology` and `dhcp`.
//!
//! The engine answers between two passes, because it alone knows; nothing here changes the node.

use model::{Desired, HostName, Scope};
use serde_json::{Value, json};

use crate::domains::{Domains, Rehearsal};
use crate::question::Question;
use crate::status::Statuses;
use crate::topology;
use crate::why;

/// What the engine knows between two passes.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) statuses: &'a Statuses,
    pub(crate) host: &'a HostName,
    /// Whether objects are still to be looked at.
    pub(crate) busy: bool,
}

/// Answers with what is known now. An answer `{"error": …}` is for the asker.
pub(crate) async fn answer(question: &Question, known: &Known<'_>, domains: &mut Domains) -> Value {
    let Known { desired, statuses, host, .. } = *known;
    match question {
        Question::Show => {
            let mut shown = show(known);
            if let Some(metadata) = &domains.metadata {
                shown["metadata"] = value(&metadata.service().counts());
            }
            shown
        }
        Question::Why { kind, name } => match why::find(desired, kind, name) {
            Err(error) => json!({ "error": error.to_string() }),
            Ok(object) => {
                let scope = Scope::Objects(why::related(desired, object).into_iter().collect());
                let rehearsal = domains.rehearse(desired, &scope).await;
                value(&why::explain(desired, statuses, host, object, &rehearsal))
            }
        },
        Question::Plan => plan(&domains.rehearse(desired, &Scope::All).await),
        Question::Topology => value(&topology::picture(desired, statuses, host)),
        Question::Leases => with_dhcp(domains, dhcp::Dhcp::leases),
        Question::Hosts => with_dhcp(domains, dhcp::Dhcp::hosts),
    }
}

/// A process without the DHCP role has no leases.
fn with_dhcp<T: serde::Serialize>(domains: &Domains, list: impl Fn(&dhcp::Dhcp) -> Vec<T>) -> Value {
    match &domains.dhcp {
        Some(dhcp) => value(&list(dhcp)),
        None => json!({ "error": "this agent does not have the role dhcp" }),
    }
}

/// Our own types always become JSON; if one did not, the asker is told instead of the agent ending.
fn value(answer: &impl serde::Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Steps as commands, and what cannot be done now.
pub(crate) fn plan(rehearsal: &Rehearsal) -> Value {
    let open = rehearsal
        .report
        .0
        .iter()
        .map(|(object, outcome)| json!({ "object": object.to_string(), "outcome": outcome.to_string() }));
    json!({ "steps": value(&rehearsal.steps), "open": open.collect::<Vec<_>>() })
}

fn show(known: &Known<'_>) -> Value {
    let Known { desired, statuses, busy, .. } = *known;
    let objects = statuses.iter().map(|(object, status)| {
        let mut entry = value(status);
        entry["object"] = json!(object.to_string());
        entry["name"] = json!(why::name_of(desired, *object));
        entry
    });
    let objects: Vec<Value> = objects.collect();
    let count = |outcome: &str| objects.iter().filter(|entry| entry["outcome"] == outcome).count();
    json!({
        "converged": !busy && count("done") + count("expecting") == objects.len(),
        "done": count("done"),
        "expecting": count("expecting"),
        "waiting": count("waiting"),
        "failed": count("failed"),
        "complete": value(&desired.complete.iter().collect::<Vec<_>>()),
        "objects": objects,
    })
}
