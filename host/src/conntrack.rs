//! Connection tracking: forgetting connections, so that packets of a live one meet the rules that hold now.
//!
//! An entry has two directions, each with a source and a destination. For a connection from outside to a
//! floating IP F of the fixed address X, the original destination is F and the reply source is X.

use std::net::IpAddr;

use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Tuple};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_ACK, Nla};

use crate::netlink::cause::Cause;
use crate::netlink::channel::{self, Netfilter};
use crate::{Netlink, Result};

/// Which entries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    OriginalSource(IpAddr),
    OriginalDestination(IpAddr),
    ReplySource(IpAddr),
    ReplyDestination(IpAddr),
    /// Entries in which `outside` is translated, by destination or by source, for another than `inside`.
    Mistranslated {
        outside: IpAddr,
        inside: IpAddr,
    },
}

/// One direction of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Of protocols that have ports.
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
}

/// An entry. What leaves in `original` and comes back as `reply` is translated where the two are no mirror images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// IANA's number of the transport protocol.
    pub protocol: u8,
    pub original: Direction,
    pub reply: Direction,
}

/// `CTA_ID` and `CTA_ZONE` of linux/netfilter/nfnetlink_conntrack.h
const ID: u16 = 12;
const ZONE: u16 = 18;

impl Netlink {
    /// Deletes the entries, of any zone, that one of the selectors means; gives how many there were.
    pub async fn delete_conntrack(&self, selectors: Vec<Selector>) -> Result<usize> {
        if selectors.is_empty() {
            return Ok(0);
        }
        let means = move |entry: &NetfilterMessage| selectors.iter().any(|selector| selector.means(entry));
        self.netfilter("conntrack -D", |handle| delete(handle, means)).await
    }

    /// Deletes the entries, of any zone, that the function holds for; gives how many there were.
    pub async fn delete_conntrack_where(
        &self,
        which: impl Fn(&Connection) -> bool + Send + 'static,
    ) -> Result<usize> {
        let means = move |entry: &NetfilterMessage| connection(entry).is_some_and(|entry| which(&entry));
        self.netfilter("conntrack -D", |handle| delete(handle, means)).await
    }
}

async fn delete(
    mut handle: Netfilter,
    means: impl Fn(&NetfilterMessage) -> bool,
) -> std::result::Result<usize, Cause> {
    let all = message(NetfilterProtoFamily::Unspec, ConntrackMessage::Get(Vec::new()));
    let mut started = Vec::new();
    for entry in channel::dump(&mut handle, all).await? {
        if means(&entry) {
            started.push(channel::start(&mut handle, deletion(&entry), NLM_F_ACK)?);
        }
    }
    let mut count = 0;
    for answers in started {
        match channel::finish(answers).await {
            Ok(_) => count += 1,
            // It ended by itself meanwhile.
            Err(Cause::Refused { errno: Errno::ENOENT, .. }) => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(count)
}

impl Selector {
    /// Whether an entry, as dumped, is meant.
    fn means(self, entry: &NetfilterMessage) -> bool {
        if let Self::Mistranslated { outside, inside } = self {
            let inward =
                Self::OriginalDestination(outside).means(entry) && !Self::ReplySource(inside).means(entry);
            let outward =
                Self::ReplyDestination(outside).means(entry) && !Self::OriginalSource(inside).means(entry);
            return inward || outward;
        }
        attributes(entry).iter().any(|attribute| match (self, attribute) {
            (Self::OriginalSource(address), ConntrackAttribute::CtaTupleOrig(tuples))
            | (Self::ReplySource(address), ConntrackAttribute::CtaTupleReply(tuples)) => {
                holds(tuples, &IPTuple::SourceAddress(address))
            }
            (Self::OriginalDestination(address), ConntrackAttribute::CtaTupleOrig(tuples))
            | (Self::ReplyDestination(address), ConntrackAttribute::CtaTupleReply(tuples)) => {
                holds(tuples, &IPTuple::DestinationAddress(address))
            }
            _ => false,
        })
    }
}

/// An entry as a value; None when it lacks something that every entry has.
fn connection(entry: &NetfilterMessage) -> Option<Connection> {
    let mut original = None;
    let mut reply = None;
    for attribute in attributes(entry) {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(tuples) => original = Some(tuples),
            ConntrackAttribute::CtaTupleReply(tuples) => reply = Some(tuples),
            _ => {}
        }
    }
    let (original, reply) = (original?, reply?);
    let protocol = protocol_of(original)?;
    Some(Connection { protocol, original: direction(original)?, reply: direction(reply)? })
}

fn protocol_of(tuples: &[Tuple]) -> Option<u8> {
    tuples.iter().find_map(|tuple| match tuple {
        Tuple::Proto(parts) => parts.iter().find_map(|part| match part {
            ProtoTuple::Protocol(protocol) => Some((*protocol).into()),
            _ => None,
        }),
        _ => None,
    })
}

fn direction(tuples: &[Tuple]) -> Option<Direction> {
    let (mut source, mut destination, mut source_port, mut destination_port) = (None, None, None, None);
    for tuple in tuples {
        match tuple {
            Tuple::Ip(parts) => parts.iter().for_each(|part| match part {
                IPTuple::SourceAddress(address) => source = Some(*address),
                IPTuple::DestinationAddress(address) => destination = Some(*address),
                _ => {}
            }),
            Tuple::Proto(parts) => parts.iter().for_each(|part| match part {
                ProtoTuple::SourcePort(port) => source_port = Some(*port),
                ProtoTuple::DestinationPort(port) => destination_port = Some(*port),
                _ => {}
            }),
            _ => {}
        }
    }
    Some(Direction { source: source?, destination: destination?, source_port, destination_port })
}

fn attributes(entry: &NetfilterMessage) -> &[ConntrackAttribute] {
    match &entry.inner {
        NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) => attributes,
        _ => &[],
    }
}

fn holds(tuples: &[Tuple], wanted: &IPTuple) -> bool {
    tuples.iter().any(|tuple| matches!(tuple, Tuple::Ip(addresses) if addresses.contains(wanted)))
}

/// The request that deletes exactly this entry. The id keeps it from hitting a new connection of the same
/// addresses and ports.
fn deletion(entry: &NetfilterMessage) -> NetfilterMessage {
    let echoed = attributes(entry).iter().filter(|attribute| match attribute {
        ConntrackAttribute::CtaTupleOrig(_) => true,
        ConntrackAttribute::Other(other) => matches!(other.kind(), ID | ZONE),
        _ => false,
    });
    message(entry.header.family, ConntrackMessage::Delete(echoed.cloned().collect()))
}

fn message(family: NetfilterProtoFamily, message: ConntrackMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), message)
}
