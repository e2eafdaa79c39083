//! The HTTP side of the questions: `/baryon/v1/…`. It hands a question to the engine and returns what
//! comes back; it knows nothing itself.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::event::Event;
use crate::question::Question;

/// The paths of all questions.
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
        (Ok(()), Ok(value)) => match value.get("error").and_then(Value::as_str) {
            Some(error) => refuse(StatusCode::NOT_FOUND, "NotFound", error),
            None => Json(value).into_response(),
        },
        _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the agent is stopping"),
    }
}

/// An error in the form that the rest of the API has, which is Neutron's.
fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    let error = json!({ "NeutronError": { "type": kind, "message": message, "detail": "" } });
    (status, Json(error)).into_response()
}
