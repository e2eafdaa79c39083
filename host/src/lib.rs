//! Kernel hands: what Baryon does to and reads from the Linux kernel of its node. Namespaces, links,
//! addresses, routes, neighbours, sysctls, nftables rulesets, connection tracking, sockets.
//!
//! There is no policy here: nothing in this crate knows what a router or a network is, what ought to exist,
//! or what belongs to whom. Values go in and come out; a failed deed is an [`Error`] that says what was
//! done, in which namespace, on which object.
//!
//! Start with [`Handles`]: it gives a [`Netlink`] for the root namespace or for a named one, and
//! [`Netlink::observe`] reads a whole namespace at once. Work that needs a thread inside a namespace
//! (sockets, sysctls) takes a [`Namespace`].
//!
//! Three rules hold everywhere:
//! * **No thread of the caller ever changes its namespace.** What must run inside one does so on a thread
//!   made for it, which ends afterwards.
//! * **The kernel is read by netlink**, never by `/sys/class/net`, which shows the namespace in which
//!   that file system was mounted and not the one of the reader.
//! * **A wish that is already fulfilled is a success**: deleting what is gone and adding what is there
//!   are not errors.
//!
//! This is the only crate with `unsafe` code; each use stands alone, with its reason.

pub mod announce;
pub mod conntrack;
mod error;
pub mod ethtool;
mod handles;
pub mod memory;
pub mod monitor;
pub mod netlink;
pub mod netns;
pub mod nft;
pub mod process;
pub mod socket;
pub mod sysctl;
mod thread;

pub use error::Error;
pub use handles::Handles;
pub use netlink::Netlink;
pub use netlink::address::{Address, AddressScope};
pub use netlink::cause::Cause;
pub use netlink::link::Link;
pub use netlink::request::Request;
pub use netlink::route::{Hop, Route, RouteProtocol};
pub use netlink::state::NamespaceState;
pub use netns::Namespace;

/// The result of a deed of this crate.
pub type Result<T> = std::result::Result<T, Error>;
