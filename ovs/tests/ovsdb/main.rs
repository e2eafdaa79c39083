//! The OVSDB client against a real ovsdb-server with the schema of Open vSwitch, and against servers that misbehave.
//!
//! Every test starts a server of its own in a folder of its own.

mod hostile;
mod keeping_up;
mod load;
mod proxy;
mod reconnect;
mod remotes;
mod server;
mod transactions;
