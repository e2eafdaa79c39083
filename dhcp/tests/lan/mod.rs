//! A small LAN in the sandbox: a Linux bridge in place of the switch, guests in namespaces of their own,
//! and a DHCP domain driven as the engine drives it.

#![allow(dead_code)] // Each test binary uses a part.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dhcp::{Config, Dhcp};
use model::{
    Binding, Desired, Domain, FixedIp, HostName, Mac, Network, NetworkId, ObjectRef, Outcome, Port, PortId,
    PortOwner, Report, Role, Scope, Stage, Subnet, SubnetId, names,
};
use uuid::Uuid;

pub(crate) const HOST: &str = "node-1";

/// Runs a shell command; panics with what it printed when it fails.
#[track_caller]
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().expect("sh starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}\n{}\n{out}{err}", output.status);
    out
}

/// Lets one test at a time have the sandbox, emptied: a pass over everything takes away what it does not
/// want, and that is what other tests have made.
pub(crate) async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    sh("ip -all netns del
        for link in $(ls /sys/class/net); do [ $link = lo ] || ip link del $link 2>/dev/null || :; done");
    turn
}

/// Waits until something is true, and says what it was otherwise.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        match condition() {
            Ok(value) => return value,
            Err(state) => assert!(Instant::now() < deadline, "{what}: {state}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process of a test; it ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The DHCP domain of a node, with what the controller wants.
pub(crate) struct Node {
    pub(crate) dhcp: Dhcp,
    pub(crate) desired: Desired,
}

impl Node {
    pub(crate) async fn new(config: impl FnOnce(&mut Config)) -> Self {
        Self::with_handles(config, host::Handles::open().await.expect("netlink"))
    }

    pub(crate) fn with_handles(config: impl FnOnce(&mut Config), handles: host::Handles) -> Self {
        let mut settings = Config::new(HostName::from(HOST));
        config(&mut settings);
        let mut desired = Desired::default();
        desired.complete.insert(Role::Dhcp);
        Self { dhcp: Dhcp::new(settings, handles), desired }
    }

    /// One pass, as the engine does it.
    pub(crate) async fn pass(&mut self, scope: &Scope) -> Report {
        let actual = self.dhcp.observe(scope).await.expect("readable");
        let spec = self.dhcp.compile(&self.desired, scope);
        let mut plan = Dhcp::plan(&spec, &actual);
        if !self.desired.complete.contains(&Dhcp::ROLE) {
            plan.keep_everything();
        }
        let mut report = Report::default();
        for (object, on) in &plan.waiting {
            report.add(*object, Outcome::Waiting { on: on.clone() });
        }
        for stage in Stage::ALL {
            let mut steps = plan.take(stage);
            steps.retain(|planned| !report.failed(planned.object));
            if !steps.is_empty() {
                report.merge(self.dhcp.apply(steps).await);
            }
        }
        report
    }

    /// A pass that must succeed, after which nothing is left to do.
    #[track_caller]
    pub(crate) fn settle(&mut self, scope: Scope) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let report = self.pass(&scope).await;
            for (object, outcome) in &report.0 {
                assert_eq!(*outcome, Outcome::Done, "{object} at {place}");
            }
            let left = self.plan(&scope).await;
            assert_eq!(left, "", "left to do at {place}");
        }
    }

    /// What would be done.
    pub(crate) async fn plan(&mut self, scope: &Scope) -> String {
        let actual = self.dhcp.observe(scope).await.expect("readable");
        let spec = self.dhcp.compile(&self.desired, scope);
        Dhcp::plan(&spec, &actual).to_string()
    }

    pub(crate) async fn settle_all(&mut self) {
        self.settle(Scope::All).await;
    }

    /// What the engine does when a port changed.
    pub(crate) async fn settle_port(&mut self, port: &Port) {
        self.settle(scope([ObjectRef::Port(port.id)])).await;
    }

    pub(crate) async fn settle_network(&mut self, lan: &Lan) {
        self.settle(scope([ObjectRef::Network(lan.network)])).await;
    }
}

pub(crate) fn scope(objects: impl IntoIterator<Item = ObjectRef>) -> Scope {
    Scope::Objects(objects.into_iter().collect())
}

/// A network with its bridge. `number` keeps the names of tests that run side by side apart.
pub(crate) struct Lan {
    pub(crate) number: u128,
    pub(crate) network: NetworkId,
    pub(crate) bridge: String,
    pub(crate) dhcp_port: PortId,
}

impl Lan {
    pub(crate) fn new(number: u128) -> Self {
        let bridge = format!("br{number}");
        sh(&format!("ip link add {bridge} type bridge; ip link set {bridge} up"));
        let network = NetworkId(Uuid::from_u128(number << 64));
        // The device's name holds the first digits.
        let dhcp_port = PortId(Uuid::from_u128(number << 96));
        Self { number, network, bridge, dhcp_port }
    }

    pub(crate) fn namespace(&self) -> String {
        names::dhcp_namespace(self.network)
    }

    pub(crate) fn device(&self) -> String {
        names::tap(self.dhcp_port)
    }

