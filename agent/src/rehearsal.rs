//! What an agent would do at its start, found out without being one: the node is read, the controller is
//! asked, and nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use controller::Driver;
use host::Handles;
use model::{Desired, Role, Scope};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::config::{self, Request, roles};
use crate::domains::Rehearsal;
use crate::driver::{self, Open};
use crate::inspect;
use crate::lookup::Asker;
use crate::run::{domains, facts};

/// How long the controller may take to be heard of.
const LONGEST: Duration = Duration::from_secs(60);
/// When nothing more came for so long, what was heard has to do.
const STILL: Duration = Duration::from_secs(5);

/// What there is to say.
#[derive(Debug, Default)]
pub(crate) struct Rehearsed {
    /// Steps, and what cannot be done.
    pub(crate) rehearsal: Rehearsal,
    /// The roles that not everything was heard of.
    pub(crate) incomplete: Vec<&'static str>,
}

impl Rehearsed {
    pub(crate) fn to_json(&self) -> Value {
        let mut answer = inspect::plan(&self.rehearsal);
        answer["incomplete"] = self.incomplete.iter().copied().collect();
        answer
    }
}

/// Looks at the node as an agent with this configuration would at its start.
pub(crate) async fn rehearse(request: &Request) -> anyhow::Result<Rehearsed> {
    let mut node = config::load(request)?.node;
    // What a flow replaces decides whether it changes anything.
    node.switch.foreign_flows = true;
    let (events, mut inbox) = mpsc::unbounded_channel();
    let handles = Handles::open().await.context("cannot talk to the kernel")?;
    let mut domains = domains(&node, &events, &handles, &Asker::default())?;
    let Open { driver, mut desired, .. } = driver::rehearse(&node, facts(&domains))?;
    // The switch tells when its rows can be read; without a switch its part of the plan says so.
    let _ = tokio::time::timeout(node.switch.ovsdb_timeout, inbox.recv()).await;
    let wanted = heard(&mut desired, &node.roles, &driver).await;
    let rehearsal = match &wanted {
        Ok(wanted) => Some(domains.rehearse(wanted, &Scope::All).await),
        Err(_) => None,
    };
    driver.close().await;
    let (wanted, rehearsal) = (wanted?, rehearsal.unwrap_or_default());
    let missing = node.roles.iter().filter(|role| !wanted.complete.contains(*role));
    let incomplete = missing.map(|role| roles::name(*role)).collect();
    Ok(Rehearsed { rehearsal, incomplete })
}

/// What is wanted, as soon as it is whole, or no more of it comes.
async fn heard(
    desired: &mut watch::Receiver<Arc<Desired>>,
    roles: &BTreeSet<Role>,
    driver: &Driver,
) -> anyhow::Result<Arc<Desired>> {
    let deadline = Instant::now() + LONGEST;
    loop {
        let now = desired.borrow_and_update().clone();
        if roles.iter().all(|role| now.complete.contains(role)) {
            return Ok(now);
        }
        let something = !now.complete.is_empty() || !now.networks().is_empty() || !now.ports().is_empty();
        let patience = if something { deadline.min(Instant::now() + STILL) } else { deadline };
        match timeout_at(patience, desired.changed()).await {
            Ok(Ok(())) => {}
            _ if something => return Ok(now),
            _ => anyhow::bail!("nothing was heard of what is wanted: {}", why(driver)),
        }
    }
}

fn why(driver: &Driver) -> String {
    match driver {
        Driver::Local(_) => "the embedded controller is silent".to_owned(),
        Driver::Neutron(neutron) => {
            let broker = neutron.status().broker;
            let why = broker.why.unwrap_or_else(|| "the server does not answer".to_owned());
            format!("the message broker is {}; {why}", broker.state)
        }
    }
}
