//! The rules that Neutron's L3 agent wrote by iptables into a router's namespace: which they are, and the words that
//! remove them. Left beside ours they would translate everything a second time. Pure.
//!
//! They are in tables that `iptables-nft` made, in chains of their own, which the chains of the kernel's hooks jump to.
//! What else is in these tables stays. Rules of `iptables-legacy` are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::ruleset::Family;

/// The tables that iptables has.
pub const TABLES: [&str; 4] = ["filter", "mangle", "nat", "raw"];

/// What the names of the agent's own chains begin with: its program's name, cut to 16 characters.
const OWN: &str = "neutron-l3-agent-";
/// Chains that several agents of Neutron share. One goes with the last rule of others in it.
const SHARED: [&str; 2] = ["neutron-filter-top", "neutron-postrouting-bottom"];

/// What the agent left in one table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Leftover {
    pub family: Family,
    pub table: String,
    /// Nothing in the table is anybody else's.
    pub whole: bool,
    pub chains: BTreeSet<String>,
    /// Rules of other chains that lead to these: their chains and handles.
    pub jumps: Vec<(String, u64)>,
}

/// One rule, as far as it matters.
struct Rule {
    chain: String,
    handle: u64,
    target: Option<String>,
}

/// What of a table, as `nft -j` lists it, is the agent's. None when nothing is, or it cannot be read.
pub fn find(family: Family, table: &str, listing: &str) -> Option<Leftover> {
    let listing: Value = serde_json::from_str(listing).ok()?;
    let entries = listing.get("nftables")?.as_array()?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    // Names, and whether the kernel calls the chain itself.
    let chains: BTreeMap<String, bool> = entries
        .iter()
        .filter_map(|entry| entry.get("chain"))
        .filter_map(|chain| Some((text(chain, "name")?, chain.get("hook").is_some())))
        .collect();
    let rules: Vec<Rule> = entries
        .iter()
        .filter_map(|entry| entry.get("rule"))
        .filter_map(|rule| {
            let target = rule.get("expr").and_then(Value::as_array).and_then(|parts| target(parts));
            Some(Rule { chain: text(rule, "chain")?, handle: rule.get("handle")?.as_u64()?, target })
        })
        .collect();
    // Sets and the like are not iptables' work.
    let others = entries.iter().filter_map(Value::as_object).flat_map(|entry| entry.keys());
    let strange =
        others.into_iter().any(|key| !matches!(key.as_str(), "metainfo" | "table" | "chain" | "rule"));

    let mut own: BTreeSet<String> = chains.keys().filter(|name| name.starts_with(OWN)).cloned().collect();
    if own.is_empty() {
        return None;
    }
    for name in SHARED.iter().filter(|name| chains.contains_key(**name)) {
        let mut inside = rules.iter().filter(|rule| rule.chain == **name);
        if inside.all(|rule| rule.target.as_ref().is_some_and(|target| own.contains(target))) {
            own.insert((*name).to_owned());
        }
    }
    let leads_there = |rule: &&Rule| rule.target.as_ref().is_some_and(|target| own.contains(target));
    let outside: Vec<&Rule> = rules.iter().filter(|rule| !own.contains(&rule.chain)).collect();
    let whole = !strange
        && outside.iter().all(leads_there)
        && chains.iter().all(|(name, called)| *called || own.contains(name));
    let jumps =
        outside.into_iter().filter(leads_there).map(|rule| (rule.chain.clone(), rule.handle)).collect();
    Some(Leftover { family, table: table.to_owned(), whole, chains: own, jumps })
}

/// The chain that a rule leads to.
fn target(parts: &[Value]) -> Option<String> {
    let verdict = |part| Value::get(part, "jump").or_else(|| part.get("goto"));
    let target = parts.iter().find_map(verdict)?.get("target")?;
    target.as_str().map(str::to_owned)
}

