//! What changes behind our back: links of the root namespace coming and going, and names of namespaces
//! appearing and vanishing. The events say where to look; they are no state to build on, as the kernel drops
//! them when there are too many and then says so ([`HostEvent::Missed`]).

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::proto::Connection;
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime;
use tokio::task::unconstrained;

use crate::netlink::link;
use crate::thread::watch;
use crate::{Error, Handles, Result, netns};

/// Room for the events of about a thousand links that come at once.
const BUFFER: usize = 4 << 20;

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
    links: Links,
    names: AsyncFd<Names>,
    waiting: VecDeque<HostEvent>,
}

impl Monitor {
    /// Begins to watch. What happened before is not told: look once after this.
    pub async fn open(handles: &Handles) -> Result<Self> {
        let failed = |source| Error::Watch { deed: "watch links", source };
        let runtime = runtime::Handle::current();
        let open = move || {
            let _entered = runtime.enter();
            Links::open()
        };
        let links = handles.root().namespace().run(open).await?.map_err(failed)?;
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
            let names = self.names.async_io(Interest::READABLE, Names::read);
            tokio::select! {
                event = self.links.next() => {
                    let event = event.map_err(|source| Error::Watch { deed: "hear of links", source })?;
                    self.waiting.extend(event);
                }
                events = names => {
                    let failed = |source| Error::Watch { deed: "hear of namespaces", source };
                    self.waiting.extend(events.map_err(failed)?);
                }
            }
        }
    }
}

/// A socket that hears of links. Nobody reads it but [`Links::next`], so that events which nobody asks for
/// stay in the kernel, which drops them when there are too many, and not in our memory.
struct Links {
    connection: Connection<RouteNetlinkMessage>,
    events: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
}

impl Links {
    fn open() -> io::Result<Self> {
        let (mut connection, _handle, events) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        let socket = connection.socket_mut().socket_mut();
        // Beyond the limit of ordinary users; without the right to that, the limit has to do.
        if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(socket, sockopt::RcvBuf, &BUFFER)?;
        }
        Ok(Self { connection, events })
    }

    /// The next message, which need not be an event.
    async fn next(&mut self) -> io::Result<Option<HostEvent>> {
        tokio::select! {
            biased;
            Some((message, _)) = self.events.next() => Ok(event(message.payload)),
            // Read empty, however long that takes: see `event`.
            () = unconstrained(&mut self.connection) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn event(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<HostEvent> {
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            link::read(&message).map(|link| HostEvent::Link { name: link.name, index: link.index })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            link::read(&message).map(|link| HostEvent::LinkGone { name: link.name, index: link.index })
        }
        // Events were lost. The kernel goes on dropping them, without saying so again, until the socket has
        // been read empty; the connection has done that before it hands this on, so that a look from now on
        // sees everything.
        NetlinkPayload::Overrun(_) => Some(HostEvent::Missed),
        _ => None,
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Links")
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
        let tell = |event: InotifyEvent| {
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
