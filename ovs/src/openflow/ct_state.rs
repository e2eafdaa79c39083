//! The bits of `ct_state`: what connection tracking said of a packet. Each can be asked to be set, asked
//! to be clear, or left open.
//!
//! Source: `ovs-fields(7)`, "Connection Tracking Fields".

use std::fmt;

/// A condition on the connection state, such as `+est-rel+rpl`.
///
/// ```
/// use ovs::openflow::CtState;
/// let replies = CtState::new().est(true).rel(false).rpl(true);
/// assert_eq!(replies.to_string(), "+est-rel+rpl");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CtState {
    value: u32,
    mask: u32,
}

const NEW: u32 = 0x01;
const EST: u32 = 0x02;
const REL: u32 = 0x04;
const RPL: u32 = 0x08;
const INV: u32 = 0x10;
const TRK: u32 = 0x20;
const SNAT: u32 = 0x40;
const DNAT: u32 = 0x80;

/// In the order of the bits, which is the order of printing.
const NAMES: [(u32, &str); 8] = [
    (NEW, "new"),
    (EST, "est"),
    (REL, "rel"),
    (RPL, "rpl"),
    (INV, "inv"),
    (TRK, "trk"),
    (SNAT, "snat"),
    (DNAT, "dnat"),
];

impl CtState {
    /// No condition at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first packets of a connection, not committed yet.
    #[must_use]
    pub fn new_connection(self, set: bool) -> Self {
        self.bit(NEW, set)
    }

    /// Part of a known connection.
    #[must_use]
    pub fn est(self, set: bool) -> Self {
        self.bit(EST, set)
    }

    /// Belongs to a known connection without being part of it, such as an ICMP error.
    #[must_use]
    pub fn rel(self, set: bool) -> Self {
        self.bit(REL, set)
    }

    /// In the direction opposite to the one that opened the connection.
    #[must_use]
    pub fn rpl(self, set: bool) -> Self {
        self.bit(RPL, set)
    }

    /// Could not be understood.
    #[must_use]
    pub fn inv(self, set: bool) -> Self {
        self.bit(INV, set)
    }

    /// Has been through connection tracking.
    #[must_use]
    pub fn trk(self, set: bool) -> Self {
        self.bit(TRK, set)
    }

    pub fn value(self) -> u32 {
        self.value
    }

    pub fn mask(self) -> u32 {
        self.mask
    }

    /// A condition from its bits on the wire.
    pub(crate) fn from_bits(value: u32, mask: u32) -> Self {
        Self { value: value & mask, mask }
    }

    fn bit(mut self, bit: u32, set: bool) -> Self {
        self.mask |= bit;
        self.value = if set { self.value | bit } else { self.value & !bit };
        self
    }
}

impl fmt::Display for CtState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, name) in NAMES {
            if self.mask & bit != 0 {
                write!(out, "{}{name}", if self.value & bit != 0 { '+' } else { '-' })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_ovs_ofctl() {
        let state = CtState::new().inv(false).new_connection(false).est(false).rel(true);
        assert_eq!(state.to_string(), "-new-est+rel-inv");
        assert_eq!((state.value(), state.mask()), (0x04, 0x17));
    }
}
