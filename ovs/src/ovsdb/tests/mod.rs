//! Tests of the client's pure parts. Those that need a server are in `ovs/tests/ovsdb`.

mod backlog;
mod framing;
mod remotes;
mod replies;
mod schemas;
mod updates;
mod values;
