//! A node with a router's or a network's namespace, guests behind it, and Nova.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use host::Handles;
use metadata::{Config, Instance, Lookup, LookupError, Metadata, Query};
use model::{
    Binding, Desired, Domain, FixedIp, HostName, Mac, Network, NetworkId, ObjectRef, Outcome, Port, PortId,
    PortOwner, Report, Role, Router, RouterId, Scope, Stage, Subnet, SubnetId, names,
};
use tokio::sync::mpsc;
use uuid::Uuid;

pub(crate) const HOST: &str = "node1";
pub(crate) const NOVA: u16 = 8775;
pub(crate) const NETWORK: NetworkId = NetworkId(Uuid::from_u128(0x11 << 96));
pub(crate) const ROUTER: RouterId = RouterId(Uuid::from_u128(0x22 << 96));
pub(crate) const SUBNET: SubnetId = SubnetId(Uuid::from_u128(0x33 << 96));
pub(crate) const DHCP_PORT: PortId = PortId(Uuid::from_u128(0x44 << 96));

/// Runs a shell command; panics with what it printed when it fails.
#[track_caller]
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}\n{}\n{out}{err}", output.status);
    out
}

/// The same on a thread of its own, whatever came of it: what it printed.
pub(crate) async fn shell(script: &str) -> String {
    let output = tokio::process::Command::new("sh").args(["-c", script]).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lets one test at a time have the sandbox, emptied.
pub(crate) async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    sh("ip -all netns del
        for link in $(ls /sys/class/net); do [ $link = lo ] || ip link del $link 2>/dev/null || :; done
        rm -rf /run/state /run/tls");
    turn
}

/// Waits until something is so, and says how it was otherwise.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(state) => assert!(Instant::now() < deadline, "{what}: {state}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process of a test; it ends with this value.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the controller knows: the instances of each address.
#[derive(Clone, Default)]
pub(crate) struct Book {
    pages: Arc<Mutex<Vec<(Query, Instance)>>>,
    /// When set, nobody can be asked.
    pub(crate) shut: Arc<std::sync::atomic::AtomicBool>,
    pub(crate) asked: Arc<std::sync::atomic::AtomicUsize>,
}

impl Book {
    pub(crate) fn write(&self, place: metadata::Place, client: metadata::Client, id: &str) {
        let instance = Instance { id: id.to_owned(), project: format!("project of {id}") };
        self.pages.lock().unwrap().push((Query { place, client }, instance));
    }
}

impl Lookup for Book {
    fn instances(&self, query: Query) -> BoxFuture<'_, Result<Vec<Instance>, LookupError>> {
        use std::sync::atomic::Ordering::Relaxed;
        Box::pin(async move {
            self.asked.fetch_add(1, Relaxed);
            if self.shut.load(Relaxed) {
                return Err(LookupError { query, source: "the broker is away".into() });
            }
            let pages = self.pages.lock().unwrap();
            Ok(pages
                .iter()
                .filter(|(known, _)| *known == query)
                .map(|(_, instance)| instance.clone())
                .collect())
        })
    }
}

/// The metadata domain of a node, with what the controller wants.
pub(crate) struct Node {
    pub(crate) metadata: Metadata,
    pub(crate) desired: Desired,
    pub(crate) book: Book,
    pub(crate) wakes: mpsc::UnboundedReceiver<Scope>,
}

pub(crate) fn config() -> Config {
    let mut config = Config::new(HostName::from(HOST));
    config.isolated = true;
    config.secret = "s3cret".to_owned();
    config.state_path = "/run/state".into();
    // Tests change what the controller knows.
    config.remember = Duration::ZERO;
    config
}

impl Node {
    pub(crate) async fn new(config: Config) -> Self {
        let book = Book::default();
        let (wake, wakes) = mpsc::unbounded_channel();
        let wake = move |scope| _ = wake.send(scope);
        let handles = Handles::open().await.unwrap();
        let metadata = Metadata::new(config, handles, Arc::new(book.clone()), wake);
        let mut desired = Desired::default();
        desired.complete.insert(Role::Metadata);
        Self { metadata, desired, book, wakes }
    }

