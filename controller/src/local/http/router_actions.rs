//! What can be done with a router besides changing its fields.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::put;
use model::RouterId;
use serde_json::{Value, json};

use crate::local::draft::Draft;
use crate::local::fields::Fields;
use crate::local::interfaces::{self, Named};
use crate::local::record::{Port, Router};
use crate::local::{Fault, Local, routers, subnets};

use super::kind::Kind;
use super::{change, parse_body};

/// Their paths are spelt out: a parameter in their place would take the tags of routers for an action.
pub(super) fn routes() -> axum::Router<Local> {
    axum::Router::new()
        .route("/routers/{id}/add_router_interface", put(add_interface))
        .route("/routers/{id}/remove_router_interface", put(remove_interface))
        .route("/routers/{id}/add_extraroutes", put(add_routes))
        .route("/routers/{id}/remove_extraroutes", put(remove_routes))
}

async fn add_interface(local: State<Local>, id: Path<String>, body: Bytes) -> Result<Json<Value>, Fault> {
    change_interface(&local, &id, &body, |draft, router, named| {
        let port = interfaces::add(draft, router, named)?;
        draft.port(port).cloned()
    })
    .await
}

async fn remove_interface(local: State<Local>, id: Path<String>, body: Bytes) -> Result<Json<Value>, Fault> {
    change_interface(&local, &id, &body, interfaces::remove).await
}

async fn add_routes(local: State<Local>, id: Path<String>, body: Bytes) -> Result<Json<Value>, Fault> {
    change_routes(&local, &id, &body, true).await
}

async fn remove_routes(local: State<Local>, id: Path<String>, body: Bytes) -> Result<Json<Value>, Fault> {
    change_routes(&local, &id, &body, false).await
}

/// Connects or disconnects; answers with the port.
async fn change_interface(
    local: &Local,
    id: &str,
    body: &[u8],
    change_it: fn(&mut Draft<'_>, RouterId, Named) -> Result<Arc<Port>, Fault>,
) -> Result<Json<Value>, Fault> {
    let router: RouterId = Kind::Router.parse(id)?;
    let named = Named::read(Fields::new("body", parse_body(body)?)?)?;
    change(local, move |draft| {
        let port = change_it(draft, router, named)?;
        answer(draft, router, &port)
    })
    .await
}

fn answer(draft: &Draft<'_>, router: RouterId, port: &Port) -> Result<Json<Value>, Fault> {
    let subnets: Vec<_> = port.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect();
    let router = draft.router(router)?;
    Ok(Json(json!({
        "id": router.id,
        "tenant_id": router.meta.project_id,
        "project_id": router.meta.project_id,
        "port_id": port.id,
        "network_id": port.network,
        "subnet_id": subnets.first(),
        "subnet_ids": subnets,
        "tags": router.meta.tags,
    })))
}

/// Adds to the extra routes, or takes away from them, without knowing the others.
async fn change_routes(local: &Local, id: &str, body: &[u8], add: bool) -> Result<Json<Value>, Fault> {
    let router: RouterId = Kind::Router.parse(id)?;
    let mut body = Fields::new("body", parse_body(body)?)?;
    let mut fields = Fields::new("router", body.take("router").unwrap_or_default())?;
    let given = fields.objects("routes", subnets::route)?.unwrap_or_default();
    fields.finish()?;
    change(local, move |draft| {
        let mut changed = Router::clone(draft.router(router)?);
        changed.routes.retain(|route| !given.contains(route));
        if add {
            changed.routes.extend(given);
        }
        routers::check_routes(draft, &changed, &changed.routes)?;
        draft.put_router(changed);
        Ok(())
    })
    .await?;
    let view = Kind::Router.show(local.snapshot().viewer(), &router.to_string())?;
    Ok(Json(json!({"router": view})))
}
