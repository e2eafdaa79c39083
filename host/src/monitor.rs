//! What changes behind our back: links of the root namespace coming and going, and names of namespaces
//! appearing and vanishing. The events say where to look; they are no state to build on, as the kernel drops
//! them when there are too many and then says so ([`HostEvent::Missed`]).

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::netlink::link;
use crate::netlink::transport::Messages;
use crate::thread::watch;
use crate::{Error, Handles, Result, netns};

/// Room for the events of about a thousand links that come at once.
const BUFFER: usize = 4 << 20;
const READ: usize = 64 << 10;
/// `RTNLGRP_LINK` of linux/rtnetlink.h, as a bit.
const LINK_GROUP: u32 = 1;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// A link of the root namespace is new or has changed.
    Link { name: String, index: u32 },
    /// A link has left the root namespace: deleted, or moved to another.
    LinkGone { name: String, index: u32 },
    /// A file has appeared in `/run/netns`. The namespace itself may take another moment.
    Namespace { name: String },
    /// A file has vanished from `/run/netns`.
    NamespaceGone { name: String },
    /// Events were lost: anything may have happened.
    Missed,
}

/// A watch over the node. It holds what has not been asked for yet.
#[derive(Debug)]
pub struct Monitor {
    links: AsyncFd<LinkSocket>,
    names: AsyncFd<Names>,
    waiting: VecDeque<HostEvent>,
}

impl Monitor {
    /// Begins to watch. What happened before is not told: look once after this.
    pub async fn open(handles: &Handles) -> Result<Self> {
        let failed = |source| Error::Watch { deed: "watch links", source };
        let links = handles.root().namespace().run(LinkSocket::open).await?.map_err(failed)?;
        let links = watch(links, Interest::READABLE).map_err(failed)?;
        let failed = |source| Error::Watch { deed: "watch /run/netns", source };
        let names = Names::open().map_err(failed)?;
        let names = watch(names, Interest::READABLE).map_err(failed)?;
        Ok(Self { links, names, waiting: VecDeque::new() })
    }

    /// The next event. Nothing is lost when the caller stops waiting.
    pub async fn next(&mut self) -> Result<HostEvent> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let links = self.links.async_io(Interest::READABLE, LinkSocket::read);
            let names = self.names.async_io(Interest::READABLE, Names::read);
            let events = tokio::select! {
                events = links => events.map_err(|source| Error::Watch { deed: "hear of links", source }),
                events = names => events.map_err(|source| Error::Watch { deed: "hear of namespaces", source }),
            };
            self.waiting.extend(events?);
        }
    }
}

struct LinkSocket {
    socket: Socket,
    /// Events were lost. From then on the kernel drops all events, without saying so again, until the socket
    /// has been read empty: only a look after that sees everything.
    lossy: AtomicBool,
}

impl LinkSocket {
    fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // Beyond the limit of ordinary users; without the right to that, the limit has to do.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, LINK_GROUP))?;
        Ok(Self { socket, lossy: AtomicBool::new(false) })
    }

    fn read(&self) -> io::Result<Vec<HostEvent>> {
        let mut buffer = Vec::with_capacity(READ);
        match self.socket.recv(&mut buffer, 0) {
            Ok(_) if self.lossy.load(Ordering::Relaxed) => Ok(Vec::new()),
            Ok(_) => {
                let messages = Messages(&buffer).flatten();
                Ok(messages.filter_map(|message| event(message.kind, message.payload)).collect())
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                self.lossy.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let lossy = self.lossy.swap(false, Ordering::Relaxed);
                if lossy { Ok(vec![HostEvent::Missed]) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }
}

fn event(kind: u16, payload: &[u8]) -> Option<HostEvent> {
    let link = link::read(payload)?;
    match kind {
        link::NEW_LINK => Some(HostEvent::Link { name: link.name, index: link.index }),
        link::DELETED_LINK => Some(HostEvent::LinkGone { name: link.name, index: link.index }),
        _ => None,
    }
}

impl AsRawFd for LinkSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl std::fmt::Debug for LinkSocket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("LinkSocket")
    }
}

#[derive(Debug)]
struct Names(Inotify);

impl Names {
    fn open() -> io::Result<Self> {
        fs::create_dir_all(netns::DIRECTORY)?;
        let names = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        names.add_watch(netns::DIRECTORY, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE)?;
        Ok(Self(names))
    }

    fn read(&self) -> io::Result<Vec<HostEvent>> {
        let tell = |event: nix::sys::inotify::InotifyEvent| {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return Some(HostEvent::Missed);
            }
            let name = event.name?.into_string().ok()?;
            let gone = event.mask.contains(AddWatchFlags::IN_DELETE);
            Some(if gone { HostEvent::NamespaceGone { name } } else { HostEvent::Namespace { name } })
        };
        Ok(self.0.read_events()?.into_iter().filter_map(tell).collect())
    }
}

impl AsFd for LinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for Names {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Names {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
