//! What clients ask for before they get to their business: versions, extensions, quotas, and lists of
//! things that are not here.

use axum::Json;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use serde_json::{Value, json};

use crate::local::{Fault, Local};

/// The API extensions whose fields and paths are here: alias and name.
const EXTENSIONS: [(&str, &str); 21] = [
    ("allowed-address-pairs", "Allowed Address Pairs"),
    ("binding", "Port Binding"),
    ("ext-gw-mode", "Neutron L3 Configurable external gateway mode"),
    ("external-net", "Neutron external network"),
    ("extra_dhcp_opt", "Neutron Extra DHCP options"),
    ("extraroute", "Neutron Extra Route"),
    ("extraroute-atomic", "Atomically add/remove extra routes"),
    ("net-mtu", "Network MTU"),
    ("net-mtu-writable", "Network MTU (writable)"),
    ("pagination", "Pagination support"),
    ("port-security", "Port Security"),
    ("project-id", "project_id field enabled"),
    ("provider", "Provider Network"),
    ("quotas", "Quota management support"),
    ("router", "Neutron L3 Router"),
    ("sorting", "Sorting support"),
    ("standard-attr-description", "standard-attr-description"),
    ("standard-attr-revisions", "Resource revision numbers"),
    ("standard-attr-tag", "Tag support for resources with standard attribute"),
    ("standard-attr-timestamp", "Resource timestamps"),
    ("fip-port-details", "Floating IP Port Details Extension"),
];

/// Collections of Neutron that are always empty here: path, and Neutron's name of one.
const EMPTY: [(&str, &str); 13] = [
    ("agents", "Agent"),
    ("availability_zones", "Availability zone"),
    ("security-groups", "Security group"),
    ("security-group-rules", "Security group rule"),
    ("subnetpools", "Subnet pool"),
    ("address-scopes", "Address scope"),
    ("address-groups", "Address group"),
    ("rbac-policies", "RBAC policy"),
    ("segments", "Segment"),
    ("service-providers", "Service provider"),
    ("trunks", "Trunk"),
    ("flavors", "Flavor"),
    ("qos/policies", "QoS policy"),
];

pub(super) fn routes() -> Router<Local> {
    let routes = Router::new()
        .route("/extensions", get(extensions))
        .route("/extensions/{alias}", get(extension))
        .route("/quotas", get(|| async { Json(json!({"quotas": []})) }))
        .route("/quotas/{project}", get(quota))
        .route("/quotas/{project}/default", get(quota))
        .route("/quotas/{project}/details.json", get(quota));
    EMPTY.into_iter().fold(routes, |routes, (path, title)| {
        let name = path.rsplit('/').next().unwrap_or(path).replace('-', "_");
        let list = get(move || async move { Json(json!({name: []})) });
        let none = move |Path(id): Path<String>| async move { refuse(title, &id) };
        let none = get(none).put(none).delete(none);
        routes
            .route(&format!("/{path}"), list.post(move || async move { refuse_to_make(title) }))
            .route(&format!("/{path}/{{id}}"), none)
    })
}

fn refuse(title: &'static str, id: &str) -> Fault {
    Fault::not_found(title, id)
}

fn refuse_to_make(title: &str) -> Fault {
    Fault::BadRequest(format!(
        "{title}: this controller has none, only networks, subnets, ports, routers and floating IPs."
    ))
}

pub(super) async fn versions() -> Json<Value> {
    let link = json!([{"rel": "self", "href": "/v2.0/"}]);
    Json(json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": link}]}))
}

/// The root of v2.0: the collections that there are.
pub(super) async fn version() -> Json<Value> {
    let names = ["network", "subnet", "port", "router", "floatingip", "extension"];
    let resources = names.map(|name| {
        let href = format!("/v2.0/{name}s");
        json!({"name": name, "collection": format!("{name}s"), "links": [{"rel": "self", "href": href}]})
    });
    Json(json!({"resources": resources}))
}

async fn extensions() -> Json<Value> {
    Json(json!({"extensions": EXTENSIONS.map(|(alias, name)| about(alias, name))}))
}

async fn extension(Path(alias): Path<String>) -> Result<Json<Value>, Fault> {
    let alias = alias.strip_suffix(".json").unwrap_or(&alias);
    let known = EXTENSIONS.iter().find(|(known, _)| *known == alias);
    let (alias, name) = known.ok_or_else(|| Fault::not_found("Extension", alias))?;
    Ok(Json(json!({"extension": about(alias, name)})))
}

fn about(alias: &str, name: &str) -> Value {
    json!({"alias": alias, "name": name, "description": name, "updated": "2026-01-01T00:00:00-00:00", "links": []})
}

/// There are no quotas: -1 is Neutron's "unlimited".
async fn quota() -> Json<Value> {
    let names = ["network", "subnet", "port", "router", "floatingip"];
    let unlimited: serde_json::Map<_, _> =
        names.into_iter().map(|name| (name.to_owned(), json!(-1))).collect();
    Json(json!({"quota": unlimited}))
}
