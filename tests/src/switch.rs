//! The Open vSwitch of a node: start, stop, kill. No monitor process restarts anything; that is the
//! business of the test.

use crate::{Datapath, Node, wait};

const DATABASE: &str = "/etc/openvswitch/conf.db";
const RUN: &str = "/run/openvswitch";

impl Node {
    /// Starts what does not run: the database first, made anew if there is none.
    pub fn start_switch(&self) {
        self.start_ovsdb();
        self.start_vswitchd();
    }

    pub fn start_ovsdb(&self) {
        self.sh(&format!(
            "[ -e {DATABASE} ] || ovsdb-tool create {DATABASE} /usr/share/openvswitch/vswitch.ovsschema
             ovsdb-server {DATABASE} --remote=punix:{RUN}/db.sock --remote=ptcp:6640:127.0.0.1 \
                --remote=db:Open_vSwitch,Open_vSwitch,manager_options \
                --pidfile --detach --no-chdir --log-file -vconsole:off > /dev/null 2>&1
             ovs-vsctl --no-wait init -- set Open_vSwitch . external_ids:hostname={name} external_ids:system-id={name}",
            name = self.name()
        ));
    }

    pub fn start_vswitchd(&self) {
        if self.datapath() == Datapath::System {
            await_age_of_machine();
        }
        // The output is closed, or the daemon would keep the pipe of this command open.
        self.sh(&format!(
            "ovs-vswitchd unix:{RUN}/db.sock --pidfile --detach --no-chdir --log-file -vconsole:off > /dev/null 2>&1"
        ));
    }

    /// SIGKILL, and wait until the process is gone. The kernel's datapath keeps its flows, the
    /// userspace datapath goes with the process.
    pub fn kill_vswitchd(&self) {
        self.kill_daemon("ovs-vswitchd");
    }

    pub fn kill_ovsdb(&self) {
        self.kill_daemon("ovsdb-server");
    }

    /// Asks ovs-vswitchd to end, as a package upgrade does. The kernel's datapath stays.
    pub fn stop_vswitchd(&self) {
        let pid = self.read(&format!("{RUN}/ovs-vswitchd.pid"));
        self.sh("ovs-appctl exit");
        self.await_end(pid.trim());
    }

    fn kill_daemon(&self, daemon: &str) {
        let pid = self.read(&format!("{RUN}/{daemon}.pid"));
        self.sh(&format!("kill -KILL {pid}"));
        self.await_end(pid.trim());
    }

    fn await_end(&self, pid: &str) {
        let process = format!("/proc/{pid}/stat");
        wait::until(10, &format!("{}: end of process {pid}", self.name()), || {
            let stat = std::fs::read_to_string(self.path(&process)).unwrap_or_default();
            if stat.is_empty() { Ok(()) } else { Err(stat) }
        });
    }
}

/// Open vSwitch 3.1 that is started in the first ten seconds after a boot counts no processors, so the kernel
/// is told of no thread to hand packets to, and never again: nothing passes until the switch is restarted.
fn await_age_of_machine() {
    const AGE: f64 = 10.5;
    wait::until(15, "the machine is old enough for Open vSwitch", || {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let age: Option<f64> = uptime.split(' ').next().and_then(|seconds| seconds.parse().ok());
        if age.is_some_and(|age| age > AGE) { Ok(()) } else { Err(uptime) }
    });
}
