//! What the clients of each subnet are told: gateway, routes, name servers, domain and MTU. Pure.
//!
//! The order of the classless routes is Neutron's: other subnets on the link, the subnet's own host
//! routes, metadata, default. Clients that read them ignore option 3 (RFC 3442), so the default is in both.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use model::{Network, Port, PortOwner, Subnet};

use crate::compile::METADATA;
use crate::config::Config;
use crate::index::is_router_interface;
use crate::server::option::SubnetOptions;
use crate::server::table::ServedSubnet;

/// The IPv4 subnets with DHCP on which `own`, the DHCP port of this node, has an address. `services` are
/// all DHCP ports and router interfaces of the network.
pub(crate) fn subnets(
    config: &Config,
    network: &Network,
    subnets: &[&Arc<Subnet>],
    own: &Port,
    services: &[&Port],
) -> Vec<ServedSubnet> {
    let mut served = Vec::new();
    for subnet in subnets.iter().filter(|subnet| subnet.dhcp) {
        let IpNet::V4(cidr) = subnet.cidr else { continue };
        let Some(server) = address_on(own, subnet) else { continue };
        let told = Told { config, subnets, subnet, server, services };
        served.push(ServedSubnet {
            id: subnet.id,
            cidr: cidr.trunc(),
            server,
            options: SubnetOptions {
                domain: without_root(&config.dns_domain).to_owned(),
                router: told.gateway(),
                routes: told.routes(),
                dns_servers: told.dns_servers(),
                mtu: network.mtu,
            },
        });
    }
    served
}

/// A domain as clients are told it: a last dot stands for the root, which dnsmasq leaves out of option 15, and
/// which resolvers that only put it behind a name would write twice.
fn without_root(domain: &str) -> &str {
    domain.strip_suffix('.').unwrap_or(domain)
}

fn address_on(port: &Port, subnet: &Subnet) -> Option<Ipv4Addr> {
    port.fixed_ips.iter().find(|fixed| fixed.subnet == subnet.id).and_then(|fixed| ipv4(fixed.address))
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// One subnet and what surrounds it.
struct Told<'a> {
    config: &'a Config,
    subnets: &'a [&'a Arc<Subnet>],
    subnet: &'a Subnet,
    server: Ipv4Addr,
    services: &'a [&'a Port],
}

impl Told<'_> {
    /// The subnet's gateway; without one, where a host route to everywhere leads.
    fn gateway(&self) -> Option<Ipv4Addr> {
        let everywhere = self.subnet.host_routes.iter().find(|route| route.destination.prefix_len() == 0);
        self.subnet.gateway.or(everywhere.map(|route| route.nexthop)).and_then(ipv4)
    }

    /// Whether no router has the gateway's address. A router with another address on the subnet does not
    /// count: guests do not send to it.
    fn is_isolated(&self) -> bool {
        let gateway = self.subnet.gateway;
        !self.services.iter().filter(|port| is_router_interface(port)).any(|port| {
            port.fixed_ips
                .iter()
                .any(|fixed| fixed.subnet == self.subnet.id && Some(fixed.address) == gateway)
        })
    }

    fn routes(&self) -> Vec<(Ipv4Net, Ipv4Addr)> {
        let mut routes = self.on_link();
        for route in &self.subnet.host_routes {
            if let (IpNet::V4(destination), IpAddr::V4(nexthop)) = (route.destination, route.nexthop)
                && destination.prefix_len() > 0
            {
                routes.push((destination, nexthop));
            }
        }
        routes.extend(self.metadata().map(|nexthop| (METADATA, nexthop)));
        routes.extend(self.gateway().map(|gateway| (Ipv4Net::default(), gateway)));
        routes
    }

    /// The network's other subnets, last one first.
    fn on_link(&self) -> Vec<(Ipv4Net, Ipv4Addr)> {
        let others = self.subnets.iter().rev().filter(|other| other.cidr != self.subnet.cidr);
        others
            .filter_map(|other| match other.cidr {
                IpNet::V4(cidr) => Some((cidr, Ipv4Addr::UNSPECIFIED)),
                IpNet::V6(_) => None,
            })
            .collect()
    }

    fn metadata(&self) -> Option<Ipv4Addr> {
        let isolated = self.is_isolated();
        if self.config.force_metadata || (isolated && self.config.isolated_metadata) {
            Some(self.server)
        } else if isolated {
            None
        } else {
            self.gateway()
        }
    }

    /// The subnet's name servers; 0.0.0.0 among them stands for none at all. Without any, the DHCP ports
    /// of the network, whose agents answer for its names.
    fn dns_servers(&self) -> Vec<Ipv4Addr> {
        let own: Vec<Ipv4Addr> = self.subnet.dns_servers.iter().copied().filter_map(ipv4).collect();
        if own.contains(&Ipv4Addr::UNSPECIFIED) {
            return Vec::new();
        }
        if !own.is_empty() {
            return own;
        }
        let dhcp = self.services.iter().filter(|port| port.owner == PortOwner::Dhcp);
        dhcp.filter_map(|port| address_on(port, self.subnet)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_told_without_its_last_dot() {
        for (configured, told) in
            [("openstacklocal", "openstacklocal"), ("cloud.example.", "cloud.example"), (".", ""), ("", "")]
        {
            assert_eq!(without_root(configured), told);
        }
    }
}
