//! The effects that this domain can have, each printing as the command that an operator would type.

use std::collections::BTreeSet;
use std::fmt;

use model::{Mac, PortId, VlanTag};
use uuid::Uuid;

use crate::config::DatapathType;
use crate::openflow::Flow;
use crate::rows::{PREDECESSORS, Texts};
use crate::spec::Owner;

/// One effect on rows or flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    MakeBridge(NewBridge),
    SetBridge(BridgeChange),
    MakePort(NewPort),
    RemovePort {
        bridge: String,
        port: Uuid,
        name: String,
    },
    SetPort(PortChange),
    SetInterface(InterfaceChange),
    AddFlow {
        bridge: String,
        flow: Flow,
    },
    DeleteFlow {
        bridge: String,
        flow: Flow,
    },
    /// Writes down by which cookies the flows of an agent before us are known; none: they are gone.
    SetPredecessors {
        bridge: Uuid,
        name: String,
        cookies: BTreeSet<u64>,
    },
    /// Takes away every flow with a cookie, in whatever table.
    DeleteCookie {
        bridge: String,
        cookie: u64,
    },
}

/// A bridge with its own port, closed (`fail_mode=secure`) from the start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewBridge {
    pub name: String,
    pub datapath_type: DatapathType,
    pub protocols: Vec<&'static str>,
    pub other_config: Texts,
}

/// What is to be different about a bridge. Sets and maps are added to, nothing is taken out of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BridgeChange {
    pub bridge: Uuid,
    pub name: String,
    pub datapath_type: Option<DatapathType>,
    pub protocols: Vec<&'static str>,
    pub secure: bool,
    pub other_config: Texts,
}

/// A port with one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPort {
    pub bridge: String,
    pub name: String,
    pub owner: Owner,
    pub tag: Option<VlanTag>,
    pub other_config: Texts,
    /// `Interface.type`; empty for a device that exists.
    pub kind: String,
    pub options: Texts,
    pub mtu: Option<u32>,
    /// The Neutron port that the interface is for.
    pub plugged: Option<(PortId, Mac)>,
}

/// What is to be different about a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortChange {
    pub port: Uuid,
    pub name: String,
    pub tag: VlanTag,
    /// `vlan_mode` and `trunks` are emptied.
    pub access: bool,
    /// Replaces what the port remembers of its network. `None`: left as it is.
    pub remember: Option<Texts>,
    pub owner: Option<Owner>,
}

/// What is to be different about an interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterfaceChange {
    pub interface: Uuid,
    pub name: String,
    pub kind: Option<String>,
    /// Replaces all options.
    pub options: Option<Texts>,
    pub mtu: Option<u32>,
    /// `ofport_request`
    pub number: Option<u32>,
    /// `external_ids:attached-mac`
    pub mac: Option<Mac>,
}

/// The keys of `Port.other_config` that are ours (and Neutron's).
pub const REMEMBERED: [&str; 5] = ["net_uuid", "network_type", "physical_network", "segmentation_id", "tag"];

/// The spelling of `ovs-ofctl` that our connection speaks.
const OFCTL: &str = "ovs-ofctl -O OpenFlow14";

