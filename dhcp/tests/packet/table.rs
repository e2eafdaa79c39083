//! A server's table, written the way Neutron would say it: a network with subnets and ports. It goes
//! through the domain's own compiling, so a case shows what a guest gets for what an operator entered.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use dhcp::Config;
use dhcp::compile::compile;
use dhcp::index::Index;
use dhcp::server::table::Table;
use model::{
    Binding, Desired, DhcpOption, FixedIp, HostName, Mac, Network, NetworkId, Port, PortId, PortOwner, Route,
    Scope, Subnet, SubnetId,
};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    config: Settings,
    mtu: u32,
    subnets: Vec<CaseSubnet>,
    /// The first one is the DHCP port.
    ports: Vec<CasePort>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    lease_seconds: Option<u32>,
    renewal_seconds: Option<u32>,
    rebinding_seconds: Option<u32>,
    isolated_metadata: bool,
    force_metadata: bool,
    broadcast_reply: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSubnet {
    cidr: String,
    gateway: Option<String>,
    #[serde(default = "yes")]
    dhcp: bool,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    routes: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasePort {
    mac: Mac,
    #[serde(default)]
    owner: String,
    addresses: Vec<String>,
    name: Option<String>,
    #[serde(default)]
    options: Vec<(String, String)>,
}

fn yes() -> bool {
    true
}

const HOST: &str = "node-1";
const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));

/// The table of the server that serves this network.
pub(crate) fn read(yaml: &str) -> Result<Table> {
    let case: Case = serde_saphyr::from_str(yaml)?;
    let mut desired = Desired::default();
    desired.set_network(Network {
        id: NETWORK,
        name: String::new(),
        admin_up: true,
        mtu: case.mtu,
        external: false,
        segments: Vec::new(),
    });
    for (index, subnet) in case.subnets.iter().enumerate() {
        desired.set_subnet(read_subnet(index, subnet)?);
    }
    for (index, port) in case.ports.iter().enumerate() {
        desired.set_port(read_port(index, port, &desired)?);
    }
    let mut index = Index::default();
    index.update(&desired);
    let config = config(&case.config);
    let spec = compile(&desired, &config, &index, &BTreeSet::new(), &Scope::All);
    let network = spec.networks.into_values().flatten().next().context("the network is not served")?;
    let mut table = Table::default();
    table.set_subnets(network.times, &network.subnets);
    network.hosts.into_iter().flatten().for_each(|host| table.set_host(host));
    Ok(table)
}

fn config(settings: &Settings) -> Config {
    let usual = Config::new(HostName::from(HOST));
    Config {
        lease_seconds: settings.lease_seconds.unwrap_or(usual.lease_seconds),
        renewal_seconds: settings.renewal_seconds,
        rebinding_seconds: settings.rebinding_seconds,
        isolated_metadata: settings.isolated_metadata,
        force_metadata: settings.force_metadata,
        broadcast_reply: settings.broadcast_reply,
        ..usual
    }
}

fn read_subnet(index: usize, subnet: &CaseSubnet) -> Result<Subnet> {
    let routes = subnet.routes.iter();
    Ok(Subnet {
        id: SubnetId(Uuid::from_u128(index as u128)),
        network: NETWORK,
        name: String::new(),
        cidr: subnet.cidr.parse()?,
        gateway: subnet.gateway.as_ref().map(|text| text.parse()).transpose()?,
        dhcp: subnet.dhcp,
        dns_servers: subnet.dns.iter().map(|text| Ok(text.parse()?)).collect::<Result<_>>()?,
        host_routes: routes
            .map(|(to, via)| Ok(Route { destination: to.parse()?, nexthop: via.parse()? }))
            .collect::<Result<_>>()?,
    })
}

fn read_port(index: usize, port: &CasePort, desired: &Desired) -> Result<Port> {
    let mut fixed_ips = Vec::new();
    for text in &port.addresses {
        let address = text.parse()?;
        let subnet = desired.subnets_of(NETWORK).find(|subnet| subnet.cidr.contains(&address));
        fixed_ips.push(FixedIp { subnet: subnet.context("no subnet for an address")?.id, address });
    }
    let owner = if index == 0 { "network:dhcp" } else { &port.owner };
    Ok(Port {
        id: PortId(Uuid::from_u128(index as u128)),
        network: NETWORK,
        name: String::new(),
        mac: port.mac,
        fixed_ips,
        owner: PortOwner::from(owner),
        device: String::new(),
        admin_up: true,
        port_security: true,
        allowed_pairs: Vec::new(),
        dhcp_options: port
            .options
            .iter()
            .map(|(name, value)| DhcpOption { name: name.clone(), value: value.clone(), ip_version: 4 })
            .collect(),
        host_name: port.name.clone(),
        binding: Some(Binding { host: HostName::from(HOST), segment: None }),
    })
}
