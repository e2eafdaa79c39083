//! How long many routers take, beside the same work done by `ip -batch`, `sysctl` and `nft -f`.
//!
//! `cargo test --release -p router --test kernel -- --ignored --nocapture speed`

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use model::Scope;

use crate::lab::{self, Lab, gateway, interface, namespace, qg, qr, router, run};

const ROUTERS: u32 = 100;
const SUBNETS: u32 = 3;
/// What the project promises.
const RATIO: f64 = 1.5;

fn wanted(number: u32) -> model::Router {
    let port = |subnet| number * 8 + subnet;
    let interfaces = (1..=SUBNETS).map(|subnet| interface(port(subnet), &[&format!("10.0.{subnet}.1/24")]));
    let gateway = gateway(port(0), &[&format!("203.0.113.{}/24", number + 1)], &["203.0.113.1"]);
    router(number, interfaces.collect(), Some(gateway))
}

fn devices(number: u32) -> Vec<String> {
    let internal = (1..=SUBNETS).map(|subnet| qr(number * 8 + subnet));
    internal.chain([qg(number * 8)]).collect()
}

fn plug_all() {
    // All in one process: this is not what is measured.
    let mut batch = String::new();
    for device in (1..=ROUTERS).flat_map(devices) {
        writeln!(batch, "link add {device} type veth peer name p{}", &device[1..]).unwrap();
        writeln!(batch, "link set p{} up", &device[1..]).unwrap();
    }
    std::fs::write("/run/plug", batch).unwrap();
    run("ip -batch /run/plug");
}

/// The commands that the plan prints, bundled as a script would bundle them.
async fn by_hand(lab: &mut Lab) -> Duration {
    use model::Domain as _;
    let actual = lab.routers.observe(&Scope::All).await.unwrap();
    let spec = lab.routers.compile(&lab.desired, &Scope::All);
    let mut root = String::new();
    let mut script = "set -e\nip -batch /run/root\n".to_owned();
    for (id, spec) in &spec.routers {
        let name = model::names::router_namespace(*id);
        let one =
            router::Spec { everything: false, routers: [(*id, spec.clone())].into(), ..Default::default() };
        let (mut inside, mut sysctls) = (String::new(), String::new());
        for planned in router::plan::plan(&one, &actual).steps {
            let line = planned.step.to_string();
            if let Some(rest) = line.strip_prefix(&format!("ip -n {name} ")) {
                writeln!(inside, "{rest}").unwrap();
            } else if let Some(rest) = line.strip_prefix(&format!("ip netns exec {name} sysctl -w ")) {
                write!(sysctls, " {rest}").unwrap();
            } else if line.starts_with("ip netns add") || line.starts_with("ip link set") {
                writeln!(root, "{}", &line[3..]).unwrap();
            }
        }
        std::fs::write(format!("/run/{name}.ip"), inside).unwrap();
        std::fs::write(format!("/run/{name}.nft"), spec.as_ref().unwrap().ruleset.to_string()).unwrap();
        writeln!(script, "ip -n {name} -batch /run/{name}.ip").unwrap();
        writeln!(script, "ip netns exec {name} sh -c 'nft -f /run/{name}.nft; sysctl -q -w{sysctls}'")
            .unwrap();
    }
    std::fs::write("/run/root", root).unwrap();
    std::fs::write("/run/script", script).unwrap();
    let begin = Instant::now();
    run("sh /run/script");
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for a machine that does nothing else"]
async fn a_hundred_routers_are_made_as_fast_as_by_hand() {
    let mut lab = Lab::new().await;
    (1..=ROUTERS).for_each(|number| lab.desired.set_router(wanted(number)));
    plug_all();
    let by_hand = by_hand(&mut lab).await;
    assert_eq!(lab.pass(&Scope::All).await.plan, "", "the two ways differ");
    (1..=ROUTERS).for_each(|number| lab.handles.delete(&namespace(number)).unwrap());
    lab::eventually("the end of the namespaces", || !run("ip link").contains("pr-"), || run("ip link"));

    lab.restart();
    plug_all();
    let begin = Instant::now();
    lab.pass(&Scope::All).await;
    let ours = begin.elapsed();
    let begin = Instant::now();
    assert_eq!(lab.pass(&Scope::All).await.plan, "");
    let again = begin.elapsed();
    let ratio = ours.as_secs_f64() / by_hand.as_secs_f64();
    println!("{ROUTERS} routers of {SUBNETS} subnets: {ours:?}, by hand {by_hand:?}, ratio {ratio:.2}");
    println!("looking again at all of them: {again:?}");
    assert!(ratio < RATIO, "{ratio:.2} times the time of the same work by hand");
}
