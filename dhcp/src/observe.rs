//! Reads what exists: namespaces with their devices, addresses and routes, and the devices of the root
//! namespace that are to be moved into one. What the servers know is this process' own memory.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use host::{Handles, NamespaceState, RouteProtocol, netns};
use ipnet::IpNet;
use model::{NetworkId, ObjectRef, Scope, names};

use crate::actual::{Actual, Content, Found, Link, Namespace};
use crate::error::Error;
use crate::service::Service;

/// Namespaces that are read at a time.
const AT_ONCE: usize = 16;
/// What the names of our devices begin with.
const OURS: [&str; 2] = ["tap", "ns-"];

/// Reads the objects in scope. `devices` are the names of their devices, as far as they are known.
pub(crate) async fn observe(
    handles: &Handles,
    service: &Service,
    devices: &BTreeMap<NetworkId, BTreeSet<String>>,
    scope: &Scope,
) -> Result<Actual, Error> {
    let networks = networks(service, scope)?;
    let found: BTreeMap<NetworkId, Found> = futures::stream::iter(networks.clone())
        .map(|id| {
            let handles = handles.clone();
            let listens_on = service.listens_on(id);
            async move { (id, Found { namespace: namespace(&handles, id).await, listens_on }) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let names = match scope {
        Scope::All => None,
        Scope::Objects(_) => Some(names_to_look_for(&networks, devices, &found)),
    };
    Ok(Actual {
        root: root_devices(handles, names.as_ref()).await?,
        looked_for: names,
        networks: found.into_iter().filter(|(_, found)| *found != Found::default()).collect(),
        tables: service.tables(),
        homes: service.homes(),
    })
}

fn networks(service: &Service, scope: &Scope) -> Result<BTreeSet<NetworkId>, Error> {
    let objects = match scope {
        Scope::Objects(objects) => objects,
        Scope::All => {
            let names = netns::list().map_err(|source| Error::List { source })?;
            let ids = names.iter().filter_map(|name| name.strip_prefix(names::DHCP_NAMESPACE)?.parse().ok());
            return Ok(ids.chain(service.networks()).collect());
        }
    };
    let ids = objects.iter().filter_map(|object| match object {
        ObjectRef::Network(id) => Some(*id),
        _ => None,
    });
    Ok(ids.collect())
}

async fn namespace(handles: &Handles, network: NetworkId) -> Namespace {
    match handles.observe(&names::dhcp_namespace(network)).await {
        Ok(None) => Namespace::Absent,
        Ok(Some(state)) => Namespace::Present(content(&state)),
        Err(error) => Namespace::Unreadable(reason(&error)),
    }
}

fn reason(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn content(state: &NamespaceState) -> Content {
    let mut content = Content::default();
    for (name, link) in &state.links {
        if name == "lo" {
            content.complete = link.up;
        } else if is_ours(name) {
            content.devices.insert(name.clone(), read_link(link));
            let addresses = state.addresses_of(name).map(|address| address.address);
            content
                .addresses
                .insert(name.clone(), addresses.filter(|address| !is_automatic(address)).collect());
        }
    }
    let ours = |device: &String| content.devices.contains_key(device);
    let routes = state.routes.iter().filter(|route| route.protocol == RouteProtocol::Static);
    content.routes = routes.filter(|route| route.hops.iter().all(|hop| ours(&hop.device))).cloned().collect();
    content
}

fn read_link(link: &host::Link) -> Link {
    Link { index: link.index, mac: link.mac, mtu: link.mtu, up: link.up }
}

fn is_ours(device: &str) -> bool {
    OURS.iter().any(|prefix| device.starts_with(prefix))
}

/// The address that the kernel gives every device that is up.
fn is_automatic(address: &IpNet) -> bool {
    matches!(address, IpNet::V6(net) if net.addr().is_unicast_link_local() && net.prefix_len() == 64)
}

fn names_to_look_for(
    networks: &BTreeSet<NetworkId>,
    devices: &BTreeMap<NetworkId, BTreeSet<String>>,
    found: &BTreeMap<NetworkId, Found>,
) -> BTreeSet<String> {
    let known = networks.iter().filter_map(|id| devices.get(id)).flatten().cloned();
    let inside = found.values().filter_map(|found| match &found.namespace {
        Namespace::Present(content) => Some(content.devices.keys().cloned()),
        _ => None,
    });
    known.chain(inside.flatten()).collect()
}

async fn root_devices(
    handles: &Handles,
    names: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<String, Link>, Error> {
    let mut devices = BTreeMap::new();
    let Some(names) = names else {
        let links = handles.root().links().await.map_err(|source| Error::FindDevices { source })?;
        let ours = links.iter().filter(|link| is_ours(&link.name));
        devices.extend(ours.map(|link| (link.name.clone(), read_link(link))));
        return Ok(devices);
    };
    for name in names {
        let found = handles.root().link(name).await;
        let link = found.map_err(|source| Error::FindDevice { device: name.clone(), source })?;
        devices.extend(link.map(|link| (name.clone(), read_link(&link))));
    }
    Ok(devices)
}
