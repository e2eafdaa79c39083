//! The baryon program.
fn main() {}
