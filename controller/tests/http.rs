//! The API over real sockets, asked by curl.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::path::Path;
use std::process::Command;

use controller::Local;
use controller::local::Config;
use serde_json::{Value, json};

/// A controller that is served on a unix socket and on a TCP port.
struct Served {
    runtime: tokio::runtime::Runtime,
    folder: std::path::PathBuf,
    local: Local,
    tcp: std::net::SocketAddr,
}

impl Served {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("baryon-http-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut config = Config::new("node1");
        config.tunnel_ip = Some("192.0.2.1".parse().unwrap());
        let (local, _, api) = Local::open(&folder.join("store.redb"), config).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (unix, tcp) = runtime.block_on(async {
            let unix = tokio::net::UnixListener::bind(folder.join("api.sock")).unwrap();
            (unix, tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap())
        });
        let address = tcp.local_addr().unwrap();
        let second = api.clone();
        runtime.spawn(async move { axum::serve(unix, api).await });
        runtime.spawn(async move { axum::serve(tcp, second).await });
        Self { runtime, folder, local, tcp: address }
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &text)
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let socket = self.folder.join("api.sock");
        let url = format!("http://localhost{path}");
        curl(&["--unix-socket", socket.to_str().unwrap(), "-X", method, "--data-binary", body, &url])
    }

    #[track_caller]
    fn made(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", path, body);
        assert_eq!(status, 201, "{answer}");
        answer.as_object().unwrap().values().next().unwrap().clone()
    }

    #[track_caller]
    fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let (status, answer) = self.ask(method, path, body);
        let error = &answer["NeutronError"];
        (status, error["type"].as_str().unwrap().to_owned(), error["message"].as_str().unwrap().to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn curl(arguments: &[&str]) -> (u16, Value) {
    let output = Command::new("curl").args(["-sS", "-w", "\n%{http_code}"]).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{:?}", output.stderr));
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).expect(body) };
    (status.parse().unwrap(), body)
}

fn example() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/topology.yaml")).unwrap()
}

#[test]
fn resources_are_made_shown_changed_and_removed() {
    let served = Served::new("life");
    let network = served.made("/v2.0/networks", json!({"network": {"name": "blue"}}));
    let id = network["id"].as_str().unwrap();
    assert_eq!(network["provider:network_type"], "vxlan");
    assert_eq!(network["status"], "ACTIVE");
    let subnet = json!({"subnet": {"network_id": id, "cidr": "10.0.0.0/24", "ip_version": 4}});
    let subnet = served.made("/v2.0/subnets.json", subnet);
    assert_eq!(subnet["gateway_ip"], "10.0.0.1");
    assert_eq!(subnet["allocation_pools"], json!([{"start": "10.0.0.2", "end": "10.0.0.254"}]));
    let (status, shown) = served.ask("GET", &format!("/v2.0/networks/{id}"), Value::Null);
    assert_eq!((status, &shown["network"]["subnets"][0]), (200, &subnet["id"]));
    let body = json!({"network": {"name": "navy", "admin_state_up": false}});
    let (status, changed) = served.ask("PUT", &format!("/v2.0/networks/{id}"), body);
    assert_eq!((status, &changed["network"]["name"]), (200, &json!("navy")));
    assert_eq!(changed["network"]["revision_number"], 2);
    let (status, _) = served.ask("DELETE", &format!("/v2.0/networks/{id}"), Value::Null);
    assert_eq!(status, 204);
    let refused = served.refused("GET", &format!("/v2.0/networks/{id}"), Value::Null);
    assert_eq!(refused.0, 404);
    assert_eq!(refused.1, "NetworkNotFound");
    assert_eq!(refused.2, format!("Network {id} could not be found."));
}

