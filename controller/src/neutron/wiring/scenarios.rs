//! What an operator would see: ports come and go, servers and networks fail.

use model::Segment;

use super::bench::*;
use super::*;

/// A node that has heard everything, with a port of the first network plugged in and up.
fn running(l2_population: bool) -> (Bench, Server, model::PortId) {
    let mut server = Server::with_networks(3);
    let mut bench = Bench::new(config(l2_population));
    let port = server.create(1, 0, HERE);
    bench.plug(port);
    bench.begin();
    bench.converge(&mut server);
    assert!(bench.sum.complete);
    assert_eq!(server.ports[&port].status, "ACTIVE");
    server.reports.clear();
    server.calls.clear();
    (bench, server, port)
}

#[test]
fn a_port_that_was_pushed_is_wired_without_a_question() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 1, HERE);
    bench.push(&server.pushed(port));
    assert!(bench.sum.ports.contains_key(&port), "somebody is about to plug it in");
    while let Some((ask, request)) = bench.next() {
        let (answer, _) = server.serve(&request);
        bench.hear(Event::Answer(ask, Ok(answer)));
    }
    bench.engine_is_done();
    assert!(server.reports.is_empty() && bench.open.is_empty());
    server.calls.clear();
    bench.plug(port);
    let segment = bench.sum.ports[&port].port.binding.as_ref().unwrap().segment.clone();
    assert_eq!(segment, Some(Segment::Tunnel { kind: TunnelKind::Vxlan, key: 101 }));
    assert_eq!(bench.sum.networks[&network_id(1)].mtu, 1450);
    assert!(bench.open.is_empty(), "{:?}", bench.open);
    bench.engine_is_done();
    let (ask, _) = bench.open.iter().map(|ask| (ask.clone(), ())).next().unwrap();
    assert!(matches!(&ask, Ask::L2(L2Ask::Up { ports, tables }) if ports == &[port] && tables.len() == 1));
    // So that the DHCP part says nothing of it meanwhile.
    assert_eq!(bench.wiring.request(&ask).ports_told, [port]);
    bench.converge(&mut server);
    assert_eq!(server.calls, [("update_device_list", 1)].into());
    assert_eq!(server.ports[&port].status, "ACTIVE");
}

#[test]
fn a_port_that_nobody_plugs_in_is_wired_for_a_while_only() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 1, HERE);
    bench.push(&server.pushed(port));
    let start = bench.now;
    bench.converge(&mut server);
    assert!(bench.now - start < Duration::from_secs(150));
    assert!(!bench.sum.ports.contains_key(&port) && !bench.sum.networks.contains_key(&network_id(1)));
    // It is remembered all the same.
    server.calls.clear();
    bench.plug(port);
    assert!(bench.sum.ports.contains_key(&port) && bench.open.is_empty());
    bench.converge(&mut server);
    assert_eq!(server.calls, [("update_device_list", 1)].into());
}

#[test]
fn a_restart_asks_little() {
    let mut server = Server::with_networks(50);
    let mut bench = Bench::new(config(true));
    for number in 0..500 {
        let port = server.create(number, number % 50, HERE);
        server.change(port, |port| port.status = "ACTIVE");
        bench.plug(port);
    }
    for number in 0..50 {
        let far = server.create(1000 + number, number, FAR);
        server.change(far, |port| port.status = "ACTIVE");
    }
    bench.begin();
    bench.converge(&mut server);
    assert!(bench.sum.complete);
    // Ports in three lists, networks in one, and one port of each network to bring the tables along.
    assert_eq!(server.calls, [("bulk_pull", 4), ("tunnel_sync", 1), ("update_device_list", 3)].into());
    assert_eq!(server.reports.len(), 50);
    assert_eq!((bench.sum.ports.len(), bench.sum.remotes.len(), bench.sum.floods.len()), (500, 50, 50));
}

#[test]
fn a_replugged_port_goes_down_and_up() {
    let (mut bench, mut server, port) = running(true);
    bench.plug(port);
    bench.converge(&mut server);
    bench.unplug(port);
    bench.converge(&mut server);
    bench.plug(port);
    bench.converge(&mut server);
    // A push that overtakes a report costs another one.
    server.reports.dedup();
    assert_eq!(server.reports, [(port, "down"), (port, "up"), (port, "down"), (port, "up")]);
}

