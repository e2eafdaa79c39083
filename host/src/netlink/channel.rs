//! A netlink socket in a namespace and its exchanges: dumps, and requests of which many are under way at
//! once. The sockets are those of `rtnetlink`, and for netfilter of the crate below it.
//!
//! Requests are built by the callers and travel by `Handle::request`, not by the `execute` of rtnetlink's
//! typed requests, for three reasons: a dump that the kernel calls interrupted must be repeated, a socket that
//! breaks must not look like a success, and many requests go out before the first is answered.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use netlink_packet_netfilter::NetfilterMessage;
use nix::errno::Errno;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::proto::{self, Connection, ConnectionHandle};
use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use tokio::runtime;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::cause::Cause;
use crate::{Error, Namespace, Result};

/// How often a dump is repeated when the kernel says that its table changed meanwhile.
const REPEATS: usize = 10;
/// The kernel answers at once; this only keeps a lost answer from holding a task for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kernel does one network change at a time (the RTNL lock). Of a thousand namespaces that are read at
/// once, most wait here and not in the queue of the runtime, in front of everybody else.
static EXCHANGES: Semaphore = Semaphore::const_new(8);

/// `struct nlmsghdr`
const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG` of linux/netlink.h
const REASON: u16 = 1;

/// What requests are given to. A socket is closed when the last clone of its handle is dropped.
pub(crate) trait Handle: Clone + Send + Sync + 'static {
    type Message: Clone + Send + 'static;

    /// Opens a socket in the namespace of the calling thread. The future drives it, to its end.
    fn open() -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)>;

    /// Queues a request. None when the socket is closed.
    fn request(
        &mut self,
        message: NetlinkMessage<Self::Message>,
    ) -> Option<impl Answers<Self::Message> + use<Self>>;
}

/// The messages that answer one request.
pub(crate) trait Answers<M>: Stream<Item = NetlinkMessage<M>> + Send + Unpin + 'static {}

impl<M, S: Stream<Item = NetlinkMessage<M>> + Send + Unpin + 'static> Answers<M> for S {}

/// The handle for links, addresses, routes and neighbours.
pub(crate) type Route = rtnetlink::Handle;
/// The handle for nftables and connection tracking.
pub(crate) type Netfilter = ConnectionHandle<NetfilterMessage>;

impl Handle for Route {
    type Message = RouteNetlinkMessage;

    fn open() -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        // Strict, so that the kernel itself filters dumps and refuses a request it does not understand.
        let (connection, handle, _events) = rtnetlink::new_connection_with_strict_check()?;
        Ok((handle, prepared(connection)?))
    }

    fn request(
        &mut self,
        message: NetlinkMessage<Self::Message>,
    ) -> Option<impl Answers<Self::Message> + use<>> {
        rtnetlink::Handle::request(self, message).ok()
    }
}

impl Handle for Netfilter {
    type Message = NetfilterMessage;

    fn open() -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let (connection, handle, _events) = proto::new_connection(NETLINK_NETFILTER)?;
        Ok((handle, prepared(connection)?))
    }

    fn request(
        &mut self,
        message: NetlinkMessage<Self::Message>,
    ) -> Option<impl Answers<Self::Message> + use<>> {
        ConnectionHandle::request(self, message, SocketAddr::new(0, 0)).ok()
    }
}

fn prepared<T>(mut connection: Connection<T>) -> io::Result<Connection<T>>
where
    T: std::fmt::Debug + NetlinkSerializable + NetlinkDeserializable + Unpin,
{
    // Without these, the end of an answer and the end of the socket look the same.
    connection.set_forward_ack(true);
    connection.set_forward_done(true);
    let socket = connection.socket_mut().socket_mut();
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    Ok(connection)
}

/// A socket that is opened at its first use, and again when it broke. Clones share it; their exchanges take
/// turns, as the kernel runs one dump at a time on a socket.
#[derive(Clone)]
pub(crate) struct Channel<H>(Arc<Mutex<Option<Opened<H>>>>);

struct Opened<H> {
    handle: H,
    driver: AbortHandle,
}

impl<H> Default for Channel<H> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<H: Handle> Channel<H> {
    /// Has `work` use the socket. Once begun it goes to its end, also when the caller no longer waits, so that
    /// no dump is left half-way for the next one.
    pub(crate) async fn run<T, F>(
        &self,
        namespace: &Namespace,
        work: impl FnOnce(H) -> F,
    ) -> std::result::Result<T, Cause>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, Cause>> + Send + 'static,
    {
        let (turn, handle) = self
            .open(namespace)
            .await
            .map_err(|error| Cause::NotOpened { errno: error.errno().unwrap_or(Errno::UnknownErrno) })?;
        let not_run = |reason: String| Cause::NotRun { reason };
        let permit = EXCHANGES.acquire().await.map_err(|error| not_run(error.to_string()))?;
        let work = work(handle);
        let task = tokio::spawn(async move {
            let result = work.await;
            drop((turn, permit));
            result
        });
        task.await.unwrap_or_else(|error| Err(not_run(error.to_string())))
    }

    /// Waits for its turn, and opens the socket if need be.
    pub(crate) async fn open(
        &self,
        namespace: &Namespace,
    ) -> Result<(OwnedMutexGuard<impl Send + use<H>>, H)> {
        let mut slot = self.0.clone().lock_owned().await;
        if let Some(opened) = slot.as_ref()
            && !opened.driver.is_finished()
        {
            let handle = opened.handle.clone();
            return Ok((slot, handle));
        }
        let runtime = runtime::Handle::current();
        let open = move || {
            // The socket registers with the runtime, and belongs to the namespace of this thread.
            let _entered = runtime.enter();
            let (handle, driver) = H::open()?;
            Ok::<_, io::Error>(Opened { handle, driver: runtime.spawn(driver).abort_handle() })
        };
        let opened = namespace.run(open).await?.map_err(|source| Error::Namespace {
            deed: "open a netlink socket in",
            name: namespace.to_string(),
            source,
        })?;
        let handle = slot.insert(opened).handle.clone();
        Ok((slot, handle))
    }
}

/// Asks for a whole table. A table that changes while it is read is read again.
pub(crate) async fn dump<H: Handle>(
    handle: &mut H,
    request: impl Into<H::Message>,
) -> std::result::Result<Vec<H::Message>, Cause> {
    let request = request.into();
    for _ in 0..REPEATS {
        let (table, stable) = collect(start(handle, request.clone(), NLM_F_DUMP)?).await?;
        if stable {
            return Ok(table);
        }
    }
    Err(Cause::Unstable)
}

/// Asks for one object, or for a change, and waits for the end.
pub(crate) async fn ask<H: Handle>(
    handle: &mut H,
    request: impl Into<H::Message>,
) -> std::result::Result<Vec<H::Message>, Cause> {
    finish(start(handle, request.into(), NLM_F_ACK)?).await
}

/// Queues a request. The kernel gets requests in the order in which they were queued.
pub(crate) fn start<H: Handle>(
    handle: &mut H,
    request: H::Message,
    flags: u16,
) -> std::result::Result<impl Answers<H::Message> + use<H>, Cause> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    handle.request(message).ok_or(Cause::Closed)
}

/// Waits for the end of an answer.
pub(crate) async fn finish<M>(answers: impl Answers<M>) -> std::result::Result<Vec<M>, Cause> {
    collect(answers).await.map(|(found, _)| found)
}

/// What an answer holds, and whether the table held still.
async fn collect<M>(mut answers: impl Answers<M>) -> std::result::Result<(Vec<M>, bool), Cause> {
    let (mut found, mut stable) = (Vec::new(), true);
    while let Some(answer) = timeout(PATIENCE, answers.next()).await.map_err(|_| Cause::NoAnswer)? {
        let flags = answer.header.flags;
        stable &= flags & NLM_F_DUMP_INTR == 0;
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => found.push(message),
            NetlinkPayload::Done(done) => {
                return verdict(done.code, flags, &done.extended_ack).map(|()| (found, stable));
            }
            NetlinkPayload::Error(error) => {
                // Behind the number stands the header of the request, without its body as the socket asks
                // for capped answers.
                let reason = error.header.get(HEADER..).unwrap_or_default();
                return verdict(error.raw_code(), flags, reason).map(|()| (found, stable));
            }
            _ => {}
        }
    }
    Err(Cause::Closed)
}

/// What the end of an answer says: all is well, or an error number and perhaps a reason.
fn verdict(code: i32, flags: u16, attributes: &[u8]) -> std::result::Result<(), Cause> {
    if code >= 0 {
        return Ok(());
    }
    let reason = if flags & NLM_F_ACK_TLVS == 0 { None } else { reason(attributes) };
    Err(Cause::Refused { errno: Errno::from_raw(code.wrapping_neg()), reason: reason.unwrap_or_default() })
}

fn reason(attributes: &[u8]) -> Option<String> {
    let mut attributes = NlasIterator::new(attributes).map_while(std::result::Result::ok);
    let reason = attributes.find(|attribute| attribute.kind() == REASON)?;
    Some(String::from_utf8_lossy(reason.value()).trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_the_kernels_reason() {
        let attributes = [8, 0, 2, 0, 1, 0, 0, 0, 7, 0, 1, 0, b'n', b'o', 0, 0];
        let refused = |reason: &str| Err(Cause::Refused { errno: Errno::EPERM, reason: reason.to_owned() });
        assert_eq!(verdict(-1, NLM_F_ACK_TLVS, &attributes), refused("no"));
        assert_eq!(verdict(-1, 0, &attributes), refused(""));
        for length in 0..15 {
            assert_eq!(verdict(-1, NLM_F_ACK_TLVS, &attributes[..length]), refused(""));
        }
        assert_eq!(verdict(0, NLM_F_ACK_TLVS, &attributes), Ok(()));
    }
}
