//! The thread that all servers of a node share. It waits for packets of any network, and gives each network
//! that has some a turn. Not here: what is done in a turn, see [`super::turn`]; when it rests, see
//! [`super::pace`].
//!
//! One packet costs a few microseconds, less than waking a second thread for it would; and no other work of
//! the agent can keep a client waiting. The thread has an epoll of its own instead of a runtime: an exchange
//! is two packets, each with a wait, a read and an answer, and a runtime reads once more before it waits, to
//! find nothing.
//!
//! A network whose guests flood starves no other: a turn takes a bounded number of packets, and the kernel
//! reports sockets in turn, those just reported last. A server that panics takes only itself away.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tracing::{error, warn};

use super::pace::Pace;
use super::socket::{BATCH, Sockets};
use super::turn::{Desk, Server};

/// Networks that get a turn between two waits.
const AT_ONCE: usize = 64;
/// Errors of the socket, one after another, at which a server gives up; the next look at the network
/// starts it again.
const MOST_ERRORS: u32 = 100;
/// The key of what ends the thread. Places have keys from 1 on.
const END: u64 = 0;

/// The thread; it ends, and with it every server, when this is dropped.
#[derive(Debug)]
pub struct ServerThread {
    hall: Arc<Hall>,
    thread: JoinHandle<()>,
}

/// A server that listens; it stops when this is dropped.
#[derive(Debug)]
pub struct Listener {
    /// The index of the device that it listens on.
    pub device: u32,
    key: u64,
    hall: Arc<Hall>,
}

/// Who listens.
#[derive(Debug)]
struct Hall {
    epoll: Epoll,
    end: EventFd,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    last_key: u64,
    taken: HashMap<u64, Arc<Place>>,
}

/// One network's server and its sockets.
#[derive(Debug)]
struct Place {
    server: Arc<Server>,
    sockets: Sockets,
    /// One after another.
    errors: AtomicU32,
}

impl ServerThread {
    pub fn start() -> io::Result<Self> {
        let hall = Hall {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            end: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            places: Mutex::default(),
        };
        hall.epoll.add(&hall.end, EpollEvent::new(EpollFlags::EPOLLIN, END))?;
        let hall = Arc::new(hall);
        let its = hall.clone();
        let thread = std::thread::Builder::new().name("dhcp".to_owned()).spawn(move || its.serve())?;
        Ok(Self { hall, thread })
    }

    /// False when it ended by itself.
    pub fn lives(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Has a server answer what comes in on these sockets.
    pub fn listen(&self, server: Arc<Server>, sockets: Sockets, device: u32) -> io::Result<Listener> {
        let key = self.hall.seat(Place { server, sockets, errors: AtomicU32::new(0) })?;
        Ok(Listener { device, key, hall: self.hall.clone() })
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        // Fails only when it is written already.
        let _ = self.hall.end.write(1);
    }
}

impl Listener {
    /// False when the server ended by itself.
    pub fn lives(&self) -> bool {
        self.hall.places().taken.contains_key(&self.key)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hall.leave(self.key);
    }
}

impl Hall {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seat(&self, place: Place) -> io::Result<u64> {
        let mut places = self.places();
        places.last_key += 1;
        let key = places.last_key;
        self.epoll.add(&place.sockets, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        places.taken.insert(key, Arc::new(place));
        Ok(key)
    }

    /// A turn that has begun still ends; the sockets are closed then.
    fn leave(&self, key: u64) {
        let place = self.places().taken.remove(&key);
        if let Some(place) = place {
            // Fails only when it is not watched, which is what is wanted.
            let _ = self.epoll.delete(&place.sockets);
        }
    }

    fn serve(&self) {
        let mut desk = Desk::default();
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let mut pace = Pace::new(Instant::now());
        loop {
            let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                Ok(count) => events.iter().take(count),
                Err(error) => {
                    error!(%error, "DHCP servers stopped");
                    break;
                }
            };
            let mut packets = 0;
            let mut more = ready.len() == AT_ONCE;
            for event in ready {
                if event.data() == END {
                    return self.close();
                }
                let count = self.give_turn(event.data(), &mut desk);
                packets += u32::try_from(count).unwrap_or(u32::MAX);
                more |= count == BATCH;
            }
            if let Some(rest) = pace.rest(Instant::now(), packets, more) {
                std::thread::sleep(rest);
            }
        }
        self.close();
    }

    /// Gives the number of packets that were there.
    fn give_turn(&self, key: u64, desk: &mut Desk) -> usize {
        // It may have left since it was reported.
        let Some(place) = self.places().taken.get(&key).cloned() else { return 0 };
        let turn = catch_unwind(AssertUnwindSafe(|| place.server.turn(&place.sockets, desk)));
        let error = match turn {
            Ok(Ok(packets)) => {
                place.errors.store(0, Ordering::Relaxed);
                return packets;
            }
            // One belongs to an earlier answer (a relay that is not there); many are a broken socket.
            Ok(Err(_)) if place.errors.fetch_add(1, Ordering::Relaxed) < MOST_ERRORS => return 0,
            Ok(Err(error)) => error,
            Err(_) => io::Error::other("it panicked"),
        };
        self.leave(key);
        warn!(network = %place.server.network, error = %error, "DHCP server stopped");
        0
    }

    fn close(&self) {
        self.places().taken.clear();
    }
}