#[test]
fn up_is_said_when_the_engine_is_done_and_not_before() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 0, HERE);
    bench.plug(port);
    while let Some((ask, request)) = bench.next() {
        let (answer, _) = server.serve(&request);
        bench.hear(Event::Answer(ask, Ok(answer)));
    }
    assert_eq!(server.reports, []);
    let mut report = model::Report::default();
    let failed = model::Outcome::Waiting { on: "its bridge".to_owned() };
    report.add(model::ObjectRef::Port(port), failed);
    bench.hear(Event::Report(&report));
    bench.now += Duration::from_secs(60);
    bench.hear(Event::Tick);
    assert!(bench.open.is_empty());
    bench.engine_is_done();
    bench.converge(&mut server);
    assert_eq!(server.reports, [(port, "up")]);
}

#[test]
fn admin_state_is_reported_and_a_deleted_port_is_not() {
    let (mut bench, mut server, port) = running(true);
    server.change(port, |port| port.admin_up = false);
    bench.push(&server.pushed(port));
    bench.converge(&mut server);
    assert_eq!(
        (server.reports.as_slice(), server.ports[&port].status),
        ([(port, "down")].as_slice(), "DOWN")
    );
    server.change(port, |port| port.admin_up = true);
    bench.push(&server.pushed(port));
    bench.converge(&mut server);
    assert_eq!(server.ports[&port].status, "ACTIVE");
    server.ports.remove(&port);
    server.reports.clear();
    bench.push(&server.pushed(port));
    assert!(!bench.sum.ports.contains_key(&port));
    bench.unplug(port);
    bench.converge(&mut server);
    assert_eq!(server.reports, []);
    assert!(bench.sum.networks.is_empty());
}

#[test]
fn what_the_engine_says_nothing_of_was_done_before() {
    // Another part heard first that the port is up, and the engine was done before the push came.
    let (mut bench, mut server, port) = running(true);
    server.change(port, |port| port.admin_up = false);
    bench.push(&server.pushed(port));
    bench.converge(&mut server);
    server.change(port, |port| port.admin_up = true);
    bench.push(&server.pushed(port));
    assert!(bench.open.is_empty());
    assert!(bench.wiring.due().unwrap() <= bench.now + Duration::from_secs(3));
    bench.now += Duration::from_secs(3);
    bench.hear(Event::Tick);
    assert_eq!(bench.open.len(), 1);
    bench.converge(&mut server);
    assert_eq!(server.ports[&port].status, "ACTIVE");
}

#[test]
fn a_migrating_guest_is_wired_before_it_arrives_and_reported_when_it_is_here() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 1, THERE);
    server.change(port, |port| {
        port.moving_to = Some(HERE.to_owned());
        port.status = "ACTIVE";
    });
    bench.push(&server.pushed(port));
    bench.plug(port);
    assert!(bench.sum.ports[&port].port.is_on(&HostName::from(HERE)));
    bench.converge(&mut server);
    // That makes Nova go on.
    assert_eq!(server.reports, [(port, "up")]);
    server.change(port, |port| {
        port.moving_to = None;
        port.host = HERE.to_owned();
    });
    bench.push(&server.pushed(port));
    bench.converge(&mut server);
    assert_eq!(server.reports, [(port, "up"); 2]);
    // And away again.
    server.change(port, |port| port.host = FAR.to_owned());
    bench.push(&server.pushed(port));
    assert_eq!(bench.sum.ports[&port].port.binding, None);
    assert_eq!(bench.sum.ports[&port].host, Some(HostName::from(FAR)));
    bench.unplug(port);
    bench.converge(&mut server);
    assert_eq!(server.reports.len(), 2);
}

#[test]
fn what_fails_is_tried_again_in_smaller_lists_and_takes_nothing_away() {
    let (mut bench, mut server, _) = running(true);
    for number in 10..20 {
        let port = server.create(number, 0, HERE);
        bench.plug(port);
    }
    bench.converge(&mut server);
    let before = bench.sum.clone();
    bench.hear(Event::Gap);
    let mut sizes = Vec::new();
    for _ in 0..200 {
        while let Some((ask, _)) = bench.next() {
            if let Ask::L2(L2Ask::Ports(ports)) = &ask {
                sizes.push(ports.len());
            }
            let fault = Fault::Timeout(Duration::from_secs(60));
            bench.hear(Event::Answer(ask, Err(fault)));
        }
        bench.now = bench.now.max(bench.wiring.due().unwrap());
        bench.hear(Event::Tick);
    }
    assert_eq!(sizes[0], 11);
    assert_eq!(sizes.last(), Some(&1));
    assert!(sizes.is_sorted_by(|one, other| one >= other), "{sizes:?}");
    assert_eq!(bench.sum, before);
    bench.converge(&mut server);
    assert_eq!(bench.sum, before);
}

