//! What one network's server knows: its subnets and its hosts. A value; a copy costs nothing, and one
//! host is changed in the time that it takes to find it, whatever the number of others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use imbl::OrdMap;
use ipnet::Ipv4Net;
use model::{Mac, PortId, SubnetId};

use super::option::{SubnetOptions, WireOption};
use super::request::Request;

/// Times and habits, the same for every network of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// In seconds; [`FOR_EVER`] for leases without end.
    pub lease: u32,
    /// Option 58 in seconds; half of the lease when absent.
    pub renewal: Option<u32>,
    /// Option 59 in seconds; seven eighths of the lease when absent.
    pub rebinding: Option<u32>,
    /// Whether clients without an address are always answered by broadcast.
    pub broadcast: bool,
}

/// A lease without end, as option 51 says it.
pub const FOR_EVER: u32 = u32::MAX;

impl Default for Times {
    fn default() -> Self {
        Self { lease: 86_400, renewal: None, rebinding: None, broadcast: false }
    }
}

/// A subnet whose addresses this server hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedSubnet {
    pub id: SubnetId,
    pub cidr: Ipv4Net,
    /// The server's own address there: server identifier and source of every answer.
    pub server: Ipv4Addr,
    pub options: SubnetOptions,
}

/// A subnet with its options encoded.
#[derive(Debug)]
pub struct TableSubnet {
    pub subnet: ServedSubnet,
    pub before_name: Vec<WireOption>,
    pub after_name: Vec<WireOption>,
}

/// The addresses of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub port: PortId,
    pub mac: Mac,
    /// In the order in which they are offered.
    pub addresses: Vec<Ipv4Addr>,
    /// The name to hand out; made from the address when absent.
    pub name: Option<String>,
    /// What the port's `extra_dhcp_opts` say; absent for most ports.
    pub extra: Option<Box<Extra>>,
}

/// A port's own options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    pub options: Vec<PortOption>,
    /// `siaddr`, in place of the server's own address.
    pub next_server: Option<Ipv4Addr>,
    /// A client identifier that stands for the port's MAC address.
    pub client_id: Option<Vec<u8>>,
}

/// One option of a port and the clients that get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOption {
    /// Absent for an option that is suppressed: its value was empty.
    pub wire: Option<WireOption>,
    pub code: u8,
    /// Only for clients that boot by iPXE (they send option 175).
    pub ipxe_only: bool,
}

impl Host {
    /// The host name for one of the addresses, without domain.
    pub fn name_for(&self, address: Ipv4Addr) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => {
                let [a, b, c, d] = address.octets();
                format!("host-{a}-{b}-{c}-{d}")
            }
        }
    }
}

/// See the head of this module.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub times: Arc<Times>,
    pub subnets: Arc<[TableSubnet]>,
    hosts: OrdMap<(Mac, PortId), Arc<Host>>,
    /// Where a port's host is: its MAC may change.
    macs: OrdMap<PortId, Mac>,
    client_ids: OrdMap<Vec<u8>, (Mac, PortId)>,
}

impl Table {
    /// Replaces the subnets and their options; the hosts stay.
    pub fn set_subnets(&mut self, times: Times, subnets: &[ServedSubnet]) {
        self.times = Arc::new(times);
        self.subnets = subnets.iter().cloned().map(TableSubnet::from).collect();
    }

    /// Adds the host of a port, or replaces it.
    pub fn set_host(&mut self, host: impl Into<Arc<Host>>) {
        let host = host.into();
        self.drop_host(host.port);
        let key = (host.mac, host.port);
        if let Some(id) = host.extra.as_ref().and_then(|extra| extra.client_id.clone()) {
            self.client_ids.insert(id, key);
        }
        self.macs.insert(host.port, host.mac);
        self.hosts.insert(key, host);
    }

    pub fn drop_host(&mut self, port: PortId) {
        let Some(mac) = self.macs.remove(&port) else { return };
        let Some(host) = self.hosts.remove(&(mac, port)) else { return };
        if let Some(id) = host.extra.as_ref().and_then(|extra| extra.client_id.as_ref())
            && self.client_ids.get(id) == Some(&(mac, port))
        {
            self.client_ids.remove(id);
        }
    }

    pub fn host(&self, port: PortId) -> Option<&Arc<Host>> {
        self.hosts.get(&(*self.macs.get(&port)?, port))
    }

    /// Every host, in the order of their MAC addresses.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.values()
    }

    pub fn ports(&self) -> BTreeSet<PortId> {
        self.macs.keys().copied().collect()
    }

    /// The hosts that a client may be: those of its client identifier, else of its MAC address. For a
    /// moment two ports of a network can have one MAC address, so there may be several.
    pub fn hosts_of(&self, request: &Request) -> Vec<&Arc<Host>> {
        let by_id = request.client_id.as_ref().and_then(|id| self.client_ids.get(id));
        if let Some(host) = by_id.and_then(|key| self.hosts.get(key)) {
            return vec![host];
        }
        let nil = PortId(uuid::Uuid::nil());
        let max = PortId(uuid::Uuid::max());
        self.hosts.range((request.mac, nil)..=(request.mac, max)).map(|(_, host)| host).collect()
    }

    /// The subnet that an address is in.
    pub fn subnet_of(&self, address: Ipv4Addr) -> Option<&TableSubnet> {
        self.subnets.iter().find(|subnet| subnet.subnet.cidr.contains(&address))
    }

    /// Whether an address is one of the server's own.
    pub fn is_server(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|subnet| subnet.subnet.server == address)
    }
}

impl From<ServedSubnet> for TableSubnet {
    fn from(subnet: ServedSubnet) -> Self {
        let before_name = subnet.options.before_name(subnet.cidr);
        let after_name = subnet.options.after_name();
        Self { subnet, before_name, after_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(port: u128, mac: u8) -> Host {
        let extra = Extra { client_id: Some(vec![mac]), ..Extra::default() };
        Host {
            port: PortId(uuid::Uuid::from_u128(port)),
            mac: Mac([2, 0, 0, 0, 0, mac]),
            addresses: vec![Ipv4Addr::new(10, 0, 0, mac)],
            name: None,
            extra: Some(Box::new(extra)),
        }
    }

    #[test]
    fn a_port_has_one_host_wherever_its_mac_goes() {
        let mut table = Table::default();
        table.set_host(host(1, 1));
        table.set_host(host(1, 2));
        assert_eq!(table.hosts().count(), 1);
        assert_eq!(table.client_ids.len(), 1);
        table.drop_host(host(1, 2).port);
        assert!(table.hosts.is_empty() && table.macs.is_empty() && table.client_ids.is_empty());
    }

    #[test]
    fn ports_that_share_a_mac_do_not_take_each_other_away() {
        let mut table = Table::default();
        table.set_host(host(1, 7));
        table.set_host(host(2, 7));
        table.drop_host(host(1, 7).port);
        assert_eq!(table.host(host(2, 7).port).map(|host| host.port), Some(host(2, 7).port));
    }
}
