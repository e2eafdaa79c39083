//! Connection tracking: forgetting connections, so that packets of a live one meet the rules that hold now.
//!
//! An entry has two directions, each with a source and a destination. For a connection from outside to a
//! floating IP F of the fixed address X, the original destination is F and the reply source is X.

use std::net::IpAddr;

use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, Tuple};
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

/// `CTA_ID` and `CTA_ZONE` of linux/netfilter/nfnetlink_conntrack.h
const ID: u16 = 12;
const ZONE: u16 = 18;

impl Netlink {
    /// Deletes the entries, of any zone, that one of the selectors means; gives how many there were.
    pub async fn delete_conntrack(&self, selectors: Vec<Selector>) -> Result<usize> {
        if selectors.is_empty() {
            return Ok(0);
        }
        self.netfilter("conntrack -D", |handle| delete(handle, selectors)).await
    }
}

async fn delete(mut handle: Netfilter, selectors: Vec<Selector>) -> std::result::Result<usize, Cause> {
    let all = message(NetfilterProtoFamily::Unspec, ConntrackMessage::Get(Vec::new()));
    let mut started = Vec::new();
    for entry in channel::dump(&mut handle, all).await? {
        if selectors.iter().any(|selector| selector.means(&entry)) {
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
