//! Where work inside a namespace runs: threads that enter it. And how a descriptor is waited for without a
//! thread.
//!
//! A thread goes from one piece of work to the next as long as there is more, and enters the namespace of each
//! before it does anything: a look at every namespace of a node is hundreds of visits. When there is no more
//! work it ends, for as long as it is in a namespace the kernel keeps that. The threads are limited in
//! number, as each of a thousand routers may ask at once; the callers wait their turn without a thread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sched::{CloneFlags, setns};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, oneshot};

/// The kernel does one network change at a time (the RTNL lock), so more threads would only wait for it.
const AT_ONCE: usize = 4;

static LONE: Semaphore = Semaphore::const_new(AT_ONCE);
static VISITS: Mutex<Visits> = Mutex::new(Visits { waiting: VecDeque::new(), threads: 0 });

struct Visits {
    waiting: VecDeque<Visit>,
    /// Each of them looks for work before it ends.
    threads: usize,
}

/// Enters a namespace, works and answers.
type Visit = Box<dyn FnOnce() + Send>;

/// Runs `work` on a thread inside the network namespace `namespace`. It must leave the thread as it was. When
/// the caller stops waiting, the work still ends.
pub(crate) async fn visit<T: Send + 'static>(
    namespace: Arc<OwnedFd>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (answer, wait) = oneshot::channel();
    queue(Box::new(move || {
        let result = setns(&namespace, CloneFlags::CLONE_NEWNET).map(|()| work());
        drop(namespace);
        // Nobody waits any more when the caller was cancelled.
        let _ = answer.send(result);
    }))?;
    Ok(wait.await.map_err(|_| panicked())??)
}

fn queue(visit: Visit) -> io::Result<()> {
    let mut visits = visits();
    visits.waiting.push_back(visit);
    if visits.threads == AT_ONCE {
        return Ok(());
    }
    visits.threads += 1;
    drop(visits);
    let started = std::thread::Builder::new().name("namespace".to_owned()).spawn(work_off);
    if started.is_err() {
        let mut visits = self::visits();
        visits.threads -= 1;
        // Another thread does it all, or nobody does.
        if visits.threads > 0 {
            return Ok(());
        }
        visits.waiting.clear();
    }
    started.map(drop)
}

fn work_off() {
    loop {
        let mut visits = visits();
        let Some(visit) = visits.waiting.pop_front() else {
            visits.threads -= 1;
            return;
        };
        drop(visits);
        // Who asked hears of a panic by not being answered; the others still are.
        let _ = catch_unwind(AssertUnwindSafe(visit));
    }
}

fn visits() -> MutexGuard<'static, Visits> {
    VISITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on a new thread that ends with it: it may change the thread. When the caller stops waiting, the
/// work still ends.
pub(crate) async fn alone<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let permit = LONE.acquire().await.map_err(io::Error::other)?;
    let (answer, wait) = oneshot::channel();
    std::thread::Builder::new().name("namespace".to_owned()).spawn(move || {
        let result = work();
        drop(permit);
        let _ = answer.send(result);
    })?;
    wait.await.map_err(|_| panicked())?
}

fn panicked() -> io::Error {
    io::Error::other("the thread for this work panicked")
}

/// Lets the runtime wait for a descriptor. It must be non-blocking.
pub(crate) fn watch<T: AsFd + AsRawFd + 'static>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the descriptor must stay the same and open as long as the value lives. The inotify of
    // the monitor owns its one descriptor and closes it when dropped.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register_with_interest(owner, interest) };
    watched.map_err(|refused| refused.into_parts().1)
}
