//! Questions about this node, and their answers as JSON: what is shown by `baryon show`, `why`, `plan`,
//! `topology` and `dhcp`.
//!
//! The engine answers between two passes, because it alone knows; nothing here changes the node. The
//! HTTP side only hands questions over and returns what comes back.

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use model::{Desired, HostName, Scope};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::domains::{Domains, Rehearsal};
use crate::event::Event;
use crate::status::Statuses;
use crate::topology;
use crate::why;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The state of every object.
    Show,
    /// Everything known about one object; its kind, and its id, name or device.
    Why { kind: String, name: String },
    /// What a pass over everything would do now.
    Plan,
    /// The picture.
    Topology,
    /// What was leased to whom.
    Leases,
    /// What the DHCP service would answer to whom.
    Hosts,
}

/// Answers with what is known now. An answer `{"error": …}` is for the asker.
pub(crate) async fn answer(
    question: &Question,
    desired: &Desired,
    statuses: &Statuses,
    host: &HostName,
    domains: &mut Domains,
) -> Value {
    match question {
        Question::Show => show(desired, statuses),
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
        Question::Leases => value(&domains.dhcp.leases()),
        Question::Hosts => value(&domains.dhcp.hosts()),
    }
}

/// Our own types always become JSON; if one did not, the asker is told instead of the agent ending.
fn value(answer: &impl serde::Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Steps as commands, and what cannot be done now.
pub(crate) fn plan(rehearsal: &Rehearsal) -> Value {
    let open = rehearsal.report.0.iter().map(
        |(object, outcome)| json!({ "object": object.to_string(), "outcome": outcome.to_string() }),
    );
    json!({ "steps": value(&rehearsal.steps), "open": open.collect::<Vec<_>>() })
}

fn show(desired: &Desired, statuses: &Statuses) -> Value {
    let objects = statuses.iter().map(|(object, status)| {
        let mut entry = value(status);
        entry["object"] = json!(object.to_string());
        entry["name"] = json!(why::name_of(desired, *object));
        entry
    });
    let objects: Vec<Value> = objects.collect();
    let count = |outcome: &str| objects.iter().filter(|entry| entry["outcome"] == outcome).count();
    json!({
        "converged": count("done") + count("expecting") == objects.len(),
        "done": count("done"),
        "expecting": count("expecting"),
        "waiting": count("waiting"),
        "failed": count("failed"),
        "complete": value(&desired.complete.iter().collect::<Vec<_>>()),
        "objects": objects,
    })
}

/// The HTTP side, below `/baryon/v1`.
pub(crate) fn routes(events: mpsc::UnboundedSender<Event>) -> Router {
    Router::new()
        .route("/baryon/v1/show", get(|state| ask(state, Question::Show)))
        .route("/baryon/v1/plan", get(|state| ask(state, Question::Plan)))
        .route("/baryon/v1/picture", get(|state| ask(state, Question::Topology)))
        .route("/baryon/v1/dhcp/leases", get(|state| ask(state, Question::Leases)))
        .route("/baryon/v1/dhcp/hosts", get(|state| ask(state, Question::Hosts)))
        .route(
            "/baryon/v1/why/{kind}/{name}",
            get(|state, Path((kind, name)): Path<(String, String)>| ask(state, Question::Why { kind, name })),
        )
        .with_state(events)
}

async fn ask(State(events): State<mpsc::UnboundedSender<Event>>, question: Question) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = events.send(Event::Question(question, answer));
    match (asked, answered.await) {
        (Ok(()), Ok(value)) if value.get("error").is_some() => {
            (StatusCode::NOT_FOUND, Json(value)).into_response()
        }
        (Ok(()), Ok(value)) => Json(value).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "the agent is stopping" })))
            .into_response(),
    }
}
