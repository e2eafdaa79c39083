//! From JSON as Neutron sends it to words. Names of fields live in this folder and nowhere else.
//!
//! Reading is liberal: fields that nobody knows are passed over, absent and `null` are the same, and what
//! is missing or wrong is named by its place. One wrong object never spoils the list that it came in.

pub(crate) mod dhcp_calls;
pub(crate) mod dhcp_casts;
pub(crate) mod fdb;
pub(crate) mod instances;
pub(crate) mod l3_calls;
pub(crate) mod l3_casts;
pub(crate) mod network_info;
pub(crate) mod object;
pub(crate) mod port;
pub(crate) mod port_forwarding;
pub(crate) mod read;
pub(crate) mod router;
pub(crate) mod subnet;
