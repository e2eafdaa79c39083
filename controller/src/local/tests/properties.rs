//! Whatever is asked for, in whatever order: no address twice, nothing lost, and the node is told the
//! same as if it had been told everything at once.

use proptest::prelude::*;

use super::*;

/// A request; numbers pick among what is there.
#[derive(Clone, Debug)]
enum Ask {
    Network { external: bool },
    Subnet { network: usize, third: u8, small: bool, dhcp: bool },
    Port { network: usize, last: Option<u8>, host: u8 },
    Router { gateway: Option<usize> },
    Interface { router: usize, subnet: usize },
    FloatingIp { network: usize, port: Option<usize> },
    MovePort { port: usize, last: u8, host: u8 },
    MoveHost { host: u8, last: u8 },
    MoveRouter { router: usize, host: u8 },
    Gateway { router: usize, network: Option<usize> },
    SetDhcp { subnet: usize, on: bool },
    Aim { floating: usize, port: Option<usize> },
    Delete { any: usize },
    RemoveInterface { router: usize, subnet: usize },
}

fn ask() -> impl Strategy<Value = Ask> {
    let n = 0usize..12;
    let some = || prop::option::of(0usize..12);
    prop_oneof![
        2 => any::<bool>().prop_map(|external| Ask::Network { external }),
        3 => (n.clone(), 0u8..6, any::<bool>(), any::<bool>())
            .prop_map(|(network, third, small, dhcp)| Ask::Subnet { network, third, small, dhcp }),
        6 => (n.clone(), prop::option::of(0u8..12), 0u8..4).prop_map(|(network, last, host)| Ask::Port { network, last, host }),
        2 => some().prop_map(|gateway| Ask::Router { gateway }),
        3 => (n.clone(), n.clone()).prop_map(|(router, subnet)| Ask::Interface { router, subnet }),
        3 => (n.clone(), some()).prop_map(|(network, port)| Ask::FloatingIp { network, port }),
        3 => (n.clone(), 0u8..12, 0u8..4).prop_map(|(port, last, host)| Ask::MovePort { port, last, host }),
        1 => (0u8..4, 0u8..4).prop_map(|(host, last)| Ask::MoveHost { host, last }),
        1 => (n.clone(), 0u8..4).prop_map(|(router, host)| Ask::MoveRouter { router, host }),
        2 => (n.clone(), some()).prop_map(|(router, network)| Ask::Gateway { router, network }),
        2 => (n.clone(), any::<bool>()).prop_map(|(subnet, on)| Ask::SetDhcp { subnet, on }),
        4 => (n.clone(), some()).prop_map(|(floating, port)| Ask::Aim { floating, port }),
        3 => (0usize..60).prop_map(|any| Ask::Delete { any }),
        1 => (n.clone(), n).prop_map(|(router, subnet)| Ask::RemoveInterface { router, subnet }),
    ]
}

fn host(number: u8) -> String {
    if number == 0 { String::new() } else { format!("node{number}") }
}

/// Picks the id of something that is there, or one that is not.
fn pick<T: Copy + ToString>(ids: impl Iterator<Item = T>, at: usize) -> String {
    let ids: Vec<T> = ids.collect();
    match ids.get(at % (ids.len() + 1)) {
        Some(id) => id.to_string(),
        None => uuid::Uuid::nil().to_string(),
    }
}

impl Bench {
    /// Something for the requests to be about, so that most of them can be granted.
    fn start(&mut self) {
        for (host, tunnel_ip) in [("node2", "192.0.2.12"), ("node3", "192.0.2.13")] {
            self.host(host, &json!(tunnel_ip)).unwrap();
        }
        let example = topology_tests::example();
        // The hosts stay, though the example does not name them.
        let hosts = "version: 1\nhosts: [{name: node2, tunnel_ip: 192.0.2.12}, {name: node3, tunnel_ip: 192.0.2.13}]\n";
        let topology = super::super::topology::parse(&example.replace("version: 1\n", hosts)).unwrap();
        self.change(|draft| super::super::topology::apply(draft, &topology)).unwrap();
    }

