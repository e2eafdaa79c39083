//! What a flow does with a packet: the actions of OpenFlow 1.4 and of Nicira that pipelines are made of.
//!
//! Instructions (`goto_table`, `meter`, `write_metadata`) stand in the same list, as in the text of
//! `ovs-ofctl`; [`super::Flow`] keeps them in the order in which the switch carries them out. An action
//! that is not known here is kept as its bytes: it comes back out as it came in and compares equal to itself.

use super::conntrack::Ct;
use super::field::{Field, Subfield, Value, low_bits};
use super::learn::Learn;

/// Numbers from here up are not ports but words (`OFPP_MAX`).
pub const FIRST_RESERVED_PORT: u32 = 0xffff_ff00;

pub(crate) const PORT_IN_PORT: u32 = 0xffff_fff8;
pub(crate) const PORT_TABLE: u32 = 0xffff_fff9;
pub(crate) const PORT_NORMAL: u32 = 0xffff_fffa;
pub(crate) const PORT_FLOOD: u32 = 0xffff_fffb;
pub(crate) const PORT_ALL: u32 = 0xffff_fffc;
pub(crate) const PORT_CONTROLLER: u32 = 0xffff_fffd;
pub(crate) const PORT_LOCAL: u32 = 0xffff_fffe;
pub(crate) const PORT_ANY: u32 = 0xffff_ffff;

/// One action or instruction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// To an OpenFlow port, given by number. The reserved ports have variants of their own.
    Output(u32),
    /// Back to where it came from.
    InPort,
    /// Switching by learned MAC addresses, outside the tables.
    Normal,
    /// To all ports but the one that it came from, those closed to flooding left out.
    Flood,
    /// To all ports but the one that it came from.
    All,
    /// To the bridge's own port.
    Local,
    /// To the controllers, `max_len` bytes of it (65535: all).
    Controller {
        max_len: u16,
    },
    /// To the port whose number is in a field.
    OutputField(Subfield),
    /// To a group.
    Group(u32),
    /// Through the queue of this number at the output port.
    SetQueue(u32),
    /// Looks up a table and comes back. Without a port the packet's own; without a table the current one.
    Resubmit {
        port: Option<u16>,
        table: Option<u8>,
    },
    /// An 802.1Q tag of this Ethernet type (0x8100 or 0x88a8) in front, with VLAN 0.
    PushVlan(u16),
    PopVlan,
    DecTtl,
    /// Sets a whole field.
    SetField {
        field: Field,
        value: u128,
    },
    /// Sets some bits of a field; at most 64.
    Load {
        value: u64,
        target: Subfield,
    },
    /// Copies bits from field to field; both have the same width.
    Move {
        source: Subfield,
        target: Subfield,
    },
    /// Adds a flow made from the packet.
    Learn(Box<Learn>),
    /// Connection tracking.
    Ct(Box<Ct>),
    /// Forgets what connection tracking said.
    CtClear,
    /// This flow is clause `clause` (from 1) of `clauses` of a conjunction.
    Conjunction {
        id: u32,
        clause: u8,
        clauses: u8,
    },
    /// Does nothing; carries bytes, filled up with zeros to 6 and then each 8 more.
    Note(Vec<u8>),
    /// Instruction: drops what is above a meter's rate, before anything else is done.
    Meter(u32),
    /// Instruction: empties the action set.
    ClearActions,
    /// Instruction: sets bits of the metadata.
    WriteMetadata {
        value: u64,
        mask: u64,
    },
    /// Instruction: goes on in a later table, after everything else is done.
    GotoTable(u8),
    /// An action that has no name here, whole, with its header.
    Unknown(Vec<u8>),
    /// An instruction that has no name here, whole, with its header.
    UnknownInstruction(Vec<u8>),
}

