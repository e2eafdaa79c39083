//! The memory of a network's DHCP server: what a thousand networks with ten hosts each take more than none,
//! beside one dnsmasq with ten hosts, which is what Neutron's agent starts for every network.

use anyhow::Context as _;

use crate::dhcp_load::{self, Kind, Server, sh};
use crate::table::Row;
use crate::{clock, dhcp_serve};

const NETWORKS: u32 = 1_000;
const HOSTS: u32 = 10;
const LIMIT: f64 = 50.0;

pub(crate) fn run() -> anyhow::Result<Vec<Row>> {
    eprintln!("  {NETWORKS} networks");
    sh("ip -all netns delete")?;
    let none = clock::resident(Server::start(Kind::Ours, 1, &[])?.pid)?;
    let devices = (1..=NETWORKS).map(dhcp_serve::device).enumerate();
    let lines =
        devices.map(|(number, device)| format!("link add {device} type veth peer name peer{number}\n"));
    std::fs::write("/run/devices", lines.collect::<String>())?;
    sh("ip -batch /run/devices")?;
    let all = Server::start(Kind::Ours, 1, &[HOSTS; NETWORKS as usize]).context("a thousand networks")?;
    let ours = (clock::resident(all.pid)? - none) * 1024.0 / f64::from(NETWORKS);
    drop(all);
    sh("ip -all netns delete")?;
    dhcp_load::wire(Kind::Dnsmasq, 1)?;
    let dnsmasq = clock::resident(Server::start(Kind::Dnsmasq, 1, &[HOSTS])?.pid)? * 1024.0;
    Ok(vec![
        Row::new("dhcp: memory per network", "KiB", ours)
            .beside("dnsmasq, one for each network", dnsmasq)
            .at_most(LIMIT),
    ])
}
