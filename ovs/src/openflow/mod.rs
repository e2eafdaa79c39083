//! OpenFlow 1.4 with the extensions of Nicira: flows as values, their text, their bytes, and a connection
//! to a bridge of Open vSwitch.
//!
//! [`flow::Flow`] is the word that pipelines speak; `field`, `matcher`, `action`, `learn`, `conntrack` and
//! `ct_state` are what it is made of, and `text` is how it prints. [`connection::Connection`] dumps flows and
//! carries out a [`bundle::Bundle`] of changes; `codec` is the bytes. There is no packet-in, no group and
//! no meter table here: what a bridge does is written down as flows and left to it.

pub mod action;
pub mod bundle;
pub mod codec;
pub mod connection;
pub mod conntrack;
pub mod ct_state;
pub mod field;
pub mod flow;
pub mod learn;
pub mod matcher;
pub mod refusal;
mod text;

pub use action::Action;
pub use bundle::{Bundle, BundleError, Failure, Refusal};
pub use codec::{FlowFilter, FlowMod, FlowStats, PortDescription, decode};
pub use connection::{Cause, Closed, ConnectError, Connection, Patience, RequestError};
pub use conntrack::{Ct, CtZone, Nat, NatAddresses, NatChoice, NatDirection};
pub use ct_state::CtState;
pub use field::{Field, Subfield, Value};
pub use flow::{Flow, FlowKey};
pub use learn::{Learn, LearnSpec};
pub use matcher::{FieldMatch, Match};
pub use refusal::OfError;
