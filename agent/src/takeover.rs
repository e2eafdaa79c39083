//! `baryon takeover --check`: what would become of a node where Neutron's own agents run or ran. Reads and
//! says; changes nothing.
//!
//! Told apart is what packets would notice from what only changes hands: a flow that does the same and gets our
//! cookie, a row that says whose it is, a server that takes the place of another.

use std::collections::{BTreeMap, BTreeSet};

use model::{Effect, Role};
use serde_json::{Value, json};

use crate::config::{self, Request};
use crate::domains::Command;
use crate::processes::{self, Becomes, Found};
use crate::rehearsal::{self, Rehearsed};

/// So many flows of a kind are named one by one; of more their number is told.
const FEW: usize = 5;

/// What there is to say.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) processes: Vec<Found>,
    /// Steps, and what cannot be done.
    pub(crate) rehearsed: Rehearsed,
}

/// Looks at the node as an agent with this configuration would at its start.
pub(crate) async fn check(request: &Request) -> anyhow::Result<Check> {
    let node = config::load(request)?.node;
    let roles: Vec<Role> = node.roles.iter().copied().collect();
    let processes = processes::find(&roles, &node.state_path)?;
    Ok(Check { processes, rehearsed: rehearsal::rehearse(request).await? })
}

impl Check {
    /// Whether packets would notice nothing but what is argued.
    pub(crate) fn is_quiet(&self) -> bool {
        self.with(Effect::Changes).next().is_none()
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<Value> {
        Ok(json!({
            "changes": self.with(Effect::Changes).count(),
            "processes": serde_json::to_value(&self.processes)?,
            "plan": self.rehearsed.to_json(),
        }))
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.processes.iter().filter_map(line_of_process).collect();
        if self.processes.is_empty() {
            lines.push("no process of Neutron's agents runs here".to_owned());
        }
        let taken = taken_over(&self.rehearsed.rehearsal.steps, &self.processes);
        if !taken.is_empty() {
            lines.push(format!("taken over without a change: {}", taken.join(", ")));
        }
        lines.extend(self.differences());
        let changes: Vec<&Command> = self.with(Effect::Changes).collect();
        match changes.len() {
            0 => lines.push("nothing would change on this node".to_owned()),
            1 => lines.push("1 thing would change on this node:".to_owned()),
            many => lines.push(format!("{many} things would change on this node:")),
        }
        lines.extend(fold(changes.iter().map(|command| command.command.as_str())));
        for role in &self.rehearsed.incomplete {
            lines.push(format!(
                "# not everything of {role} is told before the agent runs; nothing is taken away until then"
            ));
        }
        let open = self.rehearsed.rehearsal.report.0.iter();
        lines.extend(open.map(|(object, outcome)| format!("# {object} {outcome}")));
        lines
    }

    fn with(&self, effect: Effect) -> impl Iterator<Item = &Command> {
        self.rehearsed.rehearsal.steps.iter().filter(move |command| command.effect == effect)
    }

    /// What is done in another way than Neutron's agents do it, by its reason.
    fn differences(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for command in &self.rehearsed.rehearsal.steps {
            if let Effect::Differs(why) = command.effect {
                *reasons.entry(why).or_default() += 1;
            }
        }
        let line = |(why, count)| format!("differs on purpose: {}: {why}", several(count, "flow", "flows"));
        reasons.into_iter().map(line).collect()
    }
}

/// What changes hands and not its work.
fn taken_over(steps: &[Command], processes: &[Found]) -> Vec<String> {
    let count = |effect| steps.iter().filter(|command| command.effect == effect).count();
    let routers: BTreeSet<String> = steps
        .iter()
        .filter(|command| command.effect == Effect::Rules)
        .map(|command| command.object.to_string())
        .collect();
    let replaced = processes.iter().filter(|found| found.becomes == Becomes::Replaced);
    let mut programs: BTreeMap<&str, usize> = BTreeMap::new();
    replaced.for_each(|found| *programs.entry(program(found)).or_default() += 1);
    let helpers = processes.iter().filter(|found| found.becomes == Becomes::EndsWithAgent).count();

    let mut parts = Vec::new();
    let mut say = |count: usize, one: &str, many: &str, what: &str| {
        if count > 0 {
            parts.push(format!("{} {what}", several(count, one, many)));
        }
    };
    let one_or = |count: usize, one: &'static str, many: &'static str| if count == 1 { one } else { many };
    let (flows, rows) = (count(Effect::Cookie), count(Effect::Mark));
    say(flows, "flow", "flows", one_or(flows, "gets our cookie", "get our cookie"));
    say(rows, "row", "rows", one_or(rows, "gets our mark", "get our mark"));
    let loaded = "loaded in the place of the L3 agent's, in one transaction";
    say(routers.len(), "router's rules are", "routers' rules are", loaded);
    for (name, number) in programs {
        let (one, many) = (format!("{name} is"), format!("{name} processes are"));
        say(number, &one, &many, "replaced by Baryon's own service");
    }
    let with_agents = one_or(helpers, "ends with its agent", "end with their agents");
    say(helpers, "helper process", "helper processes", with_agents);
    parts
}

fn several(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn program(found: &Found) -> &str {
    found.what.split(' ').next().unwrap_or_default()
}

/// Flows are told by their number when there are many: a hundred of them say nothing to a person.
fn fold<'a>(commands: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut flows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut lines = Vec::new();
    for command in commands {
        match kind_of_flow(command) {
            Some(kind) => flows.entry(kind).or_default().push(command),
            None => lines.push(format!("  {command}")),
        }
    }
    for ((bridge, verb), commands) in flows {
        if commands.len() <= FEW {
            lines.extend(commands.iter().map(|command| format!("  {command}")));
        } else {
            lines.push(format!("  {} flows on {bridge} {verb}; --json names them", commands.len()));
        }
    }
    lines
}

/// The bridge, and what becomes of the flow there.
fn kind_of_flow(command: &str) -> Option<(&str, &'static str)> {
    let verbs = [(" add-flow ", "are new or do something else"), (" del-flows ", "go")];
    verbs.into_iter().find_map(|(word, verb)| {
        let (_, rest) = command.split_once(word)?;
        Some((rest.split(' ').next()?, verb))
    })
}

/// A process that somebody has to do something about, or that goes on.
fn line_of_process(found: &Found) -> Option<String> {
    let advice = match (found.becomes, &found.unit) {
        (Becomes::ToStop, Some(unit)) => format!("stop it first: systemctl stop {unit}"),
        (Becomes::ToStop, None) => "stop it first".to_owned(),
        (Becomes::Stays, _) => "stays as it is".to_owned(),
        (Becomes::InPlace, _) => "is this program already".to_owned(),
        (Becomes::Replaced | Becomes::EndsWithAgent, _) => return None,
    };
    Some(format!("process {:<8} {:<60} {advice}", found.pid, found.what))
}

#[cfg(test)]
mod tests {
    use model::{ObjectRef, RouterId, Stage};

