//! The flows of the three kinds of bridges, as functions of the specification of an object and of the
//! port numbers that the switch gave out. Pure: a feature is a file, and gives flows.

pub mod cookies;
pub mod registers;
pub mod tables;
