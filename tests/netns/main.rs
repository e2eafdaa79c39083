//! One node, a real switch and a real kernel, seen from outside: what packets, clients and the usual
//! tools find.

mod beginning;
mod client;
mod comeback;
mod commands;
mod dhcp;
mod ipv6;
mod journal;
mod kept;
mod leaving;
mod metadata;
mod router;
mod switching;
mod vhost_user;
