//! Routers on the real kernel: namespaces as guests, veth pairs in the place of the switch's ports.
//!
//! Tests of one binary share a sandbox, so they take turns, and each cleans up when it ends.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use host::{Handles, Namespace};
use ipnet::IpNet;
use model::{
    Desired, Domain, FloatingIpId, Gateway, Mac, NetworkId, ObjectRef, Outcome, PortId, Report, Role, Route,
    Router, RouterFloatingIp, RouterId, RouterInterface, Scope, Stage, names,
};
use router::{Actual, Config, Routers};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

static TURN: Mutex<()> = Mutex::const_new(());

/// How long anything may take before it counts as not happening.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One test's machine.
pub(crate) struct Lab {
    pub(crate) handles: Handles,
    pub(crate) routers: Routers,
    pub(crate) desired: Desired,
    /// The stage with which a pass ends, as if the process did.
    pub(crate) stop_after: Option<Stage>,
    _turn: MutexGuard<'static, ()>,
}

/// What came of a pass.
pub(crate) struct Pass {
    /// The plan as text.
    pub(crate) plan: String,
    pub(crate) report: Report,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let turn = TURN.lock().await;
        clean();
        let handles = Handles::open().await.unwrap();
        let mut desired = Desired::default();
        desired.complete.insert(Role::L3);
        let routers = Routers::new(Config::new("node1".into()), handles.clone());
        Self { handles, routers, desired, stop_after: None, _turn: turn }
    }

    /// As after the end and start of the process: nothing is remembered.
    pub(crate) fn restart(&mut self) {
        self.routers = Routers::new(Config::new("node1".into()), self.handles.clone());
    }

    /// A new process with another configuration.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::new("node1".into());
        change(&mut config);
        self.routers = Routers::new(config, self.handles.clone());
    }

    /// What the engine does with a scope.
    pub(crate) async fn pass(&mut self, scope: &Scope) -> Pass {
        let actual = self.routers.observe(scope).await.unwrap();
        let spec = self.routers.compile(&self.desired, scope);
        let mut plan = Routers::plan(&spec, &actual);
        if !self.desired.complete.contains(&Role::L3) {
            plan.keep_everything();
        }
        let text = plan.to_string();
        let mut report = Report::default();
        plan.waiting.iter().for_each(|(object, on)| report.add(*object, Outcome::Waiting { on: on.clone() }));
        for stage in Stage::ALL.into_iter().filter(|stage| self.stop_after.is_none_or(|last| *stage <= last))
        {
            let mut steps = plan.take(stage);
            steps.retain(|planned| !report.failed(planned.object));
            report.merge(self.routers.apply(steps).await);
        }
        Pass { plan: text, report }
    }

    /// A pass over everything after which everything must be right.
    pub(crate) async fn converge(&mut self) -> Pass {
        let pass = self.pass(&Scope::All).await;
        let wrong = pass.report.0.iter().find(|(_, outcome)| **outcome != Outcome::Done);
        assert_eq!(wrong, None, "after\n{}", pass.plan);
        let again = self.pass(&Scope::All).await;
        assert_eq!(again.plan, "", "the second plan is not empty; the first was\n{}", pass.plan);
        pass
    }

    /// Somebody asks what would be done.
    pub(crate) async fn rehearse(&mut self) {
        let _ = self.routers.rehearse(&self.desired, &Scope::All).await.unwrap();
    }

    pub(crate) async fn observe(&mut self) -> Actual {
        self.routers.observe(&Scope::All).await.unwrap()
    }

    /// Runs blocking work inside a namespace.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        namespace: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        Namespace::open(namespace).unwrap().run(work).await.unwrap()
    }

    /// Sends from one namespace to `to`, which must arrive in the other; gives the source that is seen
    /// there, and demands that an answer gets back.
    pub(crate) async fn source_seen(&self, sender: &str, receiver: &str, to: IpAddr) -> IpAddr {
        let any = || UdpSocket::bind("0.0.0.0:0").unwrap();
        let server = self.within(receiver, any).await;
        let client = self.within(sender, any).await;
        server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let target = SocketAddr::new(to, server.local_addr().unwrap().port());
        let exchange = move || {
            let mut buffer = [0; 16];
            let end = Instant::now() + PATIENCE;
            loop {
                // A first packet may be lost while an address is resolved.
                _ = client.send_to(b"hello", target);
                match server.recv_from(&mut buffer) {
                    Ok((_, source)) => {
                        server.send_to(b"answer", source).unwrap();
                        match client.recv_from(&mut buffer) {
                            Ok((_, from)) => {
                                assert_eq!(from, target, "the answer comes from elsewhere");
                                return source.ip();
                            }
                            Err(error) => assert!(would_block(&error), "{error}"),
                        }
                    }
                    Err(error) => assert!(would_block(&error), "{error}"),
                }
                assert!(Instant::now() < end, "nothing from {target} within {PATIENCE:?}");
            }
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }
}

