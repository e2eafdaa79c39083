//! Routers on the real kernel, without a switch: veth pairs stand in for its ports.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod forwarding;
mod lab;
mod metadata;
mod namespace;
mod speed;
mod takeover;
mod tampering;
mod traffic;