    /// Makes the device that the switch would make.
    pub(crate) fn plug(&self) {
        let (device, bridge) = (self.device(), &self.bridge);
        sh(&format!(
            "ip link add {device} type veth peer name sw{}; ip link set sw{} master {bridge} up",
            self.number, self.number
        ));
    }

    /// A guest whose device is the other end of the server's own, with no bridge between them.
    pub(crate) fn plug_guest(&self) -> Guest {
        let (device, netns) = (self.device(), format!("guest{}", self.number));
        sh(&format!(
            "ip netns add {netns}
             ip link add {device} type veth peer name eth0 netns {netns}
             ip -n {netns} link set lo up
             ip -n {netns} link set eth0 up"
        ));
        Guest { netns }
    }

    pub(crate) fn model(&self) -> Network {
        Network {
            id: self.network,
            name: format!("network {}", self.number),
            admin_up: true,
            mtu: 1450,
            external: false,
            segments: Vec::new(),
        }
    }

    pub(crate) fn subnet(&self, index: u128, cidr: &str, gateway: Option<&str>) -> Subnet {
        Subnet {
            id: SubnetId(Uuid::from_u128((self.number << 64) + index)),
            network: self.network,
            name: String::new(),
            cidr: cidr.parse().expect("prefix"),
            gateway: gateway.map(|text| text.parse().expect("address")),
            dhcp: true,
            dns_servers: Vec::new(),
            host_routes: Vec::new(),
        }
    }

    /// A port with addresses on the subnets of these indices.
    pub(crate) fn port(&self, id: PortId, mac: Mac, owner: &str, addresses: &[(u128, &str)]) -> Port {
        let fixed = |(index, text): &(u128, &str)| FixedIp {
            subnet: SubnetId(Uuid::from_u128((self.number << 64) + index)),
            address: text.parse().expect("address"),
        };
        Port {
            id,
            network: self.network,
            name: String::new(),
            mac,
            fixed_ips: addresses.iter().map(fixed).collect(),
            owner: PortOwner::from(owner),
            device: String::new(),
            admin_up: true,
            port_security: true,
            allowed_pairs: Vec::new(),
            dhcp_options: Vec::new(),
            host_name: None,
            binding: Some(Binding { host: HostName::from(HOST), segment: None }),
        }
    }

    pub(crate) fn service_port(&self, addresses: &[(u128, &str)]) -> Port {
        let mac = Mac([0xfa, 0x16, 0x3e, self.number as u8, 0xff, 1]);
        self.port(self.dhcp_port, mac, "network:dhcp", addresses)
    }

    /// The port of a guest; see [`Lan::guest`].
    pub(crate) fn guest_port(&self, index: u8, addresses: &[(u128, &str)]) -> Port {
        let id = PortId(Uuid::from_u128((self.number << 64) + 1000 + u128::from(index)));
        self.port(id, self.mac(index), "compute:nova", addresses)
    }

    pub(crate) fn mac(&self, index: u8) -> Mac {
        Mac([0xfa, 0x16, 0x3e, self.number as u8, 0, index])
    }

    /// A guest: a namespace with an `eth0` on the bridge.
    pub(crate) fn guest(&self, index: u8) -> Guest {
        let (netns, tap) = (format!("guest{}-{index}", self.number), format!("vm{}-{index}", self.number));
        sh(&format!(
            "ip netns add {netns}
             ip link add {tap} type veth peer name eth0 netns {netns} address {}
             ip link set {tap} master {} up
             ip -n {netns} link set lo up
             ip -n {netns} link set eth0 up",
            self.mac(index),
            self.bridge,
        ));
        Guest { netns }
    }

    /// Network, one subnet `10.0.0.0/24` with a gateway, and the DHCP port at `10.0.0.2`.
    pub(crate) fn usual(&self, desired: &mut Desired) {
        desired.set_network(self.model());
        desired.set_subnet(self.subnet(1, "10.0.0.0/24", Some("10.0.0.1")));
        desired.set_port(self.service_port(&[(1, "10.0.0.2")]));
    }
}

/// A namespace with one device, where a client runs.
pub(crate) struct Guest {
    pub(crate) netns: String,
}

/// Writes down what the client got, and gives the address to the device.
const HOOK: &str = r#"#!/bin/sh
event=${1:-$reason}
case $event in
deconfig | PREINIT) exit 0 ;;
bound | renew | BOUND | RENEW | REBIND | REBOOT) ;;
*) echo "$event" >> "$LEASE.events"; exit 0 ;;
esac
ip address replace "${ip:-$new_ip_address}/${subnet:-$new_subnet_mask}" dev "$interface"
echo "$event" >> "$LEASE.events"
set > "$LEASE.new"; mv "$LEASE.new" "$LEASE"
"#;

