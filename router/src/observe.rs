//! Reads what exists of routers: namespaces, what is in them, and devices that have arrived in the root
//! namespace. Decides nothing but what is foreign; see `actual`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;

use futures::StreamExt as _;
use futures::stream;
use host::{Handles, NamespaceState, Netlink, RouteProtocol, netns, nft, sysctl};
use model::{Mac, RouterId, Scope, names};

use crate::AT_ONCE;
use crate::actual::{Actual, Found, Link, Snapshot};
use crate::compile::routers_in;
use crate::error::Error;
use crate::leftover::{self, Leftover};
use crate::parts::{DEVICE_SYSCTLS, NAMESPACE_SYSCTLS, device_key};
use crate::ruleset::{Family, TABLE};
use crate::spec::{Hop, Routes};

/// What exists, of the routers in scope. In those that were looked through, nothing of Neutron's L3 agent is left.
pub(crate) async fn observe(
    handles: &Handles,
    looked_through: &BTreeSet<RouterId>,
    scope: &Scope,
) -> Result<Actual, Error> {
    let routers = match scope {
        Scope::All => {
            handles.sweep();
            all()?
        }
        Scope::Objects(_) => routers_in(scope).collect(),
    };
    if routers.is_empty() && *scope != Scope::All {
        return Ok(Actual::default());
    }
    let arrived = arrived(handles).await?;
    let found = stream::iter(routers).map(|router| async move {
        (router, found(handles, router, looked_through.contains(&router)).await)
    });
    let found: Vec<_> = found.buffer_unordered(AT_ONCE).collect().await;
    let routers = found.into_iter().filter_map(|(router, found)| Some((router, found?))).collect();
    Ok(Actual { routers, arrived })
}

/// Whose namespaces exist. A name that does not end in a UUID in our spelling is not ours.
fn all() -> Result<BTreeSet<RouterId>, Error> {
    let names = netns::list().map_err(|source| Error::List { source })?;
    Ok(names.iter().filter_map(|name| router_of(name)).collect())
}

fn router_of(namespace: &str) -> Option<RouterId> {
    let id: RouterId = namespace.strip_prefix(names::ROUTER_NAMESPACE)?.parse().ok()?;
    (names::router_namespace(id) == namespace).then_some(id)
}

async fn arrived(handles: &Handles) -> Result<BTreeSet<String>, Error> {
    let mut devices = handles.root_devices().await.map_err(|source| Error::Arrived { source })?;
    devices.retain(|name| is_ours(name));
    Ok(devices)
}

/// Whether a device is named like a router's.
fn is_ours(device: &str) -> bool {
    device.starts_with("qr-") || device.starts_with("qg-")
}

async fn found(handles: &Handles, router: RouterId, looked_through: bool) -> Option<Found> {
    match snapshot(handles, router, looked_through).await {
        Ok(snapshot) => snapshot.map(Found::Namespace),
        Err(error) if error.is_absence() => None,
        Err(error) => Some(Found::Unreadable(chain(&error))),
    }
}

async fn snapshot(
    handles: &Handles,
    router: RouterId,
    looked_through: bool,
) -> Result<Option<Snapshot>, host::Error> {
    let name = names::router_namespace(router);
    let Some(state) = handles.observe(&name).await? else { return Ok(None) };
    let links = links(&state);
    let handle = handles.namespace(&name).await?;
    let keys = keys(&links);
    let values = sysctl::read(handle.namespace(), keys.clone()).await?;
    let sysctls = keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect();
    // Before the tables: what changes in between is seen the next time.
    let generation = handle.ruleset_generation().await?;
    let found = handle.tables().await?;
    let leftovers = if looked_through { Vec::new() } else { leftovers(&handle, &found).await? };
    let tables = found.into_iter().filter(|table| table.name == TABLE);
    let tables = tables.filter_map(|table| Some((family(table.family)?, table.comment))).collect();
    let routes = routes(&state);
    Ok(Some(Snapshot { links, routes, sysctls, tables, generation, leftovers, translations: None }))
}

fn family(family: nft::Family) -> Option<Family> {
    match family {
        nft::Family::Ipv4 => Some(Family::Ip),
        nft::Family::Ipv6 => Some(Family::Ip6),
        _ => None,
    }
}

/// What Neutron's L3 agent left in the tables of iptables. There are none where it never ran.
async fn leftovers(handle: &Netlink, tables: &[nft::Table]) -> Result<Vec<Leftover>, host::Error> {
    let mut leftovers = Vec::new();
    for table in tables.iter().filter(|table| leftover::TABLES.contains(&table.name.as_str())) {
        let Some(family) = family(table.family) else { continue };
        let listing = nft::list(handle.namespace(), table.family, &table.name).await?;
        leftovers.extend(leftover::find(family, &table.name, &listing));
    }
    Ok(leftovers)
}

fn links(state: &NamespaceState) -> BTreeMap<String, Link> {
    let ours = state.links.values().filter(|link| link.name == "lo" || is_ours(&link.name));
    ours.map(|link| {
        let addresses = state.addresses_of(&link.name).filter(|address| address.permanent);
        let addresses = addresses.map(|address| address.address).collect();
        let mac = link.mac.unwrap_or(Mac::ZERO);
        (link.name.clone(), Link { mac, mtu: link.mtu, up: link.up, addresses })
    })
    .collect()
}

fn routes(state: &NamespaceState) -> Routes {
    let ours = state.routes.iter().filter(|route| {
        route.protocol == RouteProtocol::Static
            && route.metric == 0
            && route.hops.iter().all(|hop| is_ours(&hop.device))
    });
    ours.map(|route| {
        let hops = route.hops.iter();
        let hops = hops.map(|hop| Hop { via: hop.via, device: hop.device.clone() });
        (route.destination, hops.collect())
    })
    .collect()
}

/// The sysctls that may matter, of the namespace and of the devices in it.
fn keys(links: &BTreeMap<String, Link>) -> Vec<String> {
    let own = NAMESPACE_SYSCTLS.iter().map(|(key, _)| (*key).to_owned());
    let gateways = links.keys().filter(|device| device.starts_with("qg-"));
    let theirs = gateways.flat_map(|device| DEVICE_SYSCTLS.map(|last| device_key(device, last)));
    own.chain(theirs).collect()
}

fn chain(error: &host::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
