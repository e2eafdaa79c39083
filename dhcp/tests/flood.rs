//! A network whose guests send more than can be answered starves no other network of the node.

mod lan;

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lan::{Lan, Node, until};
use model::Mac;

/// Sends what must be answered until this is dropped.
struct Flood {
    stopped: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(sockets: Vec<UdpSocket>, packet: &[u8]) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let send = |socket: UdpSocket| {
            let (stopped, packet) = (stopped.clone(), packet.to_owned());
            std::thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    // What the queue does not take is lost, as in any flood.
                    let _ = socket.send_to(&packet, (Ipv4Addr::BROADCAST, 67));
                }
            })
        };
        Self { threads: sockets.into_iter().map(send).collect(), stopped }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().expect("it sends to the end"));
    }
}

/// A DHCPDISCOVER with nothing in it but who asks.
fn discover(mac: Mac) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0, 1, 2, 3, 4];
    packet.resize(28, 0);
    packet.extend(mac.0);
    packet.resize(236, 0);
    packet.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_one_network_keeps_no_other_waiting() {
    let _turn = lan::turn().await;
    let lans = [Lan::new(1), Lan::new(2)];
    let mut node = Node::new(|_| {}).await;
    for lan in &lans {
        lan.plug();
        lan.usual(&mut node.desired);
        node.desired.set_port(lan.guest_port(3, &[(1, "10.0.0.3")]));
    }
    node.settle_all().await;
    let [loud, quiet] = &lans;
    let guest = loud.guest(3);
    guest.sh("ip address add 10.0.0.3/24 dev eth0; ip route add default dev eth0");
    let open = || -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_broadcast(true)?;
        Ok(socket)
    };
    let inside = host::Namespace::open(&guest.netns).expect("the guest's namespace");
    let sockets = inside.run(move || [open(), open()]).await.expect("a visit");
    let flood =
        Flood::start(sockets.into_iter().collect::<Result<_, _>>().expect("sockets"), &discover(loud.mac(3)));
    let service = node.dhcp.service();
    let heard = |lan: &Lan| service.counters(lan.network).get("received discover").copied().unwrap_or(0);
    until("the flood comes", || match heard(loud) {
        few @ 0..1000 => Err(few.to_string()),
        _ => Ok(()),
    });
    // More than the server does.
    until("packets are lost", || {
        let statistics = lan::sh(&format!("ip netns exec {} cat /proc/net/snmp", loud.namespace()));
        let udp: Vec<_> = statistics.lines().filter(|line| line.starts_with("Udp: ")).collect();
        let lost = udp.last().and_then(|numbers| numbers.split(' ').nth(5)).unwrap_or("none");
        if lost == "0" { Err(statistics.clone()) } else { Ok(()) }
    });
    let client = quiet.guest(3);
    client.udhcpc("");
    assert_eq!(client.seen("ip").as_deref(), Some("10.0.0.3"));
    drop(flood);
}
