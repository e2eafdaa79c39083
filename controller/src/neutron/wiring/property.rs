//! Whatever is lost, late, doubled or refused: after one gap in which everything was answered, a node
//! knows what one knows that was just started.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::bench::*;
use super::*;
use crate::neutron::role::Message;

const PORTS: u128 = 6;
const NETWORKS: u128 = 2;

/// Something that happens at the server, on the way, or on the node.
#[derive(Clone, Debug)]
enum Happening {
    Create(u128, u128, &'static str),
    Move(u128, &'static str),
    MoveTo(u128, Option<&'static str>),
    AdminUp(u128, bool),
    Rename(u128),
    Delete(u128),
    Readdress(u128),
    /// A cast about a far port, of whatever truth.
    Cast(u128, bool),
    /// A message that was sent arrives, for the first time or again.
    Arrive(usize),
    Plug(u128),
    Unplug(u128),
    Own(u128, bool),
    /// The server answers, what it knew when it was asked or what it knows now.
    Serve(usize),
    Answer(usize),
    Fail(usize, bool),
    Engine,
    Gap,
    Close,
    Open,
    Pass(u64),
}

fn hosts() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(HERE), Just(HERE), Just(THERE), Just(FAR), Just("")]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let port = || 0..PORTS;
    prop_oneof![
        3 => (port(), 0..NETWORKS, hosts()).prop_map(|(port, network, host)| Create(port, network, host)),
        2 => (port(), hosts()).prop_map(|(port, host)| Move(port, host)),
        1 => (port(), prop_oneof![Just(None), Just(Some(HERE)), Just(Some(FAR))])
            .prop_map(|(port, host)| MoveTo(port, host)),
        1 => (port(), any::<bool>()).prop_map(|(port, up)| AdminUp(port, up)),
        1 => port().prop_map(Rename),
        1 => port().prop_map(Delete),
        1 => (0..NETWORKS).prop_map(Readdress),
        2 => (port(), any::<bool>()).prop_map(|(port, add)| Cast(port, add)),
        6 => any::<usize>().prop_map(Arrive),
        4 => port().prop_map(Plug),
        2 => port().prop_map(Unplug),
        1 => (port(), any::<bool>()).prop_map(|(port, own)| Own(port, own)),
        4 => any::<usize>().prop_map(Serve),
        4 => any::<usize>().prop_map(Answer),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, timeout)| Fail(which, timeout)),
        3 => Just(Engine),
        1 => Just(Gap),
        1 => Just(Close),
        1 => Just(Open),
        3 => (0_u64..4000).prop_map(Pass),
    ]
}

/// A node, a server, and what is between them.
struct World {
    bench: Bench,
    server: Server,
    sent: Vec<Message>,
    /// Asks whose answers are on their way.
    served: Vec<(Ask, Value)>,
    own: BTreeSet<u128>,
    deleted: BTreeSet<u128>,
}

impl World {
    fn new(l2_population: bool) -> Self {
        let (bench, server) = (Bench::new(config(l2_population)), Server::with_networks(NETWORKS));
        let mut world = Self {
            bench,
            server,
            sent: Vec::new(),
            served: Vec::new(),
            own: BTreeSet::new(),
            deleted: BTreeSet::new(),
        };
        world.bench.begin();
        world
    }

    fn change(&mut self, port: u128, change: impl FnOnce(&mut ServerPort)) {
        let id = port_id(port);
        if self.server.ports.contains_key(&id) {
            self.server.change(id, change);
            self.sent.push(self.server.pushed(id));
        }
    }

    fn happen(&mut self, happening: &Happening) {
        use Happening::*;
        match *happening {
            Create(port, network, host) => {
                // An id is never used again.
                if !self.server.ports.contains_key(&port_id(port)) && !self.deleted.contains(&port) {
                    let id = self.server.create(port, network, host);
                    self.sent.push(self.server.pushed(id));
                }
            }
            Move(port, host) => self.change(port, |port| {
                port.host = host.to_owned();
                port.status = if host == FAR { "ACTIVE" } else { "DOWN" };
            }),
            MoveTo(port, host) => self.change(port, |port| port.moving_to = host.map(str::to_owned)),
            AdminUp(port, up) => self.change(port, |port| port.admin_up = up),
            Rename(port) => self.change(port, |port| port.name += 1),
            Delete(port) => {
                if self.server.ports.remove(&port_id(port)).is_some() {
                    self.deleted.insert(port);
                    self.sent.push(self.server.pushed(port_id(port)));
                }
            }
            Readdress(network) => {
                let known = self.server.networks.get_mut(&network).unwrap();
                (known.key, known.mtu, known.revision) = (known.key + 10, known.mtu - 1, known.revision + 1);
                let key = known.key;
                // The ports' objects follow without being pushed.
                let on = self.server.ports.values_mut().filter(|port| port.network == network);
                on.for_each(|port| port.key = key);
                self.sent.push(self.server.pushed_network(network));
            }
            Cast(port, add) => {
                let known = self.server.ports.get(&port_id(port));
                if known.is_some_and(|port| port.host == THERE || port.host == FAR) {
                    let method = if add { "add_fdb_entries" } else { "remove_fdb_entries" };
                    self.sent.extend(self.server.cast_port(method, port_id(port)));
                }
            }
            Arrive(which) => {
                if !self.sent.is_empty() {
                    let message = self.sent[which % self.sent.len()].clone();
                    self.bench.push(&message);
                }
            }
            Plug(port) => self.bench.plug(port_id(port)),
            Unplug(port) => self.bench.unplug(port_id(port)),
            Own(port, own) => {
                if own {
                    self.own.insert(port)
                } else {
                    self.own.remove(&port)
                };
                self.bench.hear(Event::OwnPort(port_id(port), own));
            }
            Serve(which) => {
                if let Some(ask) = self.take(which) {
                    let request = self.bench.wiring.request(&ask);
                    let (answer, casts) = self.server.serve(&request);
                    self.sent.extend(casts);
                    self.served.push((ask, answer));
                }
            }
            Answer(which) => {
                if !self.served.is_empty() {
                    let (ask, answer) = self.served.swap_remove(which % self.served.len());
                    self.bench.hear(Event::Answer(ask, Ok(answer)));
                } else if let Some(ask) = self.take(which) {
                    let request = self.bench.wiring.request(&ask);
                    let (answer, casts) = self.server.serve(&request);
                    self.sent.extend(casts);
                    self.bench.hear(Event::Answer(ask, Ok(answer)));
                }
            }
            Fail(which, timeout) => {
                if let Some(ask) = self.take(which) {
                    self.fail(ask, timeout);
                }
            }
            Engine => self.bench.engine_is_done(),
            Gap => _ = self.bench.hear(Event::Gap),
            Close => self.close(),
            Open => _ = self.bench.hear(Event::Open),
            Pass(milliseconds) => {
                self.bench.now += Duration::from_millis(milliseconds);
                if self.bench.wiring.due().is_some_and(|due| due <= self.bench.now) {
                    self.bench.hear(Event::Tick);
                }
            }
        }
    }

