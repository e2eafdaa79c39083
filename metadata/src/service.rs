//! The listeners that are open. Clones share them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::netns::Identity;
use host::{Handles, Netlink};
use model::Scope;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, info};

use crate::actual::Opened;
use crate::counters::Counts;
use crate::error::Error;
use crate::leftover;
use crate::listener;
use crate::place::{Bind, Place};
use crate::proxy::{Door, Proxy};
use crate::rate::Meter;
use crate::socket::{Listening, listen};
use crate::spec::Spec;

/// See the head of this module.
#[derive(Clone)]
pub struct Service {
    proxy: Arc<Proxy>,
    room: Arc<Semaphore>,
    wake: Arc<dyn Fn(Scope) + Send + Sync>,
    listeners: Arc<Mutex<Listeners>>,
}

#[derive(Default)]
struct Listeners {
    open: BTreeMap<(Place, Bind), Running>,
    /// Tasks that try again to open what another program holds.
    held: BTreeMap<(Place, Bind), Task>,
    /// The guests' counts of each place, over all its listeners.
    doors: BTreeMap<Place, Arc<Door>>,
}

struct Running {
    opened: Opened,
    task: Task,
}

/// Ends with this value.
struct Task(JoinHandle<()>);

impl Task {
    /// Ends it, and waits until what it held is free.
    async fn end(mut self) {
        self.0.abort();
        // It was told to end; that it did not come to its own end is no news.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What opening a listener came to.
pub(crate) enum Opening {
    Open,
    /// Another program has the address; what it is, for people. It is tried again until it works.
    Held(String),
}

/// What to open.
#[derive(Clone)]
struct Wish {
    place: Place,
    bind: Bind,
    guests_of: Place,
    namespace: Identity,
}

impl Service {
    pub(crate) fn new(proxy: Proxy, wake: Arc<dyn Fn(Scope) + Send + Sync>) -> Self {
        let room = Arc::new(Semaphore::new(proxy.config.connections));
        Self { proxy: Arc::new(proxy), room, wake, listeners: Arc::default() }
    }

    pub(crate) fn proxy(&self) -> Arc<Proxy> {
        self.proxy.clone()
    }

    /// What came of guests' requests since the start.
    pub fn counts(&self) -> Counts {
        self.proxy.counters.read()
    }

    /// The places where something listens, and on what.
    pub fn listeners(&self) -> Vec<(Place, Bind)> {
        self.lock().open.keys().cloned().collect()
    }

    /// What listens in a place.
    pub(crate) fn open_in(&self, place: Place) -> BTreeMap<Bind, Opened> {
        let listeners = self.lock();
        let here = listeners.open.iter().filter(|((other, _), _)| *other == place);
        here.map(|((_, bind), running)| (bind.clone(), running.opened)).collect()
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.lock().open.keys().map(|(place, _)| *place).collect();
        places.dedup();
        places
    }

    /// When this is done the address is free.
    pub(crate) async fn close(&self, place: Place, bind: &Bind) {
        if let Some(running) = self.take(place, bind) {
            running.task.end().await;
            info!(%place, %bind, "metadata is not served any more");
        }
    }

    fn take(&self, place: Place, bind: &Bind) -> Option<Running> {
        let mut listeners = self.lock();
        let key = (place, bind.clone());
        listeners.held.remove(&key);
        let running = listeners.open.remove(&key);
        if !listeners.open.keys().any(|(other, _)| *other == place) {
            listeners.doors.remove(&place);
        }
        running
    }

    /// Ends tries to open what is not wanted any more.
    pub(crate) fn forget_unwanted(&self, spec: &Spec) {
        self.lock().held.retain(|(place, bind), _| match spec.places.get(place) {
            Some(wanted) => wanted.as_ref().is_some_and(|wanted| wanted.binds.contains(bind)),
            None => !spec.everything,
        });
    }

    /// Opens a listener in the namespace that `handle` is of.
    pub(crate) async fn open(
        &self,
        handles: &Handles,
        handle: &Netlink,
        namespace: Identity,
        (place, bind, guests_of): (Place, Bind, Place),
    ) -> Result<Opening, Error> {
        let wish = Wish { place, bind, guests_of, namespace };
        let failed = |source| Error::Listen { place, bind: wish.bind.clone(), source };
        match self.attempt(handle, &wish, false).await? {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result.map(|()| Opening::Open).map_err(failed),
        }
        let config = &self.proxy.config;
        let leftover = leftover::find(&config.state_path, place);
        if let (Some(process), true) = (leftover, config.take_over) {
            // Beside it, so that there is no moment at which nobody listens.
            let shared = self.attempt(handle, &wish, true).await?.is_ok();
            if !shared {
                leftover::end_now(process);
            }
            leftover::end(config.state_path.clone(), place, process);
            if shared {
                return Ok(Opening::Open);
            }
        }
        let holder = match leftover {
            Some(process) => format!(
                "the haproxy of Neutron's agents, process {process}, to end: it listens on {}",
                wish.bind
            ),
            None => format!("another program to stop listening on {}", wish.bind),
        };
        self.keep_trying(handles.clone(), wish);
        Ok(Opening::Held(holder))
    }

    async fn attempt(&self, handle: &Netlink, wish: &Wish, share: bool) -> Result<io::Result<()>, Error> {
        let (bind, patience) = (wish.bind.clone(), self.proxy.config.times.client);
        let opened = handle.namespace().run(move || listen(&bind, share, patience)).await;
        let opened = opened.map_err(|source| Error::Enter { place: wish.place, source })?;
        Ok(opened.and_then(|listening| self.install(wish, listening)))
    }

    fn install(&self, wish: &Wish, listening: Listening) -> io::Result<()> {
        let Wish { place, bind, guests_of, namespace } = wish.clone();
        let socket = TcpListener::from_std(listening.socket)?;
        let mut listeners = self.lock();
        let new = || Arc::new(Door { place, guests_of, meter: Meter::default().into() });
        let door = listeners.doors.entry(place).or_insert_with(new);
        if door.guests_of != guests_of {
            *door = new();
        }
        let door = door.clone();
        let task = tokio::spawn(listener::serve(self.proxy.clone(), self.room.clone(), door, socket));
        let opened = Opened { namespace, device: listening.device, guests_of };
        let running = Running { opened, task: Task(task) };
        info!(%place, %bind, "metadata is served");
        listeners.held.remove(&(place, bind.clone()));
        listeners.open.insert((place, bind), running);
        Ok(())
    }

    /// In the background, until it works, the namespace is another one, or nobody wants it any more.
    fn keep_trying(&self, handles: Handles, wish: Wish) {
        const FIRST: Duration = Duration::from_millis(10);
        const LONGEST: Duration = Duration::from_millis(500);
        let key = (wish.place, wish.bind.clone());
        let service = self.clone();
        let task = tokio::spawn(async move {
            let mut pause = FIRST;
            let name = wish.place.namespace();
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
                if host::netns::identity(&name).ok().flatten() != Some(wish.namespace) {
                    return;
                }
                let Ok(handle) = handles.namespace(&name).await else { return };
                match service.attempt(&handle, &wish, false).await {
                    Ok(Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
                    outcome => {
                        debug!(place = %wish.place, bind = %wish.bind, free = matches!(outcome, Ok(Ok(()))), "tried");
                        break;
                    }
                }
            }
            (service.wake)(Scope::Objects([wish.place.object()].into()));
        });
        self.lock().held.insert(key, Task(task));
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("open", &self.listeners()).finish_non_exhaustive()
    }
}
