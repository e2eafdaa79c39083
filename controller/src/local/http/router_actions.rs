//! What can be done with a router besides changing its fields.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use model::RouterId;
use serde_json::{Value, json};

use crate::local::draft::Draft;
use crate::local::fields::Fields;
use crate::local::interfaces::{self, Named};
use crate::local::record::{Port, Router};
use crate::local::{Fault, Local, routers, subnets};

use super::kind::Kind;
use super::{change, parse_body};

pub(super) async fn act(
    State(local): State<Local>,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let router: RouterId = Kind::Router.parse(&id)?;
    let body = Fields::new("body", parse_body(&body)?)?;
    match action.as_str() {
        "add_router_interface" => {
            let named = Named::read(body)?;
            change(&local, move |draft| {
                let port = interfaces::add(draft, router, named)?;
                let port = draft.port(port)?.clone();
                answer(draft, router, &port)
            })
            .await
        }
        "remove_router_interface" => {
            let named = Named::read(body)?;
            change(&local, move |draft| {
                let port = interfaces::remove(draft, router, named)?;
                answer(draft, router, &port)
            })
            .await
        }
        "add_extraroutes" => change_routes(&local, router, body, true).await,
        "remove_extraroutes" => change_routes(&local, router, body, false).await,
        _ => Err(Fault::not_found("Action", action)),
    }
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
async fn change_routes(
    local: &Local,
    router: RouterId,
    mut body: Fields,
    add: bool,
) -> Result<Json<Value>, Fault> {
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
