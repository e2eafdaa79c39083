//! One port changes: does it cost more on a large node?
//!
//! A port is disabled or enabled through the API, and then its tag changes in the switch's database. The
//! same on a node with 10 ports (the peer) and on the node with 1,000, by turns, so that both are measured
//! under the same load. The processor time is the agent's: API, store, pass, switch. The time that it takes
//! is the switch's too, whose own work grows with its ports.

use std::time::{Duration, Instant};

use ovs::ovsdb::Client;
use tokio::time::timeout;

use crate::scale::{Populated, Scale, Size};
use crate::table::Row;
use crate::{Effort, clock, switch};

const LIMIT: f64 = 1.2;
const CHANGES: usize = 100;
/// How many changes one node makes before it is the other's turn.
const TURN: usize = 10;
const SMALL: Size = Size { networks: 1, ports: 10, routers: false };
const DEAD: i64 = 4095;

pub(crate) async fn run(effort: Effort, scale: &mut Scale) -> anyhow::Result<Vec<Row>> {
    let large = scale.get()?;
    let small = Populated::make(2, SMALL)?;
    let mut large = Changes::new(large).await?;
    let mut small = Changes::new(&small).await?;
    // What happens only once is not meant.
    small.make(TURN).await?;
    large.make(TURN).await?;
    (small.took, large.took) = (Vec::new(), Vec::new());
    (small.used, large.used) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..effort.rounds(CHANGES / TURN) {
        small.make(TURN).await?;
        large.make(TURN).await?;
    }
    Ok(vec![
        Row::new("change: CPU of the agent per port change", "ms", large.used_each())
            .beside("with 10 ports instead of 1,000", small.used_each())
            .at_most_times(LIMIT),
        Row::new("change: API call to tag in the switch", "ms", clock::median(large.took))
            .beside("with 10 ports instead of 1,000", clock::median(small.took)),
    ])
}

/// Changes of the ports of one node, one port after the other.
struct Changes<'p> {
    on: &'p Populated,
    database: Client,
    _events: ovs::ovsdb::Events,
    next: usize,
    took: Vec<Duration>,
    used: Duration,
}

impl<'p> Changes<'p> {
    async fn new(on: &'p Populated) -> anyhow::Result<Self> {
        let (database, events) = switch::database(on.node).await?;
        Ok(Self { on, database, _events: events, next: 0, took: Vec::new(), used: Duration::ZERO })
    }

    async fn make(&mut self, count: usize) -> anyhow::Result<()> {
        let agent = self.on.agent()?;
        let before = agent.processor_time()?;
        for _ in 0..count {
            // Each port is disabled, and enabled the next time round.
            let (round, index) = (self.next / self.on.ports.len(), self.next % self.on.ports.len());
            let Some(port) = self.on.ports.get(index) else { continue };
            self.next += 1;
            let up = round % 2 == 1;
            let device = format!("tap{port:.11}");
            let begin = Instant::now();
            let body = format!(r#"{{"port": {{"admin_state_up": {up}}}}}"#);
            agent.api("PUT", &format!("/v2.0/ports/{port}"), &body)?;
            let seen = self
                .database
                .wait_for(|replica| switch::tag(replica, &device).is_some_and(|tag| (tag == DEAD) != up));
            timeout(Duration::from_secs(20), seen).await??;
            self.took.push(begin.elapsed());
        }
        // What the agent still does after the last tag, such as telling the controller.
        agent.api("GET", "/v2.0/routers", "")?;
        self.used += agent.processor_time()?.saturating_sub(before);
        Ok(())
    }

    fn used_each(&self) -> f64 {
        clock::milliseconds(self.used) / self.took.len() as f64
    }
}
