//! List, create, show, update and delete, for each of the five collections.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::local::fields::Fields;
use crate::local::{Fault, Local};

use super::filter::Filter;
use super::kind::Kind;
use super::page::Page;
use super::{change, parse_body};

type Parameters = Query<Vec<(String, String)>>;

pub(super) async fn list(
    State(local): State<Local>,
    Path(collection): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Result<Response, Fault> {
    let kind = Kind::of_path(&collection)?;
    let filter = Filter::new(&query);
    let page = Page::new(&query)?;
    let snapshot = local.snapshot();
    let mut found = Vec::new();
    for id in filter.candidates(kind, &snapshot.state) {
        // Ids out of a filter may be of nothing.
        if let Ok(view) = kind.show(snapshot.viewer(), &id)
            && filter.matches(&view)?
        {
            found.push(view);
        }
    }
    let (mut views, more) = page.cut(kind, found)?;
    let mut answer = Map::new();
    if let Some(last) = views.last().and_then(|view| view.get("id")).and_then(Value::as_str).filter(|_| more)
    {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let path = format!("http://{host}{}", uri.path());
        answer.insert(format!("{}_links", kind.plural()), page.next(&path, &query, last));
    }
    views.iter_mut().for_each(|view| filter.project(view));
    answer.insert(kind.plural().to_owned(), views.into());
    Ok(Json(answer).into_response())
}

pub(super) async fn show(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
    Query(query): Parameters,
) -> Result<Response, Fault> {
    let kind = Kind::of_path(&collection)?;
    let mut view = kind.show(local.snapshot().viewer(), &id)?;
    Filter::new(&query).project(&mut view);
    Ok(Json(json!({kind.singular(): view})).into_response())
}

/// One, or a list of them that is made as a whole or not at all.
pub(super) async fn create(
    State(local): State<Local>,
    Path(collection): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let kind = Kind::of_path(&collection)?;
    let mut body = Fields::new("body", parse_body(&body)?)?;
    if let Some(one) = body.take(kind.singular()) {
        let fields = Fields::new(kind.singular(), one)?;
        let id = change(&local, move |draft| kind.create(draft, fields)).await?;
        let view = kind.show(local.snapshot().viewer(), &id)?;
        return Ok((StatusCode::CREATED, Json(json!({kind.singular(): view}))).into_response());
    }
    let many = body.list(kind.plural(), |one| Fields::new("", one))?;
    body.finish()?;
    let Some(many) = many else {
        return Err(Fault::BadRequest(format!(
            "The body has neither {} nor {}.",
            kind.singular(),
            kind.plural()
        )));
    };
    let ids = change(&local, move |draft| {
        many.into_iter().map(|fields| kind.create(draft, fields)).collect::<Result<Vec<_>, _>>()
    });
    let ids = ids.await?;
    let snapshot = local.snapshot();
    let views = ids.iter().map(|id| kind.show(snapshot.viewer(), id)).collect::<Result<Vec<_>, _>>()?;
    Ok((StatusCode::CREATED, Json(json!({kind.plural(): views}))).into_response())
}

pub(super) async fn update(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Fault> {
    let kind = Kind::of_path(&collection)?;
    let mut body = Fields::new("body", parse_body(&body)?)?;
    let Some(one) = body.take(kind.singular()) else {
        return Err(Fault::BadRequest(format!("The body has no {}.", kind.singular())));
    };
    let fields = Fields::new(kind.singular(), one)?;
    let target = id.clone();
    change(&local, move |draft| kind.update(draft, &target, fields)).await?;
    let view = kind.show(local.snapshot().viewer(), &id)?;
    Ok(Json(json!({kind.singular(): view})).into_response())
}

pub(super) async fn delete(
    State(local): State<Local>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let kind = Kind::of_path(&collection)?;
    change(&local, move |draft| kind.delete(draft, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
