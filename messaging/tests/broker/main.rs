//! The bus against a real RabbitMQ, and a peer that speaks plain AMQP with no code of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod calls;
mod declares;
mod faults;
mod hostile;
mod listening;
mod peer;
mod refusals;
mod secure;
