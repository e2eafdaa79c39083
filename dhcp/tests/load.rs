//! What an exchange costs: perfdhcp over a veth pair into the namespace, the diary written to a file.
//!
//! Not run by default. In a release build, for 50, 5,000 and 60,000 hosts:
//! (with `NO_DIARY=1`, without the log; `RATE` is exchanges per second)
//! `cargo test --release -p dhcp --test load -- --ignored --nocapture`

mod lan;
mod packet;

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Instant;

use dhcp::server::reply::answer;
use lan::{Lan, Node, sh};
use model::{Mac, PortId};
use uuid::Uuid;

/// CPU time of this process so far, in milliseconds.
fn spent() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("usage");
    let milliseconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    milliseconds(usage.user_time()) + milliseconds(usage.system_time())
}

/// The part that is ours alone: from the bytes of a packet to those of its answer.
#[test]
#[ignore = "a measurement"]
fn an_answer_costs_little() {
    let table = packet::table::read(include_str!("packets/table.yaml")).expect("a table");
    let ask = |text: &str| packet::request::read(text).expect("a packet").packet;
    let list = "55 1 3 6 12 15 26 28 42 121\n60 100 104 99 112\n61 1 250 22 62 0 0 3\n12 \"guest\"\n";
    for kind in ["type discover", "type request\n50 10.0.0.3\n54 10.0.0.2"] {
        let packet = ask(&format!("{kind}\nmac fa:16:3e:00:00:03\n{list}"));
        let begin = Instant::now();
        for _ in 0..100_000 {
            std::hint::black_box(answer(&table, |_| None, std::hint::black_box(&packet)));
        }
        println!("{kind:?}: {:?}", begin.elapsed() / 100_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn an_exchange_costs_the_same_for_few_hosts_and_many() {
    let _turn = lan::turn().await;
    let diary = std::fs::File::create("/run/diary").expect("writable");
    if std::env::var_os("NO_DIARY").is_none() {
        tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(diary)).init();
    }
    let rate: u32 = std::env::var("RATE").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    for (number, hosts) in [(1, 50_u32), (2, 5_000), (3, 60_000)] {
        let lan = Lan::new(number);
        let guest = lan.plug_guest();
        let mut node = Node::new(|_| {}).await;
        lan.usual(&mut node.desired);
        node.desired.set_subnet(lan.subnet(1, "10.0.0.0/8", None));
        for index in 0..hosts {
            let mut port = lan.guest_port(0, &[(1, &Ipv4Addr::from_bits(0x0a01_0000 + index).to_string())]);
            port.id = PortId(Uuid::from_u128(0x1_0000_0000 + u128::from(index)));
            let [.., a, b, c] = index.to_be_bytes();
            port.mac = Mac([0xfa, 0x16, 0x3e, a, b, c]);
            node.desired.set_port(port);
        }
        node.settle_all().await;
        guest.sh("ip addr add 10.255.0.1/8 dev eth0");
        let before = spent();
        let report = guest.sh(&format!(
            "perfdhcp -4 -l eth0 -r {rate} -p 5 -R {hosts} -b mac=fa:16:3e:00:00:00 -t 10 -W 1000000 || true"
        ));
        let spent = spent() - before;
        let counters = node.dhcp.service().counters(lan.network);
        let acknowledged = counters.get("sent ack").copied().unwrap_or(0);
        let dropped = report.lines().filter(|line| line.starts_with("drops:")).collect::<Vec<_>>();
        println!("{dropped:?} {counters:?}");
        println!(
            "{hosts} hosts: {acknowledged} exchanges, {:.4} ms of CPU each",
            spent / acknowledged as f64
        );
        let _ = sh("tail -2 /run/diary");
    }
}

/// Resident memory of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_network_costs_little_memory() {
    let _turn = lan::turn().await;
    // What is kept open for looking into namespaces is limited in number and counts for nobody.
    let mut node = Node::with_handles(|_| {}, host::Handles::with_capacity(1).await.expect("netlink"));
    let mut before = 0;
    const NETWORKS: u128 = 100;
    for number in 1..=NETWORKS + 1 {
        let lan = Lan::new(number);
        lan.plug();
        lan.usual(&mut node.desired);
        for index in 3..13 {
            node.desired.set_port(lan.guest_port(index, &[(1, &format!("10.0.0.{index}"))]));
        }
        // One by one, so that what a pass needs for a moment is not counted hundredfold.
        node.settle_network(&lan).await;
        if number == 1 {
            before = resident();
        }
    }
    let each = (resident() - before) / NETWORKS as usize;
    println!("{each} KiB for a network with ten hosts, the controller's picture included");
    assert!(each < 50, "{each} KiB");
}
