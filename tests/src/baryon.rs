//! The program under test, running on a node.

use crate::{Guest, Node, Plug, Vm, wait};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

const CONFIG: &str = "/run/baryon.conf";
const LOG: &str = "/run/baryon.log";
const PID: &str = "/run/baryon.pid";

/// What is worth changing in the configuration of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[ovs] bridge_mappings`
    pub bridge_mappings: String,
    /// `[agent] tunnel_types`; empty for a node without tunnels.
    pub tunnel_types: String,
    /// `[agent] l2_population` and `arp_responder`
    pub l2_population: bool,
    /// Whole further lines, with their section headers.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bridge_mappings: "public:br-ex".to_owned(),
            tunnel_types: "vxlan".to_owned(),
            l2_population: true,
            more: String::new(),
        }
    }
}

/// Baryon on a node. Dropping it kills it, which leaves the dataplane where it is.
#[derive(Debug)]
pub struct Baryon<'n> {
    node: &'n Node,
    /// nsenter(1), which waits for the program.
    process: Option<Child>,
    program: PathBuf,
    /// Its options after `run`.
    arguments: String,
}

impl<'n> Baryon<'n> {
    /// Starts the program and waits until it answers on its socket.
    #[track_caller]
    #[must_use]
    pub fn start(node: &'n Node, settings: &Settings) -> Self {
        node.write(CONFIG, &config(node, settings));
        Self::start_with(node, &format!("--config-file {CONFIG}"))
    }

    /// Starts the program with these options and waits until it answers on its socket.
    #[track_caller]
    #[must_use]
    pub fn start_with(node: &'n Node, arguments: &str) -> Self {
        let mut baryon = Self { node, process: None, program: binary(), arguments: arguments.to_owned() };
        baryon.start_again();
        baryon
    }

