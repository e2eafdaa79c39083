//! What a node is to the broker: connections and queues that it holds, messages and bytes that it moves.
//!
//! Messages are counted on the wire, where no statistics of the broker forget what a closed channel sent.

use std::process::{Child, Stdio};

use anyhow::Context as _;
use tests::neutron::Server;
use tests::{Node, Underlay, wait};

/// Connections of a node, and the queues that it consumes from.
pub(super) fn held(server: &Server, node: &Node) -> (usize, usize) {
    let address = node.sh("ip -4 -o address show dev mgmt0 | sed 's/.*inet //; s,/.*,,'");
    let connections = server.rabbitmqctl("list_connections pid peer_host");
    let of_node: Vec<&str> = connections
        .lines()
        .filter(|line| line.ends_with(&address))
        .filter_map(|line| line.split('\t').next())
        .collect();
    let channels = server.rabbitmqctl("list_channels pid connection");
    let channel_of_node = |line: &&str| line.split('\t').nth(1).is_some_and(|owner| of_node.contains(&owner));
    let channels: Vec<&str> =
        channels.lines().filter(channel_of_node).filter_map(|line| line.split('\t').next()).collect();
    let consumers = server.rabbitmqctl("list_consumers queue_name channel_pid");
    let mut queues: Vec<&str> = consumers
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, channel)| channels.contains(channel))
        .map(|(queue, _)| queue)
        .collect();
    queues.sort_unstable();
    queues.dedup();
    (of_node.len(), queues.len())
}

/// A recording of a node's management link.
#[derive(Debug)]
pub(super) struct Traffic<'u> {
    underlay: &'u Underlay,
    tcpdump: Child,
}

const FILE: &str = "/run/amqp.pcap";

impl<'u> Traffic<'u> {
    pub(super) fn record(underlay: &'u Underlay, node: &Node) -> anyhow::Result<Self> {
        let script = format!(
            "echo $$ > {FILE}.pid; exec tcpdump -Z root -U -n -B 65536 -i mgmt-{} -w {FILE} tcp port 5672 2> {FILE}.log",
            node.name()
        );
        let tcpdump = underlay.command("sh").args(["-c", &script]).stdout(Stdio::null()).spawn()?;
        wait::until(10, "tcpdump on the management link", || {
            let said = std::fs::read_to_string(underlay.path(&format!("{FILE}.log"))).unwrap_or_default();
            if said.contains("listening on") { Ok(()) } else { Err(said) }
        });
        Ok(Self { underlay, tcpdump })
    }

    /// Ends it. Gives the messages that were published or delivered, and the bytes of all packets.
    pub(super) fn count(mut self) -> anyhow::Result<(u64, u64)> {
        self.underlay.sh(&format!("kill $(cat {FILE}.pid)"));
        self.tcpdump.wait()?;
        // One line a packet: its length, and the methods in it.
        let lines = self.underlay.sh(&format!(
            "tshark -r {FILE} -T fields -e frame.len -e amqp.method.class -e amqp.method.method 2> /dev/null"
        ));
        let (mut messages, mut bytes) = (0, 0);
        for line in lines.lines() {
            let mut columns = line.split('\t');
            let length = columns.next().context("a packet has a length")?;
            bytes += length.parse::<u64>().with_context(|| format!("no length: {line}"))?;
            let mut numbers = || columns.next().unwrap_or_default().split(',');
            let (classes, methods) = (numbers(), numbers());
            // basic.publish, basic.deliver
            let moved = |pair: &(&str, &str)| matches!(*pair, ("60", "40" | "60"));
            messages += u64::try_from(classes.zip(methods).filter(moved).count())?;
        }
        Ok((messages, bytes))
    }
}
