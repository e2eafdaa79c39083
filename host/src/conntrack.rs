//! Connection tracking: forgetting connections, so that packets of a live one meet the rules that hold now.
//!
//! An entry has two directions, each with a source and a destination. For a connection from outside to a
//! floating IP F of the fixed address X, the original destination is F and the reply source is X.

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};
use nix::errno::Errno;

use crate::netlink::transport::{
    ACKNOWLEDGE, Cause, DUMP, Encoded, Transport, attribute, attributes, read_address,
};
use crate::{Netlink, Result};

/// Which entries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    OriginalSource(IpAddr),
    OriginalDestination(IpAddr),
    ReplySource(IpAddr),
    ReplyDestination(IpAddr),
}

/// `IPCTNL_MSG_CT_GET` and others of linux/netfilter/nfnetlink_conntrack.h
const GET: u8 = 1;
const DELETE: u8 = 2;
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// Within a direction.
const ADDRESSES: u16 = 1;

impl Netlink {
    /// Deletes the entries, of any zone, that one of the selectors means; gives how many there were.
    pub async fn delete_conntrack(&self, selectors: Vec<Selector>) -> Result<usize> {
        if selectors.is_empty() {
            return Ok(0);
        }
        self.netfilter("conntrack -D", move |transport| delete(transport, &selectors)).await
    }
}

fn delete(transport: &mut Transport, selectors: &[Selector]) -> std::result::Result<usize, Cause> {
    let all = message(NetfilterProtoFamily::Unspec, GET, Vec::new());
    let chosen = transport.dump(&Encoded::new(all, DUMP), |chosen: &mut Vec<Encoded>, _, payload| {
        if selectors.iter().any(|selector| selector.means(payload).unwrap_or(false)) {
            chosen.extend(deletion(payload));
        }
    })?;
    let mut count = 0;
    for result in transport.transact(&chosen) {
        match result {
            Ok(()) => count += 1,
            // It ended by itself meanwhile.
            Err(Cause::Refused { errno: Errno::ENOENT, .. }) => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(count)
}

impl Selector {
    /// Whether an entry, as dumped, is meant.
    fn means(self, payload: &[u8]) -> Option<bool> {
        let (direction, destination, address) = match self {
            Self::OriginalSource(address) => (ORIGINAL, false, address),
            Self::OriginalDestination(address) => (ORIGINAL, true, address),
            Self::ReplySource(address) => (REPLY, false, address),
            Self::ReplyDestination(address) => (REPLY, true, address),
        };
        // Sources are the attributes 1 (IPv4) and 3 (IPv6), destinations 2 and 4.
        let kind = if address.is_ipv4() { 1 } else { 3 } + u16::from(destination);
        let addresses = attribute(attribute(payload.get(4..)?, direction)?, ADDRESSES)?;
        Some(read_address(attribute(addresses, kind)?)? == address)
    }
}

/// The request that deletes exactly this entry. The id keeps it from hitting a new connection of the same
/// addresses and ports.
fn deletion(payload: &[u8]) -> Option<Encoded> {
    let family = NetfilterProtoFamily::from(*payload.first()?);
    let echoed = attributes(payload.get(4..)?)
        .filter_map(|(kind, value)| match kind {
            ORIGINAL => Some(DefaultNla::new(kind | NLA_F_NESTED, value.to_vec())),
            ID | ZONE => Some(DefaultNla::new(kind, value.to_vec())),
            _ => None,
        })
        .collect();
    Some(Encoded::new(message(family, DELETE, echoed), ACKNOWLEDGE))
}

fn message(family: NetfilterProtoFamily, message_type: u8, attributes: Vec<DefaultNla>) -> NetfilterMessage {
    let subsys = NetfilterSubsystem::Conntrack;
    let inner = NetfilterMessageInner::Other { subsys, message_type, attributes };
    NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), inner)
}
