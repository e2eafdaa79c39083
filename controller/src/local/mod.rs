//! The embedded controller: keeps the resources of a node without any other controller and turns them
//! into a [`Desired`].
//!
//! Reading order: `record` (the resources), `state` (all of them), `draft` (a change in the making),
//! then one module per resource with the rules of changing it, `desired` (what the node is told),
//! `store` (the file). [`http`] and [`topology`] are the two ways in.
//!
//! All changes go through [`Local::change`], one at a time: tried on a copy of the state, written to
//! the file, and only then shown to anybody. Whoever reads takes a copy of the state, which costs
//! nothing, and holds up nobody.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::{Desired, ObjectRef, Report};
use tokio::sync::watch;

mod addresses;
pub mod chance;
pub mod config;
mod describe;
mod desired;
mod dhcp_ports;
pub mod draft;
mod exchange;
pub mod fault;
pub mod fields;
pub mod floating_ips;
mod guests;
pub mod hosts;
pub mod http;
pub mod interfaces;
mod ipam;
mod load;
pub mod networks;
pub mod ports;
pub mod record;
pub mod routers;
mod segments;
pub mod state;
mod status;
pub mod store;
pub mod subnets;
#[cfg(test)]
mod tests;
pub mod topology;
pub mod view;

pub use config::Config;
pub use fault::Fault;
pub use store::StoreError;

use crate::clock;
use chance::Chance;
use draft::Draft;
use record::Host;
use state::{Key, State};
use status::Statuses;
use store::Store;

use crate::guest::{Known, Near, Owner};

/// The handle of the embedded controller. A clone is the same controller.
#[derive(Clone, Debug)]
pub struct Local {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    /// Held for the length of a change, writing to the disk included.
    writer: Mutex<Writer>,
    /// The state that was last written to the disk.
    state: RwLock<State>,
    statuses: RwLock<Statuses>,
    desired: watch::Sender<Arc<Desired>>,
}

#[derive(Debug)]
struct Writer {
    store: Store,
    chance: Chance,
}

/// One moment of the controller, for reading.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub state: State,
    statuses: Statuses,
    config: Config,
}

impl Snapshot {
    pub fn viewer(&self) -> view::Viewer<'_> {
        view::Viewer { state: &self.state, statuses: &self.statuses, local: &self.config.host }
    }
}

impl Local {
    /// Opens the store, or makes it, and brings it in line with the settings (this node's name and
    /// tunnel address). Gives the handle, what the node is to be, and the HTTP API to be mounted.
    pub fn open(
        path: &Path,
        config: Config,
    ) -> Result<(Self, watch::Receiver<Arc<Desired>>, axum::Router), Fault> {
        let (store, state) = Store::open(path)?;
        let desired = desired::whole(&state, &config.host);
        let (sender, receiver) = watch::channel(Arc::new(desired));
        let local = Self {
            inner: Arc::new(Inner {
                writer: Mutex::new(Writer { store, chance: Chance::from_system() }),
                state: RwLock::new(state),
                statuses: RwLock::default(),
                desired: sender,
                config,
            }),
        };
        local.register_this_host()?;
        let api = http::router(local.clone());
        Ok((local, receiver, api))
    }

    /// What the node is to be, from this moment on.
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.inner.desired.subscribe()
    }

    /// Takes in what came of a pass, for the `status` fields.
    pub fn report(&self, report: &Report) {
        // In this order: what is gone meanwhile is forgotten by whoever removed it, after this.
        let mut statuses = write(&self.inner.statuses);
        let state = read(&self.inner.state).clone();
        statuses.take(report, &state);
    }

    /// Whose a guest's port is: the owner of every port that is meant.
    pub fn owners(&self, near: Near, known: Known) -> Vec<Owner> {
        let state = read(&self.inner.state).clone();
        guests::owners(&state, near, known)
    }

    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The state as it was last written to the disk.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: read(&self.inner.state).clone(),
            statuses: read(&self.inner.statuses).clone(),
            config: self.inner.config.clone(),
        }
    }

    /// Changes the state: `change` works on a draft, and when it succeeds the draft is written to the
    /// disk and becomes the state. When it fails nothing has happened. Blocks while the disk writes.
    pub fn change<T>(&self, change: impl FnOnce(&mut Draft<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut writer = lock(&self.inner.writer);
        let old = read(&self.inner.state).clone();
        let Writer { store, chance } = &mut *writer;
        let mut draft = Draft::new(old.clone(), &self.inner.config, chance, clock::now());
        let result = change(&mut draft)?;
        dhcp_ports::settle(&mut draft, &old)?;
        let Draft { state, touched, .. } = draft;
        if !touched.is_empty() {
            store.write(&state, &touched)?;
            self.publish(&old, &state, &touched);
        }
        Ok(result)
    }

    /// What a change would do: its result, and nothing else.
    pub fn attempt<T>(&self, change: impl FnOnce(&mut Draft<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut chance = Chance::from_system();
        let state = read(&self.inner.state).clone();
        let mut draft = Draft::new(state, &self.inner.config, &mut chance, clock::now());
        change(&mut draft)
    }

    fn publish(&self, old: &State, new: &State, touched: &std::collections::BTreeSet<Key>) {
        // The state goes first: of what is not in it, no report is taken in.
        *write(&self.inner.state) = new.clone();
        self.forget_statuses(new, touched);
        let host = &self.inner.config.host;
        self.inner.desired.send_modify(|current| {
            let mut desired = Desired::clone(current);
            desired::update(&mut desired, host, old, new, touched);
            *current = Arc::new(desired);
        });
    }

    fn forget_statuses(&self, new: &State, touched: &std::collections::BTreeSet<Key>) {
        let mut statuses = write(&self.inner.statuses);
        for key in touched.iter().filter(|key| new.get(key).is_none()) {
            match key {
                Key::Network(id) => statuses.forget(ObjectRef::Network(*id)),
                Key::Port(id) => statuses.forget(ObjectRef::Port(*id)),
                Key::Router(id) => statuses.forget(ObjectRef::Router(*id)),
                Key::Host(_) | Key::Subnet(_) | Key::FloatingIp(_) => {}
            }
        }
    }

    fn register_this_host(&self) -> Result<(), Fault> {
        let Config { host, tunnel_ip, .. } = &self.inner.config;
        let record = Host { name: host.clone(), tunnel_ip: *tunnel_ip };
        self.change(|draft| {
            draft.put_host(record);
            Ok(())
        })
    }
}

// A panic while a lock is held leaves the old value in place, which is as good as any: values are
// replaced whole, at the end.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(value: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    value.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(value: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    value.write().unwrap_or_else(PoisonError::into_inner)
}
