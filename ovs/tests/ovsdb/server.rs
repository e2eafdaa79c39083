//! A real ovsdb-server that a test starts, stops, freezes and kills; and how tests wait.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ovs::ovsdb::{Client, Columns, Event, Events, Monitor, Operation, Remote, Settings, Value};
use tokio::time::{Instant, timeout};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    folder: PathBuf,
    remotes: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// With an empty database but for the one row that every switch has.
    pub(crate) async fn start() -> Self {
        Self::with(|_| vec![]).await
    }

    /// With more remotes and options than the unix socket.
    pub(crate) async fn with(options: impl FnOnce(&Path) -> Vec<String>) -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ovsdb-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let remotes = options(&folder);
        let mut server = Self { folder, remotes, process: None };
        server.tool(&["create", &server.path("db"), "/usr/share/openvswitch/vswitch.ovsschema"]);
        server.edit(r#"{"op": "insert", "table": "Open_vSwitch", "row": {}}"#);
        server.spawn().await;
        server
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote::Unix(self.folder.join("db.sock"))
    }

    /// Starts the process and waits until it takes connections.
    pub(crate) async fn spawn(&mut self) {
        let process = Command::new("ovsdb-server")
            .arg(format!("--remote=p{}", self.remote()))
            .arg(format!("--unixctl={}", self.path("ctl")))
            .args(&self.remotes)
            .arg(self.path("db"))
            .stderr(Stdio::null())
            .spawn()
            .expect("ovsdb-server starts");
        self.process = Some(process);
        let socket = self.folder.join("db.sock");
        until("the server takes connections", || async {
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;
    }

    /// Ends the process without giving it a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill -9");
            process.wait().expect("the server is gone");
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("a running server").id();
        let status = Command::new("kill").args([name, &id.to_string()]).status().expect("kill");
        assert!(status.success());
    }

    /// Changes the database file while the server is not running.
    pub(crate) fn edit(&self, operation: &str) {
        self.tool(&["transact", &self.path("db"), &format!("[\"Open_vSwitch\", {operation}]")]);
    }

    fn tool(&self, arguments: &[&str]) {
        let output = Command::new("ovsdb-tool").args(arguments).output().expect("ovsdb-tool");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !text.contains("error"), "{output:?}");
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        // What cannot be removed here goes with the sandbox.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// What most tests follow.
pub(crate) fn monitor() -> Monitor {
    Monitor::new("Open_vSwitch")
        .table("Open_vSwitch", ["bridges", "next_cfg", "external_ids", "system_type"])
        .table("Bridge", ["name", "ports", "flood_vlans", "external_ids", "datapath_type"])
        .table("Port", ["name", "tag", "interfaces", "external_ids"])
        .table("Interface", ["name", "type", "ofport", "external_ids"])
}

/// Pauses that keep tests short.
pub(crate) fn settings(remote: Remote) -> Settings {
    Settings {
        shortest_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(50),
        ..Settings::new(remote, monitor())
    }
}

pub(crate) async fn connect(server: &Server) -> (Client, Events) {
    Client::connect(settings(server.remote())).await.expect("a connection")
}

/// The operations that add a bridge with one port to the switch.
pub(crate) fn add_bridge(name: &str) -> Vec<Operation> {
    let reference = |name: &str| ovs::ovsdb::Set::from_iter([ovs::ovsdb::Atom::named(name)]);
    let named = |name: &str| Columns::new().with("name", name);
    vec![
        Operation::insert_named("Interface", "i", named(name).with("type", "internal")),
        Operation::insert_named("Port", "p", named(name).with("interfaces", reference("i"))),
        Operation::insert_named("Bridge", "b", named(name).with("ports", reference("p"))),
        Operation::mutate("Open_vSwitch", vec![], ovs::ovsdb::Mutation::insert("bridges", reference("b"))),
    ]
}

pub(crate) fn set(column: &str, value: impl Into<Value>) -> Vec<Operation> {
    vec![Operation::update("Open_vSwitch", vec![], Columns::new().with(column, value))]
}

/// Waits for a condition on the world.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for something that ends by itself.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// The next event.
pub(crate) async fn next(events: &mut Events) -> Event {
    soon("an event", events.next()).await.expect("the client lives")
}

/// Reads events up to the first disconnection and gives its whole chain of reasons.
pub(crate) async fn disconnection(events: &mut Events) -> String {
    loop {
        if let Event::Disconnected { why } = next(events).await {
            return format!("{:#}", anyhow::Error::new(why));
        }
    }
}
