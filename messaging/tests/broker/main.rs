//! The bus against a real RabbitMQ, and a peer that speaks plain AMQP with no code of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::needless_pass_by_value)] // `json!` reads best where it is used

mod calls;
mod compression;
mod declares;
mod faults;
mod hostile;
mod listening;
mod login;
mod peer;
mod refusals;
mod secure;
