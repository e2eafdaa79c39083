//! The words of Baryon: what a network, a port, a router is, what a controller wants of a node,
//! what a plan and a report are. Every other crate speaks in these words.
//!
//! There is no I/O here, no clock, no async, and no wire format: names of JSON fields, OVSDB columns
//! and RPC methods belong to the crates that talk to the outside. The `serde` derives exist for test
//! cases and for showing values to people, not as a protocol.
//!
//! Start with [`desired::Desired`] (what the controller wants), then [`domain::Domain`] (how a part of
//! the node is brought there) and [`plan::Plan`] (what would be done).

pub mod change;
pub mod desired;
pub mod domain;
pub mod effect;
pub mod ids;
pub mod mac;
pub mod names;
pub mod network;
pub mod object;
pub mod plan;
pub mod port;
pub mod report;
pub mod router;
pub mod switch_facts;

pub use change::changes;
pub use desired::{Desired, RemotePort, Role};
pub use domain::{Domain, Scope};
pub use effect::Effect;
pub use ids::{FloatingIpId, HostName, NetworkId, PortForwardingId, PortId, RouterId, SubnetId};
pub use mac::Mac;
pub use network::{Network, Route, Segment, Subnet, TunnelKind, VlanTag};
pub use object::ObjectRef;
pub use plan::{Plan, Planned, Stage};
pub use port::{AddressPair, Binding, DhcpOption, FixedIp, Port, PortOwner};
pub use report::{Outcome, Pass, Report, Retry};
pub use router::{
    Gateway, PortRange, Router, RouterFloatingIp, RouterInterface, RouterPortForwarding, TransportProtocol,
};
pub use switch_facts::SwitchFacts;
