//! The switch: OVSDB and OpenFlow clients, the flow pipeline, and the domain that keeps Open vSwitch as wanted.

pub mod compile;
pub mod config;
pub mod index;
pub mod local_vlan;
pub mod mirror;
pub mod names;
pub mod observe;
pub mod openflow;
pub mod ovsdb;
pub mod pipeline;
pub mod plan;
pub mod rows;
pub mod spec;
pub mod step;

pub use config::{Config, DatapathType};
