//! A real Neutron beside the nodes: the server with its broker and API, Neutron's own Python agents, and
//! what a compute service does.
//!
//! ```text
//!   Server     a space on br-mgmt at 198.18.0.250: RabbitMQ on 5672, the API on a unix socket
//!   Nova       a metadata service on br-mgmt at 198.18.0.254
//!   Host       the configuration files of one node, the same for Neutron's agents and for Baryon
//!   Stock      Neutron's Python agents, started with these files
//!   Agents     Baryon or Stock: what serves a node
//!   Footprint  what they made of it
//! ```
//!
//! `scripts/neutron-lab install` makes what the server runs from. Everything panics with what it was doing, as
//! the rest of the harness.

mod agents;
mod api;
mod disturbance;
mod footprint;
mod host;
mod nova;
mod server;
mod stock;
mod watch;

pub use agents::{Agents, Kind};
pub use api::{Api, text};
pub use disturbance::Echo;
pub use footprint::Footprint;
pub use host::{Firewall, Host, Options, SECRET};
pub use nova::{Nova, Request};
pub use server::{Release, Server};
pub use stock::{Agent, Stock};
pub use watch::Watch;
