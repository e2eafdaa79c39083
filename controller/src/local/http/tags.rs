//! The tags of a resource, by paths of their own as Neutron has them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::local::fields::Fields;
use crate::local::{Fault, Local};

use super::kind::Kind;
use super::{change, parse_body};

pub(super) async fn list(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let tags = current(&local, Kind::of_path(&collection)?, &id)?;
    Ok(Json(json!({"tags": tags})))
}

pub(super) async fn replace(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let mut body = Fields::new("body", parse_body(&body)?)?;
    let tags = body.texts::<String>("tags")?.unwrap_or_default();
    body.finish()?;
    let tags = set(&local, Kind::of_path(&collection)?, id, tags).await?;
    Ok(Json(json!({"tags": tags})))
}

pub(super) async fn clear(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    set(&local, Kind::of_path(&collection)?, id, Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn show(
    State(local): State<Local>,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let tags = current(&local, Kind::of_path(&collection)?, &id)?;
    if tags.contains(&tag) { Ok(StatusCode::NO_CONTENT) } else { Err(Fault::not_found("Tag", tag)) }
}

pub(super) async fn add(
    State(local): State<Local>,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let kind = Kind::of_path(&collection)?;
    let mut tags = current(&local, kind, &id)?;
    tags.push(tag);
    set(&local, kind, id, tags).await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn remove(
    State(local): State<Local>,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let kind = Kind::of_path(&collection)?;
    let mut tags = current(&local, kind, &id)?;
    if !tags.contains(&tag) {
        return Err(Fault::not_found("Tag", tag));
    }
    tags.retain(|own| *own != tag);
    set(&local, kind, id, tags).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(local: &Local, kind: Kind, id: &str) -> Result<Vec<String>, Fault> {
    let view = kind.show(local.snapshot().viewer(), id)?;
    let tags = view.get("tags").and_then(Value::as_array).into_iter().flatten();
    Ok(tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}

async fn set(local: &Local, kind: Kind, id: String, tags: Vec<String>) -> Result<Vec<String>, Fault> {
    let target = id.clone();
    let fields = Fields::new(kind.singular(), json!({"tags": tags}))?;
    change(local, move |draft| kind.update(draft, &target, fields)).await?;
    current(local, kind, &id)
}
