//! A Neutron server in a space of its own: broker, database, RPC server, API.
//!
//! What starts them is `scripts/neutron-lab`, which also people use; this is only its hand.

use crate::neutron::{Api, Watch};
use crate::{Space, Underlay, wait};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Where nodes find the broker, on their `mgmt0`.
pub(super) const ADDRESS: &str = "198.18.0.250";
pub(super) const STATE: &str = "/run/neutron-lab";

/// The releases in `tests/neutron-lab`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 26.0.6, of 2025.1: agents on eventlet, older versions of objects.
    Epoxy,
    /// 29.0.0, of 2026.2.
    Newest,
}

impl Release {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoxy => "26.0.6",
            Self::Newest => "29.0.0",
        }
    }

    /// The virtual environment with the server and the agents.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from);
        target.join(format!("neutron-{}", self.name()))
    }
}

/// A running server. Dropping it ends all its processes at once.
#[derive(Debug)]
pub struct Server {
    space: Space,
    release: Release,
    /// Where `scripts/neutron-lab lend` serves, when the processes are not here: in an emulated machine they would
    /// take minutes.
    lent: Option<String>,
}

impl Server {
    /// Starts everything with an empty database; returns when the API and the RPC server serve. Takes 6 to 15 s.
    ///
    /// # Panics
    /// When the release is not installed.
    #[track_caller]
    #[must_use]
    pub fn start(underlay: &Underlay, release: Release) -> Self {
        let space = Space::new("neutron");
        underlay.ip_batch(&format!(
            "link add mgmt-neutron type veth peer name mgmt0 netns {}\nlink set mgmt-neutron master br-mgmt up\n",
            space.pid()
        ));
        space.ip_batch(&format!("link set mgmt0 up\naddr add {ADDRESS}/24 dev mgmt0\n"));
        // The script looks for this before it starts anything.
        space.sh("mkdir -p /run/sandbox");
        let lent = std::env::var("BARYON_TEST_LENT_SERVER").ok();
        let server = Self { space, release, lent };
        match &server.lent {
            Some(lender) => server.borrow_from(lender),
            None => server.start_parts("broker database rpc api"),
        }
        server
    }

    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    #[must_use]
    pub fn api(&self) -> Api {
        Api::at(self.space.path(&format!("{STATE}/api.sock")))
    }

    /// For the option of this name.
    #[must_use]
    pub fn transport_url(&self) -> String {
        format!("rabbit://guest:guest@{ADDRESS}:5672/")
    }

    /// Starts those of `broker`, `database`, `rpc`, `api`, `periodic` that do not run; returns when they serve.
    #[track_caller]
    pub fn start_parts(&self, parts: &str) {
        self.lab(&format!("start {} {parts}", self.release.name()));
    }

    /// SIGKILL. The queues that are not durable go with the broker, the database keeps everything.
    #[track_caller]
    pub fn kill_parts(&self, parts: &str) {
        self.lab(&format!("kill {parts}"));
    }

    /// Answers a line of port ids with the time at which all of them were ACTIVE, in seconds since 1970.
    #[must_use]
    pub fn watch_ports(&self) -> Watch {
        Watch::start(self, "active.py", &format!("{STATE}/database.sock"))
    }

    /// Answers a line with a port and its host with the seconds in which the server made the port ACTIVE, no agent
    /// being concerned.
    #[must_use]
    pub fn report_ports(&self) -> Watch {
        Watch::start(self, "report_up.py", ADDRESS)
    }

    /// Runs rabbitmqctl(8); gives what it printed.
    #[track_caller]
    pub fn rabbitmqctl(&self, arguments: &str) -> String {
        self.lab(&format!("rabbitmqctl {arguments}"))
    }

    /// The end of a part's log.
    #[must_use]
    pub fn log(&self, part: &str) -> String {
        self.space.try_sh(&format!("tail -n 50 {STATE}/log/{part}")).unwrap_or_else(|said| said)
    }

    /// Where the processes run: `/proc` of this space shows them.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The space becomes a stand-in: broker and API are passed through to the lender, behind the card of this machine.
    #[track_caller]
    fn borrow_from(&self, lender: &str) {
        let moved =
            Command::new("ip").args(["link", "set", "eth0", "netns", &self.space.pid().to_string()]).status();
        assert!(moved.as_ref().is_ok_and(ExitStatus::success), "the card of this machine: {moved:?}");
        self.space.sh(&format!(
            "ip link set eth0 up; ip address add 10.0.2.15/24 dev eth0; echo 1 > /proc/sys/net/ipv4/ip_forward
             nft 'add table ip lent
                  add chain ip lent to {{ type nat hook prerouting priority -100; }}
                  add chain ip lent from {{ type nat hook postrouting priority 100; }}
                  add rule ip lent to tcp dport 5672 dnat to {lender}
                  add rule ip lent from oif eth0 masquerade'
             mkdir -p {STATE}
             setsid socat UNIX-LISTEN:{STATE}/api.sock,fork TCP:{lender}:9696 > /dev/null 2>&1 < /dev/null &"
        ));
        wait::seldom(120, "the lent server", || {
            self.space.try_sh(&format!("socat -u OPEN:/dev/null TCP:{lender}:9697"))
        });
    }

    #[track_caller]
    fn lab(&self, arguments: &str) -> String {
        if let Some(lender) = &self.lent {
            let said = self.space.sh(&format!("echo {arguments} | socat -t 600 - TCP:{lender}:9697"));
            let (said, status) = said.rsplit_once('\n').unwrap_or(("", &said));
            assert_eq!(status, "0", "neutron-lab {arguments}: {said}");
            return said.to_owned();
        }
        let script = checkout().join("scripts/neutron-lab");
        self.space.sh(&format!(
            "NEUTRON_LAB_STATE={STATE} NEUTRON_LAB_ADDRESS={ADDRESS} {} {arguments} 2>&1",
            script.display()
        ))
    }
}

impl Drop for Server {
    /// A failed test shows what the server complained about, and what it waits for before a port is ACTIVE.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let complaints = self.space.try_sh(&format!(
                "for part in rpc api; do echo \"-- $part\"; grep -E ' (ERROR|CRITICAL) ' {STATE}/log/$part | tail -n 20; done
                 mariadb -S {STATE}/database.sock -u root neutron -e '
                    select p.id, p.status, p.device_owner, b.entity blocked_by
                    from ports p left join provisioningblocks b using (standard_attr_id)'"
            ));
            eprintln!("--- neutron-server at the end: {}", complaints.unwrap_or_else(|said| said));
        }
    }
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout")
}