#[test]
fn ports_that_the_server_could_not_serve_are_reported_again() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 0, HERE);
    bench.push(&server.pushed(port));
    bench.plug(port);
    bench.engine_is_done();
    for _ in 0..7 {
        let (ask, _) = bench.next().unwrap();
        let answer = json!({"devices_up": [], "failed_devices_up": [port], "devices_down": [],
            "failed_devices_down": []});
        bench.hear(Event::Answer(ask, Ok(answer)));
        assert!(bench.open.is_empty());
        bench.now = bench.now.max(bench.wiring.due().unwrap());
        bench.hear(Event::Tick);
    }
    bench.converge(&mut server);
    assert_eq!(server.ports[&port].status, "ACTIVE");
}

#[test]
fn a_gap_withdraws_what_was_not_repeated_and_only_then() {
    let (mut bench, mut server, _) = running(true);
    for (number, host) in [(11, THERE), (12, THERE), (13, FAR)] {
        let port = server.create(number, 0, host);
        server.change(port, |port| port.status = "ACTIVE");
        bench.push(&server.cast_port("add_fdb_entries", port).unwrap());
    }
    assert_eq!((bench.sum.remotes.len(), bench.sum.floods[&network_id(0)].len()), (3, 2));
    bench.hear(Event::Closed);
    server.ports.remove(&port_id(12));
    server.ports.remove(&port_id(13));
    bench.hear(Event::Gap);
    bench.hear(Event::Open);
    while let Some((ask, request)) = bench.next() {
        let (answer, casts) = server.serve(&request);
        bench.hear(Event::Answer(ask, Ok(answer)));
        casts.iter().for_each(|cast| bench.push(cast));
    }
    assert_eq!(bench.sum.remotes.len(), 3);
    bench.now += Duration::from_secs(2);
    bench.hear(Event::Tick);
    assert_eq!((bench.sum.remotes.len(), bench.sum.floods[&network_id(0)].len()), (1, 1));
    assert!(bench.sum.complete);
}

#[test]
fn tables_follow_casts_in_any_order() {
    let (mut bench, mut server, port) = running(true);
    let far = server.create(11, 0, THERE);
    let added = server.cast_port("add_fdb_entries", far).unwrap();
    let removed = server.cast_port("remove_fdb_entries", far).unwrap();
    server.change(far, |port| port.host = FAR.to_owned());
    let moved = server.cast_port("add_fdb_entries", far).unwrap();
    for cast in [&added, &added, &moved, &removed, &removed] {
        bench.push(cast);
    }
    let key = (network_id(0), mac_of(far));
    assert_eq!(bench.sum.remotes[&key].endpoint, address_of(FAR));
    assert_eq!(bench.sum.floods[&network_id(0)].iter().collect::<Vec<_>>(), [&address_of(FAR)]);
    // A node that is taken out of the cloud.
    let gone = json!({"tunnel_ip": address_of(FAR), "tunnel_type": "vxlan"});
    bench.push(&message("q-agent-notifier-tunnel-delete", "tunnel_delete", gone));
    assert!(bench.sum.remotes.is_empty() && bench.sum.floods.is_empty());
    // The last port here goes, and with it what is behind the tunnels.
    bench.push(&moved);
    bench.unplug(port);
    assert!(bench.sum.remotes.is_empty() && bench.sum.floods.is_empty());
}

#[test]
fn without_l2population_every_end_is_flooded_to() {
    let (mut bench, mut server, port) = running(false);
    let floods = |bench: &Bench| -> Vec<IpAddr> {
        bench.sum.floods.get(&network_id(0)).into_iter().flatten().copied().collect()
    };
    assert_eq!(floods(&bench), [address_of(THERE), address_of(FAR)]);
    let cast =
        |method: &str, ip: &str| message("topic", method, json!({"tunnel_ip": ip, "tunnel_type": "vxlan"}));
    bench.push(&cast("tunnel_update", "198.51.100.9"));
    bench.push(&cast("tunnel_update", "198.51.100.1"));
    bench.push(&cast("tunnel_delete", "198.51.100.3"));
    assert_eq!(floods(&bench), [address_of(THERE), "198.51.100.9".parse().unwrap()]);
    bench.hear(Event::Gap);
    // A node that comes while the list is on its way is not on the list.
    bench.push(&cast("tunnel_update", "198.51.100.8"));
    bench.converge(&mut server);
    let ends = [address_of(THERE), address_of(FAR), "198.51.100.8".parse().unwrap()];
    assert_eq!(floods(&bench), ends);
    assert!(server.reports.is_empty());
    bench.unplug(port);
    assert!(bench.sum.floods.is_empty());
}

