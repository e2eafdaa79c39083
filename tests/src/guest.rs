//! A guest without a machine: a namespace with one interface, plugged as a compute service plugs.

use crate::{Node, wait};

/// How the guest's interface reaches `br-int`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plug {
    /// `tap…` in `br-int`, the other end of the pair in the guest: stands for a tap of a virtual machine.
    Veth,
    /// An OVS internal port moved into the guest.
    Internal,
    /// `tap…` – `qbr…` (Linux bridge) – `qvb…` – `qvo…` in `br-int`.
    Hybrid,
    /// `vhu…` in `br-int` with no device in the kernel: a patch port that leads to a bridge with the guest's `tap…`.
    /// Stands for a vhost-user port, which needs DPDK.
    Deviceless,
}

#[derive(Debug)]
pub struct Guest<'n> {
    node: &'n Node,
    netns: String,
    port: String,
    /// The interface inside the guest.
    pub interface: String,
    /// The device that is a port of `br-int`.
    pub plugged: String,
    pub mac: String,
}

impl<'n> Guest<'n> {
    /// Plugs a port (the id and MAC of a port of the API) into `br-int` of the node.
    #[track_caller]
    #[must_use]
    pub fn plug(node: &'n Node, port: &str, mac: &str, plug: Plug) -> Self {
        let short = &port[..11];
        let netns = format!("guest-{short}");
        let (interface, plugged) = match plug {
            Plug::Veth => ("eth0".to_owned(), format!("tap{short}")),
            Plug::Internal => (format!("tap{short}"), format!("tap{short}")),
            Plug::Hybrid => ("eth0".to_owned(), format!("qvo{short}")),
            Plug::Deviceless => ("eth0".to_owned(), format!("vhu{short}")),
        };
        let guest = Self { node, netns, port: port.to_owned(), interface, plugged, mac: mac.to_owned() };
        guest.make_devices(short, plug);
        guest.add_to_switch(&match plug {
            Plug::Internal => "type=internal".to_owned(),
            Plug::Deviceless => format!("type=patch options:peer=far{short}"),
            Plug::Veth | Plug::Hybrid => String::new(),
        });
        if plug == Plug::Internal {
            guest.adopt_internal_port();
        }
        guest
    }

    #[must_use]
    pub fn node(&self) -> &'n Node {
        self.node
    }

    #[must_use]
    pub fn netns(&self) -> &str {
        &self.netns
    }

    /// Runs a shell script in the guest.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.node.sh_in(&self.netns, script)
    }

    pub fn try_sh(&self, script: &str) -> Result<String, String> {
        self.node.try_sh_in(&self.netns, script)
    }

    /// Waits until an address answers; the first packets may be needed to teach the way.
    #[track_caller]
    pub fn await_ping(&self, address: &str) {
        let what = format!("{} pings {address}", self.netns);
        wait::until(20, &what, || self.try_sh(&format!("ping -n -c 1 -W 1 {address}")));
    }

    /// Whether an address stays silent: three requests, no answer.
    #[must_use]
    pub fn is_silent(&self, address: &str) -> bool {
        self.try_sh(&format!("ping -n -c 3 -i 0.2 -W 1 {address}")).is_err()
    }

    /// A frame of exactly this size on the link passes unfragmented, and one byte more does not.
    #[track_caller]
    pub fn assert_path_mtu(&self, address: &str, mtu: u32) {
        let payload = mtu - 28;
        self.sh(&format!("ping -n -M do -c 2 -i 0.2 -W 2 -s {payload} {address}"));
        let larger = self.try_sh(&format!("ping -n -M do -c 1 -W 1 -s {} {address}", payload + 1));
        assert!(larger.is_err(), "{} bytes passed to {address}", mtu + 1);
    }

    /// Gives the guest an address by hand, for ports without DHCP.
    #[track_caller]
    pub fn set_address(&self, cidr: &str) {
        self.sh(&format!("ip address replace {cidr} dev {}", self.interface));
    }

    /// Takes the port out of the switch, as at the end of a virtual machine.
    pub fn unplug(self) {
        self.node.sh(&format!(
            "ovs-vsctl --if-exists del-port br-int {port} -- --if-exists del-br br{short}; ip netns delete {netns}; ip link delete {port} 2> /dev/null || true",
            port = self.plugged,
            short = &self.port[..11],
            netns = self.netns
        ));
    }

    /// Without finished checksums a userspace switch passes TCP on that nobody accepts; ping and DHCP
    /// would not notice.
    fn make_devices(&self, short: &str, plug: Plug) {
        let Self { node, netns, mac, .. } = self;
        node.sh(&format!("ip netns add {netns}; ip -n {netns} link set lo up"));
        if plug == Plug::Internal {
            return;
        }
        node.sh(&format!(
            "ip link add tap{short} type veth peer name eth0 address {mac} netns {netns}
             ip netns exec {netns} ethtool -K eth0 tx off > /dev/null
             ip link set tap{short} up; ip -n {netns} link set eth0 up"
        ));
        if plug == Plug::Deviceless {
            let datapath = node.datapath().name();
            node.sh(&format!(
                "ovs-vsctl add-br br{short} -- set Bridge br{short} datapath_type={datapath} fail_mode=standalone \
                 -- add-port br{short} tap{short} \
                 -- add-port br{short} far{short} -- set Interface far{short} type=patch options:peer=vhu{short}"
            ));
        }
        if plug == Plug::Hybrid {
            node.sh(&format!(
                "ip link add qbr{short} type bridge forward_delay 0
                 ip link add qvb{short} type veth peer name qvo{short}
                 ethtool -K qbr{short} tx off > /dev/null; ethtool -K qvb{short} tx off > /dev/null
                 ip link set tap{short} master qbr{short}; ip link set qvb{short} master qbr{short}
                 for device in qbr{short} qvb{short} qvo{short}; do ip link set $device up; done"
            ));
        }
    }

    /// What os-vif writes; Baryon recognises the port by `iface-id`.
    fn add_to_switch(&self, kind: &str) {
        self.node.sh(&format!(
            "ovs-vsctl add-port br-int {device} -- set Interface {device} {kind} external_ids:iface-id={port} \
             external_ids:iface-status=active external_ids:attached-mac={mac} external_ids:vm-uuid={port}",
            device = self.plugged,
            port = self.port,
            mac = self.mac
        ));
    }

    fn adopt_internal_port(&self) {
        let Self { node, netns, interface, mac, .. } = self;
        node.sh(&format!(
            "ip link set {interface} netns {netns}; ip -n {netns} link set {interface} address {mac} up"
        ));
    }
}
