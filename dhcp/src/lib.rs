//! The DHCP service: qdhcp namespaces and a DHCPv4 server that runs inside them.

pub mod server;