#[test]
fn a_notice_waits_for_the_object_and_then_asks() {
    let (mut bench, mut server, port) = running(true);
    let notice = |revision: i64| {
        message("topic", "port_update", json!({"port": {"id": port, "revision_number": revision}}))
    };
    bench.push(&notice(server.ports[&port].revision));
    assert!(bench.wiring.due().is_none(), "nothing new");
    server.change(port, |port| port.name = 7);
    bench.push(&notice(server.ports[&port].revision));
    assert!(bench.open.is_empty());
    bench.push(&server.pushed(port));
    assert!(bench.wiring.due().is_none(), "the object came");
    server.change(port, |port| port.name = 8);
    bench.push(&notice(server.ports[&port].revision));
    bench.converge(&mut server);
    assert_eq!((server.calls["bulk_pull"], bench.sum.ports[&port].port.name.as_str()), (1, "8"));
}

#[test]
fn a_network_gets_another_segment() {
    let (mut bench, mut server, port) = running(true);
    server.ports.get_mut(&port).unwrap().key = 777;
    let network = server.networks.get_mut(&0).unwrap();
    (network.key, network.mtu, network.revision) = (777, 1400, 2);
    bench.push(&server.pushed_network(0));
    bench.converge(&mut server);
    let segment = Segment::Tunnel { kind: TunnelKind::Vxlan, key: 777 };
    assert_eq!(bench.sum.networks[&network_id(0)].segments.first(), Some(&segment));
    assert_eq!(bench.sum.networks[&network_id(0)].mtu, 1400);
    assert_eq!(bench.sum.ports[&port].port.binding.as_ref().unwrap().segment, Some(segment));
}

#[test]
fn ports_that_nobody_plugs_in_are_forgotten_in_the_end() {
    let (mut bench, mut server, _) = running(true);
    for number in 100..5000 {
        let port = server.create(number, 1, HERE);
        bench.push(&server.pushed(port));
        server.ports.remove(&port);
    }
    bench.converge(&mut server);
    let kept = format!("{:?}", bench.wiring).matches("PortObject").count();
    assert!((1000..3000).contains(&kept), "{kept}");
    bench.hear(Event::Gap);
    assert_eq!(format!("{:?}", bench.wiring).matches("PortObject").count(), 1);
}

#[test]
fn nothing_is_complete_before_it_was_heard() {
    let mut server = Server::with_networks(1);
    let mut bench = Bench::new(config(true));
    bench.facts.alive = false;
    bench.begin();
    bench.converge(&mut server);
    assert!(!bench.sum.complete, "the switch was never seen");
    bench.facts.alive = true;
    let port = server.create(1, 0, HERE);
    bench.plug(port);
    let (ask, request) = bench.next().unwrap();
    let (answer, _) = server.serve(&request);
    bench.hear(Event::Answer(ask, Ok(answer)));
    assert!(!bench.sum.complete, "its network and its table are open");
    bench.converge(&mut server);
    assert!(bench.sum.complete);
}

#[test]
fn own_ports_are_asked_about_and_reported() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 1, HERE);
    bench.hear(Event::OwnPort(port, true));
    bench.converge(&mut server);
    assert!(bench.sum.ports[&port].port.is_on(&HostName::from(HERE)));
    assert_eq!(server.reports, []);
    bench.plug(port);
    bench.converge(&mut server);
    assert_eq!(server.reports, [(port, "up")]);
    bench.hear(Event::OwnPort(port, false));
    bench.unplug(port);
    bench.converge(&mut server);
    assert_eq!(server.reports, [(port, "up"), (port, "down")]);
    assert!(!bench.sum.ports.contains_key(&port));
}

#[test]
fn a_node_with_another_tunnel_address_makes_all_its_ports_known() {
    let mut server = Server::with_networks(1);
    let mut bench = Bench::new(config(true));
    for number in 0..5 {
        let port = server.create(number, 0, HERE);
        server.change(port, |port| port.status = "ACTIVE");
        bench.plug(port);
    }
    bench.begin();
    // What the server casts when a node's address is not the one that it had.
    let gone = json!({"tunnel_ip": "198.51.100.77", "tunnel_type": "vxlan"});
    bench.push(&message("q-agent-notifier-tunnel-delete", "tunnel_delete", gone.clone()));
    bench.converge(&mut server);
    let reported: std::collections::BTreeSet<_> = server.reports.iter().map(|(port, _)| *port).collect();
    assert_eq!(reported.len(), 5);
    // Later it is another node.
    server.reports.clear();
    bench.now += Duration::from_secs(60);
    bench.push(&message("q-agent-notifier-tunnel-delete", "tunnel_delete", gone));
    bench.converge(&mut server);
    assert!(server.reports.is_empty());
}

