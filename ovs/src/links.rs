//! The OpenFlow connections: one to every bridge that flows of ours are on, kept up in the background.
//!
//! A connection that is made reads the flows once; from then on the mirror is kept in step by what is
//! sent over it. When it ends nothing is known of the bridge until the next one is made.
//!
//! A bridge can lose its flows without losing the connection: vswitchd throws all of them away when
//! `fail_mode` changes, and so does an operator with `del-flows`. So the flows that every packet meets
//! are asked for again and again, as canaries: when one is missing, all flows are read anew.
//!
//! ```text
//!   Connecting ─┬─connected, flows read──> Ready ──closed──> Renewing ─┬─connected──> Ready
//!               └─refused──> Missing ──connected──> Ready              └─refused──> Away ──connected──> Ready
//!                                                                                    └──bridge made again──> Missing
//! ```
//!
//! That a connection is closed is nothing yet: vswitchd closes those of a bridge whose row asks for other versions
//! of the protocol, as ours does at the first start, and takes new ones at once. Who needs the bridge waits for
//! that one attempt; a bridge that stays away for longer is a warning.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{ObjectRef, Scope};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::error::{Error, LinkError, socket};
use crate::mirror::Mirror;
use crate::openflow::codec::FlowMod;
use crate::openflow::{
    Bundle, BundleError, Closed, Connection, Flow, FlowFilter, FlowKey, Patience, RequestError,
};
use crate::pipeline::cookies::{self, Feature, ObjectHash};

/// What is called with the objects to look at again.
pub(crate) type Wake = Arc<dyn Fn(Scope) + Send + Sync>;

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// A socket that nobody listens on is found out in microseconds, so looking often costs nothing.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// A bridge that is away for longer than this is something that a person may have to look at.
const SHORT: Duration = Duration::from_secs(2);

/// How often the canaries are looked at: one small request, answered out of an index by cookie.
const CANARY_PAUSE: Duration = Duration::from_secs(2);

/// Flows that were read no longer ago than this are not read again for an audit: several events that
/// each ask to look at everything come together at every start.
const BELIEVED: Duration = Duration::from_secs(5);

/// The connections to all bridges.
#[derive(Debug)]
pub(crate) struct Links {
    links: BTreeMap<String, Arc<Link>>,
    _keepers: JoinSet<()>,
}

#[derive(Debug)]
struct Link {
    bridge: String,
    path: PathBuf,
    patience: Patience,
    /// Whether the flows of others are read, too.
    foreign_flows: bool,
    state: watch::Sender<State>,
    nudge: Notify,
    /// The bridge may be about to lose its flows.
    alarm: Notify,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    /// Since this bridge was made there has been no connection to it.
    Missing,
    /// The last connection has just ended; nothing is known of the next one.
    Renewing,
    Away(Arc<LinkError>),
    Ready(Arc<Ready>),
}

#[derive(Debug)]
struct Ready {
    connection: Connection,
    mirror: Mutex<Mirror>,
    read_at: Mutex<Instant>,
    /// It is not known what became of the last changes.
    doubtful: AtomicBool,
}

