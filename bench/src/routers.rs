//! A hundred routers with three subnets each are made from nothing.
//!
//! Ours: the agent starts on a node whose switch has none of their ports and whose kernel has none of their
//! namespaces, and makes them; until everything is as wanted. The peer does the same by script: one
//! `ovs-vsctl` with all ports, one `ip -batch` for all namespaces and devices, then for each namespace one
//! `ip -batch`, one `nft -f` and one `sysctl`. The script's commands are those that `baryon plan` prints and
//! the rules those that the kernel holds, so both make the same. By turns; in between everything is removed.
//! What the script leaves out: it reads nothing first, announces nothing, and checks nothing afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::resource::{UsageWho, getrusage};
use tests::{Node, Underlay, wait};

use crate::agent::Agent;
use crate::table::Row;
use crate::{Effort, clock};

const ROUTERS: usize = 100;
const SUBNETS: usize = 3;
const LIMIT: f64 = 1.5;
const SCRIPT: &str = "/run/by-hand";

pub(crate) async fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let agent = Agent::configure(&node)?;
    agent.apply(&topology())?;
    let rules = rules(&node);
    let wanted = census(&node);
    agent.stop()?;
    write_script(&node, &rules)?;

    let (mut ours, mut by_hand) = (Times::default(), Times::default());
    for _ in 0..effort.rounds(4) {
        wipe(&node);
        let before = children()?;
        let begin = Instant::now();
        node.sh(&format!("sh {SCRIPT}/all"));
        by_hand.0.push(begin.elapsed());
        by_hand.1.push(children()?.saturating_sub(before));
        let made = census(&node);
        ensure!(made == wanted, "the script makes {made}, the agent {wanted}");

        wipe(&node);
        let begin = Instant::now();
        let agent = Agent::start(&node)?;
        await_done(&agent)?;
        ours.0.push(begin.elapsed());
        ours.1.push(agent.processor_time()?);
        agent.await_converged(60);
        let made = census(&node);
        ensure!(made == wanted, "now the agent makes {made}, before {wanted}");
        agent.stop()?;
    }
    Ok(vec![
        Row::new("routers: 100 with 3 subnets, from nothing", "ms", clock::median(ours.0))
            .beside("ovs-vsctl, ip -batch, nft -f", clock::median(by_hand.0))
            .at_most_times(LIMIT),
        Row::new("routers: CPU, without the switch's", "ms", clock::median(ours.1))
            .beside("ovs-vsctl, ip -batch, nft -f", clock::median(by_hand.1)),
    ])
}

/// On the wall and of the processor.
#[derive(Default)]
struct Times(Vec<Duration>, Vec<Duration>);

fn topology() -> String {
    let mut text = "version: 1\nnetworks:\n  - name: public\n    router:external: true\n    \
                    provider:network_type: flat\n    provider:physical_network: public\n    subnets:\n      \
                    - {name: public4, cidr: 203.0.113.0/24, gateway_ip: 203.0.113.1, enable_dhcp: false}\n"
        .to_owned();
    for number in 0..ROUTERS * SUBNETS {
        let (a, b) = (number / 250, number % 250);
        text += &format!(
            "  - name: n{number}\n    provider:network_type: vxlan\n    subnets:\n      \
             - {{name: s{number}, cidr: 10.{a}.{b}.0/24, enable_dhcp: false}}\n"
        );
    }
    text += "routers:\n";
    for router in 0..ROUTERS {
        let subnets = (0..SUBNETS).map(|subnet| format!("{{subnet: s{}}}", router * SUBNETS + subnet));
        let subnets = subnets.collect::<Vec<_>>().join(", ");
        text += &format!(
            "  - {{name: r{router}, external_gateway_info: {{network: public}}, interfaces: [{subnets}]}}\n"
        );
    }
    text
}

