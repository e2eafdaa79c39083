//! Namespaces and what is in them, made and read by this crate and judged by `ip`.

#![allow(clippy::unwrap_used)]

mod seen;

use std::net::IpAddr;

use host::{AddressScope, Handles, Hop, Namespace, Request, Route, netns};
use ipnet::IpNet;

use seen::{ip, ip_json};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A veth pair with its inner end up in a new namespace.
async fn with_veth(handles: &Handles, namespace: &str, device: &str, inner: &str) {
    netns::create(namespace).await.unwrap();
    let inside = handles.namespace(namespace).await.unwrap();
    let pair = Request::AddVeth {
        device: device.to_owned(),
        peer: inner.to_owned(),
        peer_namespace: inside.namespace().clone(),
    };
    handles.root().change(pair).await.unwrap();
    handles.root().change(Request::SetUp { device: device.to_owned() }).await.unwrap();
    inside.change(Request::SetUp { device: inner.to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_namespace_is_made_listed_and_deleted() {
    let before = seen::own_namespace();
    netns::create("made").await.unwrap();
    netns::create("made").await.expect("one that exists is left as it is");
    assert!(netns::exists("made"));
    assert!(netns::list().unwrap().contains(&"made".to_owned()));
    assert!(ip("netns list").lines().any(|line| line.starts_with("made")));
    assert_eq!(ip_json("-n made link")[0]["ifname"], "lo");

    Handles::open().await.unwrap().delete("made").unwrap();
    assert!(!netns::exists("made"));
    assert!(!ip("netns list").contains("made"));
    netns::delete("made").expect("one that is gone is a success");
    assert_eq!(before, seen::own_namespace(), "this thread has changed its namespace");
}

#[tokio::test]
async fn a_file_without_a_namespace_is_repaired() {
    std::fs::write("/run/netns/leftover", "").unwrap();
    assert!(!netns::exists("leftover"));
    assert!(!netns::list().unwrap().contains(&"leftover".to_owned()));
    assert!(Namespace::open("leftover").unwrap_err().is_absence());
    netns::create("leftover").await.unwrap();
    assert!(netns::exists("leftover"));
    ip("-n leftover link");
}

#[tokio::test]
async fn observe_tells_what_ip_tells() {
    let handles = Handles::open().await.unwrap();
    with_veth(&handles, "observed", "out-observed", "eth0").await;
    let inside = handles.namespace("observed").await.unwrap();
    let device = || "eth0".to_owned();
    let results = inside
        .change_all(vec![
            Request::SetMac { device: device(), mac: "fa:16:3e:00:00:01".parse().unwrap() },
            Request::SetMtu { device: device(), mtu: 1450 },
            Request::AddAddress { device: device(), address: net("10.0.0.5/24") },
            Request::AddAddress { device: device(), address: net("2001:db8::5/64") },
            Request::ReplaceRoute(Route::via(net("0.0.0.0/0"), address("10.0.0.1"), "eth0")),
            Request::ReplaceRoute(Route::on_link(net("192.0.2.0/24"), "eth0")),
            Request::ReplaceRoute(Route::via(net("::/0"), address("2001:db8::1"), "eth0")),
        ])
        .await;
    for result in results {
        result.unwrap();
    }

    let state = inside.observe().await.unwrap();
    let link = &state.links["eth0"];
    assert_eq!(link.mac.unwrap().to_string(), "fa:16:3e:00:00:01");
    assert_eq!((link.mtu, link.up, link.carrier, link.kind.as_deref()), (1450, true, true, Some("veth")));
    let outer = handles.root().link("out-observed").await.unwrap().unwrap();
    assert_eq!(link.peer, Some(outer.index));
    assert!(!state.links["lo"].up);

    let told = &ip_json("-n observed -d link show eth0")[0];
    assert_eq!((&told["address"], &told["mtu"]), (&"fa:16:3e:00:00:01".into(), &1450.into()));
    // Link-local addresses come in their own time.
    let ours = state.addresses_of("eth0").filter(|address| address.scope == AddressScope::Global);
    let ours: Vec<_> = ours.map(|address| address.address.to_string()).collect();
    let told = ip_json("-n observed address show eth0");
    let theirs = told[0]["addr_info"].as_array().unwrap().iter();
    let theirs: Vec<_> = theirs.filter(|entry| entry["scope"] == "global").map(seen::address).collect();
    assert_eq!(ours, theirs);
    assert!(ours.contains(&"10.0.0.5/24".to_owned()) && ours.contains(&"2001:db8::5/64".to_owned()));
    assert_eq!(told[0]["addr_info"][0]["broadcast"], "10.0.0.255");

    for wanted in [
        Route::via(net("0.0.0.0/0"), address("10.0.0.1"), "eth0"),
        Route::on_link(net("192.0.2.0/24"), "eth0"),
        Route::via(net("::/0"), address("2001:db8::1"), "eth0"),
    ] {
        assert!(state.routes.contains(&wanted), "{wanted} is not in {:?}", state.routes);
    }
    assert_eq!(ip_json("-n observed route show default")[0]["gateway"], "10.0.0.1");
    assert_eq!(ip_json("-n observed route show 192.0.2.0/24")[0]["scope"], "link");
    assert_eq!(ip_json("-n observed -6 route show default")[0]["gateway"], "2001:db8::1");
}

#[tokio::test]
async fn a_multipath_route_is_replaced_and_deleted() {
    let handles = Handles::open().await.unwrap();
    with_veth(&handles, "ecmp", "out-ecmp", "eth0").await;
    let inside = handles.namespace("ecmp").await.unwrap();
    for text in ["10.0.0.5/24", "2001:db8::5/64"] {
        let change = Request::AddAddress { device: "eth0".to_owned(), address: net(text) };
        inside.change(change).await.unwrap();
    }
    for (destination, gateways) in
        [("198.51.100.0/24", ["10.0.0.1", "10.0.0.2"]), ("2001:db8:1::/64", ["2001:db8::1", "2001:db8::2"])]
    {
        let hop = |text: &str| Hop { via: Some(address(text)), device: "eth0".to_owned() };
        let single = Route::via(net(destination), address(gateways[0]), "eth0");
        let several = Route::multipath(net(destination), gateways.map(hop).to_vec());
        for route in [&single, &several, &single, &several] {
            inside.change(Request::ReplaceRoute(route.clone())).await.unwrap();
            let found = inside.routes().await.unwrap();
            let found: Vec<_> = found.iter().filter(|found| found.destination == route.destination).collect();
            assert_eq!(found, [route]);
        }
        let family = if destination.contains(':') { "-6" } else { "-4" };
        let told = ip_json(&format!("-n ecmp {family} route show {destination}"));
        assert_eq!(told[0]["nexthops"].as_array().unwrap().len(), 2);
        inside.change(Request::DeleteRoute(several.clone())).await.unwrap();
        assert_eq!(ip(&format!("-n ecmp {family} route show {destination}")), "");
        inside.change(Request::DeleteRoute(several)).await.expect("one that is gone is a success");
    }
}

#[tokio::test]
async fn a_new_namespace_is_observed_without_a_table() {
    let handles = Handles::open().await.unwrap();
    assert!(handles.observe("empty").await.unwrap().is_none());
    netns::create("empty").await.unwrap();
    let state = handles.observe("empty").await.unwrap().unwrap();
    assert_eq!(state.links.keys().collect::<Vec<_>>(), ["lo"]);
    assert!(state.addresses.is_empty() && state.routes.is_empty());
}

#[tokio::test]
async fn each_of_many_changes_has_its_own_result() {
    let handles = Handles::open().await.unwrap();
    with_veth(&handles, "batch", "out-batch", "eth0").await;
    let inside = handles.namespace("batch").await.unwrap();
    let add = |number: u32| Request::AddAddress {
        device: if number % 7 == 3 { "absent".to_owned() } else { "eth0".to_owned() },
        address: net(&format!("10.{}.{}.1/32", number / 250, number % 250)),
    };
    let results = inside.change_all((0..1000).map(add).collect()).await;
    assert_eq!(results.len(), 1000);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number % 7 == 3, "{number}: {result:?}");
    }
    let error = results[3].as_ref().unwrap_err();
    assert!(error.is_absence());
    assert_eq!(error.to_string(), "cannot do `ip addr replace 10.0.3.1/32 dev absent` in namespace batch");
    let told = ip("-n batch -4 -o address show eth0");
    assert_eq!(told.lines().count(), results.iter().filter(|result| result.is_ok()).count());

    // The kernel's own reason comes along.
    let route = Route::via(net("198.51.100.0/24"), address("192.0.2.77"), "eth0");
    let error = inside.change(Request::ReplaceRoute(route)).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains("ENETUNREACH") && reason.contains("gateway"), "{reason}");
    let mixed = Route::via(net("198.51.100.0/24"), address("2001:db8::1"), "eth0");
    let error = inside.change(Request::ReplaceRoute(mixed)).await.unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::EAFNOSUPPORT));
}

