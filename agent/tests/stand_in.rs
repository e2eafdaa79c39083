//! The program under the names of Neutron's agents: several on one node, each with the files that the
//! Python agent would find, a log of its own, and signals as operators send them.

#![allow(clippy::unwrap_used, reason = "a test ends where it goes wrong")]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_baryon");

/// A home folder with Neutron's files, and links to the program.
struct Home(PathBuf);

impl Home {
    fn new(name: &str, configuration: &str) -> Self {
        let home = Self(std::env::temp_dir().join(format!("{name}-{}", std::process::id())));
        std::fs::create_dir_all(home.path(".neutron/neutron.conf.d")).unwrap();
        std::fs::write(home.path(".neutron/neutron.conf"), configuration).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        let link = self.path(program);
        if !link.exists() {
            symlink(PROGRAM, &link).unwrap();
        }
        let mut command = Command::new(link);
        command.env("HOME", &self.0).env_remove("RUST_LOG").env_remove("BARYON_SOCKET");
        command
    }

    /// Starts an agent that logs to a file of its name, and waits until it answers.
    fn start(&self, program: &str, socket: &str) -> Agent {
        let log = self.path(&format!("{program}.log"));
        let child = self.command(program).arg("--log-file").arg(&log).spawn().unwrap();
        let mut agent = Agent(child);
        until(&format!("{program} answers"), || {
            assert_eq!(
                agent.0.try_wait().unwrap(),
                None,
                "it ended: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::os::unix::net::UnixStream::connect(socket).is_ok()
        });
        agent
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ended with the test, whatever becomes of it.
struct Agent(Child);

impl Agent {
    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Nobody listens there: an agent without its server is an agent that waits.
const NOBODY: &str = "[DEFAULT]\ntransport_url = rabbit://guest:hush@127.0.0.1:1/\nstate_path = STATE\nhost = n1\n\
    [ovs]\nlocal_ip = 192.0.2.1\nwhat = 1\n[agent]\ntunnel_types = vxlan\nroot_helper = sudo\n";

fn configuration(home: &Path) -> String {
    NOBODY.replace("STATE", &home.join("state").display().to_string())
}

#[test]
fn agents_by_their_names_share_a_node() {
    let home = Home::new("stand-in", "");
    std::fs::write(home.path(".neutron/neutron.conf"), configuration(&home.0)).unwrap();
    std::fs::write(home.path(".neutron/neutron-dhcp-agent.conf"), "[DEFAULT]\nhost = n2\n").unwrap();
    let _dhcp = home.start("neutron-dhcp-agent", "/run/baryon/dhcp.sock");
    let routers = home.start("neutron-l3-agent", "/run/baryon/l3.sock");

    let dhcp = home.read("neutron-dhcp-agent.log");
    assert!(dhcp.contains("host=n2") && dhcp.contains("roles=\"dhcp\""), "{dhcp}");
    assert!(dhcp.contains("neutron.conf:7: [ovs] what is not an option that is known here"), "{dhcp}");
    assert!(!dhcp.contains("hush") && !dhcp.contains("root_helper"), "{dhcp}");
    let log = home.read("neutron-l3-agent.log");
    assert!(log.contains("host=n1") && log.contains("roles=\"l3\""), "{log}");

    // The commands find the agent that the question is for.
    let leases = home.command("baryon").args(["dhcp", "leases", "--json"]).output().unwrap();
    assert!(leases.status.success() && text(&leases).trim() == "[]", "{}", text(&leases));
    let show = home.command("baryon").args(["show", "--socket", "/run/baryon/dhcp.sock"]).output().unwrap();
    assert!(show.status.success(), "{}", text(&show));

    // A second one of the same name does not start beside the first.
    let second = home.command("neutron-l3-agent").output().unwrap();
    assert!(!second.status.success() && text(&second).contains("another agent answers"), "{}", text(&second));

    // What runs in the place of a Python agent is told apart from it.
    let arguments = ["takeover", "--check", "--config-file"];
    let check = home.command("baryon").args(arguments).arg("/dev/null").output().unwrap();
    assert!(
        text(&check).contains("neutron-dhcp-agent") && text(&check).contains("this program already"),
        "{}",
        text(&check)
    );

    reread(&home, &routers);
    end(routers);
    assert!(home.read("neutron-l3-agent.log").contains("stopping"));
}

/// HUP takes `debug` from the files and opens the log anew.
fn reread(home: &Home, routers: &Agent) {
    let log = home.path("neutron-l3-agent.log");
    std::fs::rename(&log, home.path("old.log")).unwrap();
    let more = "[DEFAULT]\ndebug = true\n";
    std::fs::write(home.path(".neutron/neutron.conf.d/debug.conf"), more).unwrap();
    routers.signal("-HUP");
    until("the new log has a line of why", || home.read("neutron-l3-agent.log").contains("debug=true"));
    // Something wrong changes nothing.
    std::fs::write(home.path(".neutron/neutron.conf.d/debug.conf"), "[DEFAULT]\ndebug = perhaps\n").unwrap();
    routers.signal("-HUP");
    until("it is told", || home.read("neutron-l3-agent.log").contains("debug.conf:2"));
}

fn end(mut agent: Agent) {
    agent.signal("-TERM");
    let mut status = None;
    until("it ends", || {
        status = agent.0.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success(), "{status:?}");
}

#[test]
fn a_wrong_setting_is_told_with_its_line() {
    let home = Home::new("wrong", "[DEFAULT]\ntransport_url = rabbit://b/\nagent_mode = dvr\n");
    let refused = home.command("neutron-l3-agent").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused).contains("neutron.conf:3: option [DEFAULT] agent_mode = \"dvr\""),
        "{}",
        text(&refused)
    );
    let missing = home.command("neutron-l3-agent").args(["--config-file", "/nowhere"]).output().unwrap();
    assert!(text(&missing).contains("cannot read the configuration /nowhere"), "{}", text(&missing));
}