/// The input of `nft -f` that removes it.
impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, whole, chains, jumps } = self;
        if *whole {
            return writeln!(f, "delete table {family} {table}");
        }
        for (chain, handle) in jumps {
            writeln!(f, "delete rule {family} {table} {chain} handle {handle}")?;
        }
        // A chain goes only when no rule leads to it.
        for chain in chains {
            writeln!(f, "flush chain {family} {table} {chain}")?;
        }
        for chain in chains {
            writeln!(f, "delete chain {family} {table} {chain}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn chain(name: &str, hook: Option<&str>) -> Value {
        match hook {
            Some(hook) => json!({"chain": {"family": "ip", "name": name, "handle": 1, "hook": hook}}),
            None => json!({"chain": {"family": "ip", "name": name, "handle": 1}}),
        }
    }

    fn jump(chain: &str, handle: u64, target: &str) -> Value {
        json!({"rule": {"chain": chain, "handle": handle, "expr": [
            {"xt": {"type": "match", "name": "comment"}}, {"counter": null}, {"jump": {"target": target}},
        ]}})
    }

    fn of(entries: &[Value]) -> Option<Leftover> {
        find(Family::Ip, "nat", &json!({"nftables": entries}).to_string())
    }

    fn usual() -> Vec<Value> {
        vec![
            json!({"metainfo": {"version": "1.0.6"}}),
            json!({"table": {"family": "ip", "name": "nat", "handle": 1}}),
            chain("neutron-l3-agent-PREROUTING", None),
            chain("neutron-l3-agent-snat", None),
            chain("neutron-postrouting-bottom", None),
            chain("PREROUTING", Some("prerouting")),
            chain("POSTROUTING", Some("postrouting")),
            jump("PREROUTING", 6, "neutron-l3-agent-PREROUTING"),
            jump("POSTROUTING", 8, "neutron-postrouting-bottom"),
            jump("neutron-postrouting-bottom", 9, "neutron-l3-agent-snat"),
        ]
    }

    #[test]
    fn a_table_of_the_agent_alone_goes_whole() {
        let found = of(&usual()).unwrap();
        assert_eq!(found.to_string(), "delete table ip nat\n");
    }

    #[test]
    fn what_others_have_in_the_table_stays() {
        let mut entries = usual();
        entries.push(json!({"rule": {"chain": "PREROUTING", "handle": 20, "expr": [{"drop": null}]}}));
        assert_eq!(
            of(&entries).unwrap().to_string(),
            "delete rule ip nat PREROUTING handle 6\n\
             delete rule ip nat POSTROUTING handle 8\n\
             flush chain ip nat neutron-l3-agent-PREROUTING\n\
             flush chain ip nat neutron-l3-agent-snat\n\
             flush chain ip nat neutron-postrouting-bottom\n\
             delete chain ip nat neutron-l3-agent-PREROUTING\n\
             delete chain ip nat neutron-l3-agent-snat\n\
             delete chain ip nat neutron-postrouting-bottom\n"
        );
    }

    #[test]
    fn a_chain_that_another_agent_uses_too_stays() {
        let mut entries = usual();
        entries.push(chain("neutron-meter-snat", None));
        entries.push(jump("neutron-postrouting-bottom", 21, "neutron-meter-snat"));
        let found = of(&entries).unwrap();
        assert!(!found.whole && !found.chains.contains("neutron-postrouting-bottom"));
        assert!(found.jumps.contains(&("neutron-postrouting-bottom".to_owned(), 9)));
        assert!(!found.jumps.iter().any(|(_, handle)| *handle == 21 || *handle == 8));
    }

    #[test]
    fn a_table_without_the_agents_chains_is_not_looked_at() {
        assert_eq!(of(&[chain("PREROUTING", Some("prerouting")), chain("mine", None)]), None);
        assert_eq!(find(Family::Ip, "nat", "nonsense"), None);
        assert_eq!(find(Family::Ip, "nat", "{}"), None);
    }

    proptest! {
        #[test]
        fn no_listing_panics(text in "[\\[\\]{}\",:a-z0-9 ]{0,60}") {
            let _ = find(Family::Ip6, "raw", &text);
        }
    }
}
