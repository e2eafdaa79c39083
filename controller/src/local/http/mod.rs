//! The HTTP API: Neutron's v2.0 paths and bodies, so that `openstack`, openstacksdk and curl work with
//! it, and a few paths of our own under `/baryon/v1`.
//!
//! There is no authentication in here: whoever can open the unix socket, or reach the loopback
//! listener that the operator asked for, is trusted.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Fault, Local};

mod filter;
mod kind;
mod own;
mod page;
mod resources;
mod router_actions;
mod stubs;
mod tags;

/// The largest body that is read, in bytes: an export of sixty thousand ports has about half of it.
const LARGEST_BODY: usize = 64 << 20;

/// The routes, to be served on any listener.
pub fn router(local: Local) -> Router {
    let v2 = Router::new()
        .route("/{collection}", get(resources::list).post(resources::create))
        .route("/{collection}/{id}", get(resources::show).put(resources::update).delete(resources::delete))
        .route("/{collection}/{id}/tags", get(tags::list).put(tags::replace).delete(tags::clear))
        .route("/{collection}/{id}/tags/{tag}", get(tags::show).put(tags::add).delete(tags::remove))
        .merge(router_actions::routes())
        .merge(stubs::routes());
    Router::new()
        .route("/", get(stubs::versions))
        .route("/v2.0", get(stubs::version))
        .route("/v2.0/", get(stubs::version))
        .nest("/v2.0", v2)
        .nest("/baryon/v1", own::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(local)
}

/// Runs a change where it may block.
async fn change<T: Send + 'static>(
    local: &Local,
    change: impl FnOnce(&mut super::draft::Draft<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let local = local.clone();
    match tokio::task::spawn_blocking(move || local.change(change)).await {
        Ok(result) => result,
        // The runtime is going down, or the change had a bug; either way it was not acknowledged.
        Err(error) => Err(Fault::Stopped(Arc::new(error))),
    }
}

fn parse_body(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::BadRequest(format!("Malformed request body: {error}.")))
}

async fn no_such_path() -> Response {
    error(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found.")
}

async fn no_such_method() -> Response {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "HTTPMethodNotAllowed",
        "The method is not allowed for this resource.",
    )
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"NeutronError": {"type": kind, "message": message, "detail": ""}});
    (status, axum::Json(body)).into_response()
}

impl IntoResponse for Fault {
    /// In Neutron's form. The causes go into `detail`.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let causes = std::iter::successors(std::error::Error::source(&self), |error| error.source());
        let detail = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if status.is_server_error() {
            tracing::error!(error = %self, detail, "a change was refused");
        }
        let body = json!({
            "NeutronError": {"type": self.type_name(), "message": self.to_string(), "detail": detail}
        });
        (status, axum::Json(body)).into_response()
    }
}
