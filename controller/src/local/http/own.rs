//! The paths that Neutron does not have: hosts, whole topologies, export and import.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use model::HostName;
use serde_json::{Value, json};

use crate::local::fields::Fields;
use crate::local::{Fault, Local, exchange, hosts, topology};

use super::{change, parse_body};

pub(super) fn routes() -> Router<Local> {
    Router::new()
        .route("/hosts", get(list_hosts).post(create_host))
        .route("/hosts/{name}", get(show_host).put(update_host).delete(delete_host))
        .route("/topology", put(apply_topology))
        .route("/export", get(export))
        .route("/import", post(import))
}

async fn list_hosts(State(local): State<Local>) -> Json<Value> {
    let snapshot = local.snapshot();
    let hosts: Vec<_> = snapshot.state.hosts().values().map(|host| snapshot.viewer().host(host)).collect();
    Json(json!({"hosts": hosts}))
}

async fn show_host(State(local): State<Local>, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    host(&local, &HostName(name)).map(|host| Json(json!({"host": host})))
}

async fn create_host(State(local): State<Local>, body: Bytes) -> Result<(StatusCode, Json<Value>), Fault> {
    let mut fields = host_fields(&body)?;
    let name: String = fields.required("name")?;
    let host = put_host(&local, HostName(name), fields).await?;
    Ok((StatusCode::CREATED, host))
}

async fn update_host(
    State(local): State<Local>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    put_host(&local, HostName(name), host_fields(&body)?).await
}

async fn delete_host(State(local): State<Local>, Path(name): Path<String>) -> Result<StatusCode, Fault> {
    change(&local, move |draft| hosts::delete(draft, &HostName(name))).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn host_fields(body: &[u8]) -> Result<Fields, Fault> {
    let mut body = Fields::new("body", parse_body(body)?)?;
    match body.take("host") {
        Some(host) => Fields::new("host", host),
        None => Err(Fault::BadRequest("The body has no host.".to_owned())),
    }
}

async fn put_host(local: &Local, name: HostName, fields: Fields) -> Result<Json<Value>, Fault> {
    let target = name.clone();
    change(local, move |draft| hosts::put(draft, target, fields)).await?;
    host(local, &name).map(|host| Json(json!({"host": host})))
}

fn host(local: &Local, name: &HostName) -> Result<Value, Fault> {
    let snapshot = local.snapshot();
    let found = snapshot.state.hosts().get(name).map(|host| snapshot.viewer().host(host));
    found.map(Value::Object).ok_or_else(|| Fault::not_found("Host", name))
}

/// `?dry_run=true`, or just `?dry_run`.
fn is_dry_run(query: &[(String, String)]) -> bool {
    let value = query.iter().find(|(name, _)| name == "dry_run").map(|(_, value)| value.to_ascii_lowercase());
    value.is_some_and(|value| !matches!(value.as_str(), "false" | "0" | "no"))
}

/// The body is a topology file; the answer is what it changes.
async fn apply_topology(
    State(local): State<Local>,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let text = std::str::from_utf8(&body)
        .map_err(|error| Fault::BadRequest(format!("The topology is not UTF-8: {error}.")))?;
    let topology = topology::parse(text)?;
    let dry_run = is_dry_run(&query);
    let attempt = local.clone();
    let difference = if dry_run {
        let attempt =
            tokio::task::spawn_blocking(move || attempt.attempt(|draft| topology::apply(draft, &topology)));
        attempt.await.map_err(|error| Fault::Stopped(std::sync::Arc::new(error)))??
    } else {
        change(&local, move |draft| topology::apply(draft, &topology)).await?
    };
    Ok(Json(json!({
        "dry_run": dry_run,
        "summary": difference.summary(),
        "text": difference.to_string(),
        "changes": difference.changes,
    })))
}

async fn export(State(local): State<Local>) -> Json<Value> {
    Json(exchange::export(&local.snapshot().state))
}

/// Replaces everything by an export.
async fn import(State(local): State<Local>, body: Bytes) -> Result<Json<Value>, Fault> {
    let imported = exchange::read(parse_body(&body)?)?;
    let count = imported.keys().count();
    change(&local, move |draft| exchange::replace(draft, imported)).await?;
    Ok(Json(json!({"records": count})))
}
