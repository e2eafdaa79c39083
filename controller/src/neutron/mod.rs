//! The driver of a node whose controller is a neutron-server: to the server it is an Open vSwitch agent,
//! a DHCP agent, an L3 agent and a metadata agent of Neutron's.
//!
//! ```text
//!   broker ── messaging ──> shell ──events──> machines (l2, tunnels, dhcp, l3: pure) ──findings──> picture ──> Desired
//!                             └──<── asks ───────┘
//! ```
//!
//! The shell owns everything that waits. Machines decide; what they find out is put together in the
//! picture, which is published whole. Messages are hints: whatever is in doubt is read again from the
//! server, and what is known stays until the answer is there.
//!
//! Nothing here knows how anything is done on a node.

mod batches;
mod complaints;
mod dhcp;
mod fault;
mod finding;
mod guests;
mod heartbeat;
mod kept;
mod l2;
mod l3;
mod outlet;
mod passes;
mod picture;
#[cfg(test)]
mod play;
mod queue;
mod role;
mod seat;
pub mod settings;
mod shell;
pub mod status;
mod table;
mod topic;
mod tunnels;
mod turns;
mod wire;
mod wiring;

use std::sync::Arc;
use std::time::Duration;

use messaging::{Bus, Incoming};
use model::{Desired, Pass, SwitchFacts};
use tokio::sync::{mpsc, watch};

pub use guests::AskError;
use outlet::Outlet;
pub use settings::Settings;
use shell::{Ears, Shell};
use status::{Standing, Status};

use crate::guest::{Known, Near, Owner};

/// How long a stop waits for the broker to hear of it.
const FAREWELL: Duration = Duration::from_secs(3);

/// The handle of the driver. A clone is the same driver.
#[derive(Clone, Debug)]
pub struct Neutron {
    bus: Bus,
    desired: watch::Receiver<Arc<Desired>>,
    reports: mpsc::UnboundedSender<Pass>,
    standing: watch::Receiver<Standing>,
    stop: Arc<watch::Sender<bool>>,
}

impl Neutron {
    /// Begins to connect, in the background and for as often as it takes. What the node is to be is nothing
    /// until the server was heard, and says so by being incomplete. Must be called inside a tokio runtime.
    pub fn open(settings: Settings, facts: watch::Receiver<SwitchFacts>) -> Self {
        let settings = with_versions(settings);
        let (bus, incoming) = Bus::start(settings.bus.clone(), table::listen(&settings));
        Self::start(settings, facts, Outlet::everything(bus.clone()), bus, incoming)
    }

    /// Finds out what the node is to be, beside agents of Neutron's that are at work: says nothing that
    /// changes something at the server, takes none of their messages, and keeps nothing. What is only said
    /// in messages is not heard, so the picture of the switch stays incomplete.
    pub fn rehearse(settings: Settings, facts: watch::Receiver<SwitchFacts>) -> Self {
        let settings = Settings { kept: None, ..with_versions(settings) };
        let (bus, incoming) = Bus::start(settings.bus.clone(), Vec::new());
        Self::start(settings, facts, Outlet::Reading(bus.clone()), bus, incoming)
    }

    fn start(
        settings: Settings,
        facts: watch::Receiver<SwitchFacts>,
        outlet: Outlet,
        bus: Bus,
        incoming: mpsc::Receiver<Incoming>,
    ) -> Self {
        let (wake, answered) = mpsc::unbounded_channel();
        let (reports, reported) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (publish, desired) = watch::channel(Arc::new(Desired::default()));
        let (teller, standing) = watch::channel(Standing::default());
        let seats = table::seats(&settings, &outlet, &wake);
        let (shell, hearts) = Shell::new(Arc::new(settings), outlet, seats, publish, teller);
        let ears = Ears { incoming, link: bus.link(), facts, reports: reported, answered, stop: stopped };
        tokio::spawn(shell.run(ears, hearts));
        Self { bus, desired, reports, standing, stop: Arc::new(stop) }
    }

    /// What the node is to be. The receiver always has a value; a change marks it.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.desired.clone()
    }

    /// How the driver stands with the broker and the server.
    pub fn status(&self) -> Status {
        let link = self.bus.link().borrow().clone();
        Status::new(&link, self.standing.borrow().clone(), self.bus.counters())
    }

    /// Whose a guest's port is: the owner of every port that is meant.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked, or its answer cannot be understood.
    pub async fn owners(&self, near: Near, known: Known) -> Result<Vec<Owner>, AskError> {
        guests::owners(&self.bus, near, known).await
    }

    /// The status over HTTP: `/baryon/v1/controller`.
    pub fn routes(&self) -> axum::Router {
        let neutron = self.clone();
        let status = move || async move { axum::Json(neutron.status()) };
        axum::Router::new().route("/baryon/v1/controller", axum::routing::get(status))
    }

    /// Takes in what came of a pass of the engine, as far as that is still wanted when it is heard.
    pub fn report(&self, pass: Pass) {
        // The shell only ends when it is told to.
        let _ = self.reports.send(pass);
    }

    /// Stops telling the server that the agents of this node are alive, and gives back the queues that are
    /// of no use to the next process.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        // A broker that is away hears nothing, and nobody waits for it.
        let _ = tokio::time::timeout(FAREWELL, self.bus.close()).await;
    }
}

/// The versions of objects that are asked for, reported and listened to: the same everywhere, because the
/// server sends every change in every version that somebody reported.
fn with_versions(mut settings: Settings) -> Settings {
    for (kind, version) in table::object_versions(&settings) {
        settings.object_versions.entry(kind).or_insert(version);
    }
    settings
}
