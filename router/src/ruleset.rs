//! The rules of one router as a value, their text for `nft`, and the fingerprint of that text.
//!
//! All rules are in one table, `ip baryon`, which is replaced as a whole in one transaction of the
//! kernel. The table carries the fingerprint as its comment, so that whether it is right can be told
//! without reading it. A rule that somebody changes by hand inside our table goes unnoticed until the
//! router changes; rules of other tables are never looked at.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

use sha1::{Digest as _, Sha1};

/// The family and name of our table.
pub const FAMILY: &str = "ip";
/// See [`FAMILY`].
pub const TABLE: &str = "baryon";

/// The chains, in the order in which a packet meets them. Their names are those of the table and chain
/// of iptables that run at the same moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Chain {
    /// Marks packets before anything is decided about them.
    ManglePrerouting,
    /// Destination of packets that arrive.
    NatPrerouting,
    /// Destination of packets that the router itself sends.
    NatOutput,
    /// Which leaving packets keep their source; ends in `source_nat`.
    NatPostrouting,
    /// New source of those that do not keep it.
    SourceNat,
}

impl Chain {
    fn name(self) -> &'static str {
        match self {
            Self::ManglePrerouting => "mangle_prerouting",
            Self::NatPrerouting => "nat_prerouting",
            Self::NatOutput => "nat_output",
            Self::NatPostrouting => "nat_postrouting",
            Self::SourceNat => "source_nat",
        }
    }

    /// Type, hook and priority: those of the iptables chain.
    fn hook(self) -> Option<&'static str> {
        match self {
            Self::ManglePrerouting => Some("type filter hook prerouting priority mangle; policy accept;"),
            Self::NatPrerouting => Some("type nat hook prerouting priority dstnat; policy accept;"),
            Self::NatOutput => Some("type nat hook output priority -100; policy accept;"),
            Self::NatPostrouting => Some("type nat hook postrouting priority srcnat; policy accept;"),
            Self::SourceNat => None,
        }
    }
}

/// One rule: its match and verdict in nft's words, and what it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    text: String,
    comment: &'static str,
}

/// Rules by chain and maps by name. Parts add to it in the order of `parts::build`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ruleset {
    maps: BTreeMap<&'static str, BTreeMap<Ipv4Addr, Ipv4Addr>>,
    chains: BTreeMap<Chain, Vec<Rule>>,
}

impl Ruleset {
    /// Adds a rule at the end of a chain. `comment` names the part and must have no quotes in it.
    pub fn rule(&mut self, chain: Chain, text: impl Into<String>, comment: &'static str) {
        self.chains.entry(chain).or_default().push(Rule { text: text.into(), comment });
    }

    /// Adds a map from addresses to addresses: one look-up, however many there are.
    pub fn map(&mut self, name: &'static str, elements: BTreeMap<Ipv4Addr, Ipv4Addr>) {
        self.maps.insert(name, elements);
    }

    /// True when there is no rule, and so no need for a table.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The comment of the table: a fingerprint of everything in it.
    pub fn fingerprint(&self) -> String {
        let mut text = String::with_capacity(4096);
        _ = self.body(&mut text);
        let mut fingerprint = "baryon ".to_owned();
        for byte in Sha1::digest(text.as_bytes()) {
            _ = write!(fingerprint, "{byte:02x}");
        }
        fingerprint
    }

    fn body(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for (name, elements) in &self.maps {
            map(out, name, elements)?;
        }
        for (chain, rules) in &self.chains {
            self.chain(out, *chain, rules)?;
        }
        Ok(())
    }

    fn chain(&self, out: &mut impl fmt::Write, chain: Chain, rules: &[Rule]) -> fmt::Result {
        writeln!(out, "    chain {} {{", chain.name())?;
        if let Some(hook) = chain.hook() {
            writeln!(out, "        {hook}")?;
        }
        for rule in rules {
            writeln!(out, "        {} comment \"{}\"", rule.text, rule.comment)?;
        }
        if chain == Chain::NatPostrouting && self.chains.contains_key(&Chain::SourceNat) {
            writeln!(out, "        jump {}", Chain::SourceNat.name())?;
        }
        writeln!(out, "    }}")
    }
}

fn map(out: &mut impl fmt::Write, name: &str, elements: &BTreeMap<Ipv4Addr, Ipv4Addr>) -> fmt::Result {
    writeln!(out, "    map {name} {{")?;
    writeln!(out, "        type ipv4_addr : ipv4_addr")?;
    if !elements.is_empty() {
        writeln!(out, "        elements = {{")?;
        for (key, value) in elements {
            writeln!(out, "            {key} : {value},")?;
        }
        writeln!(out, "        }}")?;
    }
    writeln!(out, "    }}")
}

/// The input of `nft -f`. The table is made if it is missing, deleted and made anew, all in one
/// transaction: a packet sees either the old rules or the new ones.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "add table {FAMILY} {TABLE}")?;
        writeln!(f, "delete table {FAMILY} {TABLE}")?;
        writeln!(f, "table {FAMILY} {TABLE} {{")?;
        writeln!(f, "    comment \"{}\"", self.fingerprint())?;
        self.body(f)?;
        writeln!(f, "}}")
    }
}
