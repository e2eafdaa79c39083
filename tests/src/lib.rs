//! The test harness: sandboxed nodes with a real Open vSwitch, guests and virtual machines.
//!
//! ```text
//!   underlay          one namespace: bridges br-mgmt, br-ul, br-ext, and the outside world (203.0.113.1)
//!     │  │  │
//!   mgmt0 ul0 ext0    a node: net, mount, pid and host name space, own /run and OVS database
//!            │
//!          br-ex ─ br-int ─ br-tun      made by Open vSwitch and by Baryon, started in the node
//!                    │
//!               guest, vm               a namespace with one interface, or a qemu machine on a tap
//! ```
//!
//! Everything here panics with what it was doing: the callers are tests. Nothing is cleaned up by
//! hand either; a node is ended by one kill of its process 1, and the sandbox of the test binary
//! (`scripts/sandbox`) takes with it whatever is left.

#![allow(clippy::print_stderr)] // what a failed test has to say

mod baryon;
mod capture;
mod datapath;
mod dhcp_client;
mod guest;
mod meter;
pub mod neutron;
mod node;
pub mod openstack;
mod rabbit;
mod space;
mod switch;
mod topology;
mod underlay;
mod vm;
pub mod wait;

pub use baryon::{Baryon, Settings};
pub use capture::Capture;
pub use datapath::Datapath;
pub use dhcp_client::{DhcpClient, Lease};
pub use guest::{Guest, Plug};
pub use meter::{Losses, Meter, transfer};
pub use node::Node;
pub use openstack::OpenStack;
pub use rabbit::Rabbit;
pub use space::Space;
pub use topology::{FLOATING_A1, ONE_NODE};
pub use underlay::{OUTSIDE, OUTSIDE_V6, Underlay, WORLD};
pub use vm::Vm;