#[tokio::test]
async fn a_device_is_used_in_the_batch_that_makes_it() {
    let handles = Handles::open().await.unwrap();
    netns::create("onebatch").await.unwrap();
    let inside = handles.namespace("onebatch").await.unwrap();
    let device = || "tap0".to_owned();
    let results = inside
        .change_all(vec![
            Request::AddVeth {
                device: "first".to_owned(),
                peer: "second".to_owned(),
                peer_namespace: inside.namespace().clone(),
            },
            Request::RenameLink { device: "first".to_owned(), name: device() },
            Request::SetUp { device: device() },
            Request::SetUp { device: "second".to_owned() },
            Request::AddAddress { device: device(), address: net("10.0.0.5/24") },
            Request::AddAddress { device: device(), address: net("10.0.0.5/24") },
            Request::ReplaceRoute(Route::via(net("0.0.0.0/0"), address("10.0.0.1"), "tap0")),
            Request::ReplaceNeighbour {
                device: device(),
                address: address("10.0.0.1"),
                mac: "fa:16:3e:00:00:09".parse().unwrap(),
            },
        ])
        .await;
    for result in results {
        result.unwrap();
    }
    assert_eq!(ip_json("-n onebatch route show default")[0]["dev"], "tap0");
    let neighbour = &ip_json("-n onebatch neigh show 10.0.0.1")[0];
    assert_eq!(
        (&neighbour["lladdr"], &neighbour["state"][0]),
        (&"fa:16:3e:00:00:09".into(), &"PERMANENT".into())
    );

    // Deleting twice is a success; so is deleting what belongs to a device that is gone.
    let address = address("10.0.0.1");
    for _ in 0..2 {
        inside.change(Request::DeleteNeighbour { device: device(), address }).await.unwrap();
        let address = net("10.0.0.5/24");
        inside.change(Request::DeleteAddress { device: device(), address }).await.unwrap();
    }
    assert!(!ip("-n onebatch address").contains("10.0.0.5"));
    for _ in 0..2 {
        inside.change(Request::DeleteLink { device: device() }).await.unwrap();
    }
    inside.change(Request::DeleteNeighbour { device: device(), address }).await.unwrap();
    assert_eq!(inside.links().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_device_goes_to_a_namespace_and_comes_back() {
    let handles = Handles::open().await.unwrap();
    netns::create("visited").await.unwrap();
    let inside = handles.namespace("visited").await.unwrap();
    ip("tuntap add traveller mode tap");
    let device = || "traveller".to_owned();
    let there = Request::MoveLink { device: device(), to: inside.namespace().clone() };
    handles.root().change(there.clone()).await.unwrap();
    assert!(handles.root().link("traveller").await.unwrap().is_none());
    assert_eq!(inside.link("traveller").await.unwrap().unwrap().kind.as_deref(), Some("tun"));
    ip("-n visited link show traveller");
    assert!(handles.root().change(there).await.unwrap_err().is_absence());
    let back = Request::MoveLink { device: device(), to: handles.root().namespace().clone() };
    inside.change(back).await.unwrap();
    ip("link show traveller");
    assert!(inside.link("traveller").await.unwrap().is_none());
}

#[tokio::test]
async fn handles_follow_a_namespace_that_is_made_anew() {
    let handles = Handles::with_capacity(2).await.unwrap();
    with_veth(&handles, "reborn", "out-reborn", "eth0").await;
    assert!(handles.observe("reborn").await.unwrap().unwrap().links.contains_key("eth0"));
    ip("netns del reborn");
    assert!(handles.observe("reborn").await.unwrap().is_none());
    // The kernel ends the namespace only when its last socket is closed, and the veth pair with it.
    handles.sweep();
    seen::until("the veth pair is gone", || !ip("link").contains("out-reborn")).await;
    ip("netns add reborn");
    let state = handles.observe("reborn").await.unwrap().unwrap();
    assert_eq!(state.links.keys().collect::<Vec<_>>(), ["lo"]);
}

#[tokio::test]
async fn a_namespace_that_others_replaced_is_not_mistaken() {
    let handles = Handles::with_capacity(2).await.unwrap();
    with_veth(&handles, "replaced", "out-replaced", "eth0").await;
    handles.observe("replaced").await.unwrap();
    ip("netns del replaced");
    ip("netns add replaced");
    let state = handles.observe("replaced").await.unwrap().unwrap();
    assert!(!state.links.contains_key("eth0"), "this is the old namespace");
}

#[tokio::test]
async fn the_least_used_handles_are_closed() {
    let handles = Handles::with_capacity(2).await.unwrap();
    for name in ["least1", "least2", "least3"] {
        with_veth(&handles, name, &format!("out-{name}"), "eth0").await;
    }
    // A namespace that has lost its name lives as long as its handle.
    for name in ["least1", "least3"] {
        ip(&format!("netns del {name}"));
    }
    seen::until("the first one has ended", || !ip("link").contains("out-least1")).await;
    assert!(ip("link").contains("out-least3"));
    handles.sweep();
    seen::until("the third one has ended", || !ip("link").contains("out-least3")).await;
    assert!(ip("link").contains("out-least2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_at_once_do_not_disturb_each_other() {
    let handles = Handles::open().await.unwrap();
    let names: Vec<_> = (0..50).map(|number| format!("busy{number}")).collect();
    for result in netns::create_all(names.clone()).await {
        result.unwrap();
    }
    let before = seen::own_namespace();
    let tasks = names.into_iter().map(|name| {
        let handles = handles.clone();
        tokio::spawn(async move {
            let inside = handles.namespace(&name).await.unwrap();
            // Callers that give up half-way leave nothing behind for the next one.
            for _ in 0..5 {
                let look = inside.observe();
                tokio::select! { biased; _ = look => {}, () = tokio::task::yield_now() => {} }
            }
            inside.change(Request::SetUp { device: "lo".to_owned() }).await.unwrap();
            let own = net(&format!("10.9.9.{}/32", name.trim_start_matches("busy")));
            inside.change(Request::AddAddress { device: "lo".to_owned(), address: own }).await.unwrap();
            let state = inside.observe().await.unwrap();
            let found: Vec<_> = state.addresses_of("lo").map(|address| address.address).collect();
            assert!(found.contains(&own), "{name}: {found:?}");
            assert_eq!(found.iter().filter(|found| found.to_string().starts_with("10.9.9.")).count(), 1);
            seen::own_namespace()
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), before, "a thread of the runtime has changed its namespace");
    }
    assert!(!ip("address").contains("10.9.9."));
}