impl Links {
    /// Begins to connect. Must be called inside a tokio runtime.
    pub(crate) fn new<'a>(bridges: impl Iterator<Item = &'a str>, config: &Config, wake: &Wake) -> Self {
        let patience = Patience { answer: config.openflow_timeout, ..Patience::default() };
        let mut keepers = JoinSet::new();
        let mut links = BTreeMap::new();
        for bridge in bridges {
            let (state, _) = watch::channel(State::Connecting);
            let path = socket(&config.rundir, bridge);
            let link = Link {
                bridge: bridge.to_owned(),
                path,
                patience,
                foreign_flows: config.foreign_flows,
                state,
                nudge: Notify::new(),
                alarm: Notify::new(),
            };
            let link = Arc::new(link);
            keepers.spawn(keep(link.clone(), wake.clone()));
            links.insert(bridge.to_owned(), link);
        }
        Self { links, _keepers: keepers }
    }

    /// The bridge was made (again): its socket is there now, or about to be. What was known of the one
    /// before is of no use.
    pub(crate) fn nudge(&self, bridge: &str) {
        if let Some(link) = self.links.get(bridge) {
            link.state.send_if_modified(|state| {
                let away = matches!(state, State::Away(_) | State::Renewing);
                if away {
                    *state = State::Missing;
                }
                away
            });
            link.nudge.notify_one();
        }
    }

    /// The row of a bridge was changed in a way that makes vswitchd throw its flows away, at once or soon.
    pub(crate) fn alarm(&self, bridge: &str) {
        if let Some(link) = self.links.get(bridge) {
            link.alarm.notify_one();
        }
    }

    /// The flows of a bridge: as known, or read again when the last change was not confirmed or when
    /// `audit` says that somebody else may have changed them. `None` when the bridge is still being made.
    ///
    /// # Errors
    ///
    /// When there was a connection and it is lost.
    pub(crate) async fn flows(&self, bridge: &str, audit: bool) -> Result<Option<Mirror>, Error> {
        let link = self.links.get(bridge).ok_or(Error::Ended)?;
        let ready = match link.decided(None).await.ok_or(Error::Ended)? {
            State::Connecting | State::Renewing | State::Missing => return Ok(None),
            State::Away(source) => return Err(Error::Bridge { bridge: bridge.to_owned(), source }),
            State::Ready(ready) => ready,
        };
        if ready.doubtful.load(Ordering::Relaxed) || audit && ready.is_old() {
            let flows = read(&ready.connection, link.foreign_flows).await.map_err(|source| {
                Error::Bridge { bridge: bridge.to_owned(), source: Arc::new(LinkError::Dump(source)) }
            })?;
            ready.replace(flows);
        }
        let mirror = ready.lock().clone();
        Ok(Some(mirror))
    }

    /// Makes all changes of a bundle or none, and follows them. `None` without a connection. A bundle whose
    /// connection ends over it is sent once more by the next one, if that comes at once: it says what is to be
    /// there, whether or not the first one came through.
    pub(crate) async fn commit(&self, bridge: &str, bundle: &Bundle) -> Option<Result<(), BundleError>> {
        let link = self.links.get(bridge)?;
        let State::Ready(ready) = link.decided(None).await? else { return None };
        let outcome = ready.commit(bundle).await;
        if outcome.is_ok() || ready.connection.close_reason().is_none() {
            return Some(outcome);
        }
        debug!(bridge, "the bridge closed the connection over a bundle");
        match link.decided(Some(&ready)).await? {
            State::Ready(next) => Some(next.commit(bundle).await),
            _ => Some(outcome),
        }
    }

    /// Whether there is a connection to a bridge.
    pub(crate) fn is_up(&self, bridge: &str) -> bool {
        self.links.get(bridge).is_some_and(|link| matches!(*link.state.borrow(), State::Ready(_)))
    }
}

impl Link {
    /// The state once it is decided, and no longer that of a connection that has ended. That takes no longer than
    /// connecting and reading.
    async fn decided(&self, ended: Option<&Arc<Ready>>) -> Option<State> {
        let mut states = self.state.subscribe();
        let decided = |state: &State| match state {
            State::Connecting | State::Renewing => false,
            State::Ready(ready) => ended.is_none_or(|ended| !Arc::ptr_eq(ready, ended)),
            State::Missing | State::Away(_) => true,
        };
        let state = states.wait_for(decided).await.ok()?;
        Some(state.clone())
    }
}

impl Ready {
    async fn commit(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let outcome = self.connection.commit(bundle).await;
        match &outcome {
            Ok(()) => follow(&mut self.lock(), bundle),
            Err(BundleError::Request { .. }) => self.doubtful.store(true, Ordering::Relaxed),
            Err(BundleError::Refused { .. }) => {}
        }
        outcome
    }

    fn is_old(&self) -> bool {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > BELIEVED
    }

    fn replace(&self, mirror: Mirror) {
        *self.lock() = mirror;
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.doubtful.store(false, Ordering::Relaxed);
    }

