//! A DHCPv4 server for one network: RFC 2131 and 2132 as far as Neutron's fixed addresses need it.
//!
//! ```text
//!  UDP 67 ──> request (split) ──> decision ──> message ──> frame ──> device
//!                                    ^  \
//!                     table (hosts, subnets)  lease
//! ```
//!
//! From the packet to the answer everything is pure: [`reply`] has the whole of it. [`turn`] adds the
//! sockets, the clock and the log, and is given by the one [`thread`] of all servers. There is no file, no
//! address pool, and no lease that decides who gets which address: the controller did that, and the [`table`]
//! says so.

pub mod counters;
pub mod decision;
pub mod frame;
pub mod lease;
pub mod message;
pub mod option;
pub mod pace;
pub mod reply;
pub mod request;
pub mod socket;
pub mod split;
pub mod table;
pub mod thread;
pub mod turn;
