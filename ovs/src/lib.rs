//! The switch: OVSDB and OpenFlow clients, the flow pipeline, and the domain that keeps Open vSwitch as wanted.

pub mod config;
pub mod openflow;
pub mod ovsdb;
pub mod pipeline;
