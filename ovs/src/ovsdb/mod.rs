//! A client for OVSDB, the database protocol of Open vSwitch (RFC 7047 and ovsdb-server(7)).
//!
//! It keeps one connection to one database, mirrors the tables and columns it is told to into memory, executes
//! transactions, and says what changed. It knows nothing of any particular schema.
//!
//! ```no_run
//! use ovs::ovsdb::{Client, Columns, Condition, Event, Monitor, Operation, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let monitor = Monitor::new("Open_vSwitch")
//!     .table("Bridge", ["name", "ports"])
//!     .table("Interface", ["name", "ofport", "external_ids"]);
//! let settings = Settings::new("unix:/run/openvswitch/db.sock".parse()?, monitor);
//! let (client, mut events) = Client::connect(settings).await?;
//!
//! // Read: the replica is a value; taking it costs nothing and it never changes under the reader.
//! for (uuid, interface) in client.replica().rows("Interface") {
//!     println!("{uuid} {} {:?}", interface.string("name"), interface.optional_integer("ofport"));
//! }
//!
//! // Write: the replica has the effect as soon as the call returns.
//! let mtu = Columns::new().with("mtu_request", Some(1450));
//! let condition = Condition::equal("name", "tap0");
//! let results = client.transact([Operation::update("Interface", condition, mtu)]).await?;
//! println!("{:?} rows", results[0].count());
//!
//! // Follow.
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Connected => println!("connected"),
//!         Event::Disconnected { why } => println!("disconnected: {why}"),
//!         Event::Changed(changes) => println!("{} rows changed", changes.len()),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it does by itself: answers the server's echo, probes a silent server, connects again after a loss with growing
//! pauses, checks the schema each time, and gives what changed meanwhile as ordinary row changes.
//!
//! What it does not do: locks, several databases on one connection, clustered databases (no leader is looked for), and
//! going on after a loss from the last transaction (standalone servers cannot).

mod client;
mod decode;
mod digest;
mod error;
mod events;
mod framer;
mod inbound;
mod message;
mod monitor;
mod operation;
mod outcome;
mod remote;
mod replica;
mod row;
mod schema;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod update;
mod value;

pub use client::{Client, Settings};
pub use decode::{ValueError, decode_atom, decode_untyped, decode_value};
pub use digest::digest;
pub use error::{Error, Refusal};
pub use events::{Event, Events};
pub use framer::FramingError;
pub use monitor::Monitor;
pub use operation::{Columns, Condition, Function, Mutation, Mutator, Operation, Until};
pub use outcome::OpResult;
pub use remote::{DEFAULT_PORT, Remote, RemoteError};
pub use replica::{Replica, RowChange, Table};
pub use row::Row;
pub use schema::{AtomType, ColumnType, Schema, SchemaError, TableSchema};
pub use tls::{TlsError, TlsFiles};
pub use update::UpdateError;
pub use value::{Atom, Map, Set, Value};