    /// Starts it with the configuration it had, after [`Self::stop`] or [`Self::kill`].
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "baryon runs on {} already", self.node.name());
        let script = format!(
            "echo $$ > {PID}; exec {program} run {arguments} >> {LOG} 2>&1",
            program = self.program.display(),
            arguments = self.arguments,
        );
        let process = self.node.command("sh").args(["-c", &script]).stdout(Stdio::null()).spawn();
        self.process = Some(process.expect("nsenter(1) starts"));
        wait::until(20, "baryon answers on its socket", || {
            if let Some(Ok(Some(status))) = self.process.as_mut().map(Child::try_wait) {
                panic!("baryon ended at its start, {status}:\n{}", self.log());
            }
            self.try_cli("show --json")
        });
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.end("TERM");
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// What a package upgrade does: another file, and a restart.
    #[track_caller]
    pub fn upgrade(&mut self) {
        let new = "/run/baryon-upgraded";
        self.node.sh(&format!("cp {} {new}", self.program.display()));
        self.program = PathBuf::from(new);
        self.stop();
        self.start_again();
    }

    /// Runs the command line against the running agent; gives what it printed.
    #[track_caller]
    pub fn cli(&self, arguments: &str) -> String {
        match self.try_cli(arguments) {
            Ok(output) => output,
            Err(said) => panic!("baryon {arguments}, on {}: {said}", self.node.name()),
        }
    }

    pub fn try_cli(&self, arguments: &str) -> Result<String, String> {
        self.node.try_sh(&format!("{} {arguments}", binary().display()))
    }

    /// Calls the HTTP API on the agent's socket; an empty `body` sends none. Paths begin with `/v2.0` or
    /// `/baryon/v1`. Gives the answer, refusals too.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &str) -> Value {
        const BODY: &str = "/run/api-body";
        self.node.write(BODY, body);
        let data = if body.is_empty() { String::new() } else { format!("--data-binary @{BODY}") };
        let text = self.node.sh(&format!(
            "curl -sS --unix-socket /run/baryon/baryon.sock -X {method} -H 'Content-Type: application/json' \
             {data} 'http://localhost{path}'"
        ));
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"))
    }

    /// Applies a topology and waits until everything on this node is as wanted.
    #[track_caller]
    pub fn apply(&self, topology: &str) {
        self.node.write("/run/topology.yaml", topology);
        self.cli("apply -f /run/topology.yaml");
        self.await_converged(30);
    }

    /// Gives another node's controller the same objects, with the same ids and MAC addresses.
    #[track_caller]
    pub fn share_with(&self, other: &Baryon<'_>) {
        let everything = self.api("GET", "/baryon/v1/export", "");
        let answer = other.api("POST", "/baryon/v1/import", &everything.to_string());
        assert!(answer["records"].is_u64(), "{answer}");
        other.await_converged(30);
    }

    /// Waits until everything is as far as it can get without a guest being plugged, and a pass over
    /// everything would do nothing.
    #[track_caller]
    pub fn await_converged(&self, seconds: u64) {
        wait::until(seconds, "baryon converges", || {
            let shown = self.try_cli("show --check")?;
            let plan = self.try_cli("plan --json")?;
            let idle = parse(&plan)?["steps"].as_array().is_some_and(Vec::is_empty);
            if idle { Ok(()) } else { Err(format!("{shown}\n{plan}")) }
        });
    }

    /// How it stands with the broker and the server, as `baryon show --json` says it.
    #[track_caller]
    #[must_use]
    pub fn controller(&self) -> Value {
        let shown = self.cli("show --json");
        parse(&shown).unwrap_or_else(|error| panic!("{error}"))["controller"].take()
    }

    /// A resource by its name, e.g. `resource("ports", "a1")`, as the API shows it.
    #[track_caller]
    #[must_use]
    pub fn resource(&self, collection: &str, name: &str) -> Value {
        let listed = self.api("GET", &format!("/v2.0/{collection}?name={name}"), "");
        let found = listed[collection].get(0);
        found.unwrap_or_else(|| panic!("there is no {name} in {collection}: {listed}")).clone()
    }

    /// A field that is text.
    #[track_caller]
    #[must_use]
    pub fn field(&self, collection: &str, name: &str, field: &str) -> String {
        let resource = self.resource(collection, name);
        resource[field]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has no text {field}: {resource}"))
            .to_owned()
    }

    /// Enables or disables a port.
    #[track_caller]
    pub fn set_admin_state(&self, port: &str, up: bool) {
        let id = self.field("ports", port, "id");
        let answer = self.api(
            "PUT",
            &format!("/v2.0/ports/{id}"),
            &format!(r#"{{"port": {{"admin_state_up": {up}}}}}"#),
        );
        assert_eq!(answer["port"]["admin_state_up"], up, "{answer}");
    }

    /// Plugs a namespace as guest for the port with this name.
    #[track_caller]
    #[must_use]
    pub fn plug(&self, port: &str, plug: Plug) -> Guest<'n> {
        Guest::plug(
            self.node,
            &self.field("ports", port, "id"),
            &self.field("ports", port, "mac_address"),
            plug,
        )
    }

    /// Boots a virtual machine, named as the port it is plugged into.
    #[track_caller]
    #[must_use]
    pub fn boot(&self, port: &str) -> Vm<'n> {
        Vm::start(
            self.node,
            port,
            &self.field("ports", port, "id"),
            &self.field("ports", port, "mac_address"),
        )
    }

    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.node.path(LOG)).unwrap_or_default()
    }

    fn end(&mut self, signal: &str) {
        let mut process =
            self.process.take().unwrap_or_else(|| panic!("baryon does not run on {}", self.node.name()));
        self.node.sh(&format!("kill -{signal} $(cat {PID})"));
        wait::until(10, &format!("end of baryon after SIG{signal}"), || match process.try_wait() {
            Ok(Some(_)) => Ok(()),
            other => Err(format!("{other:?}\n{}", self.log())),
        });
    }
}

impl Drop for Baryon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of baryon on {}:\n{}", self.node.name(), self.log());
        }
        if let Some(mut process) = self.process.take() {
            let _ = self.node.try_sh(&format!("kill -KILL $(cat {PID})"));
            let _ = process.wait();
        }
    }
}

/// The built program: `BARYON`, or the one beside the test binary.
///
/// # Panics
/// When there is none; `cargo test` does not build other packages' programs.
pub(crate) fn binary() -> PathBuf {
    let path = std::env::var_os("BARYON").map_or_else(|| program_beside_tests("baryon"), PathBuf::from);
    assert!(path.exists(), "there is no {}: build it with cargo build -p agent", path.display());
    path
}

/// A program of this workspace, in `target/<profile>`, one folder above the test binaries.
pub(crate) fn program_beside_tests(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.parent().and_then(|deps| deps.parent()).map(|profile| profile.join(name)).unwrap_or_default()
}

fn config(node: &Node, settings: &Settings) -> String {
    let mut text = format!(
        "[DEFAULT]\nhost = {host}\nstate_path = /var/lib/baryon\n\
         [ovs]\nbridge_mappings = {mappings}\ndatapath_type = {datapath}\n\
         ovsdb_connection = unix:/run/openvswitch/db.sock\n",
        host = node.name(),
        mappings = settings.bridge_mappings,
        datapath = node.datapath().name(),
    );
    if !settings.tunnel_types.is_empty() {
        let _ = write!(
            text,
            "local_ip = {}\n[agent]\ntunnel_types = {}\nl2_population = {}\narp_responder = {}\n",
            node.tunnel_address(),
            settings.tunnel_types,
            settings.l2_population,
            settings.l2_population
        );
    }
    text + &settings.more
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))
}
