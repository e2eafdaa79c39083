//! Topology files: a whole network in one YAML document, and the difference that it makes.
//!
//! The file is the whole truth. What it names keeps its id, its MAC and its addresses; what it does
//! not name is removed, whoever made it; a field that it leaves out has its default. Only what is
//! chosen for the operator (ids, MACs, addresses, segments) stays as it was chosen.
//!
//! [`parse`] reads the text, [`apply`] brings a draft to where the file wants it and gives the
//! difference. Both are pure; a dry run is an [`apply`] whose draft is dropped.

mod apply;
mod body;
mod difference;
mod file;
mod make_way;
mod removal;
mod words;

pub use apply::apply;
pub use difference::{Action, Change, Difference, FieldChange};
pub use file::{Topology, parse};