impl Step {
    /// Whether this is about flows, not rows.
    pub fn is_flow(&self) -> bool {
        matches!(self, Self::AddFlow { .. } | Self::DeleteFlow { .. } | Self::DeleteCookie { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeBridge(bridge) => bridge.fmt(f),
            Self::SetBridge(change) => change.fmt(f),
            Self::MakePort(port) => port.fmt(f),
            Self::RemovePort { bridge, name, .. } => write!(f, "ovs-vsctl del-port {bridge} {name}"),
            Self::SetPort(change) => change.fmt(f),
            Self::SetInterface(change) => change.fmt(f),
            Self::SetPredecessors { name, cookies, .. } if cookies.is_empty() => {
                write!(f, "ovs-vsctl remove Bridge {name} external_ids {PREDECESSORS}")
            }
            Self::SetPredecessors { name, cookies, .. } => {
                write!(
                    f,
                    "ovs-vsctl set Bridge {name} external_ids:{PREDECESSORS}=\"{}\"",
                    cookie_list(cookies)
                )
            }
            Self::DeleteCookie { bridge, cookie } => {
                write!(f, "{OFCTL} del-flows {bridge} \"cookie={cookie:#x}/-1\"")
            }
            Self::AddFlow { bridge, flow } => write!(f, "{OFCTL} add-flow {bridge} \"{flow}\""),
            Self::DeleteFlow { bridge, flow } => {
                let (cookie, key) = (flow.cookie, flow.key());
                write!(f, "{OFCTL} --strict del-flows {bridge} \"cookie={cookie:#x}/-1, {key}\"")
            }
        }
    }
}

impl fmt::Display for NewBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, datapath_type, .. } = self;
        write!(f, "ovs-vsctl add-br {name} -- set Bridge {name} datapath_type={}", datapath_type.as_str())?;
        write!(f, " fail_mode=secure protocols={}", self.protocols.join(","))?;
        keys(f, "other_config", &self.other_config)
    }
}

impl fmt::Display for BridgeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let sets = self.datapath_type.is_some() || self.secure || !self.other_config.is_empty();
        f.write_str("ovs-vsctl")?;
        if sets {
            write!(f, " set Bridge {name}")?;
            if let Some(datapath_type) = self.datapath_type {
                write!(f, " datapath_type={}", datapath_type.as_str())?;
            }
            if self.secure {
                f.write_str(" fail_mode=secure")?;
            }
            keys(f, "other_config", &self.other_config)?;
        }
        if !self.protocols.is_empty() {
            let dashes = if sets { " --" } else { "" };
            write!(f, "{dashes} add Bridge {name} protocols {}", self.protocols.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Display for NewPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bridge, name, owner, .. } = self;
        write!(f, "ovs-vsctl add-port {bridge} {name}")?;
        if let Some(tag) = self.tag {
            write!(f, " tag={tag}")?;
        }
        write!(f, " -- set Port {name} external_ids:{}={}", Owner::KEY, owner.as_str())?;
        keys(f, "other_config", &self.other_config)?;
        write!(f, " -- set Interface {name}")?;
        if !self.kind.is_empty() {
            write!(f, " type={}", self.kind)?;
        }
        keys(f, "options", &self.options)?;
        if let Some(mtu) = self.mtu {
            write!(f, " mtu_request={mtu}")?;
        }
        if let Some((port, mac)) = self.plugged {
            write!(f, " external_ids:iface-id={port} external_ids:attached-mac={mac}")?;
            f.write_str(" external_ids:iface-status=active")?;
        }
        Ok(())
    }
}

impl fmt::Display for PortChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        write!(f, "ovs-vsctl set Port {name} tag={}", self.tag)?;
        if let Some(texts) = &self.remember {
            keys(f, "other_config", texts)?;
        }
        if let Some(owner) = self.owner {
            write!(f, " external_ids:{}={}", Owner::KEY, owner.as_str())?;
        }
        if self.access {
            write!(f, " -- clear Port {name} vlan_mode -- clear Port {name} trunks")?;
        }
        Ok(())
    }
}

impl fmt::Display for InterfaceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ovs-vsctl set Interface {}", self.name)?;
        if let Some(kind) = &self.kind {
            write!(f, " type={kind}")?;
        }
        if let Some(options) = &self.options {
            keys(f, "options", options)?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu_request={mtu}")?;
        }
        if let Some(number) = self.number {
            write!(f, " ofport_request={number}")?;
        }
        if let Some(mac) = self.mac {
            write!(f, " external_ids:attached-mac={mac}")?;
        }
        Ok(())
    }
}

/// As the row has them.
pub(crate) fn cookie_list(cookies: &BTreeSet<u64>) -> String {
    cookies.iter().map(|cookie| format!("{cookie:#x}")).collect::<Vec<_>>().join(",")
}

fn keys(f: &mut fmt::Formatter<'_>, column: &str, texts: &Texts) -> fmt::Result {
    texts.iter().try_for_each(|(key, value)| write!(f, " {column}:{key}={value}"))
}
