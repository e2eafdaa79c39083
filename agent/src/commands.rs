//! The commands, most of which ask a running agent, and how their answers are printed.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use controller::client::{Client, escape};
use model::Role;
use serde_json::Value;

use crate::cli::{Cli, Command, DhcpList, Plan, Show, Takeover};
use crate::config::{self, InForce};
use crate::rehearsal;
use crate::run;
use crate::socket;
use crate::takeover;
use crate::topology::{self, Picture};
use crate::why::Explanation;

/// Carries out a command.
pub(crate) async fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    let socket = cli.socket.unwrap_or_else(|| socket::find(roles_of_interest(&cli.command)));
    let ask = Asker { client: Client::new(&socket), json: cli.json };
    match cli.command {
        Command::Run(settings) => run::run(&settings.request()).await.map(|()| ExitCode::SUCCESS),
        Command::Config(settings) => print_config(&config::load(&settings.request())?, cli.json),
        Command::Plan(plan) => ask.plan(&plan).await,
        Command::Takeover(takeover) => take_over(&takeover, cli.json).await,
        Command::Show(show) => ask.show(&show).await,
        Command::Why { kind, name } => ask.why(&kind, &name).await,
        Command::Topology { svg } => ask.topology(svg.as_deref()).await,
        Command::Dhcp { what } => ask.dhcp(what).await,
        Command::Controller(command) => {
            let output = command.run(&socket).await?;
            if cli.json {
                return print_json(output.value());
            }
            print(&output.to_string());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whose answer is wanted where several agents share the node.
fn roles_of_interest(command: &Command) -> &'static [Role] {
    match command {
        Command::Dhcp { .. } => &[Role::Dhcp],
        Command::Why { kind, .. } if kind == "router" => &[Role::L3, Role::L2],
        Command::Why { kind, .. } if kind == "network" => &[Role::Dhcp, Role::L2],
        _ => &[Role::L2, Role::L3, Role::Dhcp, Role::Metadata],
    }
}

struct Asker {
    client: Client,
    json: bool,
}

impl Asker {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.client.get(path).await?)
    }

    async fn plan(&self, plan: &Plan) -> anyhow::Result<ExitCode> {
        let answer = if plan.settings.is_empty() {
            self.get("/baryon/v1/plan").await?
        } else {
            rehearsal::rehearse(&plan.settings.request()).await?.to_json()
        };
        if self.json {
            return print_json(&answer);
        }
        let steps = answer["steps"].as_array().map_or(&[][..], Vec::as_slice);
        if steps.is_empty() {
            print("nothing to do: this node is as wanted\n");
        }
        for step in steps {
            print(&format!("{}\n", text(step, "command")));
        }
        for open in answer["open"].as_array().map_or(&[][..], Vec::as_slice) {
            print(&format!("# {} {}\n", text(open, "object"), text(open, "outcome")));
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, show: &Show) -> anyhow::Result<ExitCode> {
        let mut answer = self.get("/baryon/v1/show").await?;
        // Only a server's driver has anything to say; the embedded controller is the agent itself.
        let controller = self.get("/baryon/v1/controller").await.unwrap_or_default();
        let right = answer["converged"] == Value::Bool(true);
        let code = if show.check && !right { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        if self.json {
            if !controller.is_null() {
                answer["controller"] = controller;
            }
            print_json(&answer)?;
            return Ok(code);
        }
        print(&standing(&controller));
        print(&requests(&answer["metadata"]));
        for entry in answer["objects"].as_array().map_or(&[][..], Vec::as_slice) {
            let detail = match entry["outcome"].as_str() {
                Some("expecting") => format!("expecting {}", text(entry, "what")),
                Some("waiting") => format!("waiting for {}", text(entry, "on")),
                Some("failed") => {
                    let chain = entry["chain"].as_array().map_or(&[][..], Vec::as_slice);
                    let chain: Vec<&str> = chain.iter().filter_map(Value::as_str).collect();
                    format!("failed: {}", chain.join(": "))
                }
                _ => "as wanted".to_owned(),
            };
            print(&format!("{:<46} {:<20} {detail}\n", text(entry, "object"), text(entry, "name")));
        }
        print(&format!(
            "{} as wanted, {} to be plugged in by others, {} waiting, {} failed\n",
            answer["done"], answer["expecting"], answer["waiting"], answer["failed"]
        ));
        Ok(code)
    }

    async fn why(&self, kind: &str, name: &str) -> anyhow::Result<ExitCode> {
        let answer = self.get(&format!("/baryon/v1/why/{kind}/{}", escape(name))).await?;
        if self.json {
            return print_json(&answer);
        }
        let explanation: Explanation = serde_json::from_value(answer)?;
        let title = format!("{} {}", explanation.object, explanation.name);
        print(&format!("{}: {}\n", title.trim_end(), explanation.verdict));
        explanation.facts.iter().for_each(|fact| print(&format!("  - {fact}\n")));
        if !explanation.commands.is_empty() {
            print("what would be done now:\n");
            explanation.commands.iter().for_each(|command| print(&format!("    {command}\n")));
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn topology(&self, svg: Option<&Path>) -> anyhow::Result<ExitCode> {
        let answer = self.get("/baryon/v1/picture").await?;
        if let Some(file) = svg {
            let picture: Picture = serde_json::from_value(answer.clone())?;
            tokio::fs::write(file, topology::svg::draw(&picture))
                .await
                .with_context(|| format!("cannot write the picture {}", file.display()))?;
        }
        if self.json {
            return print_json(&answer);
        }
        print(&topology::text::draw(&serde_json::from_value(answer)?));
        Ok(ExitCode::SUCCESS)
    }

    async fn dhcp(&self, what: DhcpList) -> anyhow::Result<ExitCode> {
        let path = match what {
            DhcpList::Leases => "/baryon/v1/dhcp/leases",
            DhcpList::Hosts => "/baryon/v1/dhcp/hosts",
        };
        let answer = self.get(path).await?;
        if self.json {
            return print_json(&answer);
        }
        for entry in answer.as_array().map_or(&[][..], Vec::as_slice) {
            let fields = entry.as_object().into_iter().flatten();
            let line: Vec<String> = fields.map(|(key, value)| format!("{key}={}", bare(value))).collect();
            print(&format!("{}\n", line.join("  ")));
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn take_over(arguments: &Takeover, json: bool) -> anyhow::Result<ExitCode> {
    let check = takeover::check(&arguments.settings.request()).await?;
    let code = if check.is_quiet() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        print_json(&check.to_json()?)?;
        return Ok(code);
    }
    check.lines().iter().for_each(|line| print(&format!("{line}\n")));
    Ok(code)
}

fn print_config(loaded: &config::Loaded, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        return print_json(&serde_json::json!({
            "in_force": &loaded.in_force,
            "without_effect": &loaded.without_effect,
            "warnings": &loaded.warnings,
        }));
    }
    let mut values: Vec<&InForce> = loaded.in_force.iter().chain(&loaded.without_effect).collect();
    values.sort_by_key(|value| &value.section);
    let mut section = "";
    for value in values {
        if value.section != section {
            section = &value.section;
            print(&format!("[{section}]\n"));
        }
        print(&format!("# {}\n{} = {}    # {}\n", value.help, value.option, value.value, value.origin));
    }
    for warning in &loaded.warnings {
        print(&format!("# warning: {warning}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn print_json(value: &Value) -> anyhow::Result<ExitCode> {
    print(&(serde_json::to_string_pretty(value)? + "\n"));
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output; a reader that went away (`| head`) is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// How the driver stands with the message broker and the server, a line each.
fn standing(controller: &Value) -> String {
    let mut lines = String::new();
    let mut say = |what: &str, state: &str, why: &Value| {
        let why = why.as_str().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push_str(&format!("{what:<46} {state}{why}\n"));
    };
    if let Some(broker) = controller.get("broker") {
        say("message broker", broker["state"].as_str().unwrap_or_default(), &broker["why"]);
    }
    for agent in controller["agents"].as_array().into_iter().flatten() {
        let known = agent["known"] == Value::Bool(true);
        let state = if known { "known to the server" } else { "not known to the server" };
        say(agent["binary"].as_str().unwrap_or_default(), state, &agent["why"]);
    }
    lines
}

/// What came of guests' requests for metadata since the start of the agent, in one line: what never happened is left
/// out, but for answers.
fn requests(counts: &Value) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("answered", "answered"),
        ("unknown", "of unknown guests"),
        ("malformed", "malformed"),
        ("limited", "beyond the rate limit"),
        ("no_lookup", "not looked up"),
        ("no_nova", "not answered by Nova"),
        ("broken_off", "broken off"),
        ("crowded", "beyond the connections allowed"),
    ];
    let counts = WORDS.iter().filter_map(|(key, words)| Some((*key, *words, counts[*key].as_u64()?)));
    let told = counts.filter(|(key, _, count)| *count > 0 || *key == "answered");
    let told: Vec<String> = told.map(|(_, words, count)| format!("{count} {words}")).collect();
    match told.is_empty() {
        true => String::new(),
        false => format!("{:<46} {}\n", "metadata requests", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_for_metadata_are_one_line() {
        let line = |counts: &metadata::counters::Counts| {
            requests(&serde_json::to_value(counts).unwrap()).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let none = metadata::counters::Counts::default();
        assert_eq!(line(&none), "metadata requests 0 answered");
        let counts = metadata::counters::Counts {
            answered: 12,
            unknown: 1,
            malformed: 2,
            limited: 3,
            no_lookup: 4,
            no_nova: 5,
            broken_off: 6,
            crowded: 7,
        };
        assert_eq!(
            line(&counts),
            "metadata requests 12 answered, 1 of unknown guests, 2 malformed, 3 beyond the rate limit, \
             4 not looked up, 5 not answered by Nova, 6 broken off, 7 beyond the connections allowed"
        );
        // An agent without the role has no such counts.
        assert_eq!(requests(&json!(null)), "");
    }
}
