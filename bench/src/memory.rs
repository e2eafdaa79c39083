//! The memory of the whole agent, with DHCP servers and controller, on the large node.

use crate::clock;
use crate::scale::Scale;
use crate::table::Row;

const LIMIT: f64 = 40.0;

pub(crate) fn run(scale: &mut Scale) -> anyhow::Result<Vec<Row>> {
    let resident = clock::resident(scale.get()?.agent()?.started.pid)?;
    Ok(vec![Row::new("memory: 100 networks, 1,000 ports, 100 routers", "MiB", resident).at_most(LIMIT)])
}
