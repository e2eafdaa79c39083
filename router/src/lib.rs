//! Routers: `qrouter-` namespaces with their interfaces, routes and address translation.
//!
//! [`compile`] decides which routers are this node's and what they consist of ([`spec`], made by
//! [`parts`], one file per feature); [`observe`] reads what exists ([`actual`]); [`plan`] compares the
//! two; [`apply`] carries it out. A feature is a file in `parts` that adds to the [`spec::RouterSpec`].
//!
//! The devices of a router are made by the switch's domain. They appear in the root namespace, are moved
//! into the router's namespace here, and a router whose device has not appeared yet waits for it.
//!
//! Nothing outside `qrouter-<uuid>` namespaces is changed but for the move of those devices; see
//! [`actual`] for what inside them is foreign.

pub mod actual;
pub mod compile;
pub mod config;
pub mod parts;
pub mod plan;
pub mod ruleset;
pub mod spec;
pub mod step;

pub use actual::Actual;
pub use config::Config;
pub use spec::{RouterSpec, Spec};
pub use step::Step;
