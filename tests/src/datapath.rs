//! Which datapath the switches of the tests use.

use std::path::Path;
use std::process::Command;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datapath {
    /// In the process ovs-vswitchd. Works on every kernel; packets stop when the process stops.
    Netdev,
    /// openvswitch.ko. What production uses; absent from the kernels of most builders.
    System,
}

impl Datapath {
    /// The kernel's datapath where the kernel has it, the process's otherwise.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        let loaded = || Path::new("/sys/module/openvswitch").exists();
        let load = || {
            Command::new("modprobe").args(["-q", "openvswitch"]).status().is_ok_and(|status| status.success())
        };
        if loaded() || load() { Self::System } else { Self::Netdev }
    }

    /// As in the column `datapath_type` and in the option of the same name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Netdev => "netdev",
            Self::System => "system",
        }
    }
}
