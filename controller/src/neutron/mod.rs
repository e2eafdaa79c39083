//! The driver of a node whose controller is a neutron-server: to the server it is an Open vSwitch agent,
//! a DHCP agent, an L3 agent and a metadata agent of Neutron's.
//!
//! ```text
//!   broker ── messaging ──> shell ──events──> machines (l2, tunnels, dhcp, l3: pure) ──findings──> picture ──> Desired
//!                             └──<── asks ───────┘
//! ```
//!
//! The shell owns everything that waits. Machines decide; what they find out is put together in the
//! picture, which is published whole. Messages are hints: whatever is in doubt is read again from the
//! server, and what is known stays until the answer is there.
//!
//! Nothing here knows how anything is done on a node.

#![allow(dead_code, reason = "the parts are joined step by step")]

mod fault;
mod finding;
mod role;
pub mod settings;
mod topic;
mod wire;

pub use settings::Settings;
