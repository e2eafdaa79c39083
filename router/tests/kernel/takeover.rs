//! A router's namespace that Neutron's L3 agent has made, with its rules in iptables: they go in the moment in which
//! ours come.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use model::Router;

use crate::lab::{self, Lab, floating, gateway, guest, interface, ip, namespace, ping, qg, qr, router, run};

fn topology() -> Router {
    guest("one", &qr(1), &["10.0.1.5/24", "10.0.1.6/24"], "10.0.1.1");
    guest("outside", &qg(9), &["203.0.113.1/24"], "");
    let mut router = router(
        1,
        vec![interface(1, &["10.0.1.1/24"])],
        Some(gateway(9, &["203.0.113.10/24"], &["203.0.113.1"])),
    );
    router.floating_ips = vec![floating("203.0.113.101", "10.0.1.6")];
    router
}

/// The agent's rules, as it writes them for that router.
fn agent_rules(namespace: &str, gateway: &str) {
    let rules = format!(
        "*nat
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-POSTROUTING - [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-snat - [0:0]
:neutron-postrouting-bottom - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-l3-agent-POSTROUTING
-A POSTROUTING -j neutron-postrouting-bottom
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-PREROUTING -d 203.0.113.101/32 -j DNAT --to-destination 10.0.1.6
-A neutron-l3-agent-OUTPUT -d 203.0.113.101/32 -j DNAT --to-destination 10.0.1.6
-A neutron-l3-agent-POSTROUTING ! -o {gateway} -m conntrack ! --ctstate DNAT -j ACCEPT
-A neutron-l3-agent-float-snat -s 10.0.1.6/32 -j SNAT --to-source 203.0.113.101 --random-fully
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-l3-agent-snat -o {gateway} -j SNAT --to-source 203.0.113.10 --random-fully
-A neutron-l3-agent-snat -m mark ! --mark 0x2/0xffff -m conntrack --ctstate DNAT -j SNAT --to-source 203.0.113.10 --random-fully
-A neutron-postrouting-bottom -m comment --comment \"Perform source NAT on outgoing traffic.\" -j neutron-l3-agent-snat
COMMIT
*mangle
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-mark - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A neutron-l3-agent-PREROUTING -j neutron-l3-agent-mark
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xffff
-A neutron-l3-agent-mark -i {gateway} -j MARK --set-xmark 0x2/0xffff
COMMIT
*filter
:neutron-filter-top - [0:0]
:neutron-l3-agent-FORWARD - [0:0]
:neutron-l3-agent-INPUT - [0:0]
:neutron-l3-agent-local - [0:0]
:neutron-l3-agent-scope - [0:0]
-A INPUT -j neutron-l3-agent-INPUT
-A FORWARD -j neutron-filter-top
-A FORWARD -j neutron-l3-agent-FORWARD
-A OUTPUT -j neutron-filter-top
-A neutron-filter-top -j neutron-l3-agent-local
-A neutron-l3-agent-FORWARD -j neutron-l3-agent-scope
-A neutron-l3-agent-INPUT -m mark --mark 0x1/0xffff -j ACCEPT
-A neutron-l3-agent-INPUT -p tcp -m tcp --dport 9697 -j DROP
COMMIT
"
    );
    let file = format!("/run/{namespace}.iptables");
    std::fs::write(&file, rules).unwrap();
    run(&format!("ip netns exec {namespace} iptables-nft-restore {file}"));
    run(&format!("ip netns exec {namespace} ip6tables-nft -t raw -N neutron-l3-agent-PREROUTING"));
    run(&format!(
        "ip netns exec {namespace} ip6tables-nft -t raw -A PREROUTING -j neutron-l3-agent-PREROUTING"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_rules_go_in_the_moment_in_which_ours_come() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    let name = namespace(1);
    // As the agent would have left it: its rules, and no table of ours.
    run(&format!("ip netns exec {name} nft flush ruleset"));
    agent_rules(&name, &qg(9));
    run(&format!(
        "ip netns exec {name} iptables-nft -A INPUT -s 192.0.2.1 -j DROP -m comment --comment operator"
    ));
    ping("one", "203.0.113.1");
    ping("outside", "203.0.113.101");
    lab.restart();

    let stop = Arc::new(AtomicBool::new(false));
    let asked_so_far = Arc::new(AtomicUsize::new(0));
    let server = lab.within("outside", || UdpSocket::bind("203.0.113.1:7").unwrap()).await;
    server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let echo = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let (mut buffer, mut sources) = ([0; 8], Vec::new());
            while !stop.load(Relaxed) {
                if let Ok((length, from)) = server.recv_from(&mut buffer) {
                    sources.push(from.ip());
                    server.send_to(&buffer[..length], from).unwrap();
                }
            }
            sources
        }
    });
    let open = || (0..4_000).map(|_| UdpSocket::bind("10.0.1.5:0").unwrap()).collect::<Vec<_>>();
    let sockets = lab.within("one", open).await;
    let sender = std::thread::spawn({
        let (stop, asked_so_far) = (stop.clone(), asked_so_far.clone());
        move || {
            let target: SocketAddr = "203.0.113.1:7".parse().unwrap();
            let (mut asked, mut lost) = (0_usize, 0_usize);
            // A new connection each, as only those meet the rules.
            for socket in &sockets {
                if stop.load(Relaxed) {
                    break;
                }
                socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                socket.send_to(b"hello", target).unwrap();
                asked += 1;
                asked_so_far.store(asked, Relaxed);
                lost += usize::from(socket.recv_from(&mut [0; 8]).is_err());
            }
            (asked, lost)
        }
    });
    let pass = lab.converge().await;
    assert!(pass.plan.contains("instead of the L3 agent's in"), "{}", pass.plan);
    // Some more, with ours alone.
    let goal = asked_so_far.load(Relaxed) + 20;
    let enough = || asked_so_far.load(Relaxed) >= goal || sender.is_finished();
    lab::eventually("connections by our rules", enough, String::new);
    stop.store(true, Relaxed);
    let (asked, lost) = tokio::task::spawn_blocking(move || sender.join().unwrap()).await.unwrap();
    let sources = echo.join().unwrap();
    assert!(asked > 20 && lost == 0, "{lost} of {asked} got no answer");
    assert!(sources.iter().all(|source| *source == ip("203.0.113.10")), "{sources:?}");

    let left = run(&format!("ip netns exec {name} nft list ruleset"));
    assert!(!left.contains("neutron"), "{left}");
    let filter = run(&format!("ip netns exec {name} iptables-nft -S"));
    assert!(filter.contains("operator"), "{filter}");
    for table in ["ip nat", "ip mangle", "ip6 raw"] {
        assert!(!left.contains(&format!("table {table} ")), "{left}");
    }
    ping("outside", "203.0.113.101");
    assert_eq!(lab.source_seen("one", "outside", ip("203.0.113.1")).await, ip("203.0.113.10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn iptables_of_others_are_left_as_they_are() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(topology());
    lab.converge().await;
    let name = namespace(1);
    run(&format!("ip netns exec {name} iptables-nft -t nat -N neutron-meter-x"));
    run(&format!("ip netns exec {name} iptables-nft -t nat -A PREROUTING -j neutron-meter-x"));
    let before = run(&format!("ip netns exec {name} iptables-nft -t nat -S"));
    lab.restart();
    let pass = lab.converge().await;
    assert_eq!(pass.plan, "");
    assert_eq!(run(&format!("ip netns exec {name} iptables-nft -t nat -S")), before);
}
