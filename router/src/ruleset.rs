//! The rules of one router as a value, their text for `nft`, and the fingerprint of that text.
//!
//! All rules are in the tables `ip baryon` and, for routers with IPv6, `ip6 baryon`, which are replaced as
//! a whole in one transaction of the kernel. Each carries a fingerprint of both as its comment, so that
//! whether they are right can be told without reading them. That somebody changed rules by hand shows in the generation of
//! the namespace's ruleset, and ours are loaded again; rules of other tables are never looked at.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use sha1::{Digest as _, Sha1};

/// The name of our tables.
pub const TABLE: &str = "baryon";

/// The kind of packets that a table sees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    Ip,
    Ip6,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::Ip, Self::Ip6];
}

/// As nft names it, and as matches of its addresses begin.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        })
    }
}

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
    /// What the router itself takes.
    FilterInput,
    /// What the router passes on.
    FilterForward,
}

impl Chain {
    fn name(self) -> &'static str {
        match self {
            Self::ManglePrerouting => "mangle_prerouting",
            Self::NatPrerouting => "nat_prerouting",
            Self::NatOutput => "nat_output",
            Self::NatPostrouting => "nat_postrouting",
            Self::SourceNat => "source_nat",
            Self::FilterInput => "filter_input",
            Self::FilterForward => "filter_forward",
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
            Self::FilterInput => Some("type filter hook input priority filter; policy accept;"),
            Self::FilterForward => Some("type filter hook forward priority filter; policy accept;"),
        }
    }
}

/// One rule: its match and verdict in nft's words, and what it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    text: String,
    comment: &'static str,
}

/// One look-up, however many elements there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// The types of keys and values, in nft's words.
    pub types: &'static str,
    /// Whether keys may be ranges.
    pub intervals: bool,
    /// Keys and values, in the order in which they are written. No two keys may overlap.
    pub elements: Vec<(String, String)>,
}

/// Rules by chain and maps by name, of both families. Parts add to it in the order of `parts::build`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ruleset {
    maps: BTreeMap<String, Map>,
    chains: BTreeMap<Family, BTreeMap<Chain, Vec<Rule>>>,
}

impl Ruleset {
    /// Adds a rule for IPv4 at the end of a chain. `comment` names the part and must have no quotes in it.
    pub fn rule(&mut self, chain: Chain, text: impl Into<String>, comment: &'static str) {
        self.rule_of(Family::Ip, chain, text, comment);
    }

    /// The same for either family.
    pub fn rule_of(&mut self, family: Family, chain: Chain, text: impl Into<String>, comment: &'static str) {
        let rule = Rule { text: text.into(), comment };
        self.chains.entry(family).or_default().entry(chain).or_default().push(rule);
    }

    /// Adds a map for rules of IPv4.
    pub fn map(&mut self, name: impl Into<String>, map: Map) {
        self.maps.insert(name.into(), map);
    }

    /// True when there is no rule, and so no need for a table.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The tables that there are, with their comments: a fingerprint of everything in them.
    pub fn tables(&self) -> BTreeMap<Family, String> {
        let fingerprint = self.fingerprint();
        self.chains.keys().map(|family| (*family, fingerprint.clone())).collect()
    }

    /// What the tables' comments say.
    pub fn fingerprint(&self) -> String {
        let mut text = String::with_capacity(4096);
        for family in self.chains.keys() {
            _ = self.body(&mut text, *family);
        }
        let mut fingerprint = "baryon ".to_owned();
        for byte in Sha1::digest(text.as_bytes()) {
            _ = write!(fingerprint, "{byte:02x}");
        }
        fingerprint
    }

    fn body(&self, out: &mut impl fmt::Write, family: Family) -> fmt::Result {
        if family == Family::Ip {
            for (name, elements) in &self.maps {
                map(out, name, elements)?;
            }
        }
        let Some(chains) = self.chains.get(&family) else { return Ok(()) };
        for (chain, rules) in chains {
            write_chain(out, *chain, rules, chains.contains_key(&Chain::SourceNat))?;
        }
        Ok(())
    }
}

fn write_chain(out: &mut impl fmt::Write, chain: Chain, rules: &[Rule], source_nat: bool) -> fmt::Result {
    writeln!(out, "    chain {} {{", chain.name())?;
    if let Some(hook) = chain.hook() {
        writeln!(out, "        {hook}")?;
    }
    for rule in rules {
        writeln!(out, "        {} comment \"{}\"", rule.text, rule.comment)?;
    }
    if chain == Chain::NatPostrouting && source_nat {
        writeln!(out, "        jump {}", Chain::SourceNat.name())?;
    }
    writeln!(out, "    }}")
}

fn map(out: &mut impl fmt::Write, name: &str, map: &Map) -> fmt::Result {
    writeln!(out, "    map {name} {{")?;
    writeln!(out, "        type {}", map.types)?;
    if map.intervals {
        writeln!(out, "        flags interval")?;
    }
    if !map.elements.is_empty() {
        writeln!(out, "        elements = {{")?;
        for (key, value) in &map.elements {
            writeln!(out, "            {key} : {value},")?;
        }
        writeln!(out, "        }}")?;
    }
    writeln!(out, "    }}")
}

/// Removes a table that may be there or not.
pub fn removal(family: Family) -> String {
    format!("add table {family} {TABLE}\ndelete table {family} {TABLE}\n")
}

/// The input of `nft -f`. Each table is made if it is missing, deleted and made anew, all in one
/// transaction: a packet sees either the old rules or the new ones.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = self.fingerprint();
        for family in self.chains.keys() {
            f.write_str(&removal(*family))?;
            writeln!(f, "table {family} {TABLE} {{")?;
            writeln!(f, "    comment \"{fingerprint}\"")?;
            self.body(f, *family)?;
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}
