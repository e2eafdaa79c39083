//! A node: a space with three wires to the underlay and an Open vSwitch of its own.
//!
//! Number 7 is called `node7`, has 198.18.0.7 on `mgmt0` and the tunnel address 198.18.1.7. The bridge
//! `br-ex` exists with `ext0` in it, as an operator would have prepared it; everything else is left to
//! Baryon. With the userspace datapath the tunnel address lies on the bridge `br-phy`, because the
//! switch sends tunnel packets itself and looks for the way among its own bridges.

use crate::{Datapath, Space, Underlay};
use std::fs::OpenOptions;
use std::ops::Deref;

/// What to look at when a packet did not arrive: rows, flows with their counters, what the datapath does
/// with the packets of right now, what the devices have counted, and what the switch complained of.
const STATE: &str = "exec 2>&1
    ovs-vsctl --timeout=3 show
    ovs-vsctl --timeout=3 --columns=name,ofport,mac_in_use,link_state,error list Interface
    for bridge in $(ovs-vsctl --timeout=3 list-br); do
        echo \"-- flows of $bridge\"; ovs-ofctl -t 3 dump-flows $bridge
        ovs-ofctl -t 3 dump-ports $bridge
    done
    echo '-- datapath'; ovs-appctl -T 3 dpctl/show; ovs-appctl -T 3 dpctl/dump-flows -m
    echo '-- devices'
    ip -br address
    for netns in $(ip netns list | cut -d ' ' -f 1); do echo \"-- in $netns\"; ip -n $netns -s address; done
    echo '-- upcalls'; ovs-appctl -T 3 upcall/show; ovs-appctl -T 3 dpif-netlink/dispatch-mode
    echo '-- what ovs-vswitchd says'
    grep -E 'WARN|ERR|EMER|handler-threads' /var/log/openvswitch/ovs-vswitchd.log | tail -n 30";

#[derive(Debug)]
pub struct Node {
    space: Space,
    number: u8,
    datapath: Datapath,
}

impl Node {
    #[must_use]
    pub fn new(underlay: &Underlay, number: u8) -> Self {
        Self::with_datapath(underlay, number, Datapath::of_this_kernel())
    }

    #[must_use]
    pub fn with_datapath(underlay: &Underlay, number: u8, datapath: Datapath) -> Self {
        // The userspace datapath makes its internal ports as taps.
        let tun = OpenOptions::new().write(true).open("/dev/net/tun");
        assert!(tun.is_ok() || datapath == Datapath::System, "/dev/net/tun: {tun:?}; run the tests as root");
        let node = Self { space: Space::new(&format!("node{number}")), number, datapath };
        node.wire(underlay);
        node.start_switch();
        node.prepare_bridges();
        node
    }

    #[must_use]
    pub fn datapath(&self) -> Datapath {
        self.datapath
    }

    #[must_use]
    pub fn tunnel_address(&self) -> String {
        format!("198.18.1.{}", self.number)
    }

    /// The largest packet of a guest that passes a VXLAN tunnel over the underlay unfragmented.
    #[must_use]
    pub fn vxlan_mtu(&self) -> u32 {
        1450
    }

    /// The links are made in the underlay, with their other ends in the node: nothing ever shows in
    /// the namespace of the test, where another test may be doing the same.
    fn wire(&self, underlay: &Underlay) {
        let (name, pid) = (self.name(), self.pid());
        for wire in ["mgmt", "ul", "ext"] {
            underlay.ip_batch(&format!(
                "link add {wire}-{name} type veth peer name {wire}0 netns {pid}\n\
                 link set {wire}-{name} master br-{wire} up\n"
            ));
            underlay.sh(&format!("ethtool -K {wire}-{name} tx off > /dev/null"));
        }
        self.ip_batch(&format!(
            "link set mgmt0 up\nlink set ul0 up\nlink set ext0 up\naddr add 198.18.0.{}/24 dev mgmt0\n",
            self.number
        ));
    }

    fn prepare_bridges(&self) {
        let (datapath, tunnel) = (self.datapath.name(), self.tunnel_address());
        self.sh(&format!(
            "ovs-vsctl add-br br-ex -- set Bridge br-ex datapath_type={datapath} fail_mode=standalone -- add-port br-ex ext0"
        ));
        match self.datapath {
            Datapath::System => self.ip_batch(&format!("addr add {tunnel}/24 dev ul0\n")),
            Datapath::Netdev => {
                self.sh(
                    "ovs-vsctl add-br br-phy -- set Bridge br-phy datapath_type=netdev fail_mode=standalone \
                     -- add-port br-phy ul0",
                );
                self.ip_batch(&format!("addr add {tunnel}/24 dev br-phy\nlink set br-phy up\n"));
            }
        }
    }
}

impl Deref for Node {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
}

impl Drop for Node {
    /// A failed test shows what the switch held before it goes.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let state = self.try_sh(&format!("set +e; {STATE}"));
            eprintln!("--- {} at the end: {}", self.name(), state.unwrap_or_else(|error| error));
        }
    }
}
