//! The memory of the whole agent, with DHCP servers and controller, on the large node: after it has made
//! everything from nothing, and after a restart that found everything made.

use anyhow::Context as _;

use crate::agent::Agent;
use crate::clock;
use crate::scale::Scale;
use crate::table::Row;

const LIMIT: f64 = 40.0;

pub(crate) fn run(scale: &mut Scale) -> anyhow::Result<Vec<Row>> {
    let on = scale.get()?;
    on.agent.take().context("the agent runs")?.stop()?;
    on.agent = Some(Agent::start(on.node)?);
    on.agent()?.await_converged(60);
    on.agent()?.await_idle()?;
    let restarted = clock::resident(on.agent()?.started.pid)?;
    let what = "memory: 100 networks, 1,000 ports, 100 routers";
    Ok(vec![
        Row::new(format!("{what}, after a restart"), "MiB", restarted).at_most(LIMIT),
        Row::new(format!("{what}, just made"), "MiB", on.resident_when_made).at_most(LIMIT),
    ])
}
