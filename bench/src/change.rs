//! One port changes: does it cost more on a large node?
//!
//! A port is disabled or enabled through the API, and then its tag changes in the switch's database. The
//! same on a node with 10 ports (the peer) and on the node with 1,000, one change here and one there, so
//! that both are measured under the same load and with equally cold caches. The processor time is the
//! agent's: API, store, pass, switch.
//!
//! The time that it takes is mostly the switch's, whose work for any change grows with its ports. So its
//! peer is the same by hand on the same node: a bundle with the flow, and a transaction with the tag.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use ovs::openflow::{Bundle, Connection, Flow, Match};
use ovs::ovsdb::{Client, Columns, Condition, Map, Operation};
use tokio::time::timeout;

use crate::scale::{Populated, Scale, Size};
use crate::table::Row;
use crate::{Effort, clock, switch};

const LIMIT: f64 = 1.2;
const CHANGES: usize = 100;
/// Changes before anything is measured: what happens only once is not meant.
const WARM: usize = 10;
const SMALL: Size = Size { networks: 1, ports: 10, routers: false };
const DEAD: i64 = 4095;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn run(effort: Effort, scale: &mut Scale) -> anyhow::Result<Vec<Row>> {
    let large = scale.get()?;
    let small = Populated::make(2, SMALL)?;
    let mut large = Changes::new(large).await?;
    let mut small = Changes::new(&small).await?;
    let mut by_hand = ByHand::new(large.on, large.database.clone()).await?;
    small.on.agent()?.await_idle()?;
    large.on.agent()?.await_idle()?;
    for _ in 0..WARM {
        small.make().await?;
        large.make().await?;
    }
    (small.took, large.took) = (Vec::new(), Vec::new());
    (small.used, large.used) = (Vec::new(), Vec::new());
    let mut took = Vec::new();
    for _ in 0..effort.rounds(CHANGES) {
        small.make().await?;
        large.make().await?;
        switch::settle(&large.database).await?;
        took.push(by_hand.make().await?);
        switch::settle(&large.database).await?;
    }
    Ok(vec![
        Row::new("change: CPU of the agent per port change", "ms", clock::median(large.used))
            .beside("with 10 ports instead of 1,000", clock::median(small.used))
            .at_most_times(LIMIT),
        Row::new("change: API call to tag in the switch", "ms", clock::median(large.took))
            .beside("one bundle, one transaction, by hand", clock::median(took)),
        Row::new("change: the same with 10 ports", "ms", clock::median(small.took)),
    ])
}

/// Changes of the ports of one node, one port after the other.
struct Changes<'p> {
    on: &'p Populated,
    database: Client,
    _events: ovs::ovsdb::Events,
    next: usize,
    took: Vec<Duration>,
    used: Vec<Duration>,
}

impl<'p> Changes<'p> {
    async fn new(on: &'p Populated) -> anyhow::Result<Self> {
        let (database, events) = switch::database(on.node).await?;
        Ok(Self { on, database, _events: events, next: 0, took: Vec::new(), used: Vec::new() })
    }

    /// Disables the next port, or enables it the next time round.
    async fn make(&mut self) -> anyhow::Result<()> {
        let agent = self.on.agent()?;
        let (round, index) = (self.next / self.on.ports.len(), self.next % self.on.ports.len());
        let port = self.on.ports.get(index).context("there are ports")?;
        self.next += 1;
        let up = round % 2 == 1;
        let device = format!("tap{port:.11}");
        let before = agent.processor_time()?;
        let begin = Instant::now();
        let body = format!(r#"{{"port": {{"admin_state_up": {up}}}}}"#);
        agent.api("PUT", &format!("/v2.0/ports/{port}"), &body)?;
        let seen = self
            .database
            .wait_for(|replica| switch::tag(replica, &device).is_some_and(|tag| (tag == DEAD) != up));
        timeout(PATIENCE, seen).await??;
        self.took.push(begin.elapsed());
        // What the agent still does after the tag, such as telling the controller.
        agent.api("GET", &format!("/v2.0/ports/{port}"), "")?;
        self.used.push(agent.processor_time()?.saturating_sub(before));
        Ok(())
    }
}

/// A port that the agent knows nothing of, cut off and opened by hand.
struct ByHand {
    database: Client,
    bridge: Connection,
    dead: bool,
}

impl ByHand {
    const PORT: &'static str = "by-hand";

    async fn new(on: &Populated, database: Client) -> anyhow::Result<Self> {
        on.node.sh("ip link add by-hand type veth peer name by-hand-peer; ip link set by-hand up");
        database.transact(switch::add_port("br-int", Self::PORT, Some(1), Map::default())).await?;
        let seen = database.wait_for(|replica| switch::number(replica, Self::PORT).is_some());
        timeout(PATIENCE, seen).await??;
        Ok(Self { database, bridge: switch::bridge(on.node, "br-int").await?, dead: false })
    }

    async fn make(&mut self) -> anyhow::Result<Duration> {
        let number = switch::number(&self.database.replica(), Self::PORT).context("a number")?;
        let flow = Flow::new(0, 2, Match::new().in_port(number));
        self.dead = !self.dead;
        let tag = if self.dead { DEAD } else { 1 };
        let begin = Instant::now();
        let mut bundle = Bundle::new();
        if self.dead {
            bundle.add(flow);
        } else {
            bundle.remove(flow.key());
        }
        self.bridge.commit(&bundle).await?;
        let row = Columns::new().with("tag", Some(tag));
        self.database
            .transact([Operation::update("Port", Condition::equal("name", Self::PORT), row)])
            .await?;
        let seen = self.database.wait_for(|replica| switch::tag(replica, Self::PORT) == Some(tag));
        timeout(PATIENCE, seen).await??;
        Ok(begin.elapsed())
    }
}
