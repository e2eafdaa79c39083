//! A real Open vSwitch for one test, with the userspace datapath: database and switch with a folder of
//! their own, and for the switch a network namespace of its own, so that tests run side by side.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Node {
    folder: PathBuf,
    database: Option<Child>,
    vswitchd: Option<Child>,
}

impl Node {
    pub(crate) fn start() -> Self {
        let mut node = Self::start_without_vswitchd();
        node.start_vswitchd();
        node
    }

    /// With the switch in the network namespace of the test, as it is with the agent: one per process.
    #[allow(dead_code)] // not every test binary has room for one
    pub(crate) fn start_in_this_namespace() -> Self {
        let mut node = Self::start_without_vswitchd();
        let remote = format!("unix:{}", node.path("db.sock"));
        let arguments = [&remote, "--no-chdir", "--disable-system"];
        node.vswitchd = Some(node.command("ovs-vswitchd").args(arguments).spawn().expect("ovs-vswitchd"));
        node
    }

    fn start_without_vswitchd() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("switch-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("make a folder");
        let mut node = Self { folder, database: None, vswitchd: None };
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        node.run("ovsdb-tool", &["create", &node.path("conf.db"), schema]);
        node.start_database();
        node.run("ovs-vsctl", &["--no-wait", "init"]);
        node
    }

    pub(crate) fn start_database(&mut self) {
        let remote = format!("--remote=punix:{}", self.path("db.sock"));
        let arguments = [self.path("conf.db"), remote, "--no-chdir".to_owned()];
        self.database = Some(self.command("ovsdb-server").args(arguments).spawn().expect("ovsdb-server"));
        let socket = self.path("db.sock");
        until("the database listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    }

    pub(crate) fn start_vswitchd(&mut self) {
        let remote = format!("unix:{}", self.path("db.sock"));
        let arguments =
            ["-n", "--", "ovs-vswitchd", &remote, "--no-chdir", "--disable-system", "--enable-dummy"];
        self.vswitchd = Some(self.command("unshare").args(arguments).spawn().expect("ovs-vswitchd"));
    }

    pub(crate) fn kill_database(&mut self) {
        end(self.database.take());
        // As a package does it; the server makes a new one.
        let _ = std::fs::remove_file(self.path("db.sock"));
    }

    pub(crate) fn kill_vswitchd(&mut self) {
        end(self.vswitchd.take());
    }

    /// A path below the node's folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// `ovs-vsctl` with words as an operator would type them.
    pub(crate) fn vsctl(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.run("ovs-vsctl", &[&["--timeout=20"], words.as_slice()].concat())
    }

    pub(crate) fn ofctl(&self, command: &str, bridge: &str, words: &[&str]) -> String {
        let socket = format!("unix:{}", self.path(&format!("{bridge}.mgmt")));
        let options = ["-O", "OpenFlow14", "--no-stats", "--names", command, &socket];
        self.run("ovs-ofctl", &[&options, words].concat())
    }

    /// The flows of a bridge, sorted, without cookies, ports by name.
    pub(crate) fn flows(&self, bridge: &str) -> Vec<String> {
        let text = self.ofctl("dump-flows", bridge, &[]);
        let mut flows: Vec<String> = text.lines().map(without_cookie).collect();
        flows
            .sort_by_key(|flow| (number(flow, "table="), u64::MAX - number(flow, "priority="), flow.clone()));
        flows
    }

    /// How long ago the last flow of a bridge was written: writing one again makes it young again, even
    /// if nothing about it changes.
    pub(crate) fn last_written(&self, bridge: &str) -> Duration {
        let socket = format!("unix:{}", self.path(&format!("{bridge}.mgmt")));
        let text = self.run("ovs-ofctl", &["-O", "OpenFlow14", "dump-flows", &socket]);
        let ages =
            text.lines().filter_map(|line| line.split_once("duration=")?.1.split_once("s,")?.0.parse().ok());
        Duration::from_secs_f64(ages.fold(f64::INFINITY, f64::min))
    }

    pub(crate) fn get(&self, table: &str, record: &str, column: &str) -> String {
        self.vsctl(&format!("get {table} {record} {column}")).trim().trim_matches('"').to_owned()
    }

    /// Plugs a guest in as Nova does.
    pub(crate) fn plug(&self, name: &str, port: &str, mac: &str) {
        self.vsctl(&format!(
            "add-port br-int {name} -- set Interface {name} type=internal external_ids:iface-id={port} \
             external_ids:attached-mac=\"{mac}\" external_ids:iface-status=active"
        ));
    }

    /// `ip` in the namespace of the switch.
    pub(crate) fn ip(&self, words: &str) {
        let pid = self.vswitchd.as_ref().map_or(0, Child::id).to_string();
        let words: Vec<&str> = words.split_whitespace().collect();
        self.run("nsenter", &[&["-t", &pid, "-n", "ip"], words.as_slice()].concat());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(variable, &self.folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().expect(program);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {}: {errors}", arguments.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end(self.vswitchd.take());
        end(self.database.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn without_cookie(line: &str) -> String {
    let line = line.trim();
    let line = line
        .split_once(", ")
        .filter(|(cookie, _)| cookie.starts_with("cookie="))
        .map_or(line, |(_, rest)| rest);
    let line = if line.starts_with("table=") { line.to_owned() } else { format!("table=0, {line}") };
    sort_outputs(&line)
}

/// Ports are numbered in no certain order, so a flood lists its tunnels in no certain order.
fn sort_outputs(line: &str) -> String {
    let Some((head, tail)) = line.split_once(",output:").filter(|(head, _)| !head.contains("learn")) else {
        return line.to_owned();
    };
    let mut outputs: Vec<&str> = tail.split(",output:").collect();
    outputs.sort_unstable();
    format!("{head},output:{}", outputs.join(",output:"))
}

fn number(text: &str, key: &str) -> u64 {
    let digits = text.split_once(key).map_or("", |(_, rest)| rest);
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
