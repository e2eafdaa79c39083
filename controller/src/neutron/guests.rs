//! Whose a guest is: asked of the server for the metadata proxy, one guest at a time. Nothing is kept
//! here; who asks again soon remembers by himself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use messaging::Bus;
use model::NetworkId;
use serde_json::Value;

use super::fault::Fault;
use super::role::Request;
use super::seat::send;
use super::wire::instances;
use crate::guest::{Known, Near, Owner};

/// Why nobody can be named.
#[derive(Debug, thiserror::Error)]
#[error("asking neutron-server for the ports of a guest")]
pub struct AskError(#[source] Fault);

/// The owners of all ports that are meant: one, if all is well.
pub(crate) async fn owners(bus: &Bus, near: Near, known: Known) -> Result<Vec<Owner>, AskError> {
    let networks = match near {
        Near::Network(network) => BTreeSet::from([network]),
        Near::Router(router) => behind(bus, instances::of_router(router)).await?,
    };
    let client = match known {
        Known::Address(address) => address,
        Known::Mac(mac) => IpAddr::V6(mac.link_local()),
    };
    let Some(request) = instances::of_client(&networks, client) else { return Ok(Vec::new()) };
    let ports = instances::instances(&ask(bus, request).await?).map_err(malformed)?;
    Ok(ports.into_iter().map(|port| Owner { device: port.instance, project: port.project }).collect())
}

async fn behind(bus: &Bus, request: Request) -> Result<BTreeSet<NetworkId>, AskError> {
    instances::networks(&ask(bus, request).await?).map_err(malformed)
}

async fn ask(bus: &Bus, request: Request) -> Result<Value, AskError> {
    send(bus, request).await.map_err(AskError)
}

fn malformed(malformed: super::fault::Malformed) -> AskError {
    AskError(Fault::Malformed(malformed))
}
