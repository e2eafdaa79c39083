//! Where work inside a namespace runs: threads that enter it. And how a descriptor is waited for without a
//! thread.
//!
//! A thread that has entered a namespace is never reused: it ends with its work, so no later work can find
//! itself in the wrong namespace. The threads are limited in number, as each of a thousand routers may ask
//! at once; the callers wait their turn without a thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, oneshot};

/// The kernel does one network change at a time (the RTNL lock), so more threads would only wait for it.
const AT_ONCE: usize = 8;

static VISITS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Runs `work` on a new thread inside the network namespace `namespace`.
pub(crate) async fn visit<T: Send + 'static>(
    namespace: Arc<OwnedFd>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    alone(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        Ok(work())
    })
    .await
}

/// Runs `work` on a new thread that ends with it. When the caller stops waiting, the work still ends.
pub(crate) async fn alone<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let permit = VISITS.acquire().await.map_err(io::Error::other)?;
    let (answer, wait) = oneshot::channel();
    std::thread::Builder::new().name("namespace".to_owned()).spawn(move || {
        let result = work();
        drop(permit);
        // Nobody waits any more when the caller was cancelled.
        let _ = answer.send(result);
    })?;
    wait.await.map_err(|_| io::Error::other("the thread for this work panicked"))?
}

/// Lets the runtime wait for a descriptor. It must be non-blocking.
pub(crate) fn watch<T: AsFd + AsRawFd + 'static>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the descriptor must stay the same and open as long as the value lives. The inotify of
    // the monitor owns its one descriptor and closes it when dropped.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register_with_interest(owner, interest) };
    watched.map_err(|refused| refused.into_parts().1)
}