#[test]
fn lists_are_filtered_sorted_and_cut() {
    let served = Served::new("lists");
    let made =
        served.made("/v2.0/networks", json!({"networks": [{"name": "b"}, {"name": "a"}, {"name": "c"}]}));
    let names = |path: &str| -> Vec<String> {
        let (status, answer) = served.ask("GET", path, Value::Null);
        assert_eq!(status, 200, "{answer}");
        let list = answer["networks"].as_array().unwrap();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/v2.0/networks"), ["b", "a", "c"]);
    assert_eq!(names("/v2.0/networks?sort_key=name&sort_dir=desc"), ["c", "b", "a"]);
    assert_eq!(names("/v2.0/networks?name=a&name=b"), ["b", "a"]);
    assert_eq!(names("/v2.0/networks?router:external=True"), Vec::<String>::new());
    assert_eq!(names(&format!("/v2.0/networks?id={}", made[2]["id"].as_str().unwrap())), ["c"]);
    let (_, first) = served.ask("GET", "/v2.0/networks?limit=2&sort_key=name", Value::Null);
    let next = first["networks_links"][0]["href"].as_str().unwrap();
    assert_eq!(names(next.strip_prefix("http://localhost").unwrap()), ["c"]);
    let (_, fields) = served.ask("GET", "/v2.0/networks?name=a&fields=name&fields=mtu", Value::Null);
    assert_eq!(fields["networks"], json!([{"name": "a", "mtu": 1450}]));
    assert_eq!(served.refused("GET", "/v2.0/networks?nam=a", Value::Null).0, 400);
}

#[test]
fn ports_are_found_by_address_and_device() {
    let served = Served::new("ports");
    let network = served.made("/v2.0/networks", json!({"network": {}}));
    let network = network["id"].clone();
    served.made("/v2.0/subnets", json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24"}}));
    let port = json!({"network_id": network, "device_id": "vm", "fixed_ips": [{"ip_address": "10.0.0.9"}]});
    let port = served.made("/v2.0/ports", json!({"port": port}));
    for query in
        ["fixed_ips=ip_address%3D10.0.0.9", "device_id=vm", "device_id=vm&fixed_ips=ip_address=10.0.0.9"]
    {
        let (_, found) = served.ask("GET", &format!("/v2.0/ports?{query}"), Value::Null);
        assert_eq!(found["ports"].as_array().unwrap().len(), 1, "{query}");
        assert_eq!(found["ports"][0]["id"], port["id"]);
    }
    let (_, all) =
        served.ask("GET", &format!("/v2.0/ports?network_id={}", network.as_str().unwrap()), Value::Null);
    assert_eq!(all["ports"].as_array().unwrap().len(), 2);
}

#[test]
fn a_bulk_request_is_all_or_nothing() {
    let served = Served::new("bulk");
    let body = json!({"networks": [{"name": "a"}, {"name": "b", "mtu": 1}]});
    let (status, _, said) = served.refused("POST", "/v2.0/networks", body);
    assert_eq!(status, 400, "{said}");
    let (_, list) = served.ask("GET", "/v2.0/networks", Value::Null);
    assert_eq!(list["networks"], json!([]));
}

#[test]
fn what_makes_no_sense_is_refused_in_neutrons_form() {
    let served = Served::new("refused");
    for (method, path, body, status) in [
        ("POST", "/v2.0/networks", "{", 400),
        ("POST", "/v2.0/networks", "[]", 400),
        ("POST", "/v2.0/networks", "{\"port\": {}}", 400),
        ("POST", "/v2.0/networks", "{\"network\": 7}", 400),
        ("POST", "/v2.0/networks", "{\"network\": {\"nam\": 1}}", 400),
        ("POST", "/v2.0/ports", "{\"port\": {}}", 400),
        ("POST", "/v2.0/ports", "{\"port\": {\"network_id\": \"x\"}}", 400),
        ("PUT", "/v2.0/networks/x", "{\"network\": {}}", 404),
        ("GET", "/v2.0/networks/x", "", 404),
        ("DELETE", "/v2.0/ports/%2e%2e%2f", "", 404),
        ("GET", "/v2.0/nets", "", 404),
        ("GET", "/nowhere", "", 404),
        ("POST", "/v2.0/networks/x", "", 405),
        ("PUT", "/v2.0/routers/x/fly", "{}", 404),
        ("GET", "/v2.0/networks?marker=x", "", 404),
        ("GET", "/v2.0/agents/x", "", 404),
        ("POST", "/v2.0/security-groups", "{}", 400),
        ("DELETE", "/v2.0/qos/policies/x", "", 404),
        ("PUT", "/baryon/v1/topology", "version: 1\nnet: 1", 400),
        ("PUT", "/baryon/v1/topology", "version: 1\nnetworks: [{name: a}, {name: a}]", 400),
        ("POST", "/baryon/v1/import", "{\"format\": 99}", 400),
        ("DELETE", "/baryon/v1/hosts/node1", "", 409),
    ] {
        let (found, answer) = served.send(method, path, body);
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        assert!(answer["NeutronError"]["message"].as_str().is_some_and(|said| !said.is_empty()), "{answer}");
    }
    assert_eq!(served.local.snapshot().state.keys().count(), 1);
}

#[test]
fn routers_connect_and_floating_ips_lead_in() {
    let served = Served::new("router");
    let (status, _) = served.send("PUT", "/baryon/v1/topology", &example());
    assert_eq!(status, 200);
    let one = |path: &str| {
        served.ask("GET", path, Value::Null).1.as_object().unwrap().values().next().unwrap()[0].clone()
    };
    let router = one("/v2.0/routers?name=edge");
    let subnet = one("/v2.0/subnets?name=green-v4");
    assert_eq!(router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"], "203.0.113.10");
    let action = |action: &str, body: Value| {
        served.ask("PUT", &format!("/v2.0/routers/{}/{action}", router["id"].as_str().unwrap()), body)
    };
    let (status, gone) = action("remove_router_interface", json!({"subnet_id": subnet["id"]}));
    assert_eq!((status, &gone["subnet_id"]), (200, &subnet["id"]));
    let (status, back) = action("add_router_interface", json!({"subnet_id": subnet["id"]}));
    assert_eq!(status, 200, "{back}");
    assert_eq!(back["port_id"], gone["port_id"], "the same port, so that guests keep their neighbour");
    let route = json!({"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.2.11"}]}});
    let (status, routed) = action("add_extraroutes", route.clone());
    assert_eq!(status, 200, "{routed}");
    assert_eq!(routed["router"]["routes"].as_array().unwrap().len(), 1);
    let (_, routed) = action("remove_extraroutes", route);
    assert_eq!(routed["router"]["routes"], json!([]));
    let floating = one("/v2.0/floatingips?floating_ip_address=203.0.113.100");
    assert_eq!(floating["fixed_ip_address"], "10.0.1.11");
    assert_eq!(floating["status"], "DOWN");
}

