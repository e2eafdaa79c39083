//! Driven by a real neutron-server. Each test has a server of its own, because agents of one test would be
//! given the networks of another.
//!
//! `scripts/neutron-lab install` comes first. `BARYON_TEST_AGENTS=stock` runs the same tests with Neutron's own
//! agents where Baryon is meant: what fails then is the test's fault, or Neutron's.

mod alone;
mod beside;
mod faults;
mod life;
mod losses;
mod machine;
mod migration;
mod parity;
mod rehearsal;
mod roles;
mod scene;
mod storm;
mod takeover;
