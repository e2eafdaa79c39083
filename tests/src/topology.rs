//! Topologies that several tests use.

/// One node: an external network, two subnets on networks of their own behind a router, and a port
/// for each guest. `a1` has a floating IP, [`FLOATING_A1`].
pub const ONE_NODE: &str = include_str!("one_node.yaml");

/// How `a1` is reached from outside.
pub const FLOATING_A1: &str = "203.0.113.50";
