//! Sockets inside namespaces, announcements, offload and sysctls: the packets must arrive.

#![allow(clippy::unwrap_used)]

mod seen;

use std::time::Duration;

use host::announce::announce;
use host::ethtool;
use host::socket;
use host::{Handles, Netlink, Request, netns, sysctl};
use tokio::time::timeout;

use seen::{ip, ip_json, run, until};

const PATIENCE: Duration = Duration::from_secs(10);

/// Two namespaces joined by a veth pair; the device is `eth0` at both ends.
async fn pair(handles: &Handles, names: [&str; 2]) -> [Netlink; 2] {
    for name in names {
        netns::create(name).await.unwrap();
    }
    let ends = [handles.namespace(names[0]).await.unwrap(), handles.namespace(names[1]).await.unwrap()];
    let device = || "eth0".to_owned();
    let veth =
        Request::AddVeth { device: device(), peer: device(), peer_namespace: ends[1].namespace().clone() };
    ends[0].change(veth).await.unwrap();
    for end in &ends {
        end.change(Request::SetUp { device: device() }).await.unwrap();
    }
    ends
}

async fn add(end: &Netlink, address: &str) {
    let address = address.parse().unwrap();
    end.change(Request::AddAddress { device: "eth0".to_owned(), address }).await.unwrap();
}

#[tokio::test]
async fn the_same_addresses_in_two_namespaces_do_not_meet() {
    let handles = Handles::open().await.unwrap();
    let mut listeners = Vec::new();
    for (name, other) in [("blue", "bluepeer"), ("green", "greenpeer")] {
        let [server, client] = pair(&handles, [name, other]).await;
        add(&server, "10.0.0.1/24").await;
        add(&client, "10.0.0.9/24").await;
        let listener = socket::udp(server.namespace(), "10.0.0.1:53".parse().unwrap()).await.unwrap();
        let tcp = socket::tcp(server.namespace(), "10.0.0.1:53".parse().unwrap()).await.unwrap();
        let speaker = socket::udp(client.namespace(), "10.0.0.9:5353".parse().unwrap()).await.unwrap();
        listeners.push((name, listener, speaker, tcp));
    }
    for (name, _, speaker, _) in &listeners {
        speaker.send_to(name.as_bytes(), "10.0.0.1:53").await.unwrap();
    }
    let mut buffer = [0; 64];
    for (name, listener, ..) in &listeners {
        let (length, from) = timeout(PATIENCE, listener.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer[..length], name.as_bytes());
        assert_eq!(from, "10.0.0.9:5353".parse().unwrap());
        assert!(listener.try_recv_from(&mut buffer).is_err(), "a packet of the other namespace");
    }
    // A route and a deletion in one leave the other alone.
    let blue = handles.namespace("blue").await.unwrap();
    let address = "10.0.0.1/24".parse().unwrap();
    blue.change(Request::DeleteAddress { device: "eth0".to_owned(), address }).await.unwrap();
    assert!(!ip("-n blue address").contains("10.0.0.1"));
    assert!(ip("-n green address").contains("10.0.0.1/24"));
    assert!(!ip("address").contains("10.0.0."), "an address has leaked into the caller's namespace");
    assert!(!ip("link").contains("eth0"), "a device has leaked into the caller's namespace");
}

#[tokio::test]
async fn an_announcement_moves_an_address() {
    let handles = Handles::open().await.unwrap();
    let [speaker, hearer] = pair(&handles, ["announcer", "hearer"]).await;
    add(&speaker, "10.0.0.1/24").await;
    add(&hearer, "10.0.0.2/24").await;
    for stale in ["10.0.0.77", "2001:db8::77"] {
        ip(&format!("-n hearer neigh add {stale} lladdr 02:00:00:00:00:77 dev eth0 nud stale"));
    }
    let addresses = ["10.0.0.77".parse().unwrap(), "2001:db8::77".parse().unwrap()];
    announce(&speaker, "eth0", &addresses).await.unwrap();
    let mac = speaker.link("eth0").await.unwrap().unwrap().mac.unwrap().to_string();
    for address in addresses {
        until(&format!("{address} is at {mac}"), || {
            ip_json(&format!("-n hearer neigh show {address}"))[0]["lladdr"] == mac.as_str()
        })
        .await;
    }
    assert!(announce(&speaker, "absent", &addresses).await.unwrap_err().is_absence());
}

#[tokio::test]
async fn checksum_offload_is_switched_off() {
    let handles = Handles::open().await.unwrap();
    let [end, _other] = pair(&handles, ["offload", "offloadpeer"]).await;
    let features = || run("ip netns exec offload ethtool -k eth0");
    assert!(features().contains("tx-checksumming: on"));
    ethtool::disable_checksum_offload(end.namespace(), "eth0").await.unwrap();
    for feature in ["rx-checksumming: off", "tx-checksumming: off", "tx-tcp-segmentation: off"] {
        assert!(features().contains(feature), "{feature}: {}", features());
    }
    let error = ethtool::disable_checksum_offload(end.namespace(), "absent").await.unwrap_err();
    assert!(error.is_absence());
}

#[tokio::test]
async fn a_sysctl_is_that_of_the_namespace() {
    let handles = Handles::open().await.unwrap();
    netns::create("sysctls").await.unwrap();
    let inside = handles.namespace("sysctls").await.unwrap();
    let keys = ["net.ipv4.ip_forward", "net/ipv4/conf/lo/arp_ignore", "net.ipv4.absent"];
    let wanted = ["1", "2", "3"];
    let values = keys.iter().zip(wanted).map(|(key, value)| ((*key).to_owned(), value.to_owned())).collect();
    let written = sysctl::write(inside.namespace(), values).await.unwrap();
    assert!(written[0].is_ok() && written[1].is_ok());
    assert!(written[2].as_ref().unwrap_err().is_absence());
    let read = sysctl::read(inside.namespace(), keys.map(str::to_owned).to_vec()).await.unwrap();
    assert_eq!(read, [Some("1".to_owned()), Some("2".to_owned()), None]);
    assert_eq!(run("ip netns exec sysctls cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    let ours = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    assert_eq!(ours.trim(), "0", "the value has leaked into the caller's namespace");
}
