//! Baryon beside Neutron's own agents, under one server, on nodes of one size, in one run.
//!
//! First one program serves a node with everything on it, then the other a node of the same name, with the same
//! networks, routers and ports. What a node costs is read from outside, in the same way for both: the
//! processes in the node's pid namespace without the switch, and the packets on its management link.

mod broker;
mod load;
mod scene;

use anyhow::Context as _;
use tests::Underlay;
use tests::neutron::{Kind, Release, Server};

use self::scene::{Scene, Size};
use crate::Effort;
use crate::table::Row;

/// What was measured of one program.
#[derive(Debug, Default)]
struct Figures {
    /// Seconds from the plug to ACTIVE, one port after the other.
    active: Vec<f64>,
    /// Of the restart: until nothing more is done, and processor time, in seconds.
    settled: f64,
    processor: f64,
    /// Flows that are younger than the restart.
    rewritten: usize,
    /// MiB of all processes after it: resident, and with shared pages shared out.
    resident: f64,
    proportional: f64,
    /// Of the broker: held at rest, and carried by the restart.
    connections: usize,
    queues: usize,
    messages: u64,
    bytes: u64,
}

pub(crate) fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let size = match effort {
        Effort { quick: true, .. } => Size { ports: 20, networks: 5, routers: 2, single: 8 },
        Effort { full: true, .. } => Size { ports: 500, networks: 100, routers: 100, single: 100 },
        Effort { .. } => Size { ports: 100, networks: 20, routers: 20, single: 40 },
    };
    let underlay = Underlay::new();
    let server = Server::start(&underlay, Release::Newest);
    let mut scene = Scene::new(&underlay, &server, size);
    let theirs = scene.measure(Kind::Stock)?;
    let ours = scene.measure(Kind::Baryon)?;
    let alone = scene.server_alone()?;
    rows(&ours, &theirs, &alone, size)
}

fn rows(ours: &Figures, theirs: &Figures, alone: &[f64], size: Size) -> anyhow::Result<Vec<Row>> {
    let beside = "Neutron's agents";
    let of = format!("{} ports, {} networks, {} routers", size.ports, size.networks, size.routers);
    let row = |name: &str, unit, ours: f64, theirs: f64| Row::new(name, unit, ours).beside(beside, theirs);
    let count = |name: &str, ours: usize, theirs: usize| row(name, "", as_float(ours), as_float(theirs));
    let mut rows = Vec::new();
    for (name, part) in [("median", 0.5), ("p99", 0.99)] {
        let floor = quantile(alone, part).context("no port was reported")?;
        let (ours, theirs) = (quantile(&ours.active, part), quantile(&theirs.active, part));
        let (ours, theirs) = (ours.context("no port of ours")?, theirs.context("no port of theirs")?);
        rows.push(row(&format!("plugged to ACTIVE, {name}"), "s", ours, theirs).at_most_times(0.2));
        rows.push(Row::new(format!("  of it the server's own, {name}"), "s", floor));
    }
    rows.extend([
        row(&format!("restart with {of}"), "s", ours.settled, theirs.settled).at_most_times(0.1),
        row("  processor time", "s", ours.processor, theirs.processor).at_most_times(0.02),
        count("  flows written", ours.rewritten, theirs.rewritten).at_most(0.0),
        row("  AMQP messages", "", ours.messages as f64, theirs.messages as f64).at_most_times(1.0),
        row("  AMQP bytes on the wire", "KiB", ours.bytes as f64 / 1024.0, theirs.bytes as f64 / 1024.0)
            .at_most_times(1.0),
        row("memory of the node's processes, resident", "MiB", ours.resident, theirs.resident)
            .at_most_times(0.05),
        row("memory, shared pages shared out", "MiB", ours.proportional, theirs.proportional),
        count("AMQP connections", ours.connections, theirs.connections).at_most_times(1.0),
        count("AMQP queues", ours.queues, theirs.queues).at_most_times(1.0),
    ]);
    Ok(rows)
}

/// A value below which lies this part of all.
fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a short list")]
    sorted.get((as_float(last) * part).round() as usize).copied()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a measurement")]
fn as_float(count: usize) -> f64 {
    count as f64
}