/// How many ports, namespaces, devices, addresses, routes and rules there are.
fn census(node: &Node) -> String {
    node.sh("echo ports $(ovs-vsctl list-ports br-int | grep -c '^q[rg]-')
         for what in 'link' 'address' 'route'; do echo $what $(ip netns | cut -d' ' -f1 | \
            while read name; do ip -4 -o -n $name $what; done | grep -c 'q[rg]-'); done
         echo rules $(ip netns | cut -d' ' -f1 | while read name; do \
            ip netns exec $name nft list ruleset; done | wc -l)")
        .replace('\n', ", ")
}

/// The rules of every router, as the kernel shows them.
fn rules(node: &Node) -> BTreeMap<String, String> {
    let names = node.sh("ip netns | cut -d' ' -f1 | grep qrouter-");
    let rules = |name: &str| node.sh_in(name, "nft list ruleset");
    names.lines().map(|name| (name.to_owned(), rules(name))).collect()
}

/// Takes away what the routers consist of, and leaves the rest.
fn wipe(node: &Node) {
    node.sh("for name in $(ip netns | cut -d' ' -f1 | grep qrouter-); do ip netns delete $name; done
         delete=$(ovs-vsctl list-ports br-int | grep '^q[rg]-' | sed 's/^/-- --if-exists del-port br-int /')
         [ -z \"$delete\" ] || ovs-vsctl $delete");
    wait::until(60, "the devices go", || {
        let devices = node.sh("ip -o link | grep -c ': q[rg]-' || true");
        if devices == "0" { Ok(()) } else { Err(devices) }
    });
}

/// The plan as a script: first the ports, since the rest of the plan needs their devices.
fn write_script(node: &Node, rules: &BTreeMap<String, String>) -> anyhow::Result<()> {
    wipe(node);
    let add = switch_commands(&Agent::rehearse(node)?);
    node.write(&format!("{SCRIPT}/ports"), &add);
    node.sh(&format!("sh {SCRIPT}/ports"));
    let plan = Agent::rehearse(node)?;
    let set = switch_commands(&plan);
    let mut root = String::new();
    let mut inside: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for command in plan.iter().map(String::as_str) {
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["ip", "netns", "add", ..] | ["ip", "link", ..] => root += &format!("{}\n", words[1..].join(" ")),
            ["ip", "-n", name, rest @ ..] => {
                inside.entry(name).or_default().0 += &format!("{}\n", rest.join(" "));
            }
            ["ip", "netns", "exec", name, "sysctl", "-w", key] => {
                inside.entry(name).or_default().1 += &format!(" {key}");
            }
            _ => {}
        }
    }
    let mut script = format!("set -e\nsh {SCRIPT}/ports\nip -batch {SCRIPT}/root\n");
    for (name, (lines, sysctls)) in inside {
        let file = format!("{SCRIPT}/{name}");
        node.write(&file, &lines);
        node.write(&format!("{file}.nft"), rules.get(name).map_or("", String::as_str));
        script += &format!(
            "ip -n {name} -batch {file}\nip netns exec {name} sh -c 'nft -f {file}.nft; sysctl -q -w{sysctls}'\n"
        );
    }
    ensure!(!root.is_empty(), "the plan makes no namespaces: {plan:?}");
    node.write(&format!("{SCRIPT}/root"), &root);
    node.write(&format!("{SCRIPT}/all"), &(script + &set));
    Ok(())
}

/// All commands for the database as one.
fn switch_commands(plan: &[String]) -> String {
    let commands: Vec<&str> = plan.iter().filter_map(|command| command.strip_prefix("ovs-vsctl ")).collect();
    if commands.is_empty() { String::new() } else { format!("ovs-vsctl {}\n", commands.join(" -- ")) }
}

/// Asks seldom, because answering costs the agent processor time as well.
fn await_done(agent: &Agent<'_>) -> anyhow::Result<()> {
    const PAUSE: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let show = agent.api("GET", "/baryon/v1/show", "")?;
        if show["converged"] == true {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{} are waiting, {} failed", show["waiting"], show["failed"]);
        std::thread::sleep(PAUSE);
    }
}

/// The processor time of all programs that were started and have ended.
fn children() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec().unsigned_abs())
            + Duration::from_micros(value.tv_usec().unsigned_abs())
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}
