//! A host changes its address on a network with 60,000 hosts: how long until it is served, and for how long
//! is nobody else?
//!
//! Ours: from the change of the server's table until a DISCOVER of that client has been answered with the
//! new address; and the whole way of a change through the domain (observe, compile, plan, apply), as a pass
//! of the agent takes it. Nothing pauses: packets are answered from the table that is there. What 99 of 100
//! stay below counts. The peer is what dnsmasq, sent SIGHUP as Neutron's agent does after every change of a
//! port, computes until it is done, during which it answers nobody; with fewer hosts unless all is asked for.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use dhcp::server::table::{Host, ServedSubnet, Times};
use dhcp::server::turn::Server;
use dhcp::{Config, Dhcp};
use model::{Desired, HostName, NetworkId, ObjectRef, PortId, Role, Scope, SubnetId};
use uuid::Uuid;

use crate::dhcp_load::{self, Kind};
use crate::table::Row;
use crate::{Effort, clock, dhcp_serve};

const LIMIT: f64 = 1.0;
const CHANGES: u32 = 1_000;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

pub(crate) async fn run(effort: Effort, hosts: u32) -> anyhow::Result<Vec<Row>> {
    let served = served(hosts)?;
    let pass = pass(hosts).await?;
    let fewer = if effort.full { hosts } else { 5_000 };
    let reload = reload(fewer)?;
    Ok(vec![
        Row::new(format!("dhcp: host change to answer, {hosts} hosts, slowest 1 %"), "ms", served)
            .beside(format!("dnsmasq reload, {fewer} hosts"), reload)
            .at_most(LIMIT),
        Row::new(format!("dhcp: the same as a pass of the domain, {hosts} hosts, slowest 1 %"), "ms", pass)
            .at_most(LIMIT),
    ])
}

fn served(hosts: u32) -> anyhow::Result<f64> {
    let server = Server::new(NetworkId(Uuid::from_u128(1)));
    let subnet = ServedSubnet {
        id: SubnetId(Uuid::from_u128(1)),
        cidr: ipnet::Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 8)?,
        server: Ipv4Addr::new(10, 0, 0, 2),
        options: dhcp::server::option::SubnetOptions::default(),
    };
    server.change(|table| table.set_subnets(Times::default(), &[subnet]));
    for index in 0..hosts {
        server.change(|table| table.set_host(host(index, Ipv4Addr::from_bits(dhcp_serve::FIRST + index))));
    }
    let mut times = Vec::new();
    for index in (0..hosts).step_by((hosts / CHANGES).max(1) as usize) {
        let (address, packet) = (Ipv4Addr::from_bits(0x0a80_0000 + index), discover(index));
        let begin = Instant::now();
        server.change(|table| table.set_host(host(index, address)));
        let reply = server.handle(&server.table(), &packet, SystemTime::now());
        times.push(begin.elapsed());
        let offered = reply.context("an offer")?.message.get(16..20).map(<[u8]>::to_vec);
        ensure!(offered == Some(address.octets().to_vec()), "the new address is not offered: {offered:?}");
    }
    Ok(slow(times))
}

async fn pass(hosts: u32) -> anyhow::Result<f64> {
    dhcp_load::sh(&format!(
        "ip -all netns delete; ip link add {} type veth peer name outside",
        dhcp_serve::device(1)
    ))?;
    let mut desired = Desired::default();
    desired.complete.insert(Role::Dhcp);
    dhcp_serve::add_network(&mut desired, 1);
    (0..hosts).for_each(|index| desired.set_port(dhcp_serve::guest(1, index)));
    let mut dhcp = Dhcp::new(Config::new(HostName::from("bench")), host::Handles::open().await?);
    dhcp_serve::pass(&mut dhcp, &desired, &Scope::All).await?;
    let mut times = Vec::new();
    for index in (0..hosts).step_by((hosts / CHANGES).max(1) as usize) {
        let mut port = dhcp_serve::guest(1, index);
        for fixed in &mut port.fixed_ips {
            fixed.address = Ipv4Addr::from_bits(0x0a80_0000 + index).into();
        }
        let scope = Scope::Objects([ObjectRef::Port(port.id)].into());
        desired.set_port(port);
        let begin = Instant::now();
        dhcp_serve::pass(&mut dhcp, &desired, &scope).await?;
        times.push(begin.elapsed());
    }
    Ok(slow(times))
}

/// What dnsmasq computes after SIGHUP.
fn reload(hosts: u32) -> anyhow::Result<f64> {
    dhcp_load::sh("ip -all netns delete")?;
    dhcp_load::wire(Kind::Dnsmasq, 1)?;
    let server = dhcp_load::Server::start(Kind::Dnsmasq, 1, &[hosts])?;
    let before = clock::processor_time(server.pid)?;
    nix::sys::signal::kill(server.pid, nix::sys::signal::Signal::SIGHUP)?;
    // One exchange is answered when it is done.
    tests::wait::until(300, "dnsmasq reads its files", || match dhcp_load::load(1, 1, 1, 1) {
        Ok(count) if count > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    Ok(clock::milliseconds(clock::processor_time(server.pid)?.saturating_sub(before)))
}

fn host(index: u32, address: Ipv4Addr) -> Host {
    Host {
        port: PortId(Uuid::from_u128(0x1_0000_0000 | u128::from(index))),
        mac: dhcp_serve::mac(index),
        addresses: vec![address],
        name: None,
        extra: None,
    }
}

/// RFC 2131, by hand: what is sent must not be made by what reads it.
fn discover(index: u32) -> Vec<u8> {
    let mut packet = vec![0; 236];
    if let Some(head) = packet.first_chunk_mut() {
        *head = [1, 1, 6, 0];
    }
    if let Some(field) = packet.get_mut(28..34) {
        field.copy_from_slice(&dhcp_serve::mac(index).0);
    }
    packet.extend(MAGIC);
    packet.extend([53, 1, 1, 55, 3, 1, 3, 6, 255]);
    packet
}

/// What 99 of 100 are faster than, in milliseconds.
fn slow(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() * 99 / 100).copied().map_or(f64::NAN, clock::milliseconds)
}
