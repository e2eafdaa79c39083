//! A real machine: its own kernel and DHCP client behind a tap, as an instance of a cloud.

use tests::{
    Baryon, DhcpClient, FLOATING_A1, Node, ONE_NODE, OUTSIDE, Plug, Settings, Underlay, WORLD, wait,
};

#[test]
fn a_machine_lives_on_the_network() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let baryon = Baryon::start(&node, &Settings::default());
    baryon.apply(ONE_NODE);
    let other = baryon.plug("b1", Plug::Veth);
    let _ = DhcpClient::Udhcpc.lease(&other);
    let vm = baryon.boot("a1");
    let lease = vm.await_word(90, "lease");
    assert!(lease.contains("address=10.1.0.11/24 mtu=1450 "), "{lease}");
    assert!(lease.contains("dns=9.9.9.9"), "{lease}");
    assert!(lease.contains("192.0.2.0/24 10.1.0.77"), "{lease}");
    vm.await_word(30, "ready");
    vm.await_ping("10.1.0.1");
    vm.await_ping("10.2.0.11");
    vm.await_ping(OUTSIDE);
    vm.await_ping(WORLD);
    // From outside to the machine's web server, through the floating IP.
    let page = wait::until(20, "the floating IP", || {
        underlay.try_sh(&format!("curl -s --max-time 5 http://{FLOATING_A1}/"))
    });
    assert_eq!(page, "a1");
    // Packets as large as the network allows, and the machine's own TCP.
    vm.sh("ping -c 2 -W 2 -s 1422 10.2.0.11");
    assert_eq!(other.sh("curl -s --max-time 5 http://10.1.0.11/"), "a1");
}
