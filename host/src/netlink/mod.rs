//! A netlink handle: reads and changes the links, addresses, routes and neighbours of one namespace. What it
//! does with nftables and connection tracking stands in `nft.rs` and `conntrack.rs`.
//!
//! A netlink socket stays in the namespace in which it was opened, so a handle works from any task. It keeps
//! its namespace alive, too; [`crate::Handles`] drops it when the name is gone.

pub(crate) mod address;
pub(crate) mod link;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod state;
pub(crate) mod transport;

use std::sync::Arc;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use nix::errno::Errno;
use tokio::sync::Mutex;

use self::address::Address;
use self::link::Link;
use self::request::Request;
use self::route::Route;
use self::state::NamespaceState;
use self::transport::{Cause, Transport};
use crate::{Error, Namespace, Result, thread};

/// A handle into one namespace. Clones share its socket; their exchanges take turns.
#[derive(Clone)]
pub struct Netlink {
    namespace: Namespace,
    route: Arc<Mutex<Transport>>,
    /// Opened at the first use, as many namespaces never need it.
    netfilter: Arc<Mutex<Option<Transport>>>,
}

impl std::fmt::Debug for Netlink {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Netlink({})", self.namespace)
    }
}

impl Netlink {
    /// Opens a handle. It costs a short-lived thread; take handles from [`crate::Handles`].
    pub async fn open(namespace: Namespace) -> Result<Self> {
        let transport = open_transport(&namespace, NETLINK_ROUTE).await?;
        Ok(Self { namespace, route: Arc::new(Mutex::new(transport)), netfilter: Arc::default() })
    }

    /// The namespace that this handle works in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Everything at once.
    pub async fn observe(&self) -> Result<NamespaceState> {
        self.exchange("ip link; ip address; ip route", |transport| {
            let links = dump_links(transport)?;
            let addresses = dump_addresses(transport, &links)?;
            let routes = dump_routes(transport, &links)?;
            let links = links.into_iter().map(|link| (link.name.clone(), link)).collect();
            Ok(NamespaceState { links, addresses, routes })
        })
        .await
    }

    /// All links, in the order of their indices.
    pub async fn links(&self) -> Result<Vec<Link>> {
        self.exchange("ip link", dump_links).await
    }

    /// One link by its name; None when there is none.
    pub async fn link(&self, name: &str) -> Result<Option<Link>> {
        let request = link::get(name);
        self.exchange(&format!("ip link show {name}"), move |transport| {
            let mut found = None;
            let result = transport.get(&request, |kind, payload| {
                if kind == link::NEW_LINK {
                    found = link::read(payload);
                }
            });
            match result {
                Ok(()) => Ok(found),
                Err(Cause::Refused { errno: Errno::ENODEV, .. }) => Ok(None),
                Err(cause) => Err(cause),
            }
        })
        .await
    }

    /// All addresses.
    pub async fn addresses(&self) -> Result<Vec<Address>> {
        self.exchange("ip address", |transport| {
            let links = dump_links(transport)?;
            dump_addresses(transport, &links)
        })
        .await
    }

    /// The unicast routes of the main table, IPv4 first.
    pub async fn routes(&self) -> Result<Vec<Route>> {
        self.exchange("ip route", |transport| {
            let links = dump_links(transport)?;
            dump_routes(transport, &links)
        })
        .await
    }

    /// Makes one change.
    pub async fn change(&self, request: Request) -> Result<()> {
        self.change_all(vec![request]).await.pop().unwrap_or(Ok(()))
    }

    /// Makes many changes in their order, of which many travel to the kernel together. One that fails does
    /// not stop the later ones. The results stand in the order of the requests.
    pub async fn change_all(&self, requests: Vec<Request>) -> Vec<Result<()>> {
        if requests.is_empty() {
            return Vec::new();
        }
        let requests = Arc::new(requests);
        let copy = requests.clone();
        let done = self.run(move |transport| Ok(request::transact(transport, &copy))).await;
        let failed = |request: &Request, cause| self.failed(request.to_string(), cause);
        match done {
            Ok(results) => results
                .into_iter()
                .zip(requests.iter())
                .map(|(result, request)| result.map_err(|cause| failed(request, cause)))
                .collect(),
            Err(cause) => requests.iter().map(|request| Err(failed(request, cause.clone()))).collect(),
        }
    }