impl Guest {
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        std::fs::write(format!("/run/in-{}", self.netns), script).expect("writable");
        sh(&format!("ip netns exec {0} sh -ec \"$(cat /run/in-{0})\" 2>&1", self.netns))
    }

    pub(crate) fn lease_file(&self) -> String {
        format!("/run/lease-{}", self.netns)
    }

    fn hook(&self) -> String {
        let path = format!("/run/hook-{}", self.netns);
        std::fs::write(&path, HOOK).expect("writable");
        sh(&format!("chmod 755 {path}; rm -f {}", self.lease_file()));
        path
    }

    /// A variable of the lease that the client's hook saw.
    #[track_caller]
    pub(crate) fn seen(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.lease_file()).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")))?;
        Some(value.trim_matches('\'').to_owned())
    }

    /// Busybox: takes a lease and ends.
    #[track_caller]
    pub(crate) fn udhcpc(&self, options: &str) -> String {
        let hook = self.hook();
        self.sh(&format!(
            "LEASE={} busybox udhcpc -i eth0 -f -q -n -t 8 -T 1 -s {hook} -O mtu -O staticroutes \
             -O msstaticroutes {options}",
            self.lease_file()
        ))
    }

    /// Busybox, in the background until it is dropped.
    pub(crate) fn udhcpc_stays(&self, options: &str) -> Running {
        let hook = self.hook();
        let log = std::fs::File::create(format!("/run/log-{}", self.netns)).expect("writable");
        let mut command = Command::new("ip");
        command
            .args([
                "netns",
                "exec",
                &self.netns,
                "busybox",
                "udhcpc",
                "-i",
                "eth0",
                "-f",
                "-t",
                "8",
                "-T",
                "1",
            ])
            .args(["-s", &hook])
            .args(options.split_whitespace())
            .env("LEASE", self.lease_file())
            .stdout(log.try_clone().expect("file"))
            .stderr(log);
        Running(command.spawn().expect("udhcpc starts"))
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(format!("/run/log-{}", self.netns)).unwrap_or_default()
    }

    /// ISC: takes a lease and ends. It writes its number when it has gone to the background.
    #[track_caller]
    pub(crate) fn dhclient(&self) -> String {
        let (hook, netns) = (self.hook(), &self.netns);
        std::fs::write(
            format!("/run/conf-{netns}"),
            "option classless code 121 = array of unsigned integer 8;\n\
             request subnet-mask, routers, domain-name-servers, interface-mtu, classless, domain-name, host-name;\n\
             timeout 10; initial-interval 1; backoff-cutoff 1;\n",
        )
        .expect("writable");
        self.sh(&format!(
            "dhclient -1 -v -cf /run/conf-{netns} -lf /run/leases-{netns} -pf /run/pid-{netns} \
             -e LEASE={} -sf {hook} eth0
             timeout 10 sh -c 'until [ -s /run/pid-{netns} ]; do sleep 0.05; done'
             kill $(cat /run/pid-{netns})",
            self.lease_file()
        ))
    }

    /// dhcpcd: takes a lease and ends. Its folders are laid over, so nothing comes to the machine.
    #[track_caller]
    pub(crate) fn dhcpcd(&self) -> String {
        let hook = self.hook();
        self.sh(&format!(
            "for folder in /var/lib/dhcpcd /var/lib/dhcpcd5; do [ ! -d $folder ] || mount -t tmpfs dhcpcd $folder; done
             mkdir -p /run/dhcpcd; mount -t tmpfs dhcpcd /run/dhcpcd
             dhcpcd -4 -1 -w -A -t 10 -o classless_static_routes -e LEASE={} -c {hook} eth0
             ! [ -e /run/dhcpcd/pid ] || dhcpcd -x eth0",
            self.lease_file()
        ))
    }

    /// Starts to capture; ends with [`Capture::fields`].
    pub(crate) fn capture(&self) -> Capture {
        let file = format!("/run/capture-{}.pcap", self.netns);
        let log = format!("/run/capture-{}.log", self.netns);
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.netns,
                "tcpdump",
                "--immediate-mode",
                "-U",
                "-n",
                "-i",
                "eth0",
                "-w",
                &file,
            ])
            .args(["udp", "port", "67"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("writable"))
            .spawn()
            .expect("tcpdump starts");
        let running = Running(child);
        until("tcpdump listens", || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.contains("listening on") { Ok(()) } else { Err(text) }
        });
        Capture { file, running }
    }

    /// The namespace, for sockets of a test.
    pub(crate) fn open(&self) -> host::Namespace {
        host::Namespace::open(&self.netns).expect("namespace")
    }
}

pub(crate) struct Capture {
    file: String,
    running: Running,
}

impl Capture {
    /// What tshark makes of the packets so far: one line for each, fields separated by spaces.
    pub(crate) fn fields(self, fields: &[&str]) -> Vec<String> {
        sh(&format!("kill -INT {}", self.running.0.id()));
        let mut running = self.running;
        running.0.wait().expect("tcpdump ends");
        let fields: String = fields.iter().map(|field| format!(" -e {field}")).collect();
        let text = sh(&format!(
            "tshark -r {} -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -E separator=/s{fields} 2>/dev/null",
            self.file
        ));
        text.lines().map(str::to_owned).collect()
    }
}

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("address")
}
