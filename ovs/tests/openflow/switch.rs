//! A real Open vSwitch for one test: database server and switch in a folder of their own, with the
//! datapath for tests, which needs no kernel and has ports of any number.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) const BRIDGE: &str = "br-test";
/// The OpenFlow ports of the bridge.
pub(crate) const PORTS: std::ops::RangeInclusive<u32> = 1..=12;

pub(crate) struct Switch {
    folder: PathBuf,
    database: Child,
    daemon: Child,
}

impl Switch {
    /// A switch with one bridge that speaks OpenFlow 1.0, 1.3 and 1.4, without flows.
    pub(crate) fn start() -> Self {
        let switch = Self::start_empty();
        let mut arguments = vec![
            "add-br".to_owned(),
            BRIDGE.to_owned(),
            "--".to_owned(),
            "set".to_owned(),
            "bridge".to_owned(),
            BRIDGE.to_owned(),
            "datapath_type=dummy".to_owned(),
            "fail_mode=secure".to_owned(),
            "protocols=OpenFlow10,OpenFlow13,OpenFlow14".to_owned(),
        ];
        for port in PORTS {
            let words = format!("-- add-port {BRIDGE} p{port} -- set interface p{port} type=dummy");
            arguments.extend(words.split(' ').map(str::to_owned));
            arguments.push(format!("ofport_request={port}"));
        }
        switch.vsctl(&arguments);
        switch
    }

    fn start_empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("openflow-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("make a folder");
        let database_file = folder.join("conf.db");
        let created = Command::new("ovsdb-tool")
            .arg("create")
            .arg(&database_file)
            .arg("/usr/share/openvswitch/vswitch.ovsschema")
            .status();
        assert!(created.expect("run ovsdb-tool").success(), "ovsdb-tool create");
        let database = Self::command_in(&folder, "ovsdb-server")
            .arg(&database_file)
            .arg(format!("--remote=punix:{}", folder.join("db.sock").display()))
            .args(["--log-file=/dev/null", "--no-chdir"])
            .spawn()
            .expect("start ovsdb-server");
        wait_until("the database server listens", || {
            std::os::unix::net::UnixStream::connect(folder.join("db.sock")).is_ok()
        });
        let daemon = Self::spawn_daemon(&folder);
        let switch = Self { folder, database, daemon };
        switch.vsctl(&["--no-wait".to_owned(), "init".to_owned()]);
        switch
    }

    fn spawn_daemon(folder: &Path) -> Child {
        Self::command_in(folder, "ovs-vswitchd")
            .arg(format!("unix:{}", folder.join("db.sock").display()))
            .args(["--enable-dummy", "--disable-system", "--no-chdir"])
            .spawn()
            .expect("start ovs-vswitchd")
    }

    fn command_in(folder: &Path, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("OVS_RUNDIR", folder)
            .env("OVS_LOGDIR", folder)
            .env("OVS_DBDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The socket of the bridge.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(format!("{BRIDGE}.mgmt"))
    }

    /// Kills the switch, not the database.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill().expect("kill ovs-vswitchd");
        self.daemon.wait().expect("wait for ovs-vswitchd");
    }

    /// Starts the switch again after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        self.daemon = Self::spawn_daemon(&self.folder);
        wait_until("the bridge is back", || std::os::unix::net::UnixStream::connect(self.socket()).is_ok());
    }

    /// Stops the switch without ending it; nothing is answered any more.
    pub(crate) fn freeze(&self) {
        let status = Command::new("kill").args(["-STOP", &self.daemon.id().to_string()]).status();
        assert!(status.expect("run kill").success());
    }

    pub(crate) fn vsctl(&self, arguments: &[String]) {
        let output = Self::command_in(&self.folder, "ovs-vsctl")
            .arg("--timeout=30")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        succeeded(&output.expect("run ovs-vsctl"), arguments);
    }

    /// Runs `ovs-ofctl -O OpenFlow14 COMMAND <bridge> ARGUMENTS`.
    pub(crate) fn ofctl(&self, command: &str, arguments: &[&str]) -> String {
        let socket = format!("unix:{}", self.socket().display());
        let output = Self::command_in(&self.folder, "ovs-ofctl")
            .args(["-O", "OpenFlow14", "--no-stats", "--no-names", command, &socket])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        succeeded(&output.expect("run ovs-ofctl"), &[command.to_owned(), arguments.join(" ")])
    }

    /// Sends a packet, described as in `ovs-fields(7)`, through the flows; what they learn is learned.
    pub(crate) fn send(&self, packet: &str) -> String {
        let target = self.folder.join(format!("ovs-vswitchd.{}.ctl", self.daemon.id()));
        let output = Self::command_in(&self.folder, "ovs-appctl")
            .arg("-t")
            .arg(target)
            .args(["ofproto/trace", BRIDGE, packet, "-generate"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        succeeded(&output.expect("run ovs-appctl"), &[packet.to_owned()])
    }

    /// The flows as `ovs-ofctl` prints them, sorted. The cookie is left out when it is zero, and the table is
    /// there even when it is.
    pub(crate) fn dump(&self) -> Vec<String> {
        let text = self.ofctl("dump-flows", &[]);
        let mut lines: Vec<String> = text.lines().map(with_table).collect();
        lines.sort();
        lines
    }

    /// Gives flows to `ovs-ofctl` as text.
    pub(crate) fn add_texts(&self, texts: &[String]) {
        let file = self.folder.join("flows.txt");
        std::fs::write(&file, texts.join("\n")).expect("write flows");
        self.ofctl("add-flows", &[&file.display().to_string()]);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.database] {
            _ = child.kill();
            _ = child.wait();
        }
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn with_table(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("cookie=0x0, ").unwrap_or(line);
    let (cookie, rest) = match line.split_once(", ") {
        Some((cookie, rest)) if cookie.starts_with("cookie=") => (format!("{cookie}, "), rest),
        _ => (String::new(), line),
    };
    let table = if rest.starts_with("table=") { "" } else { "table=0, " };
    format!("{cookie}{table}{rest}")
}

fn succeeded(output: &Output, words: &[String]) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", words.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