    /// One pass, as the engine does it.
    pub(crate) async fn pass(&mut self, scope: &Scope) -> Report {
        let actual = self.metadata.observe(scope).await.unwrap();
        let spec = self.metadata.compile(&self.desired, scope);
        self.metadata.begin(&spec);
        let mut plan = Metadata::plan(&spec, &actual);
        if !self.desired.complete.contains(&Metadata::ROLE) {
            plan.keep_everything();
        }
        let mut report = Report::default();
        for stage in Stage::ALL {
            let steps = plan.take(stage);
            if !steps.is_empty() {
                report.merge(self.metadata.apply(steps).await);
            }
        }
        report
    }

    pub(crate) async fn plan(&mut self, scope: &Scope) -> String {
        let actual = self.metadata.observe(scope).await.unwrap();
        let spec = self.metadata.compile(&self.desired, scope);
        Metadata::plan(&spec, &actual).to_string()
    }

    /// A pass that must succeed, after which nothing is left to do.
    pub(crate) async fn settle(&mut self) {
        let report = self.pass(&Scope::All).await;
        for (object, outcome) in &report.0 {
            assert_eq!(*outcome, Outcome::Done, "{object}");
        }
        assert_eq!(self.plan(&Scope::All).await, "");
    }

    /// What the object waits for after a pass.
    pub(crate) async fn waits(&mut self, object: ObjectRef) -> String {
        match self.pass(&Scope::All).await.0.remove(&object) {
            Some(Outcome::Waiting { on }) => on,
            other => panic!("{object} does not wait: {other:?}"),
        }
    }

    pub(crate) fn listeners(&self) -> Vec<String> {
        let listeners = self.metadata.service().listeners();
        listeners.into_iter().map(|(place, bind)| format!("{bind} in {}", place.namespace())).collect()
    }
}

/// A router that is on this node, and its namespace with a guest at 10.0.0.5.
pub(crate) fn router(desired: &mut Desired) -> Guest {
    desired.set_router(Router {
        id: ROUTER,
        name: String::new(),
        admin_up: true,
        host: Some(HostName::from(HOST)),
        interfaces: Vec::new(),
        gateway: None,
        routes: Vec::new(),
        floating_ips: Vec::new(),
        port_forwardings: Vec::new(),
    });
    let namespace = names::router_namespace(ROUTER);
    sh(&format!(
        "ip netns add {namespace}
         ip netns exec {namespace} nft -f - <<'END'
table inet leads {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr 169.254.169.254 tcp dport 80 redirect to :9697
        ip6 daddr fe80::a9fe:a9fe tcp dport 80 redirect to :9697
    }}
}}
END
         ip -n {namespace} link set lo up"
    ));
    let guest = Guest::new("guest", &namespace, "qr-0", Mac([0xfa, 0x16, 0x3e, 0, 0, 5]));
    sh(&format!("ip -n {namespace} address add 10.0.0.1/24 dev qr-0"));
    guest.sh("ip address add 10.0.0.5/24 dev eth0; ip route add default via 10.0.0.1");
    guest
}

/// A network that is served here and has no router, its namespace as the DHCP service makes it, and a guest at
/// 10.0.0.5.
pub(crate) fn network(desired: &mut Desired, cidrs: &[&str]) -> Guest {
    let namespace = names::dhcp_namespace(NETWORK);
    describe_network(desired, cidrs);
    sh(&format!("ip netns add {namespace}; ip -n {namespace} link set lo up"));
    let device = names::tap(DHCP_PORT);
    let guest = Guest::new("guest", &namespace, &device, Mac([0xfa, 0x16, 0x3e, 0, 0, 5]));
    sh(&format!(
        "ip -n {namespace} address add 10.0.0.2/24 dev {device}
         ip -n {namespace} address add 169.254.169.254/32 dev {device}
         ip -n {namespace} address add fe80::a9fe:a9fe/128 dev {device}"
    ));
    guest.sh("ip address add 10.0.0.5/24 dev eth0; ip route add 169.254.169.254 via 10.0.0.2");
    guest
}

