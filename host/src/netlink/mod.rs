//! A netlink handle: reads and changes the links, addresses, routes and neighbours of one namespace. What it
//! does with nftables and connection tracking stands in `nft.rs` and `conntrack.rs`.
//!
//! A netlink socket stays in the namespace in which it was opened, so a handle works from any task. It keeps
//! its namespace alive, too; [`crate::Handles`] drops it when the name is gone.

pub(crate) mod address;
pub(crate) mod cause;
pub(crate) mod channel;
pub(crate) mod link;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod state;

use std::future::Future;
use std::sync::Arc;

use self::address::Address;
use self::cause::Cause;
use self::channel::Channel;
use self::link::Link;
use self::request::Request;
use self::route::Route;
use self::state::NamespaceState;
use crate::{Error, Namespace, Result};

/// A handle into one namespace. Clones share its sockets; their exchanges take turns.
#[derive(Clone)]
pub struct Netlink {
    namespace: Namespace,
    route: Channel<channel::Route>,
    /// Opened at the first use, as many namespaces never need it.
    netfilter: Channel<channel::Netfilter>,
}

impl std::fmt::Debug for Netlink {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Netlink({})", self.namespace)
    }
}

impl Netlink {
    /// Opens a handle. It costs a short-lived thread; take handles from [`crate::Handles`].
    pub async fn open(namespace: Namespace) -> Result<Self> {
        let route = Channel::default();
        route.open(&namespace).await?;
        Ok(Self { namespace, route, netfilter: Channel::default() })
    }

    /// The namespace that this handle works in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Everything at once.
    pub async fn observe(&self) -> Result<NamespaceState> {
        self.exchange("ip link; ip address; ip route", |mut handle| async move {
            let links = link::dump(&mut handle).await?;
            let addresses = address::dump(&mut handle, &links).await?;
            let routes = route::dump(&mut handle, &links).await?;
            let links = links.into_iter().map(|link| (link.name.clone(), link)).collect();
            Ok(NamespaceState { links, addresses, routes })
        })
        .await
    }

    /// All links, in the order of their indices.
    pub async fn links(&self) -> Result<Vec<Link>> {
        self.exchange("ip link", |mut handle| async move { link::dump(&mut handle).await }).await
    }

    /// One link by its name; None when there is none.
    pub async fn link(&self, name: &str) -> Result<Option<Link>> {
        let deed = format!("ip link show {name}");
        let name = name.to_owned();
        self.exchange(&deed, |mut handle| async move { link::get(&mut handle, &name).await }).await
    }

    /// All addresses.
    pub async fn addresses(&self) -> Result<Vec<Address>> {
        self.exchange("ip address", |mut handle| async move {
            let links = link::dump(&mut handle).await?;
            address::dump(&mut handle, &links).await
        })
        .await
    }

    /// The unicast routes of the main table, IPv4 first.
    pub async fn routes(&self) -> Result<Vec<Route>> {
        self.exchange("ip route", |mut handle| async move {
            let links = link::dump(&mut handle).await?;
            route::dump(&mut handle, &links).await
        })
        .await
    }

    /// Makes one change.
    pub async fn change(&self, request: Request) -> Result<()> {
        self.change_all(vec![request]).await.pop().unwrap_or(Ok(()))
    }

    /// Makes many changes in their order, without waiting for one before the next is asked for. One that
    /// fails does not stop the later ones. The results stand in the order of the requests.
    pub async fn change_all(&self, requests: Vec<Request>) -> Vec<Result<()>> {
        if requests.is_empty() {
            return Vec::new();
        }
        let requests = Arc::new(requests);
        let copy = requests.clone();
        let work = |handle| async move { Ok(request::change(handle, &copy).await) };
        let done = self.route.run(&self.namespace, work).await;
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

    async fn exchange<T, F>(&self, deed: &str, work: impl FnOnce(channel::Route) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, Cause>> + Send + 'static,
    {
        let done = self.route.run(&self.namespace, work).await;
        done.map_err(|cause| self.failed(deed.to_owned(), cause))
    }

    /// Has `work` use the netfilter socket.
    pub(crate) async fn netfilter<T, F>(
        &self,
        deed: &str,
        work: impl FnOnce(channel::Netfilter) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, Cause>> + Send + 'static,
    {
        let done = self.netfilter.run(&self.namespace, work).await;
        done.map_err(|cause| self.failed(deed.to_owned(), cause))
    }

    fn failed(&self, deed: String, source: Cause) -> Error {
        Error::Netlink { deed, namespace: self.namespace.to_string(), source }
    }
}

/// The name of a device. Links are dumped in the order of their indices.
fn device_name(links: &[Link], index: u32) -> String {
    match links.binary_search_by_key(&index, |link| link.index) {
        Ok(place) => links.get(place).map(|link| link.name.clone()).unwrap_or_default(),
        Err(_) => format!("if{index}"),
    }
}