impl Action {
    /// Output to a port number, which may be a reserved one.
    pub fn output(port: u32) -> Self {
        match port {
            PORT_IN_PORT => Self::InPort,
            PORT_NORMAL => Self::Normal,
            PORT_FLOOD => Self::Flood,
            PORT_ALL => Self::All,
            PORT_LOCAL => Self::Local,
            PORT_CONTROLLER => Self::controller(),
            _ => Self::Output(port),
        }
    }

    /// The whole packet to the controllers.
    pub fn controller() -> Self {
        Self::Controller { max_len: u16::MAX }
    }

    /// `resubmit(,TABLE)`
    pub fn resubmit_table(table: u8) -> Self {
        Self::Resubmit { port: None, table: Some(table) }
    }

    /// `resubmit(PORT,TABLE)`: as if the packet had come in by that port.
    pub fn resubmit_as(port: u16, table: u8) -> Self {
        Self::Resubmit { port: Some(port), table: Some(table) }
    }

    /// A usual 802.1Q tag in front, with VLAN 0.
    pub fn push_vlan() -> Self {
        Self::PushVlan(0x8100)
    }

    /// Takes the tag away; `strip_vlan` in old words.
    pub fn strip_vlan() -> Self {
        Self::PopVlan
    }

    /// The VLAN of a frame that has a tag: `set_field:4096+VLAN->vlan_vid`.
    pub fn set_vlan_vid(vlan: u16) -> Self {
        Self::set_field(Field::VlanVid, 0x1000 | (vlan & 0xfff))
    }

    /// Sets a whole field.
    pub fn set_field(field: Field, value: impl Into<Value>) -> Self {
        Self::SetField { field, value: value.into().0 & field.full_mask() }
    }

    /// Sets a field, or some of its bits (the lowest 64 of a wider one).
    pub fn load(value: impl Into<Value>, target: impl Into<Subfield>) -> Self {
        let mut target = target.into();
        target.width = target.width.min(64);
        Self::Load { value: (value.into().0 & low_bits(target.width)) as u64, target }
    }

    /// Copies a field, or bits of it; as many as the narrower of the two has.
    pub fn move_field(source: impl Into<Subfield>, target: impl Into<Subfield>) -> Self {
        let (source, target) = (source.into(), target.into());
        let width = source.width.min(target.width);
        Self::Move { source: Subfield { width, ..source }, target: Subfield { width, ..target } }
    }

    pub fn learn(learn: Learn) -> Self {
        Self::Learn(Box::new(learn))
    }

    pub fn ct(ct: Ct) -> Self {
        Self::Ct(Box::new(ct))
    }

    /// Clause `clause` (from 1) of `clauses`.
    pub fn conjunction(id: u32, clause: u8, clauses: u8) -> Self {
        Self::Conjunction { id, clause, clauses }
    }

    /// A note; zeros are added until it has a length that the wire can carry.
    pub fn note(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        let padding = (14 - bytes.len() % 8) % 8;
        bytes.resize(bytes.len() + padding, 0);
        Self::Note(bytes)
    }

    /// When the switch carries this out: first the meter, then the actions in their order, last the table.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Meter(_) => 0,
            Self::ClearActions => 2,
            Self::UnknownInstruction(_) => 3,
            Self::WriteMetadata { .. } => 4,
            Self::GotoTable(_) => 5,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_fill_the_wire() {
        let lengths: Vec<usize> = (0..16)
            .map(|length| match Action::note(vec![1; length]) {
                Action::Note(bytes) => bytes.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths, [6, 6, 6, 6, 6, 6, 6, 14, 14, 14, 14, 14, 14, 14, 14, 22]);
    }

    #[test]
    fn widths_are_made_to_fit() {
        let load = Action::load(0x12345_u32, Subfield::bits(Field::Reg5, 0, 15));
        assert_eq!(
            load,
            Action::Load { value: 0x2345, target: Subfield { field: Field::Reg5, offset: 0, width: 16 } }
        );
        let copied = Action::move_field(Field::ArpSpa, Field::ArpTpa);
        assert!(
            matches!(copied, Action::Move { source, target } if source.width == 32 && target.width == 32)
        );
    }
}
