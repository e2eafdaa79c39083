//! `baryon takeover --check`: what would become of a node where Neutron's own agents run or ran. Reads and
//! says; changes nothing.

use std::collections::BTreeMap;

use model::Role;
use serde_json::{Value, json};

use crate::config::{self, Request};
use crate::processes::{self, Becomes, Found};
use crate::rehearsal;

/// What there is to say.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) processes: Vec<Found>,
    /// The answer of a rehearsal: steps, and what cannot be done.
    pub(crate) plan: Value,
}

/// Looks at the node as an agent with this configuration would at its start.
pub(crate) async fn check(request: &Request) -> anyhow::Result<Check> {
    let node = config::load(request)?.node;
    let roles: Vec<Role> = node.roles.iter().copied().collect();
    let processes = processes::find(&roles, &node.state_path)?;
    Ok(Check { processes, plan: rehearsal::rehearse(request).await? })
}

impl Check {
    /// Whether the agent would find everything as it should be.
    pub(crate) fn is_quiet(&self) -> bool {
        self.steps().is_empty()
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<Value> {
        Ok(json!({ "processes": serde_json::to_value(&self.processes)?, "plan": self.plan }))
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for found in &self.processes {
            lines.push(format!("process {:<8} {:<60} {}", found.pid, found.what, advice(found)));
        }
        if self.processes.is_empty() {
            lines.push("no process of Neutron's agents runs here".to_owned());
        }
        match self.steps() {
            [] => lines.push("nothing would change on this node".to_owned()),
            steps => {
                lines.push(format!("{} steps would be taken:", steps.len()));
                lines.extend(fold(steps.iter().map(|step| step["command"].as_str().unwrap_or_default())));
            }
        }
        for role in self.plan["incomplete"].as_array().into_iter().flatten() {
            let role = role.as_str().unwrap_or_default();
            lines.push(format!(
                "# not everything of {role} is told before the agent runs; nothing is taken away until then"
            ));
        }
        for open in self.plan["open"].as_array().into_iter().flatten() {
            let text = |key: &str| open[key].as_str().unwrap_or_default();
            lines.push(format!("# {} {}", text("object"), text("outcome")));
        }
        lines
    }

    fn steps(&self) -> &[Value] {
        self.plan["steps"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// Flows are told by their number: an agent that takes over puts its own in the place of each of the other
/// agent's, which says nothing to a person.
fn fold<'a>(commands: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut flows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for command in commands {
        match command.split_once(" add-flow ").and_then(|(_, rest)| rest.split_once(' ')) {
            Some((bridge, _)) => *flows.entry(bridge).or_default() += 1,
            None => lines.push(format!("  {command}")),
        }
    }
    lines.extend(flows.into_iter().map(|(bridge, count)| {
        format!("  {count} flows on {bridge}, in place of another agent's where it has the same; --json names them")
    }));
    lines
}

fn advice(found: &Found) -> String {
    match (found.becomes, &found.unit) {
        (Becomes::ToStop, Some(unit)) => format!("stop it first: systemctl stop {unit}"),
        (Becomes::ToStop, None) => "stop it first".to_owned(),
        (Becomes::Replaced, _) => "is replaced without a gap, and ended".to_owned(),
        (Becomes::EndsWithAgent, _) => "ends with the agent that started it".to_owned(),
        (Becomes::Stays, _) => "stays as it is".to_owned(),
        (Becomes::InPlace, _) => "is this program already".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_counted_and_all_else_is_told() {
        let flow = "ovs-ofctl -O OpenFlow14 add-flow br-int \"cookie=0xba, table=0 actions=drop\"";
        let told = fold([flow, "ovs-vsctl set Port tap1 tag=1", flow].into_iter());
        assert_eq!(told[0], "  ovs-vsctl set Port tap1 tag=1");
        assert!(told[1].starts_with("  2 flows on br-int"), "{told:?}");
        assert_eq!(told.len(), 2);
    }
}