    async fn exchange<T: Send + 'static>(
        &self,
        deed: &str,
        work: impl FnOnce(&mut Transport) -> std::result::Result<T, Cause> + Send + 'static,
    ) -> Result<T> {
        self.run(work).await.map_err(|cause| self.failed(deed.to_owned(), cause))
    }

    /// Has `work` use the socket. Once begun it goes to its end, also when the caller no longer waits, so
    /// no answer is left in the socket for the next exchange.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transport) -> std::result::Result<T, Cause> + Send + 'static,
    ) -> std::result::Result<T, Cause> {
        let mut transport = self.route.clone().lock_owned().await;
        thread::exchange(move || work(&mut transport))
            .await
            .unwrap_or_else(|error| Err(Cause::NotRun { reason: error.to_string() }))
    }

    /// Has `work` use the netfilter socket.
    pub(crate) async fn netfilter<T: Send + 'static>(
        &self,
        deed: &str,
        work: impl FnOnce(&mut Transport) -> std::result::Result<T, Cause> + Send + 'static,
    ) -> Result<T> {
        let mut slot = self.netfilter.clone().lock_owned().await;
        if slot.is_none() {
            *slot = Some(open_transport(&self.namespace, NETLINK_NETFILTER).await?);
        }
        let absent = || Cause::NotRun { reason: "the socket is closed".to_owned() };
        thread::exchange(move || slot.as_mut().map_or_else(|| Err(absent()), work))
            .await
            .unwrap_or_else(|error| Err(Cause::NotRun { reason: error.to_string() }))
            .map_err(|cause| self.failed(deed.to_owned(), cause))
    }

    fn failed(&self, deed: String, source: Cause) -> Error {
        Error::Netlink { deed, namespace: self.namespace.to_string(), source }
    }
}

async fn open_transport(namespace: &Namespace, protocol: isize) -> Result<Transport> {
    namespace.run(move || Transport::open(protocol)).await?.map_err(|source| Error::Namespace {
        deed: "open a netlink socket in",
        name: namespace.to_string(),
        source,
    })
}

fn dump_links(transport: &mut Transport) -> std::result::Result<Vec<Link>, Cause> {
    transport.dump(&link::dump(), |links: &mut Vec<Link>, kind, payload| {
        if kind == link::NEW_LINK {
            links.extend(link::read(payload));
        }
    })
}

fn dump_addresses(transport: &mut Transport, links: &[Link]) -> std::result::Result<Vec<Address>, Cause> {
    transport.dump(&address::dump(), |addresses: &mut Vec<Address>, kind, payload| {
        if kind == address::NEW_ADDRESS {
            addresses.extend(address::read(payload, links));
        }
    })
}

fn dump_routes(transport: &mut Transport, links: &[Link]) -> std::result::Result<Vec<Route>, Cause> {
    transport.dump(&route::dump(), |routes: &mut Vec<Route>, kind, payload| {
        if kind == route::NEW_ROUTE {
            routes.extend(route::read(payload, links));
        }
    })
}

/// The name of a device. Links are dumped in the order of their indices.
fn device_name(links: &[Link], index: u32) -> String {
    match links.binary_search_by_key(&index, |link| link.index) {
        Ok(place) => links.get(place).map(|link| link.name.clone()).unwrap_or_default(),
        Err(_) => format!("if{index}"),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NLM_F_MULTIPART;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::transport::{Messages, attribute, text};
    use super::*;

    /// A message as the kernel frames it.
    fn framed(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(NLM_F_MULTIPART.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// An attribute that may lie about its length.
    fn attribute_bytes() -> impl Strategy<Value = Vec<u8>> {
        (0..40_u16, 0..24_u16, vec(any::<u8>(), 0..20)).prop_map(|(length, kind, value)| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes
        })
    }

    proptest! {
        /// Whatever the bytes say, reading ends, and without a panic.
        #[test]
        fn no_payload_is_too_strange(
            header in vec(any::<u8>(), 0..20),
            rest in vec(attribute_bytes(), 0..6),
        ) {
            let payload = [header, rest.concat()].concat();
            let _ = link::read(&payload);
            let _ = address::read(&payload, &[]);
            let _ = route::read(&payload, &[]);
        }

        #[test]
        fn framing_ends_and_finds_what_was_framed(
            payloads in vec(vec(any::<u8>(), 0..30), 0..5),
            noise in vec(any::<u8>(), 0..15),
        ) {
            let mut bytes: Vec<u8> = payloads.iter().flat_map(|payload| framed(7, payload)).collect();
            let clean = bytes.len();
            bytes.extend(&noise);
            let found: Vec<_> = Messages(&bytes).flatten().map(|message| message.payload.to_vec()).collect();
            prop_assert_eq!(&found, &payloads);
            let broken = Messages(&bytes).filter(std::result::Result::is_err).count();
            prop_assert_eq!(broken, usize::from(bytes.len() > clean));
        }
    }

    #[test]
    fn an_attribute_that_is_cut_short_is_not_read() {
        let whole = [8, 0, 3, 0, b'l', b'o', 0, 0];
        assert_eq!(attribute(&whole, 3).map(text).as_deref(), Some("lo"));
        assert_eq!(attribute(&whole[..7], 3), None);
        assert_eq!(attribute(&[3, 0, 3, 0], 3), None);
    }
}
