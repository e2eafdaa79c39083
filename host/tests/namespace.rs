//! Namespaces and what is in them, made and read by this crate and judged by `ip`.

#![allow(clippy::unwrap_used)]

mod seen;

use std::net::IpAddr;

use host::{Handles, Hop, Namespace, Request, Route, netns};
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
    let ours: Vec<_> = state.addresses_of("eth0").map(|address| address.address.to_string()).collect();
    let told = ip_json("-n observed address show eth0");
    let theirs: Vec<_> = told[0]["addr_info"].as_array().unwrap().iter().map(seen::address).collect();
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