#[test]
fn reports_show_as_status() {
    let served = Served::new("status");
    served.send("PUT", "/baryon/v1/topology", &example());
    let port = || served.ask("GET", "/v2.0/ports?name=blue-1", Value::Null).1["ports"][0].clone();
    assert_eq!(port()["status"], "DOWN");
    let id = model::ObjectRef::Port(port()["id"].as_str().unwrap().parse().unwrap());
    let mut report = model::Report::default();
    report.add(id, model::Outcome::Done);
    served.local.report(&report);
    assert_eq!(port()["status"], "ACTIVE");
    let mut report = model::Report::default();
    report.add(id, model::Outcome::Failed { chain: vec!["no".to_owned()], retry: model::Retry::Soon });
    served.local.report(&report);
    assert_eq!(port()["status"], "ERROR");
}

#[test]
fn the_status_of_what_was_deleted_does_not_come_back() {
    let served = Served::new("gone");
    served.send("PUT", "/baryon/v1/topology", &example());
    let one = |path: &str| {
        let (_, found) = served.ask("GET", path, Value::Null);
        found.as_object().unwrap().values().next().unwrap()[0].clone()
    };
    let router = one("/v2.0/routers?name=edge")["id"].as_str().unwrap().to_owned();
    let subnet = one("/v2.0/subnets?name=green-v4")["id"].as_str().unwrap().to_owned();
    let action = |action: &str| {
        let (_, answer) =
            served.ask("PUT", &format!("/v2.0/routers/{router}/{action}"), json!({"subnet_id": subnet}));
        answer["port_id"].as_str().unwrap().to_owned()
    };
    let port = action("remove_router_interface");
    // The node says of a pass over what is gone that all is well.
    let mut report = model::Report::default();
    report.add(model::ObjectRef::Port(port.parse().unwrap()), model::Outcome::Done);
    served.local.report(&report);
    assert_eq!(action("add_router_interface"), port, "it has the same id again");
    assert_eq!(one(&format!("/v2.0/ports?id={port}"))["status"], "DOWN");
    served.local.report(&report);
    assert_eq!(one(&format!("/v2.0/ports?id={port}"))["status"], "ACTIVE");
}

