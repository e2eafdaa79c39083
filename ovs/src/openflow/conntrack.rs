//! The `ct` action: sends a packet through connection tracking, with or without address translation.
//! This is the value; the connections themselves live in the datapath and are not seen here.
//!
//! Source: `ovs-actions(7)`, "The ct action".

use std::net::{Ipv4Addr, Ipv6Addr};

use super::action::Action;
use super::field::Subfield;

/// What connection tracking shall do with a packet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ct {
    /// Makes the connection known.
    pub commit: bool,
    /// Makes it known even if it is known in the other direction.
    pub force: bool,
    /// The table where the packet goes on with its connection state known.
    pub table: Option<u8>,
    pub zone: CtZone,
    pub nat: Option<Nat>,
    /// The port of a helper: 21 for ftp, 69 for tftp, 0 for none.
    pub helper: u16,
    /// Done when the connection is committed: sets `ct_mark` or `ct_label`.
    pub exec: Vec<Action>,
}

/// The connection tracking zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CtZone {
    Number(u16),
    /// From 16 bits of a field.
    Field(Subfield),
}

impl Default for CtZone {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl From<u16> for CtZone {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

impl From<Subfield> for CtZone {
    fn from(subfield: Subfield) -> Self {
        Self::Field(subfield)
    }
}

/// Address translation. Without a direction it only applies what the connection has already.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nat {
    pub direction: Option<NatDirection>,
    pub addresses: NatAddresses,
    /// First and last port to choose from. The last one may be left out.
    pub ports: Option<(u16, Option<u16>)>,
    /// The choice stays the same over restarts of the system.
    pub persistent: bool,
    pub choice: NatChoice,
}

/// Which side of the packet is translated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NatDirection {
    Source,
    Destination,
}

/// How a port is chosen from the range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum NatChoice {
    #[default]
    Any,
    Hash,
    Random,
}

/// First and last address to choose from. The last one may be left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum NatAddresses {
    #[default]
    Same,
    V4(Ipv4Addr, Option<Ipv4Addr>),
    V6(Ipv6Addr, Option<Ipv6Addr>),
}

impl Ct {
    /// Looks at the packet in zone 0 and does nothing with what is seen.
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn commit(self) -> Self {
        Self { commit: true, ..self }
    }

    /// Where the packet goes on. 255 means none, as on the wire.
    #[must_use]
    pub fn table(self, table: u8) -> Self {
        Self { table: Some(table).filter(|table| *table != NO_TABLE), ..self }
    }

    /// A number or 16 bits of a field.
    #[must_use]
    pub fn zone(self, zone: impl Into<CtZone>) -> Self {
        Self { zone: zone.into(), ..self }
    }

    #[must_use]
    pub fn nat(self, nat: Nat) -> Self {
        Self { nat: Some(nat), ..self }
    }

    #[must_use]
    pub fn exec(mut self, action: Action) -> Self {
        self.exec.push(action);
        self
    }
}

/// No table in `ct`, the current one in `resubmit`.
pub(crate) const NO_TABLE: u8 = 255;

impl Nat {
    /// Applies the translation that the connection has already.
    pub fn existing() -> Self {
        Self::default()
    }

    /// Translates the source to one address.
    pub fn source(address: impl Into<std::net::IpAddr>) -> Self {
        Self::to(NatDirection::Source, address.into())
    }

    /// Translates the destination to one address.
    pub fn destination(address: impl Into<std::net::IpAddr>) -> Self {
        Self::to(NatDirection::Destination, address.into())
    }

    fn to(direction: NatDirection, address: std::net::IpAddr) -> Self {
        let addresses = match address {
            std::net::IpAddr::V4(address) => NatAddresses::V4(address, None),
            std::net::IpAddr::V6(address) => NatAddresses::V6(address, None),
        };
        Self { direction: Some(direction), addresses, ..Self::default() }
    }
}