    /// Whether the flows that every packet meets are all where the mirror has them. Asks nothing while
    /// the mirror is about to be read anyway.
    async fn has_canaries(&self) -> Result<bool, RequestError> {
        let canary = cookies::cookie(Feature::Base, ObjectRef::Node);
        let wanted = self.lock().clone();
        let wanted = wanted.of(ObjectHash::of(ObjectRef::Node)).filter(|flow| flow.cookie == canary);
        let wanted: Vec<FlowKey> = wanted.map(Flow::key).collect();
        if wanted.is_empty() || self.doubtful.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let filter = FlowFilter::all().cookie(canary, u64::MAX);
        let have: BTreeSet<FlowKey> =
            self.connection.dump_flows(&filter).await?.iter().map(Flow::key).collect();
        Ok(wanted.iter().all(|key| have.contains(key)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow(mirror: &mut Mirror, bundle: &Bundle) {
    for change in bundle.changes() {
        match change {
            FlowMod::Add(flow) => mirror.add(flow.clone()),
            FlowMod::Remove(key) | FlowMod::RemoveWithCookie(key, _) => mirror.delete(key),
            // Only ever sent for the flows of an agent before us.
            FlowMod::RemoveAll(filter) => mirror.delete_cookie(filter.cookie),
            // Never sent: a flow is added whole.
            FlowMod::Modify(_) => {}
        }
    }
}

async fn read(connection: &Connection, foreign_flows: bool) -> Result<Mirror, RequestError> {
    if foreign_flows {
        return Ok(Mirror::new(Vec::new()).with_everything(connection.dump_flows(&FlowFilter::all()).await?));
    }
    let (cookie, mask) = cookies::FILTER;
    let ours = connection.dump_flows(&FlowFilter::all().cookie(cookie, mask)).await?;
    let first_table = connection.dump_flows(&FlowFilter::all().table(0)).await?;
    Ok(Mirror::new(ours).with_first_table(first_table))
}

/// Makes one connection after the other.
async fn keep(link: Arc<Link>, wake: Wake) {
    let mut pause = SHORTEST_PAUSE;
    // Who looks at the switch waits for the first attempt anyway.
    let mut first = true;
    let mut loss: Option<Loss> = None;
    loop {
        match connect(&link).await {
            Ok(ready) => {
                pause = SHORTEST_PAUSE;
                let closed = ready.connection.closed();
                info!(bridge = link.bridge, flows = ready.lock().len(), "connected to the bridge");
                let ready = Arc::new(ready);
                link.state.send_replace(State::Ready(ready.clone()));
                if !first {
                    wake(Scope::All);
                }
                let why = tokio::select! {
                    why = closed => why,
                    never = watch_canaries(&link, &ready, &wake) => match never {},
                };
                drop(ready);
                debug!(bridge = link.bridge, %why, "the connection to the bridge has ended");
                link.state.send_replace(State::Renewing);
                loss = Some(Loss { why, at: Instant::now(), told: false });
            }
            Err(error) => {
                debug!(bridge = link.bridge, error = &error as &dyn std::error::Error, "no bridge");
                let mut lost = false;
                link.state.send_modify(|state| {
                    lost = matches!(state, State::Renewing);
                    *state = match state {
                        State::Connecting | State::Missing => State::Missing,
                        State::Renewing | State::Away(_) | State::Ready(_) => State::Away(Arc::new(error)),
                    };
                });
                if lost {
                    wake(Scope::All);
                }
                if let Some(loss) = &mut loss {
                    loss.tell(&link.bridge);
                }
            }
        }
        first = false;
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = link.nudge.notified() => pause = SHORTEST_PAUSE,
        }
    }
}

/// The end of a connection.
struct Loss {
    why: Closed,
    at: Instant,
    told: bool,
}

impl Loss {
    /// Says so, once, when it has lasted.
    fn tell(&mut self, bridge: &str) {
        if !self.told && self.at.elapsed() > SHORT {
            self.told = true;
            warn!(bridge, why = %self.why, "lost the bridge; trying to reach it again");
        }
    }
}

/// Looks at the canaries, often after an alarm and then more and more seldom.
async fn watch_canaries(link: &Link, ready: &Ready, wake: &Wake) -> Infallible {
    let mut pause = SHORTEST_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(CANARY_PAUSE),
            () = link.alarm.notified() => pause = SHORTEST_PAUSE,
        }
        match ready.has_canaries().await {
            Ok(true) => {}
            Ok(false) => {
                warn!(bridge = link.bridge, "the bridge has lost flows; reading all of them again");
                ready.doubtful.store(true, Ordering::Relaxed);
                wake(Scope::All);
            }
            // If the connection is broken it ends.
            Err(error) => {
                debug!(bridge = link.bridge, error = &error as &dyn std::error::Error, "no canaries");
            }
        }
    }
}

async fn connect(link: &Link) -> Result<Ready, LinkError> {
    let connection = Connection::connect_with(&link.path, link.patience).await.map_err(LinkError::Connect)?;
    let mirror = read(&connection, link.foreign_flows).await.map_err(LinkError::Dump)?;
    Ok(Ready {
        connection,
        mirror: Mutex::new(mirror),
        read_at: Mutex::new(Instant::now()),
        doubtful: AtomicBool::new(false),
    })
}
