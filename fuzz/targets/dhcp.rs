//! What a guest sends to the DHCP server, against a table in which the sender is known.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use dhcp::server::reply::{Answer, answer};
use dhcp::server::request::Request;
use dhcp::server::table::{Host, ServedSubnet, Table, Times};
use libfuzzer_sys::fuzz_target;
use model::Mac;

/// The client hardware address of every packet of the corpus.
const CLIENT: Mac = Mac([0xfa, 0x16, 0x3e, 0, 0, 3]);

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    let subnet = ServedSubnet {
        id: "00000000-0000-0000-0000-000000000001".parse().expect("an id"),
        cidr: "10.0.0.0/24".parse().expect("a prefix"),
        server: Ipv4Addr::new(10, 0, 0, 2),
        options: dhcp::server::option::SubnetOptions {
            domain: "openstacklocal".to_owned(),
            router: Some(Ipv4Addr::new(10, 0, 0, 1)),
            routes: vec![("0.0.0.0/0".parse().expect("a prefix"), Ipv4Addr::new(10, 0, 0, 1))],
            dns_servers: vec![Ipv4Addr::new(10, 0, 0, 2)],
            mtu: 1450,
        },
    };
    table.set_subnets(Times::default(), &[subnet]);
    table.set_host(Host {
        port: "00000000-0000-0000-0000-000000000002".parse().expect("an id"),
        mac: CLIENT,
        addresses: vec![Ipv4Addr::new(10, 0, 0, 3)],
        name: None,
        extra: None,
    });
    table
});

fuzz_target!(|input: &[u8]| {
    let (_, answer) = answer(&TABLE, |_| None, input);
    if let Answer::Send(reply) = answer {
        // What is sent must be something that our own decoder takes apart to the end.
        assert!(reply.message.len() >= 300, "a reply of {} bytes", reply.message.len());
        let _ = Request::read(&reply.message);
    }
});
