//! The netlink handles that are kept open, one per namespace, so that a look into a namespace costs no
//! thread. The least recently used ones are closed when there are too many.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::resource::{Resource, getrlimit};

use crate::{Error, Namespace, NamespaceState, Netlink, Result, netns};

/// What a kept handle costs: the namespace itself, a socket for links and routes, one for netfilter.
const DESCRIPTORS_EACH: usize = 3;
/// Each handle has buffers of about 70 KiB for each of its two sockets. To open one again costs a thread for
/// a moment, a tenth of a millisecond; a look at everything does so for every namespace, and is rare.
const ENOUGH: usize = 32;
/// What is left of them when there is little to do.
const FEW: usize = 4;

/// Gives netlink handles. Clones share what is kept open.
#[derive(Clone, Debug)]
pub struct Handles {
    root: Netlink,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    by_name: HashMap<String, Entry>,
    capacity: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    handle: Netlink,
    /// Device and inode of the namespace's file, which tell a namespace from a later one of the same name.
    /// The number cannot be given again while the handle keeps the namespace alive.
    identity: (u64, u64),
    used: u64,
}

impl Handles {
    /// Opens the handle of the root namespace: that in which the process started. As many others are kept
    /// as need half of the file descriptors that the process may have.
    pub async fn open() -> Result<Self> {
        let (soft, _hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
        let affordable = usize::try_from(soft).unwrap_or(usize::MAX) / (2 * DESCRIPTORS_EACH);
        Self::with_capacity(affordable.clamp(1, ENOUGH)).await
    }

    /// The same, keeping at most `capacity` handles besides that of the root namespace.
    pub async fn with_capacity(capacity: usize) -> Result<Self> {
        let root = Netlink::open(Namespace::root()?).await?;
        let kept = Kept { capacity, ..Kept::default() };
        Ok(Self { root, kept: Arc::new(Mutex::new(kept)) })
    }

    /// The handle of the root namespace.
    pub fn root(&self) -> &Netlink {
        &self.root
    }

    /// The names of the devices of the root namespace. Reading what there is to know of a thousand links
    /// takes many times as long.
    pub async fn root_devices(&self) -> Result<BTreeSet<String>> {
        let listed = self.root.namespace().run(netns::devices).await?;
        let failed = |source| Error::Namespace { deed: "list the devices of", name: "root".into(), source };
        listed.map_err(failed)
    }

    /// The handle of a named namespace. Fails as an absence when there is no such namespace.
    pub async fn namespace(&self, name: &str) -> Result<Netlink> {
        let identity = identity(name)?;
        if let Some(handle) = self.kept().find(name, identity) {
            return Ok(handle);
        }
        let handle = Netlink::open(Namespace::open(name)?).await?;
        if let Some(identity) = identity {
            self.kept().keep(name, Entry { handle: handle.clone(), identity, used: 0 });
        }
        Ok(handle)
    }

    /// Reads a whole namespace; None when there is no such namespace.
    pub async fn observe(&self, name: &str) -> Result<Option<NamespaceState>> {
        let handle = match self.namespace(name).await {
            Ok(handle) => handle,
            Err(error) if error.is_absence() => return Ok(None),
            Err(error) => return Err(error),
        };
        handle.observe().await.map(Some)
    }

    /// Closes what is held in a namespace, and deletes it. Devices that were moved there vanish with it,
    /// a moment later, once the last handle and socket there is dropped.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.kept().by_name.remove(name);
        netns::delete(name)
    }

    /// Closes the handles of namespaces that somebody else deleted: they would live on until then.
    pub fn sweep(&self) {
        self.kept().by_name.retain(|name, entry| identity(name).ok().flatten() == Some(entry.identity));
    }

    /// Closes all but the few that were used last: for the quiet after a look at everything.
    pub fn rest(&self) {
        let mut kept = self.kept();
        let mut used: Vec<u64> = kept.by_name.values().map(|entry| entry.used).collect();
        used.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = used.get(FEW - 1).copied().unwrap_or(0);
        kept.by_name.retain(|_, entry| entry.used >= oldest);
        kept.by_name.shrink_to_fit();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, name: &str, identity: Option<(u64, u64)>) -> Option<Netlink> {
        self.clock += 1;
        let entry = self.by_name.get_mut(name)?;
        if Some(entry.identity) != identity {
            self.by_name.remove(name);
            return None;
        }
        entry.used = self.clock;
        Some(entry.handle.clone())
    }

    fn keep(&mut self, name: &str, mut entry: Entry) {
        entry.used = self.clock;
        self.by_name.insert(name.to_owned(), entry);
        if self.by_name.len() > self.capacity
            && let Some(oldest) = self.by_name.iter().min_by_key(|(_, entry)| entry.used)
        {
            let oldest = oldest.0.clone();
            self.by_name.remove(&oldest);
        }
    }
}

fn identity(name: &str) -> Result<Option<(u64, u64)>> {
    let found = fs::metadata(netns::path(name)?).ok();
    Ok(found.map(|file| (file.dev(), file.ino())))
}
