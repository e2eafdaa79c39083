//! Named network namespaces, kept as iproute2 keeps them: a file in `/run/netns` over which the namespace
//! is mounted, so that it lives without a process and `ip netns` sees it.
//!
//! A file that is no mounted namespace (left by a crash between making and mounting it) is not listed;
//! [`create`] repairs it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::statfs;

use crate::{Error, Result, thread};

/// Where the files of named namespaces are.
pub const DIRECTORY: &str = "/run/netns";

/// The namespace of the running thread. `/proc/self` would be that of the main thread.
const THREAD: &str = "/proc/thread-self/ns/net";

/// `NSFS_MAGIC` of linux/magic.h: the file system type of a mounted namespace.
const NSFS_MAGIC: i64 = 0x6e73_6673;

/// An open network namespace. While one is held, the kernel keeps the namespace and all its devices, also
/// when its name is gone: drop it soon, or take it from [`crate::Handles`], which notices.
#[derive(Clone)]
pub struct Namespace {
    name: Option<Arc<str>>,
    file: Arc<OwnedFd>,
}

impl Namespace {
    /// The namespace in which this process started.
    pub fn root() -> Result<Self> {
        let file = File::open("/proc/self/ns/net").map_err(|source| Error::Namespace {
            deed: "open",
            name: "root".to_owned(),
            source,
        })?;
        Ok(Self { name: None, file: Arc::new(file.into()) })
    }

    /// The namespace of this name. Fails as an absence when there is none.
    pub fn open(name: &str) -> Result<Self> {
        let path = path(name)?;
        let failed = |source| Error::Namespace { deed: "open", name: name.to_owned(), source };
        let file = File::open(&path).map_err(failed)?;
        if !is_mounted(&path).map_err(|errno| failed(errno.into()))? {
            return Err(failed(Errno::ENOENT.into()));
        }
        Ok(Self { name: Some(name.into()), file: Arc::new(file.into()) })
    }

    /// None for the root namespace.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Runs `work` inside this namespace, on a thread of its own: sockets it opens stay in the namespace.
    /// It must not need the async runtime; convert its sockets afterwards.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        thread::visit(self.file.clone(), work).await.map_err(|source| Error::Namespace {
            deed: "enter",
            name: self.to_string(),
            source,
        })
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub(crate) fn file(&self) -> &Arc<OwnedFd> {
        &self.file
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name().unwrap_or("root"))
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Namespace({self})")
    }
}

/// The names of all namespaces, sorted. Files that are no namespace are left out.
pub fn list() -> Result<Vec<String>> {
    let failed = |source| Error::Namespace { deed: "list", name: DIRECTORY.to_owned(), source };
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && is_mounted(&entry.path()).unwrap_or(false)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What tells a namespace from every other that is there at the same time, whatever their names. A number may be given
/// again when its namespace is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Whether a file of this device and inode is the namespace, as `/proc/…/ns/net` of a process in it.
    pub fn is(self, device: u64, inode: u64) -> bool {
        (self.device, self.inode) == (device, inode)
    }
}

/// The identity of the namespace that has this name; None when there is none.
pub fn identity(name: &str) -> Result<Option<Identity>> {
    let path = path(name)?;
    if !is_mounted(&path).unwrap_or(false) {
        return Ok(None);
    }
    let found = fs::metadata(path).ok();
    Ok(found.map(|file| Identity { device: file.dev(), inode: file.ino() }))
}

/// The identity of the namespace of the calling thread.
pub fn identity_of_this_thread() -> io::Result<Identity> {
    let file = fs::metadata(THREAD)?;
    Ok(Identity { device: file.dev(), inode: file.ino() })
}

/// True when a namespace of this name exists.
pub fn exists(name: &str) -> bool {
    path(name).is_ok_and(|path| is_mounted(&path).unwrap_or(false))
}

/// Makes a namespace, with its loopback device down. One that exists is left as it is.
pub async fn create(name: &str) -> Result<()> {
    create_all(vec![name.to_owned()]).await.pop().unwrap_or(Ok(()))
}

