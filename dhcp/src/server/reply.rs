//! The answer to a packet, complete: bytes, addressee, and what it means for the leases. Pure: the same
//! table and packet always give the same answer, and no bytes whatsoever make it panic.

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;
use model::{Mac, PortId};

use super::decision::{Decision, Refusal, Silence};
use super::message;
use super::request::{Malformed, Request};
use super::table::Table;

/// What comes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Send(Reply),
    /// The client gave up its address; nothing is sent.
    Returned {
        address: Ipv4Addr,
        declined: bool,
    },
    Silence(Silence),
    Malformed(Malformed),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub kind: ReplyKind,
    /// The payload of the UDP packet.
    pub message: Vec<u8>,
    pub to: Addressee,
    /// The server's address that it comes from.
    pub from: Ipv4Addr,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    Offer(Lent),
    Ack(Lent),
    /// An answer to DHCPINFORM: options only.
    Options,
    Nak(Refusal),
}

/// An address, the port that it belongs to, and for how long the client has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent {
    pub address: Ipv4Addr,
    pub port: PortId,
    /// [`super::table::FOR_EVER`] when it does not end.
    pub seconds: u32,
}

/// Whom a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// Port 67 of a relay, routed.
    Relay(Ipv4Addr),
    /// Port 68 of everybody on the link.
    Broadcast,
    /// Port 68 of one client on the link, which may not answer ARP yet.
    Client(Mac, Ipv4Addr),
}

/// Answers the payload of a UDP packet. `held` gives the address that was last acknowledged to a client.
pub fn answer(
    table: &Table,
    held: impl Fn(Mac) -> Option<Ipv4Addr>,
    packet: &[u8],
) -> (Option<Request>, Answer) {
    match Request::read(packet) {
        Ok(request) => {
            let answer = reply(table, held(request.mac), &request);
            (Some(request), answer)
        }
        Err(malformed) => (None, Answer::Malformed(malformed)),
    }
}

/// Answers a request.
pub fn reply(table: &Table, held: Option<Ipv4Addr>, request: &Request) -> Answer {
    match Decision::of(table, held, request) {
        Decision::Offer(grant) => {
            let lend = |seconds| Lent { address: grant.address, port: grant.host.port, seconds };
            let to = addressee(table, request, grant.address);
            let written = message::grant(table, request, MessageType::Offer, &grant);
            send(
                written.map(|(bytes, lease)| (bytes, ReplyKind::Offer(lend(lease)))),
                to,
                grant.subnet.subnet.server,
            )
        }
        Decision::Acknowledge(grant) => {
            let lend = |seconds| Lent { address: grant.address, port: grant.host.port, seconds };
            let to = addressee(table, request, grant.address);
            let written = message::grant(table, request, MessageType::Ack, &grant);
            send(
                written.map(|(bytes, lease)| (bytes, ReplyKind::Ack(lend(lease)))),
                to,
                grant.subnet.subnet.server,
            )
        }
        Decision::Inform { subnet, host } => {
            let to = addressee(table, request, Ipv4Addr::UNSPECIFIED);
            let written = message::inform(table, request, subnet, host.map(|host| &**host));
            send(written.map(|bytes| (bytes, ReplyKind::Options)), to, subnet.subnet.server)
        }
        Decision::Refuse { subnet, reason } => {
            let to = request.relay.map_or(Addressee::Broadcast, Addressee::Relay);
            let written = message::refusal(request, subnet.subnet.server, reason);
            send(written.map(|bytes| (bytes, ReplyKind::Nak(reason))), to, subnet.subnet.server)
        }
        Decision::Release(address) => Answer::Returned { address, declined: false },
        Decision::Decline(address) => Answer::Returned { address, declined: true },
        Decision::Nothing(silence) => Answer::Silence(silence),
    }
}

fn send(written: Option<(Vec<u8>, ReplyKind)>, to: Addressee, from: Ipv4Addr) -> Answer {
    match written {
        Some((message, kind)) => Answer::Send(Reply { kind, message, to, from }),
        None => Answer::Silence(Silence::Unwritable),
    }
}

/// RFC 2131 section 4.1: the relay, else the address that the client uses, else everybody when it asks
/// for that, else its MAC address.
fn addressee(table: &Table, request: &Request, offered: Ipv4Addr) -> Addressee {
    if let Some(relay) = request.relay {
        Addressee::Relay(relay)
    } else if let Some(address) = request.client_address {
        Addressee::Client(request.mac, address)
    } else if request.wants_broadcast() || table.times.broadcast {
        Addressee::Broadcast
    } else {
        Addressee::Client(request.mac, offered)
    }
}