#[test]
fn a_network_that_comes_later_waits_for_nothing() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 1, HERE);
    let far = server.create(11, 1, THERE);
    bench.push(&server.pushed(port));
    bench.push(&server.cast_port("add_fdb_entries", far).unwrap());
    assert_eq!(bench.sum.floods[&network_id(1)].len(), 1);
}

#[test]
fn tables_for_other_nodes_are_theirs() {
    let (mut bench, mut server, _) = running(true);
    let far = server.create(11, 0, THERE);
    let mut cast = server.cast_port("add_fdb_entries", far).unwrap();
    cast.args.insert("host".to_owned(), json!(FAR));
    bench.push(&cast);
    assert!(bench.sum.remotes.is_empty());
    cast.args.insert("host".to_owned(), json!(HERE));
    bench.push(&cast);
    assert_eq!(bench.sum.remotes.len(), 1);
}

#[test]
fn a_port_that_the_engine_knew_from_before_is_reported_without_another_pass() {
    let mut server = Server::with_networks(1);
    let mut bench = Bench::new(config(true));
    let port = server.create(1, 0, HERE);
    bench.plug(port);
    let mut report = model::Report::default();
    report.add(model::ObjectRef::Port(port), model::Outcome::Done);
    bench.hear(Event::Report(&report));
    bench.begin();
    // The object says what was known, so there is no other pass.
    for _ in 0..20 {
        while let Some((ask, request)) = bench.next() {
            let (answer, _) = server.serve(&request);
            bench.hear(Event::Answer(ask, Ok(answer)));
        }
        bench.now += Duration::from_secs(1);
        bench.hear(Event::Tick);
    }
    assert_eq!(server.ports[&port].status, "ACTIVE");
    assert!(bench.sum.complete);
}

#[test]
fn no_end_is_taken_away_by_the_first_of_several_that_is_heard() {
    for l2_population in [true, false] {
        let mut server = Server::with_networks(1);
        let mut bench = Bench::new(config(l2_population));
        let port = server.create(1, 0, HERE);
        server.change(port, |port| port.status = "ACTIVE");
        for (number, host) in [(11, THERE), (12, FAR)] {
            let far = server.create(number, 0, host);
            server.change(far, |port| port.status = "ACTIVE");
        }
        bench.plug(port);
        bench.begin();
        bench.push(&server.pushed(port));
        // The switch may flood to both, and this is about one of them only.
        bench.push(&server.cast_port("add_fdb_entries", port_id(11)).unwrap());
        let update = json!({"tunnel_ip": address_of(THERE), "tunnel_type": "vxlan"});
        bench.push(&message("topic", "tunnel_update", update));
        assert!(bench.sum.floods.is_empty());
        bench.converge(&mut server);
        assert_eq!(bench.sum.floods[&network_id(0)].len(), 2);
        assert!(bench.sum.complete);
    }
}

/// Neutron loses two reports that meet; the port stays DOWN, and nothing is pushed.
#[test]
fn a_port_that_the_server_does_not_make_active_is_reported_again() {
    let (mut bench, mut server, _) = running(true);
    let port = server.create(2, 0, HERE);
    server.races = 3;
    bench.push(&server.pushed(port));
    bench.plug(port);
    let start = bench.now;
    bench.converge(&mut server);
    assert_eq!(server.ports[&port].status, "ACTIVE");
    assert_eq!(server.reports, [(port, "up"); 4]);
    assert!(bench.now - start < Duration::from_secs(120), "pauses grow, from little");
    // A port that can't become ACTIVE for long costs little.
    server.change(port, |port| port.status = "DOWN");
    server.races = u32::MAX;
    bench.push(&server.pushed(port));
    server.calls.clear();
    for _ in 0..3600 {
        while let Some((ask, request)) = bench.next() {
            let (answer, _) = server.serve(&request);
            bench.hear(Event::Answer(ask, Ok(answer)));
        }
        bench.now += Duration::from_secs(1);
        bench.hear(Event::Tick);
    }
    let calls: usize = server.calls.values().sum();
    assert!((10..60).contains(&calls), "{:?}", server.calls);
}