    fn ask(&mut self, ask: &Ask) -> Result<(), Fault> {
        use super::super::{floating_ips, hosts, interfaces, networks, ports, routers, subnets};
        let state = self.state.clone();
        let network = |at| pick(state.networks().keys().copied(), at);
        let subnet = |at| pick(state.subnets().keys().copied(), at);
        let port = |at| pick(state.ports().keys().copied(), at);
        let router = |at| pick(state.routers().keys().copied(), at);
        let floating = |at| pick(state.floating_ips().keys().copied(), at);
        match ask {
            Ask::Network { external } => self.network(json!({"router:external": external})).map(drop),
            Ask::Subnet { network: at, third, small, dhcp } => {
                let cidr = if *small { format!("10.0.{third}.0/29") } else { format!("10.0.{third}.0/24") };
                self.subnet(json!({"network_id": network(*at), "cidr": cidr, "enable_dhcp": dhcp})).map(drop)
            }
            Ask::Port { network: at, last, host: on } => {
                let mut body = json!({"network_id": network(*at), "binding:host_id": host(*on)});
                if let Some(last) = last {
                    body["fixed_ips"] = json!([{"ip_address": format!("10.0.1.{last}")}]);
                }
                self.port(body).map(drop)
            }
            Ask::Router { gateway: None } => self.router(json!({})).map(drop),
            Ask::Router { gateway: Some(at) } => {
                self.router(json!({"external_gateway_info": {"network_id": network(*at)}})).map(drop)
            }
            Ask::Interface { router: at, subnet: on } => {
                self.interface(router(*at).parse().unwrap(), subnet(*on).parse().unwrap()).map(drop)
            }
            Ask::FloatingIp { network: at, port: to } => {
                let body = json!({"floating_network_id": network(*at), "port_id": to.map(port)});
                self.floating_ip(body).map(drop)
            }
            Ask::MovePort { port: at, last, host: to } => {
                let fixed_ips = json!([{"ip_address": format!("10.0.1.{last}")}]);
                let body = fields(json!({"fixed_ips": fixed_ips, "binding:host_id": host(*to)}));
                self.change(|draft| ports::update(draft, port(*at).parse().unwrap(), body))
            }
            Ask::MoveHost { host: name, last } => {
                let tunnel_ip = json!((*last > 0).then(|| format!("192.0.2.{last}")));
                self.change(|draft| {
                    hosts::put(draft, host(*name).as_str().into(), fields(json!({"tunnel_ip": tunnel_ip})))
                })
            }
            Ask::MoveRouter { router: at, host: to } => {
                let body = fields(json!({"baryon:host": host(to + 1)}));
                self.change(|draft| routers::update(draft, router(*at).parse().unwrap(), body))
            }
            Ask::Gateway { router: at, network: to } => {
                let info = json!(to.map(|to| json!({"network_id": network(to)})));
                let body = fields(json!({"external_gateway_info": info}));
                self.change(|draft| routers::update(draft, router(*at).parse().unwrap(), body))
            }
            Ask::SetDhcp { subnet: at, on } => {
                let body = fields(json!({"enable_dhcp": on}));
                self.change(|draft| subnets::update(draft, subnet(*at).parse().unwrap(), body))
            }
            Ask::Aim { floating: at, port: to } => {
                let body = fields(json!({"port_id": to.map(port)}));
                self.change(|draft| floating_ips::update(draft, floating(*at).parse().unwrap(), body))
            }
            Ask::Delete { any } => {
                let keys = self.kinds();
                let Some(key) = keys.get(any % keys.len().max(1)).cloned() else { return Ok(()) };
                self.change(|draft| match key {
                    Key::Host(name) => hosts::delete(draft, &name),
                    Key::Network(id) => networks::delete(draft, id),
                    Key::Subnet(id) => subnets::delete(draft, id),
                    Key::Port(id) => ports::delete(draft, id),
                    Key::Router(id) => routers::delete(draft, id),
                    Key::FloatingIp(id) => floating_ips::delete(draft, id),
                })
            }
            Ask::RemoveInterface { router: at, subnet: on } => {
                let named = interfaces::Named { subnet: subnet(*on).parse().ok(), port: None };
                self.change(|draft| interfaces::remove(draft, router(*at).parse().unwrap(), named).map(drop))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_state_always_hangs_together(asks in prop::collection::vec(ask(), 1..60)) {
        let mut bench = Bench::new();
        bench.start();
        for ask in &asks {
            let _ = bench.ask(ask);
            bench.check();
        }
    }

    /// From wherever the state is, a file brings it to the same place, and there is nothing to do then.
    #[test]
    fn a_file_is_the_whole_truth(asks in prop::collection::vec(ask(), 0..40)) {
        let file = topology_tests::example();
        let topology = super::super::topology::parse(&file).unwrap();
        let mut bench = Bench::new();
        bench.start();
        for ask in &asks {
            let _ = bench.ask(ask);
        }
        bench.change(|draft| super::super::topology::apply(draft, &topology)).unwrap();
        bench.check();
        let again = bench.change(|draft| super::super::topology::apply(draft, &topology)).unwrap();
        prop_assert_eq!(again, Default::default());
        prop_assert_eq!(bench.state.networks().len(), 3);
        prop_assert_eq!(bench.state.subnets().len(), 3);
        prop_assert_eq!(bench.state.routers().len(), 1);
        prop_assert_eq!(bench.state.floating_ips().len(), 1);
        // Three guests, two DHCP ports, two interfaces, one gateway, one floating IP.
        prop_assert_eq!(bench.state.ports().len(), 9);
    }
}

/// The last ports of many in one subnet cost what the first cost. (Addresses alone: see `ipam`, with
/// sixty thousand.)
#[test]
fn many_ports_stay_quick() {
    let mut bench = Bench::new();
    let network = bench.network(json!({})).unwrap();
    bench.subnet(json!({"network_id": network, "cidr": "10.0.0.0/16"})).unwrap();
    let mut make = |count: usize| {
        let start = processor_time();
        for _ in 0..count {
            bench.port(json!({"network_id": network, "binding:host_id": "node1"})).unwrap();
        }
        processor_time() - start
    };
    let first = make(1_000);
    make(10_000);
    let last = make(1_000);
    assert!(last < first * 4, "the first 1,000 took {first} ns, the last {last} ns");
}

/// Nanoseconds that this thread has had, whatever else the machine was doing.
fn processor_time() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse().unwrap()
}