/// Makes many namespaces on one thread, which is about as fast as the kernel can. The results stand in the
/// order of the names.
pub async fn create_all(names: Vec<String>) -> Vec<Result<()>> {
    let copy = names.clone();
    let made = thread::alone(move || {
        prepare_directory()?;
        Ok(copy.iter().map(|name| create_here(name)).collect())
    });
    match made.await {
        Ok(results) => results,
        Err(error) => names
            .into_iter()
            .map(|name| Err(Error::Namespace { deed: "create", name, source: again(&error) }))
            .collect(),
    }
}

/// Deletes a namespace by taking its name away. The kernel ends it, its devices and all, once nothing uses
/// it any more: use [`crate::Handles::delete`], which first closes the sockets held there.
pub fn delete(name: &str) -> Result<()> {
    let path = path(name)?;
    let failed = |source| Error::Namespace { deed: "delete", name: name.to_owned(), source };
    // A namespace may have been mounted twice over the same file.
    while is_mounted(&path).unwrap_or(false) {
        umount2(&path, MntFlags::MNT_DETACH).map_err(|errno| failed(errno.into()))?;
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The file of a namespace.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    let bad = name.is_empty() || name.len() > 255 || name.contains(['/', '\0']) || matches!(name, "." | "..");
    if bad {
        Err(Error::NamespaceName { name: name.to_owned() })
    } else {
        Ok(Path::new(DIRECTORY).join(name))
    }
}

fn is_mounted(path: &Path) -> nix::Result<bool> {
    // The type of the field differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    statfs(path).map(|found| found.filesystem_type().0 as i64 == NSFS_MAGIC)
}

/// Gives the calling thread a new namespace and mounts it under the name. Only for a thread that ends soon.
fn create_here(name: &str) -> Result<()> {
    let path = path(name)?;
    let failed = |source| Error::Namespace { deed: "create", name: name.to_owned(), source };
    if is_mounted(&path).unwrap_or(false) {
        return Ok(());
    }
    // A file without a namespace is taken over: there is nothing behind it.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o444).open(&path).map_err(failed)?;
    let made = unshare(CloneFlags::CLONE_NEWNET)
        .and_then(|()| mount(Some(THREAD), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>));
    made.map_err(|errno| {
        // Best effort: the next attempt takes the file over anyway.
        let _ = fs::remove_file(&path);
        failed(errno.into())
    })
}

/// Makes the directory a shared mount, as `ip netns add` does: only then do other mount namespaces of the
/// machine see the namespaces that are mounted and unmounted in it.
fn prepare_directory() -> io::Result<()> {
    // Two at once would mount the directory twice, and hide what was mounted in between.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    fs::create_dir_all(DIRECTORY)?;
    let share =
        || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        // It is not a mount point yet.
        Err(Errno::EINVAL) => {
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(DIRECTORY), DIRECTORY, None::<&str>, bind, None::<&str>)?;
            Ok(share()?)
        }
        result => Ok(result?),
    }
}

/// The same error once more, as `io::Error` cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Whether the namespace of the calling thread has a device of this name. One system call, for asking
/// after a few among many.
pub fn has_device(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

/// Runs `work` in one namespace after the other, on a thread made for the tour: for short work that is much
/// cheaper than a thread for each.
pub async fn visit_each<T: Send + 'static>(
    names: Vec<String>,
    work: impl Fn() -> T + Send + 'static,
) -> Result<Vec<Result<T>>> {
    let enter = move |name: &String| {
        let space = Namespace::open(name)?;
        setns(&*space.file, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::Namespace {
            deed: "enter",
            name: name.clone(),
            source: errno.into(),
        })?;
        Ok(work())
    };
    let tour = thread::alone(move || Ok(names.iter().map(enter).collect())).await;
    tour.map_err(|source| Error::Namespace { deed: "visit every", name: String::new(), source })
}

/// The names of all devices of the namespace of the calling thread.
pub fn devices() -> io::Result<BTreeSet<String>> {
    let interfaces = nix::net::if_::if_nameindex()?;
    Ok(interfaces.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_file_name() {
        for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
            assert!(matches!(path(name), Err(Error::NamespaceName { .. })), "{name:?}");
        }
        assert_eq!(path("qdhcp-1").unwrap(), Path::new("/run/netns/qdhcp-1"));
    }
}
