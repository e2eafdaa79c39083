//! Router namespaces on the real kernel: what is in them, that a second pass plans nothing, what survives
//! a restart, and that nothing of anybody else is touched.

use crate::lab::{
    self, Lab, gateway, guest, interface, namespace, object, qg, qr, route, router, run, try_run,
};
use model::{Domain as _, Outcome, Planned, Retry, Scope, Stage};
use router::Step;
use router::step::Change;

#[tokio::test(flavor = "multi_thread")]
async fn a_router_is_made_once_and_then_right() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qr(2), qg(9)]);
    let mut wanted = router(
        1,
        vec![
            interface(1, &["10.0.1.1/24", "2001:db8:1::1/64"]),
            interface(2, &["10.0.2.1/24", "10.0.2.2/24"]),
        ],
        Some(gateway(9, &["203.0.113.10/24", "2001:db8:9::10/64"], &["203.0.113.1", "2001:db8:9::1"])),
    );
    wanted.routes = vec![
        route("192.168.0.0/16", "10.0.1.9"),
        route("172.16.0.0/12", "10.0.1.7"),
        route("172.16.0.0/12", "10.0.2.7"),
        route("2001:db8:100::/48", "2001:db8:1::5"),
        route("2001:db8:100::/48", "2001:db8:9::5"),
    ];
    wanted.floating_ips = vec![lab::floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted);
    lab.converge().await;

    let ns = namespace(1);
    let routes = run(&format!("ip -n {ns} route; ip -n {ns} -6 route"));
    for line in [
        "default via 203.0.113.1 dev qg-00000009-11",
        "192.168.0.0/16 via 10.0.1.9 dev qr-00000001-11 proto static",
        "nexthop via 10.0.1.7 dev qr-00000001-11",
        "nexthop via 10.0.2.7 dev qr-00000002-11",
        "default via 2001:db8:9::1 dev qg-00000009-11",
        "nexthop via 2001:db8:1::5 dev qr-00000001-11",
        "nexthop via 2001:db8:9::5 dev qg-00000009-11",
    ] {
        assert!(routes.contains(line), "{line} is not in\n{routes}");
    }
    let link = run(&format!("ip -n {ns} address show qg-00000009-11"));
    for line in ["mtu 1450", "fa:16:3e:00:00:09", "203.0.113.10/24", "203.0.113.101/32", "2001:db8:9::10/64"]
    {
        assert!(link.contains(line), "{line} is not in\n{link}");
    }
    let read = |key: &str| run(&format!("ip netns exec {ns} sysctl -n {key}")).trim().to_owned();
    assert_eq!(read("net.ipv4.ip_forward"), "1");
    assert_eq!(read("net.ipv6.conf.all.forwarding"), "1");
    assert_eq!(read("net.ipv4.conf.all.arp_ignore"), "1");
    assert_eq!(read("net.ipv4.conf.all.arp_announce"), "2");
    assert_eq!(read("net.netfilter.nf_conntrack_tcp_be_liberal"), "1");
    assert_eq!(read("net.ipv6.conf.qg-00000009-11.accept_ra"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_plans_nothing_and_finds_what_went_stale() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qr(2), qg(9)]);
    let interfaces = vec![interface(1, &["10.0.1.1/24"]), interface(2, &["10.0.2.1/24"])];
    let mut wanted = router(1, interfaces, Some(gateway(9, &["203.0.113.10/24"], &["203.0.113.1"])));
    wanted.routes = vec![route("192.168.0.0/16", "10.0.1.9")];
    wanted.floating_ips = vec![lab::floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;

    lab.restart();
    assert_eq!(lab.pass(&Scope::All).await.plan, "");

    // What was dropped while nobody was here to see it.
    lab.restart();
    wanted.routes.clear();
    wanted.floating_ips.clear();
    wanted.interfaces.pop();
    lab.desired.set_router(wanted);
    lab.converge().await;
    let ns = namespace(1);
    let left = run(&format!("ip -n {ns} address; ip -n {ns} route"));
    for gone in ["192.168.0.0", "203.0.113.101", &qr(2)] {
        assert!(!left.contains(gone), "{gone} is still in\n{left}");
    }

    lab.restart();
    lab.desired.drop_router(lab::router_id(1));
    lab.converge().await;
    assert_eq!(run("ip netns list"), "");
    assert!(!run("ip link").contains("qr-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_stays() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qg(9)]);
    let wanted = router(
        1,
        vec![interface(1, &["10.0.1.1/24"])],
        Some(gateway(9, &["203.0.113.10/24"], &["203.0.113.1"])),
    );
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let ns = namespace(1);
    run("ip netns add qrouter-foo; ip netns add qrouter-5A1F7C9E-2D3B-4E8A-9C6F-0B1D2E3F4A5B");
    run("ip netns add qdhcp-5a1f7c9e-2d3b-4e8a-9c6f-0b1d2e3f4a5b; ip link add qvb0 type veth peer name qvo0");
    run("ip route add 198.18.0.0/16 dev lo; nft add table ip theirs; nft add chain ip theirs input");
    run(&format!(
        "ip -n {ns} link add vpn0 type veth peer name vpn1; ip -n {ns} address add 10.7.0.1/24 dev vpn0"
    ));
    run(&format!("ip -n {ns} link set vpn0 up; ip -n {ns} link set vpn1 up"));
    run(&format!("ip -n {ns} route add 10.70.0.0/16 via 10.7.0.2 proto static"));
    run(&format!("ip -n {ns} route add 10.71.0.0/16 via 10.0.1.9"));
    run(&format!("ip -n {ns} route add 10.72.0.0/16 via 10.0.1.9 proto bird"));
    run(&format!("ip -n {ns} route add 10.73.0.0/16 via 10.0.1.9 proto static metric 7"));
    run(&format!("ip -n {ns} route add 10.74.0.0/16 via 10.0.1.9 proto static table 100"));
    run(&format!("ip -n {ns} rule add from 10.0.1.77 lookup 100"));
    run(&format!("ip netns exec {ns} nft add table ip theirs"));
    run(&format!("ip netns exec {ns} nft add chain ip theirs c"));
    run(&format!("ip netns exec {ns} nft add rule ip theirs c counter"));
    let foreign = || {
        let inside = format!(
            "ip -n {ns} -br link show vpn0; ip -n {ns} -br address show vpn0; ip -n {ns} route | grep 10.7; \
             ip -n {ns} route show table 100; ip -n {ns} rule; ip netns exec {ns} nft list table ip theirs"
        );
        run(&format!(
            "{inside}; ip netns list | grep -v {ns} | cut -d' ' -f1 | sort; ip route; nft list ruleset; \
                      ip -br link | grep -o '^qvb0'"
        ))
    };
    let before = foreign();
    for part in
        ["10.70", "10.71", "10.72", "10.73", "10.74", "qrouter-foo", "qrouter-5A1F", "qvb0", "counter"]
    {
        assert!(before.contains(part), "{part} is not in\n{before}");
    }
    // That there are rules of somebody else is a reason to load ours again, and for nothing else.
    let plan = lab.converge().await.plan;
    assert!(plan.lines().all(|line| line.contains(" nft -f - # baryon ")), "{plan}");

    let mut changed = wanted;
    changed.floating_ips = vec![lab::floating("203.0.113.101", "10.0.1.5")];
    changed.routes = vec![route("192.168.0.0/16", "10.0.1.9")];
    lab.desired.set_router(changed);
    lab.converge().await;
    assert_eq!(foreign(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_only_the_switch_can_delete_is_left_to_it() {
    let mut lab = Lab::new().await;
    lab.desired.set_router(router(1, Vec::new(), None));
    lab.converge().await;
    // The loopback device is, like a port of the kernel's switch, none that can be deleted.
    let step = |stage| {
        let change = Change::DeleteLink { device: "lo".to_owned() };
        vec![Planned { stage, object: object(1), step: Step { router: lab::router_id(1), change } }]
    };
    let report = lab.routers.apply(step(Stage::RemoveNamespaces)).await;
    assert_eq!(report.0[&object(1)], Outcome::Done, "it is nobody's any more, and goes with its port");
    // A new one cannot take the place of it before it is gone, and nobody will say when it is.
    let report = lab.routers.apply(step(Stage::AddLinks)).await;
    let outcome = &report.0[&object(1)];
    assert!(matches!(outcome, Outcome::Failed { retry: Retry::Soon, .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_comes_late_is_waited_for() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1)]);
    let mut wanted = router(1, vec![interface(1, &["10.0.1.1/24"]), interface(2, &["10.0.2.1/24"])], None);
    wanted.routes = vec![route("192.168.0.0/16", "10.0.2.9")];
    lab.desired.set_router(wanted);
    let pass = lab.pass(&Scope::All).await;
    let outcome = &pass.report.0[&object(1)];
    assert_eq!(*outcome, Outcome::Waiting { on: format!("device {}", qr(2)) });
    assert_eq!(lab.routers.owner_of_device(&qr(2)), Some(object(1)));
    assert_eq!(lab.routers.owner_of_device("qr-other"), None);
    lab::plug(&[qr(2)]);
    lab.pass(&Scope::Objects([object(1)].into())).await;
    lab.converge().await;
    assert!(run(&format!("ip -n {} route", namespace(1))).contains("192.168.0.0/16 via 10.0.2.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_switch_made_anew_takes_the_place_of_the_dead_one() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qg(9)]);
    let gateway = gateway(9, &["203.0.113.10/24"], &["203.0.113.1"]);
    let mut wanted = router(1, vec![interface(1, &["10.0.1.1/24"])], Some(gateway));
    wanted.floating_ips = vec![lab::floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted);
    lab.converge().await;
    let ns = namespace(1);
    let state = || run(&format!("ip -n {ns} -br address; ip -n {ns} route")).replace("UNKNOWN", "");
    let before = state();
    lab::plug(&[qr(1), qg(9)]);
    let pass = lab.converge().await;
    assert!(pass.plan.contains("link del dev qg-00000009-11"), "{}", pass.plan);
    assert!(!pass.plan.contains("nft"), "{}", pass.plan);
    let strip = |text: &str| text.lines().filter(|line| !line.contains("fe80")).count();
    assert_eq!(strip(&state()), strip(&before), "{before}\n{}", state());
    assert!(!run("ip link").contains("qr-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_mtu_mac_and_address_are_made_in_place() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qg(9)]);
    let mut wanted = router(
        1,
        vec![interface(1, &["10.0.1.1/24"])],
        Some(gateway(9, &["203.0.113.10/24", "203.0.113.11/24"], &["203.0.113.1"])),
    );
    wanted.routes = vec![route("192.168.0.0/16", "203.0.113.77")];
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let ns = namespace(1);
    let index = || run(&format!("ip -n {ns} -o link show {}", qr(1))).split(':').next().unwrap().to_owned();
    let before = index();

    wanted.interfaces[0].mtu = 1280;
    wanted.interfaces[0].mac = model::Mac([0xfa, 0x16, 0x3e, 1, 2, 3]);
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let link = run(&format!("ip -n {ns} link show {}", qr(1)));
    assert!(link.contains("mtu 1280") && link.contains("fa:16:3e:01:02:03"), "{link}");
    assert_eq!(index(), before, "it is still the same device");

    // The first address of the subnet goes: the kernel must not take the second along.
    let gateway = wanted.gateway.as_mut().unwrap();
    gateway.interface.addresses.remove(0);
    lab.desired.set_router(wanted.clone());
    lab.converge().await;

    // All addresses go, and with them the kernel drops the routes, which must come back.
    let gateway = wanted.gateway.as_mut().unwrap();
    gateway.interface.addresses = vec![lab::net("203.0.113.20/24")];
    lab.desired.set_router(wanted);
    lab.converge().await;
    let routes = run(&format!("ip -n {ns} route"));
    for line in ["default via 203.0.113.1", "192.168.0.0/16 via 203.0.113.77"] {
        assert!(routes.contains(line), "{line} is not in\n{routes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_change_between_one_way_and_several() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qr(2)]);
    let interfaces = vec![
        interface(1, &["10.0.1.1/24", "2001:db8:1::1/64"]),
        interface(2, &["10.0.2.1/24", "2001:db8:2::1/64"]),
    ];
    let mut wanted = router(1, interfaces, None);
    let four = ["10.0.1.7", "10.0.2.7", "10.0.2.8"];
    let six = ["2001:db8:1::7", "2001:db8:2::7", "2001:db8:2::8"];
    for count in [1, 3, 2, 1, 3, 0, 2] {
        let four = four[..count].iter().map(|hop| route("172.16.0.0/12", hop));
        let six = six[..count].iter().map(|hop| route("2001:db8:100::/48", hop));
        wanted.routes = four.chain(six).collect();
        lab.desired.set_router(wanted.clone());
        lab.converge().await;
        let routes = run(&format!("ip -n {0} route; ip -n {0} -6 route", namespace(1)));
        assert_eq!(routes.matches(" via ").count(), 2 * count, "{routes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_no_subnet_of_ours_is_reached() {
    let mut lab = Lab::new().await;
    guest("outside", &qg(9), &["192.0.2.1/24"], "");
    run(
        "ip -n outside route add 203.0.113.10/32 dev eth0; ip -n outside address add 198.51.100.1/24 dev eth0",
    );
    let mut out = gateway(9, &["203.0.113.10/32"], &["192.0.2.1"]);
    out.on_link = vec![lab::net("198.51.100.0/24")];
    lab.desired.set_router(router(1, Vec::new(), Some(out)));
    lab.converge().await;
    let routes = run(&format!("ip -n {} route", namespace(1)));
    assert!(routes.contains("192.0.2.1 dev qg-00000009-11 proto static scope link"), "{routes}");
    assert!(routes.contains("198.51.100.0/24 dev qg-00000009-11 proto static scope link"), "{routes}");
    lab::ping(&namespace(1), "192.0.2.1");
    lab::ping(&namespace(1), "198.51.100.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_fails_disturbs_no_other() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qr(2), qr(3)]);
    for number in 1..=3 {
        let mut interface = interface(number, &["10.0.1.1/24"]);
        if number == 2 {
            // More than any device can have.
            interface.mtu = u32::MAX;
        }
        lab.desired.set_router(router(number, vec![interface], None));
    }
    let pass = lab.pass(&Scope::All).await;
    assert_eq!(pass.report.0[&object(1)], Outcome::Done);
    assert_eq!(pass.report.0[&object(3)], Outcome::Done);
    let Outcome::Failed { chain, .. } = &pass.report.0[&object(2)] else { panic!("{:?}", pass.report) };
    let chain = chain.join(": ");
    assert!(chain.contains(&namespace(2)) && chain.contains(&qr(2)), "{chain}");
    for number in [1, 3] {
        assert!(run(&format!("ip -n {} address", namespace(number))).contains("10.0.1.1/24"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_moves_away_or_goes_down_leaves_nothing() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qr(2)]);
    for number in 1..=2 {
        lab.desired.set_router(router(number, vec![interface(number, &["10.0.1.1/24"])], None));
    }
    lab.converge().await;
    let mut away = router(1, vec![interface(1, &["10.0.1.1/24"])], None);
    away.host = Some("node2".into());
    let mut down = router(2, vec![interface(2, &["10.0.1.1/24"])], None);
    down.admin_up = false;
    lab.desired.set_router(away);
    lab.desired.set_router(down);
    lab.pass(&Scope::Objects([object(1), object(2)].into())).await;
    assert_eq!(run("ip netns list"), "");
    assert!(lab.observe().await.routers.is_empty());
    // The kernel ends a namespace in the background, and the devices with it.
    lab::eventually("the namespaces' end", || !run("ip link").contains("qr-"), || run("ip link"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_picture_takes_nothing_away() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1)]);
    lab.desired.set_router(router(1, vec![interface(1, &["10.0.1.1/24"])], None));
    lab.converge().await;
    lab.desired.drop_router(lab::router_id(1));
    let actual = lab.routers.observe(&Scope::All).await.unwrap();
    let spec = lab.routers.compile(&lab.desired, &Scope::All);
    let mut plan = router::plan::plan(&spec, &actual);
    assert!(!plan.is_empty());
    plan.keep_everything();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_floating_ips_are_two_maps() {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qg(9)]);
    let gateway = gateway(9, &["203.0.0.10/16"], &["203.0.0.1"]);
    let mut wanted = router(1, vec![interface(1, &["10.0.0.1/16"])], Some(gateway));
    for number in 0..1000 {
        let (high, low) = (1 + number / 250, 1 + number % 250);
        wanted
            .floating_ips
            .push(lab::floating(&format!("203.0.{high}.{low}"), &format!("10.0.{high}.{low}")));
    }
    lab.desired.set_router(wanted.clone());
    lab.converge().await;
    let ns = namespace(1);
    let addresses = run(&format!("ip -n {ns} -o address show qg-00000009-11"));
    assert_eq!(addresses.matches("/32").count(), 1000);
    let (_, rules) = try_run(&format!("ip netns exec {ns} nft -a list chain ip baryon source_nat"));
    assert_eq!(rules.matches("snat to").count(), 3, "{rules}");

    wanted.floating_ips.pop();
    lab.desired.set_router(wanted);
    let pass = lab.converge().await;
    assert_eq!(pass.plan.lines().count(), 3, "address, rules, connections:\n{}", pass.plan);
}