#[test]
fn a_dry_run_changes_nothing() {
    let served = Served::new("dry");
    let (status, difference) = served.send("PUT", "/baryon/v1/topology?dry_run=true", &example());
    assert_eq!(status, 200);
    assert_eq!(difference["summary"], "17 to create, 0 to change, 0 to remove");
    assert!(difference["text"].as_str().unwrap().starts_with("+ network blue: vxlan 1, mtu 1450\n"));
    assert_eq!(served.local.snapshot().state.keys().count(), 1);
}

#[test]
fn an_export_is_another_nodes_import() {
    let one = Served::new("export");
    let other = Served::new("import");
    one.send("PUT", "/baryon/v1/topology", &example());
    let (_, export) = one.ask("GET", "/baryon/v1/export", Value::Null);
    other.made("/v2.0/networks", json!({"network": {"name": "goes"}}));
    let (status, count) = other.ask("POST", "/baryon/v1/import", export.clone());
    assert_eq!(status, 200, "{count}");
    assert_eq!(other.ask("GET", "/baryon/v1/export", Value::Null).1, export);
    assert_eq!(*one.local.desired().borrow(), *other.local.desired().borrow());
    let mut broken = export;
    broken["records"].as_array_mut().unwrap().remove(1);
    assert_eq!(other.refused("POST", "/baryon/v1/import", broken).0, 400);
}

#[test]
fn a_loopback_listener_gives_the_same() {
    let served = Served::new("tcp");
    let (status, versions) = curl(&[&format!("http://{}/", served.tcp)]);
    assert_eq!((status, &versions["versions"][0]["id"]), (200, &json!("v2.0")));
    let (status, extensions) = curl(&[&format!("http://{}/v2.0/extensions", served.tcp)]);
    assert_eq!(status, 200);
    assert!(extensions["extensions"].as_array().unwrap().iter().any(|one| one["alias"] == "router"));
}

/// Many writers at once: every acknowledged port is there, with an address of its own.
#[test]
fn writers_do_not_disturb_each_other() {
    let served = Served::new("writers");
    let network = served.made("/v2.0/networks", json!({"network": {}}))["id"].clone();
    served.made("/v2.0/subnets", json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24"}}));
    let made: Vec<Value> = std::thread::scope(|scope| {
        let write = || {
            (0..10)
                .map(|_| served.made("/v2.0/ports", json!({"port": {"network_id": network}})))
                .collect::<Vec<_>>()
        };
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let addresses: std::collections::BTreeSet<String> =
        made.iter().map(|port| port["fixed_ips"][0]["ip_address"].to_string()).collect();
    assert_eq!(addresses.len(), 40);
}

/// Watchers see every change as a whole state.
#[test]
fn watchers_are_woken() {
    let served = Served::new("watch");
    let mut desired = served.local.desired();
    desired.mark_unchanged();
    served.send("PUT", "/baryon/v1/topology", &example());
    served.runtime.block_on(desired.changed()).unwrap();
    assert_eq!(desired.borrow_and_update().routers().len(), 1);
    served.send("PUT", "/baryon/v1/topology", &example());
    assert!(!desired.has_changed().unwrap(), "nothing changed, so nobody is woken");
    assert!(Path::new(&served.folder).exists());
}

#[test]
fn every_kind_has_tags() {
    let served = Served::new("tags");
    let (status, _) = served.send("PUT", "/baryon/v1/topology", &example());
    assert_eq!(status, 200);
    for collection in ["networks", "subnets", "ports", "routers", "floatingips"] {
        let (_, all) = served.ask("GET", &format!("/v2.0/{collection}"), Value::Null);
        let path = format!("/v2.0/{collection}/{}/tags", all[collection][0]["id"].as_str().unwrap());
        let (status, answer) = served.ask("PUT", &path, json!({"tags": ["b", "a"]}));
        assert_eq!((status, &answer["tags"]), (200, &json!(["a", "b"])), "{path}: {answer}");
        assert_eq!(served.ask("PUT", &format!("{path}/c"), Value::Null).0, 201);
        assert_eq!(served.ask("DELETE", &format!("{path}/a"), Value::Null).0, 204);
        assert_eq!(served.ask("GET", &format!("{path}/a"), Value::Null).0, 404);
        assert_eq!(served.ask("GET", &path, Value::Null).1["tags"], json!(["b", "c"]));
        assert_eq!(served.ask("DELETE", &path, Value::Null).0, 204);
        assert_eq!(served.ask("GET", &path, Value::Null).1["tags"], json!([]));
    }
}
