//! Metadata, from a guest behind a router and from one without to a web server in Nova's place.

use std::process::{Child, Stdio};

use tests::{Baryon, DhcpClient, Guest, Node, ONE_NODE, Plug, Settings, Underlay, wait};

/// Nova on the node, and its end.
struct Nova(Child);

impl Nova {
    fn start(node: &Node) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../metadata/tests/proxy/nova.py");
        let child = node.command("python3").args([script, "8775"]).stdout(Stdio::null()).spawn();
        wait::until(20, "Nova listens", || node.try_sh("curl -sS -o /dev/null http://127.0.0.1:8775/"));
        Self(child.expect("python3 starts"))
    }
}

impl Drop for Nova {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings() -> Settings {
    let more = "[DEFAULT]\nenable_isolated_metadata = true\nmetadata_proxy_shared_secret = s3cret\n";
    Settings { more: more.to_owned(), ..Settings::default() }
}

/// Gives a port to an instance, as Nova does.
fn own(baryon: &Baryon<'_>, port: &str, instance: &str) {
    let id = baryon.field("ports", port, "id");
    let body = format!(r#"{{"port": {{"device_id": "{instance}", "device_owner": "compute:nova"}}}}"#);
    let answer = baryon.api("PUT", &format!("/v2.0/ports/{id}"), &body);
    assert_eq!(answer["port"]["device_id"], instance, "{answer}");
}

fn asks(guest: &Guest<'_>, expected: &str) {
    wait::until(20, "the guest hears of itself", || {
        let heard =
            guest.try_sh("curl -sS --max-time 5 http://169.254.169.254/openstack/latest/meta_data.json")?;
        if heard.contains(&format!("\"x-instance-id\": \"{expected}\"")) { Ok(()) } else { Err(heard) }
    });
}

#[test]
fn guests_read_their_own_metadata_with_a_router_and_without() {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let _nova = Nova::start(&node);
    let mut baryon = Baryon::start(&node, &settings());
    baryon.apply(ONE_NODE);
    own(&baryon, "a1", "instance-a1");
    own(&baryon, "b1", "instance-b1");
    let plug = |port: &str| {
        let guest = baryon.plug(port, Plug::Veth);
        let _ = DhcpClient::Udhcpc.lease(&guest);
        guest
    };
    let (a1, a2, b1) = (plug("a1"), plug("a2"), plug("b1"));
    asks(&a1, "instance-a1");
    asks(&b1, "instance-b1");
    let code = "curl -sS -o /dev/null -w %{http_code} --max-time 5 http://169.254.169.254/";
    assert_eq!(a2.sh(code).trim(), "404", "a port without an instance");
    drop((a1, a2));

    // The router leaves one network, whose guests then ask the DHCP service's address by option 121.
    let isolated =
        ONE_NODE.replace("interfaces: [{subnet: red4}, {subnet: blue4}]", "interfaces: [{subnet: red4}]");
    baryon.apply(&isolated);
    // What the file does not say was forgotten.
    own(&baryon, "b1", "instance-b1");
    let _ = DhcpClient::Udhcpc.lease(&b1);
    asks(&b1, "instance-b1");

    // A process that ends takes its listeners along, and the next one opens them.
    baryon.kill();
    assert!(b1.try_sh(code).is_err());
    baryon.start_again();
    asks(&b1, "instance-b1");
}
