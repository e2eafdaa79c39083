//! The `learn` action: a template of a flow that the switch fills in from each packet and installs itself.
//! What it has made comes back in dumps as flows like any other.
//!
//! Source: `ovs-actions(7)`, "The learn action".

use super::field::{Field, Subfield, Value, low_bits};

/// The flow to be made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Learn {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    /// Seconds; 0 is for ever.
    pub idle_timeout: u16,
    /// Seconds; 0 is for ever.
    pub hard_timeout: u16,
    /// Seconds that replace `idle_timeout` after a TCP FIN or RST.
    pub fin_idle_timeout: u16,
    /// Seconds that replace `hard_timeout` after a TCP FIN or RST.
    pub fin_hard_timeout: u16,
    /// Bits: 1 tells the controllers when the flow goes, 2 takes the learned flows away with the teacher.
    pub flags: u16,
    /// What the flow matches and does.
    pub specs: Vec<LearnSpec>,
}

/// One part of the flow to be made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LearnSpec {
    /// Matches on what the packet has in `source`.
    MatchField { target: Subfield, source: Subfield },
    /// Matches on a value.
    MatchValue { target: Subfield, value: u128 },
    /// Loads what the packet has in `source`.
    LoadField { target: Subfield, source: Subfield },
    /// Loads a value.
    LoadValue { target: Subfield, value: u128 },
    /// Outputs to the port that the packet has in `source`.
    Output { source: Subfield },
}

impl Learn {
    /// A flow without time limits, of the priority that `ovs-ofctl` takes when none is given.
    pub fn new(table: u8) -> Self {
        Self {
            table,
            priority: 0x8000,
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            flags: 0,
            specs: Vec::new(),
        }
    }

    #[must_use]
    pub fn priority(self, priority: u16) -> Self {
        Self { priority, ..self }
    }

    #[must_use]
    pub fn cookie(self, cookie: u64) -> Self {
        Self { cookie, ..self }
    }

    #[must_use]
    pub fn idle_timeout(self, seconds: u16) -> Self {
        Self { idle_timeout: seconds, ..self }
    }

    #[must_use]
    pub fn hard_timeout(self, seconds: u16) -> Self {
        Self { hard_timeout: seconds, ..self }
    }

    /// Matches on the same bits as the packet has: `NXM_OF_VLAN_TCI[0..11]`.
    #[must_use]
    pub fn match_same(self, subfield: impl Into<Subfield>) -> Self {
        let subfield = subfield.into();
        self.with(LearnSpec::MatchField { target: subfield, source: subfield })
    }

    /// Matches on another field of the packet: `NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]`.
    #[must_use]
    pub fn match_field(self, target: impl Into<Subfield>, source: impl Into<Subfield>) -> Self {
        let (target, source) = of_equal_width(target.into(), source.into());
        self.with(LearnSpec::MatchField { target, source })
    }

    /// Matches on a value: `eth_type=0x800`.
    #[must_use]
    pub fn match_value(self, target: impl Into<Subfield>, value: impl Into<Value>) -> Self {
        let target = target.into();
        self.with(LearnSpec::MatchValue { target, value: value.into().0 & low_bits(target.width) })
    }

    /// Copies from the packet: `load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[]`.
    #[must_use]
    pub fn load_field(self, source: impl Into<Subfield>, target: impl Into<Subfield>) -> Self {
        let (target, source) = of_equal_width(target.into(), source.into());
        self.with(LearnSpec::LoadField { target, source })
    }

    /// Sets a value: `load:0->NXM_OF_VLAN_TCI[]`.
    #[must_use]
    pub fn load_value(self, value: impl Into<Value>, target: impl Into<Subfield>) -> Self {
        let target = target.into();
        self.with(LearnSpec::LoadValue { target, value: value.into().0 & low_bits(target.width) })
    }

    /// Sends to a port that is named in a field of the packet.
    #[must_use]
    pub fn output(self, source: impl Into<Subfield>) -> Self {
        self.with(LearnSpec::Output { source: source.into() })
    }

    /// Sends back to the port that the packet came from: `output:OXM_OF_IN_PORT[]`.
    #[must_use]
    pub fn output_in_port(self) -> Self {
        self.output(Field::InPort)
    }

    #[must_use]
    fn with(mut self, spec: LearnSpec) -> Self {
        self.specs.push(spec);
        self
    }
}

fn of_equal_width(target: Subfield, source: Subfield) -> (Subfield, Subfield) {
    let width = target.width.min(source.width);
    (Subfield { width, ..target }, Subfield { width, ..source })
}
