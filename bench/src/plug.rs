//! A port is plugged in: how long until it forwards?
//!
//! Ours: a compute service's transaction adds the port; the agent hears of it, puts the guard flows up and
//! sets the tag, which it does last. The peer is the least that anybody could do: the same transaction with
//! the tag in it, then, when the switch has given the port its number, one bundle with the same flows, sent
//! by this program, which knows everything beforehand. Both on the same switch, by turns, with devices that
//! exist. Measured from sending the transaction until the tag is seen and the flows are in.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use model::Mac;
use ovs::openflow::{Action, Bundle, Connection, Field, Flow, FlowFilter, Match};
use ovs::ovsdb::{Client, Map};
use tests::{Node, Underlay};
use tokio::time::timeout;

use crate::agent::Agent;
use crate::table::Row;
use crate::{Effort, clock, switch};

const LIMIT: f64 = 1.3;
const PATIENCE: Duration = Duration::from_secs(20);
/// Neighbour advertisement, RFC 4861.
const ADVERTISEMENT: u8 = 136;

struct Port {
    id: String,
    mac: Mac,
    address: std::net::Ipv4Addr,
}

pub(crate) async fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let agent = Agent::configure(&node)?;
    let rounds = effort.rounds(40);
    agent.apply(&topology(rounds, &node))?;
    let ports = ports(&agent)?;
    make_devices(&node, &ports);
    let (database, _events) = switch::database(&node).await?;
    let bridge = switch::bridge(&node, "br-int").await?;
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    let mut used = Duration::ZERO;
    for port in &ports {
        switch::settle(&database).await?;
        let before = agent.processor_time()?;
        let begin = Instant::now();
        plug(&database, port).await?;
        ours.push(begin.elapsed());
        used += agent.processor_time()?.saturating_sub(before);
        switch::settle(&database).await?;
        let begin = Instant::now();
        plug_by_hand(&database, &bridge, port).await?;
        by_hand.push(begin.elapsed());
    }
    let last = ports.last().context("there are ports")?;
    same_flows(&database, &bridge, last).await?;
    let used = clock::milliseconds(used) / ports.len() as f64;
    Ok(vec![
        Row::new("plug: port to forwarding", "ms", clock::median(ours))
            .beside("one transaction, one bundle, by hand", clock::median(by_hand))
            .at_most_times(LIMIT),
        Row::new("plug: CPU of the agent per port", "ms", used),
    ])
}

fn topology(ports: usize, node: &Node) -> String {
    let mut text =
        "version: 1\nnetworks:\n  - name: red\n    provider:network_type: vxlan\n    subnets:\n      \
                    - {name: red4, cidr: 10.1.0.0/16, enable_dhcp: false}\nports:\n"
            .to_owned();
    for number in 0..ports {
        text += &format!("  - {{name: p{number}, network: red, \"binding:host_id\": {}}}\n", node.name());
    }
    text
}

fn ports(agent: &Agent<'_>) -> anyhow::Result<Vec<Port>> {
    let listed = agent.api("GET", "/v2.0/ports", "")?;
    let listed = listed["ports"].as_array().context("the API lists ports")?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).context("a text");
    let ports = listed.iter().filter(|port| port["device_owner"] == "");
    let port = |port: &serde_json::Value| {
        Ok(Port {
            id: text(&port["id"])?,
            mac: text(&port["mac_address"])?.parse()?,
            address: text(&port["fixed_ips"][0]["ip_address"])?.parse()?,
        })
    };
    ports.map(port).collect()
}

impl Port {
    fn device(&self) -> String {
        format!("tap{:.11}", self.id)
    }

    /// The device that is plugged in by hand.
    fn twin(&self) -> String {
        format!("new{:.11}", self.id)
    }
}

fn make_devices(node: &Node, ports: &[Port]) {
    let mut batch = String::new();
    for device in ports.iter().flat_map(|port| [port.device(), port.twin()]) {
        let peer = format!("e{}", device.get(1..).unwrap_or_default());
        batch += &format!(
            "link add {device} type veth peer name {peer}\nlink set {device} up\nlink set {peer} up\n"
        );
    }
    node.ip_batch(&batch);
}

async fn plug(database: &Client, port: &Port) -> anyhow::Result<()> {
    let ids = [
        ("iface-id", port.id.clone()),
        ("iface-status", "active".to_owned()),
        ("attached-mac", port.mac.to_string()),
    ];
    let device = port.device();
    let add = switch::add_port("br-int", &device, None, ids.into_iter().collect());
    database.transact(add).await?;
    timeout(PATIENCE, database.wait_for(|replica| switch::tag(replica, &device).is_some_and(is_local)))
        .await??;
    Ok(())
}

async fn plug_by_hand(database: &Client, bridge: &Connection, port: &Port) -> anyhow::Result<()> {
    let device = port.twin();
    database.transact(switch::add_port("br-int", &device, Some(1), Map::default())).await?;
    let seen = database.wait_for(|replica| switch::number(replica, &device).is_some());
    let number = switch::number(&timeout(PATIENCE, seen).await??, &device).context("a number")?;
    let mut bundle = Bundle::new();
    flows(number, port).into_iter().for_each(|flow| bundle.add(flow));
    bridge.commit(&bundle).await?;
    Ok(())
}

/// What lets a port send from its own addresses only.
fn flows(number: u32, port: &Port) -> Vec<Flow> {
    let from = || Match::new().in_port(number);
    let goto =
        |table, priority, matches, next| Flow::new(table, priority, matches).action(Action::GotoTable(next));
    let advertisement = || from().icmp6().icmpv6_type(ADVERTISEMENT);
    let [_, _, _, d, e, f] = port.mac.0;
    let link_local = format!("fe80::f816:3eff:fe{d:02x}:{e:02x}{f:02x}/128").parse::<ipnet::Ipv6Net>();
    let mut flows = vec![
        goto(0, 10, from().arp(), 24),
        goto(0, 10, advertisement(), 24),
        goto(0, 9, from(), 25),
        goto(24, 2, from().arp_spa(ipnet::Ipv4Net::from(port.address)), 25),
        goto(25, 2, from().dl_src(port.mac), 30),
    ];
    flows.extend(link_local.ok().map(|address| goto(24, 2, advertisement().nd_target(address), 58)));
    flows
}

/// The comparison is fair only if both ways ended in the same flows.
async fn same_flows(database: &Client, bridge: &Connection, port: &Port) -> anyhow::Result<()> {
    let all = bridge.dump_flows(&FlowFilter::all()).await?;
    let of = |device: &str| {
        let number = switch::number(&database.replica(), device).map(u128::from);
        let mut flows: Vec<_> = all
            .iter()
            .filter(|flow| number.is_some() && flow.matches.exact(Field::InPort) == number)
            .map(|flow| (flow.table, flow.priority, flow.actions.clone()))
            .collect();
        flows.sort();
        flows
    };
    let (ours, by_hand) = (of(&port.device()), of(&port.twin()));
    ensure!(!ours.is_empty() && ours == by_hand, "other flows by hand: {ours:?}\n{by_hand:?}");
    Ok(())
}

fn is_local(tag: i64) -> bool {
    (1..=4094).contains(&tag)
}
