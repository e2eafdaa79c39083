//! The agent restarts on the large node, on which everything is right already.
//!
//! Ours: from the start of the program until it says that every object was looked at and is as wanted. The
//! peer is a bare program that reads the same (see `read_state`) with the same clients and decides nothing:
//! what cannot be avoided. By turns. Between the first dump of the flows and the last, no flow may be
//! younger than before: none was written again.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use tests::Node;

use crate::agent::{self, Agent, STORE};
use crate::scale::{Populated, Scale};
use crate::table::Row;
use crate::{Effort, clock};

const LIMIT: f64 = 1.5;

pub(crate) async fn run(effort: Effort, scale: &mut Scale) -> anyhow::Result<Vec<Row>> {
    let on = scale.get()?;
    on.agent()?.await_converged(60);
    let before = ages(on.node)?;
    let (mut ours, mut bare) = (Times::default(), Times::default());
    for _ in 0..effort.rounds(12) {
        on.agent.take().context("the agent runs")?.stop()?;
        bare.take(read(on)?)?;
        let agent = Agent::start(on.node)?;
        ours.0.push(agent.started.wall);
        ours.1.push(agent.started.processor);
        on.agent = Some(agent);
    }
    on.agent()?.await_converged(60);
    let after = ages(on.node)?;
    let rewritten = after.iter().filter(|(flow, age)| before.get(*flow).is_none_or(|old| *age < old)).count();
    let lost = before.keys().filter(|flow| !after.contains_key(*flow)).count();
    let who = "reading the same state";
    Ok(vec![
        Row::new("restart: to converged", "ms", clock::median(ours.0))
            .beside(who, clock::median(bare.0))
            .at_most_times(LIMIT),
        Row::new("restart: CPU until converged", "ms", clock::median(ours.1))
            .beside(who, clock::median(bare.1)),
        Row::new(format!("restart: flows written again, of {}", after.len()), "", (rewritten + lost) as f64)
            .at_most(0.0),
    ])
}

/// On the wall and of the processor.
#[derive(Default)]
struct Times(Vec<std::time::Duration>, Vec<std::time::Duration>);

impl Times {
    fn take(&mut self, started: agent::Started) -> anyhow::Result<()> {
        self.0.push(started.wall);
        self.1.push(started.processor);
        started.stop()
    }
}

fn read(on: &Populated) -> anyhow::Result<agent::Started> {
    let this = std::env::current_exe()?;
    agent::start(on.node, &format!("{} read-state {} {STORE}", this.display(), on.node.name()))
}

/// For how many seconds each flow has been in its bridge. (A dump by another program: what we read
/// ourselves could be wrong in the same way as what we wrote.)
fn ages(node: &Node) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut ages = BTreeMap::new();
    for bridge in ["br-int", "br-tun", "br-ex"] {
        for line in node.sh(&format!("ovs-ofctl -O OpenFlow14 dump-flows {bridge}")).lines() {
            let Some((cookie, rest)) = line.split_once(", duration=") else { continue };
            let (age, rest) = rest.split_once("s,").context("a duration in seconds")?;
            // Counters go on counting, and learnt flows come and go.
            let words = rest.split(", ").filter(|word| !word.trim().starts_with("n_"));
            let words: Vec<&str> = words.collect();
            if !rest.contains("hard_timeout=300, idle_age") && !cookie.contains("0xba80") {
                ages.insert(format!("{bridge} {cookie} {}", words.join(",")), age.parse()?);
            }
        }
    }
    ensure!(!ages.is_empty(), "no flow was dumped");
    Ok(ages)
}
