//! Driven by a real neutron-server. Each test has a server of its own, because agents of one test would be
//! given the networks of another.
//!
//! `scripts/neutron-lab install` comes first.

mod stock;