fn would_block(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused)
}

impl Drop for Lab {
    fn drop(&mut self) {
        clean();
    }
}

/// Leaves the sandbox as it was.
fn clean() {
    for line in run("ip netns list").lines() {
        run(&format!("ip netns del {}", line.split(' ').next().unwrap()));
    }
    for line in run("ip -o link").lines() {
        let name = line.split(": ").nth(1).unwrap().split('@').next().unwrap();
        if name.starts_with('q') {
            // It may have gone with its other end.
            try_run(&format!("ip link del {name}"));
        }
    }
}

/// Runs a command, which must succeed, and gives what it prints.
pub(crate) fn run(command: &str) -> String {
    let (ok, text) = try_run(command);
    assert!(ok, "{command}: {text}");
    text
}

/// Runs a command; whether it succeeded, and what it printed.
pub(crate) fn try_run(command: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Repeats until it holds; the failure shows what `state` says.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool, state: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}\n{}", state());
        std::thread::yield_now();
    }
}

/// A ping that must succeed within the patience.
pub(crate) fn ping(namespace: &str, to: &str) {
    let ping = || try_run(&format!("ip netns exec {namespace} ping -n -c 1 -W 1 {to}")).0;
    eventually(&format!("ping {to} from {namespace}"), ping, || {
        run(&format!("ip -n {namespace} a; ip -n {namespace} r; ip -n {namespace} neigh"))
    });
}

/// A guest: a namespace at the other end of a device that waits in the root namespace for its router.
pub(crate) fn guest(namespace: &str, device: &str, addresses: &[&str], gateway: &str) {
    run(&format!("ip netns add {namespace}; ip -n {namespace} link set lo up"));
    run(&format!("ip link add {device} type veth peer name eth0 netns {namespace}"));
    for address in addresses {
        run(&format!("ip -n {namespace} address add {address} dev eth0 nodad"));
    }
    run(&format!("ip -n {namespace} link set eth0 up"));
    if !gateway.is_empty() {
        run(&format!("ip -n {namespace} route add default via {gateway}"));
    }
}

/// Devices that wait in the root namespace for their router, with a carrier and nobody at the other end.
pub(crate) fn plug(devices: &[String]) {
    static PLUGGED: AtomicU32 = AtomicU32::new(0);
    for device in devices {
        let other = format!("port{}", PLUGGED.fetch_add(1, Ordering::Relaxed));
        run(&format!("ip link add {device} type veth peer name {other}; ip link set {other} up"));
    }
}

/// Ids whose first characters tell them apart, as device names need.
pub(crate) fn uuid(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number) << 96 | 0x1111_4222_8333_4444_5555_6666)
}

pub(crate) fn router_id(number: u32) -> RouterId {
    RouterId(uuid(number))
}

pub(crate) fn object(number: u32) -> ObjectRef {
    ObjectRef::Router(router_id(number))
}

pub(crate) fn namespace(number: u32) -> String {
    names::router_namespace(router_id(number))
}

pub(crate) fn qr(port: u32) -> String {
    names::router_interface(PortId(uuid(port)))
}

pub(crate) fn qg(port: u32) -> String {
    names::router_gateway(PortId(uuid(port)))
}

pub(crate) fn interface(port: u32, addresses: &[&str]) -> RouterInterface {
    RouterInterface {
        port: PortId(uuid(port)),
        network: NetworkId(uuid(port)),
        mac: Mac([0xfa, 0x16, 0x3e, 0, (port >> 8) as u8, port as u8]),
        mtu: 1450,
        admin_up: true,
        addresses: addresses.iter().map(|address| net(address)).collect(),
    }
}

pub(crate) fn gateway(port: u32, addresses: &[&str], next_hops: &[&str]) -> Gateway {
    Gateway {
        interface: interface(port, addresses),
        enable_snat: true,
        next_hops: next_hops.iter().map(|hop| ip(hop)).collect(),
        on_link: Vec::new(),
    }
}

pub(crate) fn router(number: u32, interfaces: Vec<RouterInterface>, gateway: Option<Gateway>) -> Router {
    Router {
        id: router_id(number),
        name: format!("router{number}"),
        admin_up: true,
        host: Some("node1".into()),
        interfaces,
        gateway,
        routes: Vec::new(),
        floating_ips: Vec::new(),
        port_forwardings: Vec::new(),
    }
}

pub(crate) fn floating(floating: &str, fixed: &str) -> RouterFloatingIp {
    let (floating, fixed) = (floating.parse().unwrap(), fixed.parse().unwrap());
    RouterFloatingIp { id: FloatingIpId(uuid(u32::from(floating))), floating, fixed }
}

pub(crate) fn route(destination: &str, nexthop: &str) -> Route {
    Route { destination: net(destination), nexthop: ip(nexthop) }
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
