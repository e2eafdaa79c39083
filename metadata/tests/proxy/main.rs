//! The metadata proxy with guests in namespaces, `curl` as their client, and a web server of its own in Nova's place.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod agents;
mod hostile;
mod identity;
mod lab;
mod lifecycle;
mod takeover;
mod tls;
