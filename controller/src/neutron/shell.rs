//! The one task of the driver: hears everything there is to hear, passes it to the machines, and
//! publishes what their findings make together. Decides only who hears what, and when a role may ask.

use std::future::pending;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use messaging::{Incoming, Link, LinkState};
use model::{Desired, Pass, SwitchFacts};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::fault::Fault;
use super::finding::Finding;
use super::heartbeat::{Heartbeat, Load, Stamp, Welcome};
use super::kept::Kept;
use super::outlet::Outlet;
use super::passes::Passes;
use super::picture::Picture;
use super::role::Message;
use super::seat::{Heard, Seat};
use super::settings::{AgentRole, Settings};
use super::status::{AgentStanding, Standing};
use crate::clock;

/// What came of a role's report.
type Answered = (AgentRole, Result<Value, Fault>);

/// Everything that the shell hears from.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) facts: watch::Receiver<SwitchFacts>,
    pub(crate) reports: mpsc::UnboundedReceiver<Pass>,
    /// An ask of some seat was answered.
    pub(crate) answered: mpsc::UnboundedReceiver<()>,
    pub(crate) stop: watch::Receiver<bool>,
}

#[derive(Debug)]
pub(crate) struct Shell {
    settings: Arc<Settings>,
    outlet: Outlet,
    seats: Vec<Box<dyn Seat>>,
    hearts: Vec<Heart>,
    told: mpsc::UnboundedSender<Answered>,
    facts: SwitchFacts,
    picture: Picture,
    passes: Passes,
    kept: Kept,
    desired: watch::Sender<Arc<Desired>>,
    standing: watch::Sender<Standing>,
    link: LinkState,
    epoch: u64,
}

/// The reports of one role, and what they came to.
#[derive(Debug)]
struct Heart {
    beat: Heartbeat,
    /// The connection on which the server last took a report: its role may ask on that one.
    open_since_epoch: Option<u64>,
    /// The last failure that was said, so that a server that is away for an hour is one line.
    said: Option<String>,
}

impl Shell {
    pub(crate) fn new(
        settings: Arc<Settings>,
        outlet: Outlet,
        seats: Vec<Box<dyn Seat>>,
        desired: watch::Sender<Arc<Desired>>,
        standing: watch::Sender<Standing>,
    ) -> (Self, mpsc::UnboundedReceiver<Answered>) {
        let (told, answers) = mpsc::unbounded_channel();
        let now = Instant::now();
        let beat = |role: &AgentRole| Heartbeat::new(*role, settings.report_interval, now);
        let heart = |role| Heart { beat: beat(role), open_since_epoch: None, said: None };
        let hearts = settings.roles.iter().map(heart).collect();
        let roles = settings.roles.iter().map(|role| role.role()).collect();
        let mut picture = Picture::new(settings.host.clone(), roles);
        let (kept, before) = match &settings.kept {
            Some(path) => Kept::open(path),
            None => (Kept::nowhere(), Desired::default()),
        };
        picture.remember(before);
        let link = LinkState::Connecting { why: None };
        let facts = SwitchFacts::default();
        (
            Self {
                settings,
                outlet,
                seats,
                hearts,
                told,
                facts,
                picture,
                passes: Passes::default(),
                kept,
                desired,
                standing,
                link,
                epoch: 0,
            },
            answers,
        )
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, mut ears: Ears, mut reported: mpsc::UnboundedReceiver<Answered>) {
        self.facts = ears.facts.borrow_and_update().clone();
        let facts = self.facts.clone();
        self.all(Heard::Switch(&facts));
        ears.link.mark_changed();
        self.settle();
        loop {
            let due = self.due();
            // In this order: what is plugged in is heard before what came of it, and messages, of which there may
            // be many, after what is short.
            tokio::select! {
                biased;
                _ = ears.stop.wait_for(|stop| *stop) => return self.kept.write(self.picture.desired()),
                Ok(()) = ears.link.changed() => {
                    let link = ears.link.borrow_and_update().clone();
                    self.link(link);
                }
                Ok(()) = ears.facts.changed() => {
                    self.facts = ears.facts.borrow_and_update().clone();
                    let facts = self.facts.clone();
                    self.all(Heard::Switch(&facts));
                }
                Some((role, answer)) = reported.recv() => self.report_answered(role, answer),
                Some(pass) = ears.reports.recv() => {
                    let report = self.passes.take_in(pass, self.picture.desired());
                    self.all(Heard::Report(&report));
                }
                Some(()) = ears.answered.recv() => while ears.answered.try_recv().is_ok() {},
                () = until(due) => self.all(Heard::Tick),
                Some(incoming) = ears.incoming.recv() => self.message(incoming),
            }
            self.settle();
        }
    }

    fn all(&mut self, heard: Heard<'_>) {
        let now = Instant::now();
        self.seats.iter_mut().for_each(|seat| seat.hear(heard, now));
    }

    fn link(&mut self, link: Link) {
        let now = Instant::now();
        match &link.state {
            LinkState::Up => info!(epoch = link.epoch, "connected to the message broker"),
            LinkState::Connecting { why: Some(why) } => {
                warn!(why, "no message broker; the node stays as it is, and connecting goes on");
            }
            LinkState::Blocked { why } => warn!(why, "the message broker takes no messages for now"),
            LinkState::Connecting { why: None } | LinkState::Closed => {}
        }
        if link.epoch != self.epoch || !link.is_up() {
            self.hearts.iter_mut().for_each(|heart| heart.open_since_epoch = None);
            self.all(Heard::Closed);
        }
        self.epoch = link.epoch;
        self.link = link.state;
        if self.link == LinkState::Up {
            self.hearts.iter_mut().for_each(|heart| heart.beat.hasten(now));
        }
    }