    use super::*;

    const FLOW: &str = "ovs-ofctl -O OpenFlow14 add-flow br-int \"cookie=0xba, table=0 actions=drop\"";

    fn command(effect: Effect, object: ObjectRef, command: &str) -> Command {
        Command { stage: Stage::AddFlows, object, command: command.to_owned(), effect }
    }

    fn found(pid: u32, what: &str, becomes: Becomes) -> Found {
        Found { pid, what: what.to_owned(), unit: None, becomes }
    }

    fn check(steps: Vec<Command>, processes: Vec<Found>) -> Check {
        let mut check = Check { processes, rehearsed: Rehearsed::default() };
        check.rehearsed.rehearsal.steps = steps;
        check
    }

    #[test]
    fn what_only_changes_hands_is_no_change() {
        let router = ObjectRef::Router(RouterId(uuid::Uuid::from_u128(1)));
        let steps = vec![
            command(Effect::Cookie, ObjectRef::Node, FLOW),
            command(Effect::Cookie, ObjectRef::Node, FLOW),
            command(Effect::Mark, ObjectRef::Node, "ovs-vsctl set Port tap1 tag=1"),
            command(Effect::Rules, router, "nft -f -"),
            command(Effect::Rules, router, "conntrack -D"),
            command(Effect::Service, ObjectRef::Node, "dhcp listen"),
            command(Effect::Differs("because"), ObjectRef::Node, FLOW),
        ];
        let processes = vec![
            found(1, "neutron-l3-agent", Becomes::ToStop),
            found(2, "dnsmasq of network x", Becomes::Replaced),
            found(3, "dnsmasq of network y", Becomes::Replaced),
            found(4, "haproxy of router or network y", Becomes::Replaced),
        ];
        let check = check(steps, processes);
        assert!(check.is_quiet());
        let lines = check.lines();
        assert!(lines[0].starts_with("process 1") && lines[0].ends_with("stop it first"), "{lines:?}");
        assert_eq!(
            lines[1..],
            [
                "taken over without a change: 2 flows get our cookie, 1 row gets our mark, 1 router's rules are loaded \
                 in the place of the L3 agent's, in one transaction, 2 dnsmasq processes are replaced by Baryon's own \
                 service, 1 haproxy is replaced by Baryon's own service",
                "differs on purpose: 1 flow: because",
                "nothing would change on this node",
            ]
        );
    }

    #[test]
    fn changes_are_told_and_many_flows_are_counted() {
        let steps = (0..7).map(|_| command(Effect::Changes, ObjectRef::Node, FLOW));
        let tag = command(Effect::Changes, ObjectRef::Node, "ovs-vsctl set Port tap1 tag=2");
        let gone = "ovs-ofctl -O OpenFlow14 --strict del-flows br-int \"cookie=0x1/-1, table=0\"";
        let gone = command(Effect::Changes, ObjectRef::Node, gone);
        let check = check(steps.chain([tag, gone]).collect(), Vec::new());
        assert!(!check.is_quiet());
        let lines = check.lines();
        assert_eq!(lines[1], "9 things would change on this node:");
        assert_eq!(lines[2], "  ovs-vsctl set Port tap1 tag=2");
        assert_eq!(lines[3], "  7 flows on br-int are new or do something else; --json names them");
        assert!(lines[4].contains("del-flows br-int"), "{lines:?}");
    }

    #[test]
    fn reasons_are_those_that_are_argued() {
        let argued = include_str!("../../docs/parity.md");
        for reason in [ovs::effect::FLOOD, ovs::effect::ADVERTISEMENT] {
            assert!(argued.contains(reason), "{reason}");
        }
    }
}
