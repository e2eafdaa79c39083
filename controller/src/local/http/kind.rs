//! The five collections of the v2.0 API, and what is done the same way with each of them.

use model::{FloatingIpId, NetworkId, PortId, RouterId, SubnetId};
use serde_json::{Map, Value};

use crate::local::draft::Draft;
use crate::local::fields::Fields;
use crate::local::state::State;
use crate::local::view::Viewer;
use crate::local::{Fault, floating_ips, networks, ports, routers, subnets};

/// A collection of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Network,
    Subnet,
    Port,
    Router,
    FloatingIp,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Network, Self::Subnet, Self::Port, Self::Router, Self::FloatingIp];

    /// By the name in the path, with or without the `.json` of old clients.
    pub(super) fn of_path(collection: &str) -> Result<Self, Fault> {
        let name = collection.strip_suffix(".json").unwrap_or(collection);
        let kind = Self::ALL.into_iter().find(|kind| kind.plural() == name);
        kind.ok_or_else(|| Fault::not_found("Resource", collection))
    }

    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Port => "port",
            Self::Router => "router",
            Self::FloatingIp => "floatingip",
        }
    }

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Network => "networks",
            Self::Subnet => "subnets",
            Self::Port => "ports",
            Self::Router => "routers",
            Self::FloatingIp => "floatingips",
        }
    }

    /// Neutron's name of the kind in "could not be found".
    fn title(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Subnet => "Subnet",
            Self::Port => "Port",
            Self::Router => "Router",
            Self::FloatingIp => "Floating IP",
        }
    }

    pub(super) fn not_found(self, id: &str) -> Fault {
        Fault::not_found(self.title(), id)
    }

    /// The id out of a path. What is no UUID is the id of nothing.
    pub(super) fn parse<T: std::str::FromStr>(self, id: &str) -> Result<T, Fault> {
        id.strip_suffix(".json").unwrap_or(id).parse().map_err(|_| self.not_found(id))
    }

    /// Makes one; gives its id.
    pub(super) fn create(self, draft: &mut Draft<'_>, fields: Fields) -> Result<String, Fault> {
        match self {
            Self::Network => networks::create(draft, None, fields).map(|id| id.to_string()),
            Self::Subnet => subnets::create(draft, None, fields).map(|id| id.to_string()),
            Self::Port => ports::create(draft, None, fields).map(|id| id.to_string()),
            Self::Router => routers::create(draft, None, fields).map(|id| id.to_string()),
            Self::FloatingIp => floating_ips::create(draft, None, fields).map(|id| id.to_string()),
        }
    }

    pub(super) fn update(self, draft: &mut Draft<'_>, id: &str, fields: Fields) -> Result<(), Fault> {
        match self {
            Self::Network => networks::update(draft, self.parse(id)?, fields),
            Self::Subnet => subnets::update(draft, self.parse(id)?, fields),
            Self::Port => ports::update(draft, self.parse(id)?, fields),
            Self::Router => routers::update(draft, self.parse(id)?, fields),
            Self::FloatingIp => floating_ips::update(draft, self.parse(id)?, fields),
        }
    }

    pub(super) fn delete(self, draft: &mut Draft<'_>, id: &str) -> Result<(), Fault> {
        match self {
            Self::Network => networks::delete(draft, self.parse(id)?),
            Self::Subnet => subnets::delete(draft, self.parse(id)?),
            Self::Port => ports::delete(draft, self.parse(id)?),
            Self::Router => routers::delete(draft, self.parse(id)?),
            Self::FloatingIp => floating_ips::delete(draft, self.parse(id)?),
        }
    }

    /// One of them as the API shows it.
    pub(super) fn show(self, viewer: Viewer<'_>, id: &str) -> Result<Map<String, Value>, Fault> {
        let state = viewer.state;
        let view = match self {
            Self::Network => {
                state.networks().get(&self.parse::<NetworkId>(id)?).map(|network| viewer.network(network))
            }
            Self::Subnet => {
                state.subnets().get(&self.parse::<SubnetId>(id)?).map(|subnet| viewer.subnet(subnet))
            }
            Self::Port => state.ports().get(&self.parse::<PortId>(id)?).map(|port| viewer.port(port)),
            Self::Router => {
                state.routers().get(&self.parse::<RouterId>(id)?).map(|router| viewer.router(router))
            }
            Self::FloatingIp => state
                .floating_ips()
                .get(&self.parse::<FloatingIpId>(id)?)
                .map(|floating| viewer.floating_ip(floating)),
        };
        view.ok_or_else(|| self.not_found(id))
    }

    /// The ids of all, in the order of creation.
    pub(super) fn ids(self, state: &State) -> Vec<String> {
        let mut ids: Vec<(u64, String)> = match self {
            Self::Network => {
                state.networks().values().map(|it| (it.meta.serial, it.id.to_string())).collect()
            }
            Self::Subnet => state.subnets().values().map(|it| (it.meta.serial, it.id.to_string())).collect(),
            Self::Port => state.ports().values().map(|it| (it.meta.serial, it.id.to_string())).collect(),
            Self::Router => state.routers().values().map(|it| (it.meta.serial, it.id.to_string())).collect(),
            Self::FloatingIp => {
                state.floating_ips().values().map(|it| (it.meta.serial, it.id.to_string())).collect()
            }
        };
        ids.sort();
        ids.into_iter().map(|(_, id)| id).collect()
    }
}
