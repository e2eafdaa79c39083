//! One node, a real switch and a real kernel, seen from outside: what packets, clients and the usual
//! tools find.

mod comeback;
mod dhcp;
mod kept;
mod leaving;
mod metadata;
mod router;
mod switching;