    fn take(&mut self, which: usize) -> Option<Ask> {
        let count = self.bench.open.len();
        if count == 0 { None } else { self.bench.open.remove(which % count) }
    }

    fn fail(&mut self, ask: Ask, timeout: bool) {
        let fault = if timeout { Fault::Timeout(Duration::from_secs(60)) } else { Fault::Unreachable };
        let before = self.bench.sum.clone();
        let findings = self.bench.hear(Event::Answer(ask, Err(fault)));
        let removed: Vec<_> = findings.iter().filter(|finding| removes(finding, &before)).collect();
        assert!(removed.is_empty(), "a failed ask took away {removed:?}");
    }

    fn close(&mut self) {
        self.bench.hear(Event::Closed);
        let open: Vec<Ask> = self.bench.open.drain(..).collect();
        let served: Vec<Ask> = self.served.drain(..).map(|(ask, _)| ask).collect();
        open.into_iter().chain(served).for_each(|ask| self.fail(ask, false));
        assert!(self.bench.open.is_empty());
    }

    /// Everything that is under way comes to an end, and everything is asked for again.
    fn end(&mut self, late: &[usize]) {
        self.close();
        self.bench.hear(Event::Gap);
        self.bench.hear(Event::Open);
        self.bench.converge(&mut self.server);
        // Pushes tell their age, so the late ones do no harm.
        let pushes: Vec<_> = self.sent.iter().filter(|message| message.method == "push").cloned().collect();
        for which in late.iter().filter(|_| !pushes.is_empty()) {
            self.bench.push(&pushes[which % pushes.len()]);
            self.bench.converge(&mut self.server);
        }
    }

    /// A node that is started now, on the same switch.
    fn fresh(&self, l2_population: bool) -> Bench {
        let mut fresh = Bench::new(config(l2_population));
        fresh.facts = self.bench.facts.clone();
        for port in &self.own {
            fresh.hear(Event::OwnPort(port_id(*port), true));
        }
        fresh.begin();
        fresh.converge(&mut self.server.clone());
        fresh
    }

    /// What is behind the tunnels of networks that a port can ask about.
    fn tables(&self, sum: &Sum) -> Sum {
        let mut reachable: BTreeSet<_> = BTreeSet::new();
        for (id, port) in &self.server.ports {
            if port.host == HERE && port.admin_up && self.bench.facts.plugged.contains_key(id) {
                reachable.insert(network_id(port.network));
            }
        }
        let mut sum = sum.clone();
        sum.remotes.retain(|(network, _), _| reachable.contains(network));
        sum.floods.retain(|network, _| reachable.contains(network));
        sum
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_ends_like_a_fresh_start(
        happenings in prop::collection::vec(happening(), 0..60),
        late in prop::collection::vec(any::<usize>(), 0..4),
        l2_population in any::<bool>(),
    ) {
        let mut world = World::new(l2_population);
        for happening in &happenings {
            world.happen(happening);
        }
        world.end(&late);
        let fresh = world.fresh(l2_population);
        prop_assert!(world.bench.sum.complete && fresh.sum.complete);
        let (mut have, mut want) = (world.tables(&world.bench.sum), world.tables(&fresh.sum));
        // Reports of the fresh node change what the server believes, and with it the revisions.
        have.ports.values_mut().chain(want.ports.values_mut()).for_each(|port| port.revision = None);
        prop_assert_eq!(have, want);
        for (id, port) in &world.server.ports {
            if port.host == HERE && world.bench.facts.plugged.contains_key(id) {
                prop_assert_eq!(port.status, if port.admin_up { "ACTIVE" } else { "DOWN" }, "{}", id);
            }
        }
        prop_assert_eq!(world.bench.complaints, Vec::<String>::new());
    }
}
