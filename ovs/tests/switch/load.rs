//! How long things take on a node of a hundred networks with a thousand ports. Not part of the usual run:
//! `cargo test --release -p ovs --test switch -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use model::{FixedIp, Mac, NetworkId, ObjectRef, Port, PortId, Scope, SubnetId};
use ovs::ovsdb::{Client, Settings};
use uuid::Uuid;

use super::engine::Engine;
use super::node::Node;
use super::will::{complete, config, network, port, vxlan};

fn network_of(number: u16) -> (NetworkId, model::Segment) {
    let place = number % 100;
    (NetworkId(Uuid::from_u128(0xa000_0000 + u128::from(place))), vxlan(1_000 + u32::from(place)))
}

fn guest(number: u16, last: u8) -> Port {
    let (id, segment) = network_of(number);
    let [high, low] = number.to_be_bytes();
    Port {
        id: PortId(Uuid::from_u128((0xc000_0000 + u128::from(number)) << 96)),
        network: id,
        mac: Mac([2, 0, 0, 0, high, low]),
        fixed_ips: vec![FixedIp {
            subnet: SubnetId(Uuid::nil()),
            address: std::net::IpAddr::from([10, high, low, last]),
        }],
        ..port(1, 1, segment)
    }
}

#[tokio::test]
#[ignore = "a measurement that takes long"]
async fn a_thousand_ports() {
    let node = Node::start();
    let mut desired = complete();
    for number in 0..100 {
        let (id, segment) = network_of(number);
        desired.set_network(model::Network { id, ..network(1, segment) });
    }
    (0..1_000).for_each(|number| desired.set_port(guest(number, 1)));
    let config = ovs::Config { bridge_mappings: [].into(), ..config(&node) };
    let mut engine = Engine::start(&config, &desired);
    engine.until("the bridges are there", |engine| engine.outcome(ObjectRef::Node) == "done").await;
    for block in 0..20 {
        let mut words = String::new();
        for port in (block * 50..block * 50 + 50).map(|number| guest(number, 1)) {
            let name = model::names::tap(port.id);
            let ids = format!("external_ids:iface-id={} external_ids:attached-mac=\"{}\"", port.id, port.mac);
            words += &format!(" -- add-port br-int {name} -- set Interface {name} type=dummy {ids}");
        }
        node.vsctl(words.trim_start_matches(" --"));
    }
    let begun = Instant::now();
    engine.until_done().await;
    println!("wired {:?} after the last plug", begun.elapsed());

    let mut settings = Settings::new(config.ovsdb.parse().unwrap(), ovs::rows::read::monitor());
    settings.shortest_pause = Duration::from_millis(5);
    let begun = Instant::now();
    let (client, _events) = Client::connect(settings).await.unwrap();
    let rows = begun.elapsed();
    let mut flows = 0;
    for bridge in ["br-int", "br-tun"] {
        let socket = node.path(&format!("{bridge}.mgmt"));
        let connection = ovs::openflow::Connection::connect(socket).await.unwrap();
        flows += connection.dump_flows(&ovs::openflow::FlowFilter::all()).await.unwrap().len();
    }
    println!(
        "reading {} rows takes {rows:?}, with {flows} flows {:?}",
        client.replica().len(),
        begun.elapsed()
    );

    drop(engine);
    let begun = Instant::now();
    let mut engine = Engine::start(&config, &desired);
    engine.pass(&Scope::All).await;
    println!("restart to converged takes {:?}", begun.elapsed());
    engine.until_done().await;
    assert_eq!(engine.steps, [""; 0]);
    let begun = Instant::now();
    engine.pass(&Scope::All).await;
    println!("looking at everything takes {:?}", begun.elapsed());

    let mut times = Vec::new();
    for last in 2..=50 {
        let begun = Instant::now();
        engine.want(|desired| desired.set_port(guest(500, last)));
        engine.pass(&Scope::Objects([ObjectRef::Port(guest(500, 1).id)].into())).await;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("a change of one port takes {:?} (median)", times[times.len() / 2]);
}