    fn message(&mut self, incoming: Incoming) {
        debug!(
            topic = incoming.topic,
            method = incoming.method,
            request_id = incoming.request_id.as_deref().unwrap_or("-"),
            "heard"
        );
        // Everything that the server says to an agent is a hint. Whoever waits for an answer only wants to know
        // that it arrived.
        incoming.answer.send(Ok(Value::Null));
        let message = Message { topic: incoming.topic, method: incoming.method, args: incoming.args };
        let now = Instant::now();
        for seat in self.seats.iter_mut().filter(|seat| seat.listens_to(&message.topic)) {
            seat.hear(Heard::Message(&message), now);
        }
    }

    fn report_answered(&mut self, role: AgentRole, answer: Result<Value, Fault>) {
        let (now, epoch) = (Instant::now(), self.epoch);
        let Some(heart) = self.hearts.iter_mut().find(|heart| heart.beat.role == role) else { return };
        let first = !heart.beat.accepted();
        heart.beat.answered(answer.is_ok(), now);
        let welcome = match answer {
            Ok(answer) => Welcome::read(&answer),
            Err(fault) => {
                let text = fault.to_string();
                if heart.said.as_ref() != Some(&text) {
                    warn!(?role, why = text, "the server does not take this agent's report; trying again");
                    heart.said = Some(text);
                }
                return;
            }
        };
        heart.said = None;
        if self.settings.log_agent_heartbeats {
            info!(?role, ?welcome, "reported");
        }
        let opens = heart.open_since_epoch != Some(epoch);
        heart.open_since_epoch = Some(epoch);
        if first {
            info!(?role, host = %self.settings.host, "the server knows this agent");
        }
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.role() == role) else { return };
        if opens || (welcome == Welcome::Revived && !first) {
            seat.hear(Heard::Gap, now);
        }
        if opens {
            seat.hear(Heard::Open, now);
        }
    }

    /// Lets everybody act on what was heard, and publishes what came of it.
    fn settle(&mut self) {
        let now = Instant::now();
        loop {
            let mut own = Vec::new();
            let mut found = false;
            for seat in &mut self.seats {
                for finding in seat.tend(now) {
                    found = true;
                    if let Finding::OwnPort(port, sighting) = &finding {
                        own.push((*port, sighting.is_some()));
                    }
                    self.picture.take_in(finding);
                }
            }
            for (port, needed) in own {
                self.seats.iter_mut().for_each(|seat| seat.hear(Heard::OwnPort(port, needed), now));
            }
            if !found {
                break;
            }
        }
        if self.picture.take_changed() {
            let desired = Arc::new(self.picture.desired().clone());
            self.desired.send_replace(desired);
            self.kept.changed(now);
            if let Some(report) = self.passes.again_true(self.picture.desired()) {
                self.all(Heard::Report(&report));
            }
        }
        if self.kept.due().is_some_and(|due| due <= now) {
            self.kept.write(self.picture.desired());
        }
        self.beat(now);
        self.tell();
    }

    /// Says how things stand, when it is news.
    fn tell(&self) {
        let agent = |heart: &Heart| AgentStanding {
            binary: heart.beat.role.binary(),
            known: heart.open_since_epoch == Some(self.epoch) && self.link == LinkState::Up,
            why: heart.said.clone(),
        };
        let standing = Standing {
            agents: self.hearts.iter().map(agent).collect(),
            complete: self.picture.desired().complete.iter().copied().collect(),
            passed_over: self.seats.iter().map(|seat| seat.complaints()).sum(),
        };
        self.standing.send_if_modified(|before| {
            let news = *before != standing;
            *before = standing;
            news
        });
    }

    /// Sends the reports that are due. Without a broker none: they would only queue up.
    fn beat(&mut self, now: Instant) {
        if self.link != LinkState::Up {
            return;
        }
        let load = self.load();
        for heart in &mut self.hearts {
            let healthy = heart.beat.role != AgentRole::OpenVSwitch || self.facts.alive;
            if !healthy || heart.beat.due().is_none_or(|due| due > now) {
                continue;
            }
            let stamp =
                Stamp { time: clock::precise(SystemTime::now()), id: uuid::Uuid::new_v4().to_string() };
            let request = heart.beat.report(&self.settings, &self.facts, load, &stamp);
            let (outlet, told, role) = (self.outlet.clone(), self.told.clone(), heart.beat.role);
            tokio::spawn(async move { told.send((role, outlet.send(request).await)) });
        }
    }

    fn load(&self) -> Load {
        let desired = self.picture.desired();
        let routers = || desired.routers().values();
        Load {
            devices: self.facts.plugged.len(),
            gateways: routers().filter(|router| router.gateway.is_some()).count(),
            interfaces: routers().map(|router| router.interfaces.len()).sum(),
            floating_ips: routers().map(|router| router.floating_ips.len()).sum(),
            routers: desired.routers().len(),
            ..self.picture.served()
        }
    }

    fn due(&self) -> Option<Instant> {
        let up = self.link == LinkState::Up;
        let alive = |heart: &&Heart| heart.beat.role != AgentRole::OpenVSwitch || self.facts.alive;
        let beats = self.hearts.iter().filter(|_| up).filter(alive).filter_map(|heart| heart.beat.due());
        self.seats.iter().filter_map(|seat| seat.due()).chain(beats).chain(self.kept.due()).min()
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
