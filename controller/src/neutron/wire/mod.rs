//! From JSON as Neutron sends it to words. Names of fields live in this folder and nowhere else.
//!
//! Reading is liberal: fields that nobody knows are passed over, absent and `null` are the same, and what
//! is missing or wrong is named by its place. One wrong object never spoils the list that it came in.

pub(crate) mod read;
