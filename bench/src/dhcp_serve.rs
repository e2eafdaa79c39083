//! Our DHCP service alone in a process, for load: the domain as the agent has it, with the desired state
//! that a controller would give it. Started by the DHCP benchmarks.
//!
//! The networks are numbered from 1. The device of each must be there, named as [`device`] says; the domain
//! takes it into the network's namespace.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::ensure;
use dhcp::{Config, Dhcp};
use model::{
    Binding, Desired, Domain as _, FixedIp, HostName, Mac, Network, NetworkId, Outcome, Port, PortId,
    PortOwner, Report, Role, Scope, Stage, Subnet, SubnetId, names,
};
use uuid::Uuid;

const HOST: &str = "bench";
/// Where the hosts' addresses begin: the first has this one. The server has 10.0.0.2.
pub(crate) const FIRST: u32 = 0x0a01_0000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many hosts each network has.
    #[arg(long, value_delimiter = ',', num_args = 0..)]
    hosts: Vec<u32>,
    /// The file for the exchanges' four messages.
    #[arg(long)]
    log: PathBuf,
}

/// Serves until it is killed; says `ready` when it does.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let _log = diary::start(diary::Format::Text, &diary::Target::File(options.log.clone()), None, "info")?;
    let mut desired = Desired::default();
    desired.complete.insert(Role::Dhcp);
    for (number, hosts) in (1..).zip(&options.hosts) {
        add_network(&mut desired, number);
        (0..*hosts).for_each(|index| desired.set_port(guest(number, index)));
    }
    let mut dhcp = Dhcp::new(Config::new(HostName::from(HOST)), host::Handles::open().await?);
    let report = pass(&mut dhcp, &desired, &Scope::All).await?;
    let failed: Vec<_> = report.0.iter().filter(|(_, outcome)| **outcome != Outcome::Done).collect();
    ensure!(failed.is_empty(), "not served: {failed:?}");
    // As the agent does after a look at everything.
    host::memory::give_back();
    println!("ready");
    std::future::pending().await
}

/// One pass as the engine does it.
pub(crate) async fn pass(dhcp: &mut Dhcp, desired: &Desired, scope: &Scope) -> anyhow::Result<Report> {
    let actual = dhcp.observe(scope).await?;
    let spec = dhcp.compile(desired, scope);
    let mut plan = Dhcp::plan(&spec, &actual);
    let mut report = Report::default();
    for (object, on) in &plan.waiting {
        report.add(*object, Outcome::Waiting { on: on.clone() });
    }
    for stage in Stage::ALL {
        let steps = plan.take(stage);
        if !steps.is_empty() {
            report.merge(dhcp.apply(steps).await);
        }
    }
    Ok(report)
}

/// The device that the switch would have made for a network's service.
pub(crate) fn device(number: u32) -> String {
    names::tap(service_port(number))
}

pub(crate) fn namespace(number: u32) -> String {
    names::dhcp_namespace(network(number))
}

fn network(number: u32) -> NetworkId {
    NetworkId(Uuid::from_u128(u128::from(number) << 64))
}

fn service_port(number: u32) -> PortId {
    // The device's name holds the first digits.
    PortId(Uuid::from_u128(u128::from(number) << 96))
}

fn subnet(number: u32) -> SubnetId {
    SubnetId(Uuid::from_u128(u128::from(number) << 64 | 1))
}

pub(crate) fn add_network(desired: &mut Desired, number: u32) {
    desired.set_network(Network {
        id: network(number),
        name: String::new(),
        admin_up: true,
        mtu: 1450,
        external: false,
        segments: Vec::new(),
    });
    let cidr: ipnet::Ipv4Net = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);
    desired.set_subnet(Subnet {
        id: subnet(number),
        network: network(number),
        name: String::new(),
        cidr: cidr.into(),
        gateway: Some(Ipv4Addr::new(10, 0, 0, 1).into()),
        dhcp: true,
        dns_servers: vec![Ipv4Addr::new(9, 9, 9, 9).into()],
        host_routes: Vec::new(),
    });
    let mac = Mac([0xfa, 0x16, 0x3f, 0xff, 0xff, 1]);
    desired.set_port(port(number, service_port(number), mac, Ipv4Addr::new(10, 0, 0, 2), "network:dhcp"));
}

/// The host with this index: MAC address, address and port follow from it.
pub(crate) fn guest(number: u32, index: u32) -> Port {
    let id = u128::from(number) << 64 | 0x1_0000_0000 | u128::from(index);
    port(number, PortId(Uuid::from_u128(id)), mac(index), Ipv4Addr::from_bits(FIRST + index), "compute:nova")
}

pub(crate) fn mac(index: u32) -> Mac {
    let [_, a, b, c] = index.to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, a, b, c])
}

fn port(number: u32, id: PortId, mac: Mac, address: Ipv4Addr, owner: &str) -> Port {
    Port {
        id,
        network: network(number),
        name: String::new(),
        mac,
        fixed_ips: vec![FixedIp { subnet: subnet(number), address: address.into() }],
        owner: PortOwner::from(owner),
        device: String::new(),
        admin_up: true,
        port_security: true,
        allowed_pairs: Vec::new(),
        dhcp_options: Vec::new(),
        host_name: None,
        binding: Some(Binding { host: HostName::from(HOST), segment: None }),
    }
}
