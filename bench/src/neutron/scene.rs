//! A server with networks, routers and ports, and one node that is served by this program or that.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tests::neutron::{Agents, Api, Host, Kind, Options, Release, Server, text};
use tests::{Node, Underlay, wait};

use super::broker::{self, Traffic};
use super::{Figures, load};

#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) ports: usize,
    pub(super) networks: usize,
    pub(super) routers: usize,
    /// Ports that are plugged one by one.
    pub(super) single: usize,
}

/// What the API was told; made when the first agents are there to bind ports.
#[derive(Debug)]
struct Made {
    ports: Vec<Value>,
    networks: Vec<Value>,
}

pub(super) struct Scene<'s> {
    underlay: &'s Underlay,
    server: &'s Server,
    api: Api,
    size: Size,
    made: Option<Made>,
    /// Ports that nobody plugs.
    alone: Vec<Value>,
}

impl<'s> Scene<'s> {
    pub(super) fn new(underlay: &'s Underlay, server: &'s Server, size: Size) -> Self {
        Self { underlay, server, api: server.api(), size, made: None, alone: Vec::new() }
    }

    /// Has a new node served, and measures it.
    pub(super) fn measure(&mut self, kind: Kind) -> anyhow::Result<Figures> {
        eprintln!("  {kind:?} ...");
        let gone =
            || self.underlay.try_sh("for link in mgmt ul ext; do ! ip link show $link-node1 2>&1; done");
        wait::until(30, "the wires of the node before are gone", gone);
        let node = Node::new(self.underlay, 1);
        let host = Host::prepare(&node, self.server, &Options { debug: false, ..Options::default() });
        let mut agents = Agents::start(kind, &host, Release::Newest, &self.api);
        if self.made.is_none() {
            self.made = Some(make(&self.api, &node, self.size));
        }
        let made = self.made.as_ref().context("just made")?;
        let mut figures = Figures::default();
        let mut watch = self.server.watch_ports();

        plug(&node, &made.ports);
        watch.ask(&ids(&made.ports));
        let _ = watch.number();
        load::await_rest(&node, Instant::now(), load::processor_time(&node)?)?;
        // New ones: the server takes a port that was up once for active as soon as its DHCP service is there.
        let single = bind(&self.api, &node, &made.networks, self.size.single);
        load::await_rest(&node, Instant::now(), load::processor_time(&node)?)?;
        for port in &single {
            let id = text(port, "id");
            let status = self.api.show("port", id);
            ensure!(status["status"] != "ACTIVE", "port {id} is active before it is plugged");
            let start = seconds()?;
            plug(&node, std::slice::from_ref(port));
            watch.ask(id);
            figures.active.push(watch.number() - start);
        }
        load::await_rest(&node, Instant::now(), load::processor_time(&node)?)?;

        let before = younger_than(&node, f64::INFINITY);
        agents.stop();
        let traffic = Traffic::record(self.underlay, &node)?;
        let (start, used) = (Instant::now(), load::processor_time(&node)?);
        agents.start_again(&self.api);
        (figures.settled, figures.processor) = load::await_rest(&node, start, used)?;
        agents.await_alive(&self.api);
        (figures.messages, figures.bytes) = traffic.count()?;
        figures.rewritten = younger_than(&node, start.elapsed().as_secs_f64());
        eprintln!("  {before} flows before, {} younger than the restart", figures.rewritten);
        let memory = load::memory(&node)?;
        (figures.resident, figures.proportional) = (memory.resident, memory.proportional);
        (figures.connections, figures.queues) = broker::held(self.server, &node);
        for port in &single {
            node.sh(&format!("ovs-vsctl --if-exists del-port br-int tap{}", &text(port, "id")[..11]));
            self.api.delete("port", text(port, "id"));
        }
        self.alone = bind(&self.api, &node, &made.networks, self.size.single);
        load::await_rest(&node, Instant::now(), load::processor_time(&node)?)?;
        for port in &made.ports {
            node.sh(&format!("ovs-vsctl --if-exists del-port br-int tap{}", &text(port, "id")[..11]));
        }
        Ok(figures)
    }

    /// The server's own time for a port, from the call of nobody's agent until it is ACTIVE.
    pub(super) fn server_alone(&self) -> anyhow::Result<Vec<f64>> {
        let (mut report, mut watch) = (self.server.report_ports(), self.server.watch_ports());
        let mut times = Vec::new();
        for port in &self.alone {
            let id = text(port, "id");
            let start = seconds()?;
            report.ask(&format!("{id} node1"));
            watch.ask(id);
            times.push(watch.number() - start);
            let _ = report.number();
        }
        Ok(times)
    }
}

fn make(api: &Api, node: &Node, size: Size) -> Made {
    let external = api.external_network();
    let networks: Vec<_> = (0..size.networks)
        .map(|i| api.network_with_subnet(&format!("n{i}"), &format!("10.{}.{}.0/24", 20 + i / 200, i % 200)))
        .collect();
    for i in 0..size.routers {
        let (_, subnet) = &networks[i % networks.len()];
        let _ = api.router(&format!("r{i}"), &[subnet], Some(&external));
    }
    let networks: Vec<Value> = networks.into_iter().map(|(network, _)| network).collect();
    Made { ports: bind(api, node, &networks, size.ports), networks }
}

/// New ports, one network after the other.
fn bind(api: &Api, node: &Node, networks: &[Value], count: usize) -> Vec<Value> {
    let port = |i: usize| {
        api.port(&networks[i % networks.len()], node.name(), &json!({"device_id": format!("p{i}")}))
    };
    (0..count).map(port).collect()
}

/// Plugs ports without a guest, fifty in a transaction.
fn plug(node: &Node, ports: &[Value]) {
    for some in ports.chunks(50) {
        let words: String = some
            .iter()
            .map(|port| {
                let id = text(port, "id");
                format!(
                    " -- add-port br-int tap{short} -- set Interface tap{short} type=internal \
                     external_ids:iface-id={id} external_ids:iface-status=active external_ids:vm-uuid={id} \
                     external_ids:attached-mac='\"{mac}\"'",
                    short = &id[..11],
                    mac = text(port, "mac_address")
                )
            })
            .collect();
        node.sh(&format!("ovs-vsctl --no-wait{words}"));
    }
}

fn ids(ports: &[Value]) -> String {
    ports.iter().map(|port| text(port, "id")).collect::<Vec<_>>().join(" ")
}

fn seconds() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// How many flows of all bridges are younger than so many seconds.
fn younger_than(node: &Node, seconds: f64) -> usize {
    let dump =
        node.sh("for bridge in br-int br-tun br-ex; do ovs-ofctl -O OpenFlow13 dump-flows $bridge; done");
    let age = |line: &str| line.split("duration=").nth(1)?.split('s').next()?.parse::<f64>().ok();
    dump.lines().filter_map(age).filter(|age| *age < seconds).count()
}