pub(crate) fn describe_network(desired: &mut Desired, cidrs: &[&str]) {
    desired.set_network(Network {
        id: NETWORK,
        name: String::new(),
        admin_up: true,
        mtu: 1500,
        external: false,
        segments: Vec::new(),
    });
    for (index, cidr) in cidrs.iter().enumerate() {
        desired.set_subnet(Subnet {
            id: SubnetId(Uuid::from_u128(SUBNET.0.as_u128() + index as u128)),
            network: NETWORK,
            name: String::new(),
            cidr: cidr.parse().unwrap(),
            gateway: None,
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        });
    }
    desired.set_port(Port {
        id: DHCP_PORT,
        network: NETWORK,
        name: String::new(),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, 2]),
        fixed_ips: vec![FixedIp { subnet: SUBNET, address: Ipv4Addr::new(10, 0, 0, 2).into() }],
        owner: PortOwner::Dhcp,
        device: String::new(),
        admin_up: true,
        port_security: false,
        allowed_pairs: Vec::new(),
        dhcp_options: Vec::new(),
        host_name: None,
        binding: Some(Binding { host: HostName::from(HOST), segment: None }),
    });
}

/// A namespace with one device, which is joined to a device of a node's namespace.
pub(crate) struct Guest {
    pub(crate) netns: String,
    pub(crate) mac: Mac,
}

impl Guest {
    pub(crate) fn new(netns: &str, of: &str, device: &str, mac: Mac) -> Self {
        sh(&format!(
            "ip netns add {netns}
             ip -n {netns} link set lo up
             ip -n {of} link add {device} type veth peer name eth0 netns {netns} address {mac}
             ip -n {of} link set {device} up
             ip -n {netns} link set eth0 up"
        ));
        Self { netns: netns.to_owned(), mac }
    }

    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        sh(&format!("ip netns exec {} sh -ec '{script}' 2>&1", self.netns))
    }

    /// What a command in the namespace prints, run beside the proxy and not on its thread.
    pub(crate) async fn run(&self, command: &str) -> String {
        shell(&format!("ip netns exec {} {command} 2>&1", self.netns)).await
    }

    /// A connection to the proxy.
    pub(crate) async fn connect(&self) -> tokio::net::TcpStream {
        let connect = || {
            let stream = TcpStream::connect(("169.254.169.254", 80))?;
            stream.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let namespace = host::Namespace::open(&self.netns).unwrap();
        tokio::net::TcpStream::from_std(namespace.run(connect).await.unwrap().unwrap()).unwrap()
    }

    /// What `curl` prints: the body, and after it the code of the answer.
    pub(crate) async fn curl(&self, arguments: &str) -> Answer {
        let text =
            self.run(&format!("curl -sS --max-time 15 --globoff -w '\\n%{{http_code}}' {arguments}")).await;
        let (body, code) = text.rsplit_once('\n').unwrap_or(("", &text));
        Answer { body: body.to_owned(), code: code.parse().unwrap_or_default() }
    }

    /// The same, of an address that every guest knows.
    pub(crate) async fn ask(&self, path: &str) -> Answer {
        self.curl(&format!("http://169.254.169.254{path}")).await
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) body: String,
    /// 0 when there was none.
    pub(crate) code: u16,
}

impl Answer {
    /// What Nova heard.
    #[track_caller]
    pub(crate) fn heard(&self) -> Heard {
        assert_eq!(self.code, 200, "{}", self.body);
        serde_saphyr::from_str(&self.body).unwrap()
    }
}

#[derive(serde::Deserialize, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) peer: u16,
    pub(crate) length: usize,
    pub(crate) digest: String,
}

/// Starts the server; `arguments` are a folder of certificates, and a word when guests must show theirs.
pub(crate) async fn nova(arguments: &[&str]) -> Process {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proxy/nova.py");
    let child = Command::new("python3")
        .args([script, &NOVA.to_string()])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    until("Nova listens", async || {
        TcpStream::connect(("127.0.0.1", NOVA)).map(drop).map_err(|error| error.to_string())
    })
    .await;
    process
}
