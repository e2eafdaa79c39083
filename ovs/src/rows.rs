//! The rows of the switch's database that matter here, as values with names, and the indexes that find
//! one without looking at the others. Kept up to date row by row; a copy costs nothing.
//!
//! What a change of rows means to whom is in `wakes`; how columns become values, in `read`.

pub mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use model::{PortId, Segment, SwitchFacts, TunnelKind, VlanTag};
use uuid::Uuid;

use self::read::{bridge_row, interface_row, port_row};
use crate::ovsdb::RowChange;
use crate::spec::Owner;

/// Text by text: `other_config`, `options`.
pub type Texts = BTreeMap<String, String>;

/// The key in `external_ids` of Bridge for [`BridgeRow::predecessors`].
pub const PREDECESSORS: &str = "baryon-predecessors";

/// A row of Bridge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BridgeRow {
    pub uuid: Uuid,
    pub name: String,
    /// In ascending order.
    pub ports: Vec<Uuid>,
    pub datapath_type: String,
    /// 16 hex digits; absent until vswitchd has made the bridge.
    pub datapath_id: Option<String>,
    pub protocols: BTreeSet<String>,
    pub fail_mode: Option<String>,
    pub other_config: Texts,
    /// The cookies of an agent that had the bridge before us, whose flows are not all gone yet.
    pub predecessors: BTreeSet<u64>,
}

/// A row of Port.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PortRow {
    pub uuid: Uuid,
    pub name: String,
    pub interfaces: Vec<Uuid>,
    pub tag: Option<VlanTag>,
    pub vlan_mode: Option<String>,
    pub has_trunks: bool,
    pub other_config: Texts,
    /// Whose it is, when we made it.
    pub owner: Option<Owner>,
}

/// A row of Interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterfaceRow {
    pub uuid: Uuid,
    pub name: String,
    /// `Interface.type`
    pub kind: String,
    pub ofport: Ofport,
    /// Why the switch could not open it.
    pub error: Option<String>,
    /// `external_ids:iface-id`, when it is the id of a Neutron port.
    pub port: Option<PortId>,
    /// `external_ids:attached-mac`
    pub mac: Option<String>,
    pub options: Texts,
    pub mtu_request: Option<u32>,
}

/// The column `Interface.ofport`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ofport {
    /// The switch has not looked at the interface yet.
    #[default]
    Unassigned,
    /// The switch could not make it (-1).
    Failed,
    Number(u32),
}

impl Ofport {
    pub fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::Unassigned | Self::Failed => None,
        }
    }
}

/// The rows and their indexes.
#[derive(Clone, Default)]
pub struct Rows {
    bridges: OrdMap<Uuid, Arc<BridgeRow>>,
    ports: OrdMap<Uuid, Arc<PortRow>>,
    interfaces: OrdMap<Uuid, Arc<InterfaceRow>>,
    bridge_named: OrdMap<String, Uuid>,
    port_named: OrdMap<String, Uuid>,
    interface_named: OrdMap<String, Uuid>,
    bridge_of: OrdMap<Uuid, Uuid>,
    port_of: OrdMap<Uuid, Uuid>,
    /// Interfaces by the Neutron port that they belong to.
    plugged: OrdMap<PortId, OrdSet<Uuid>>,
    owned: OrdMap<Owner, OrdSet<Uuid>>,
    /// Tunnel interfaces by their far end.
    tunnels: OrdMap<IpAddr, OrdSet<Uuid>>,
    /// `other_config:hw-offload` of the whole switch.
    pub hw_offload: bool,
    /// What the switch can do, in its own words.
    pub datapath_types: OrdSet<String>,
    pub interface_types: OrdSet<String>,
}

/// A port with its interface, and the bridge that they are on.
#[derive(Clone, Copy, Debug)]
pub struct Plug<'a> {
    pub bridge: &'a BridgeRow,
    pub port: &'a PortRow,
    pub interface: &'a InterfaceRow,
}

/// One row that became another.
#[derive(Clone, Debug)]
pub enum Change {
    Bridge(Option<Arc<BridgeRow>>, Option<Arc<BridgeRow>>),
    Port(Option<Arc<PortRow>>, Option<Arc<PortRow>>),
    Interface(Option<Arc<InterfaceRow>>, Option<Arc<InterfaceRow>>),
}

impl Rows {
    /// Takes up rows as the database has them now, and gives what that changed.
    pub fn follow(&mut self, changes: &[RowChange]) -> Vec<Change> {
        changes.iter().filter_map(|change| self.follow_one(change)).collect()
    }

    fn follow_one(&mut self, change: &RowChange) -> Option<Change> {
        let new = change.new.as_deref();
        match &*change.table {
            "Bridge" => {
                let new = new.map(|row| bridge_row(change.uuid, row));
                let (old, new) = self.set_bridge(change.uuid, new);
                (old != new).then_some(Change::Bridge(old, new))
            }
            "Port" => {
                let new = new.map(|row| port_row(change.uuid, row));
                let (old, new) = self.set_port(change.uuid, new);
                (old != new).then_some(Change::Port(old, new))
            }
            "Interface" => {
                let new = new.map(|row| interface_row(change.uuid, row));
                let (old, new) = self.set_interface(change.uuid, new);
                (old != new).then_some(Change::Interface(old, new))
            }
            "Open_vSwitch" => {
                self.hw_offload = new.and_then(|row| row.key("other_config", "hw-offload")) == Some("true");
                let words = |column| new.into_iter().flat_map(move |row| row.strings(column));
                self.datapath_types = words("datapath_types").map(str::to_owned).collect();
                self.interface_types = words("iface_types").map(str::to_owned).collect();
                None
            }
            _ => None,
        }
    }

    /// Puts or removes a bridge. Returns the row before and after.
    pub fn set_bridge(
        &mut self,
        uuid: Uuid,
        new: Option<BridgeRow>,
    ) -> (Option<Arc<BridgeRow>>, Option<Arc<BridgeRow>>) {
        let old = self.bridges.remove(&uuid);
        if let Some(old) = &old {
            unname(&mut self.bridge_named, &old.name, uuid);
            for port in only_in_first(&old.ports, new.as_ref().map_or(&[], |new| &new.ports)) {
                if self.bridge_of.get(&port) == Some(&uuid) {
                    self.bridge_of.remove(&port);
                }
            }
        }
        let new = new.map(Arc::new);
        if let Some(new) = &new {
            self.bridge_named.insert(new.name.clone(), uuid);
            for port in only_in_first(&new.ports, old.as_ref().map_or(&[], |old| &old.ports)) {
                self.bridge_of.insert(port, uuid);
            }
            self.bridges.insert(uuid, new.clone());
        }
        (old, new)
    }

    /// Puts or removes a port. Returns the row before and after.
    pub fn set_port(
        &mut self,
        uuid: Uuid,
        new: Option<PortRow>,
    ) -> (Option<Arc<PortRow>>, Option<Arc<PortRow>>) {
        let old = self.ports.remove(&uuid);
        if let Some(old) = &old {
            unname(&mut self.port_named, &old.name, uuid);
            for interface in &old.interfaces {
                if self.port_of.get(interface) == Some(&uuid) {
                    self.port_of.remove(interface);
                }
            }
            forget(&mut self.owned, old.owner, uuid);
        }
        let new = new.map(Arc::new);
        if let Some(new) = &new {
            self.port_named.insert(new.name.clone(), uuid);
            for interface in &new.interfaces {
                self.port_of.insert(*interface, uuid);
            }
            remember(&mut self.owned, new.owner, uuid);
            self.ports.insert(uuid, new.clone());
        }
        (old, new)
    }

    /// Puts or removes an interface. Returns the row before and after.
    pub fn set_interface(
        &mut self,
        uuid: Uuid,
        new: Option<InterfaceRow>,
    ) -> (Option<Arc<InterfaceRow>>, Option<Arc<InterfaceRow>>) {
        let old = self.interfaces.remove(&uuid);
        if let Some(old) = &old {
            unname(&mut self.interface_named, &old.name, uuid);
            forget(&mut self.plugged, old.plugged_as(), uuid);
            forget(&mut self.tunnels, old.remote(), uuid);
        }
        let new = new.map(Arc::new);
        if let Some(new) = &new {
            self.interface_named.insert(new.name.clone(), uuid);
            remember(&mut self.plugged, new.plugged_as(), uuid);
            remember(&mut self.tunnels, new.remote(), uuid);
            self.interfaces.insert(uuid, new.clone());
        }
        (old, new)
    }

    pub fn bridge(&self, name: &str) -> Option<&BridgeRow> {
        self.bridge_named.get(name).and_then(|uuid| self.bridges.get(uuid)).map(Arc::as_ref)
    }

    pub fn bridges(&self) -> impl Iterator<Item = &BridgeRow> {
        self.bridges.values().map(Arc::as_ref)
    }

    /// A port of a certain name, whatever bridge it is on.
    pub fn port(&self, name: &str) -> Option<&PortRow> {
        self.port_named.get(name).and_then(|uuid| self.ports.get(uuid)).map(Arc::as_ref)
    }

    pub fn port_by_uuid(&self, uuid: Uuid) -> Option<&PortRow> {
        self.ports.get(&uuid).map(Arc::as_ref)
    }

    pub fn interface(&self, name: &str) -> Option<&InterfaceRow> {
        self.interface_named.get(name).and_then(|uuid| self.interfaces.get(uuid)).map(Arc::as_ref)
    }

    pub fn interface_by_uuid(&self, uuid: Uuid) -> Option<&InterfaceRow> {
        self.interfaces.get(&uuid).map(Arc::as_ref)
    }

    /// The OpenFlow number of an interface.
    pub fn number(&self, interface: &str) -> Option<u32> {
        self.interface(interface)?.ofport.number()
    }

    /// An interface with its port and bridge; absent while the database has only a part of that.
    pub fn plug(&self, interface: Uuid) -> Option<Plug<'_>> {
        let port = self.ports.get(self.port_of.get(&interface)?)?;
        let bridge = self.bridges.get(self.bridge_of.get(&port.uuid)?)?;
        Some(Plug { bridge, port, interface: self.interfaces.get(&interface)? })
    }

    pub fn plug_named(&self, interface: &str) -> Option<Plug<'_>> {
        self.plug(*self.interface_named.get(interface)?)
    }

    /// Where a Neutron port is plugged in on a bridge. Usually once; twice while it is replugged.
    pub fn plugs<'a>(&'a self, port: PortId, bridge: &'a str) -> impl Iterator<Item = Plug<'a>> {
        let interfaces = self.plugged.get(&port).into_iter().flatten();
        interfaces.filter_map(|uuid| self.plug(*uuid)).filter(move |plug| plug.bridge.name == bridge)
    }

    /// What a controller wants to know of the switch, as long as the database can be read.
    pub fn facts(&self) -> SwitchFacts {
        SwitchFacts {
            alive: true,
            plugged: self.plugged.clone(),
            datapath_types: self.datapath_types.clone(),
            interface_types: self.interface_types.clone(),
        }
    }

    /// Every Neutron port that is plugged in anywhere.
    pub fn plugged(&self) -> impl Iterator<Item = PortId> {
        self.plugged.keys().copied()
    }

    /// The ports that we made.
    pub fn owned(&self, owner: Owner) -> impl Iterator<Item = &PortRow> {
        let ports = self.owned.get(&owner).into_iter().flatten();
        ports.filter_map(|uuid| self.ports.get(uuid)).map(Arc::as_ref)
    }

    /// The tunnel ports that lead to an endpoint.
    pub fn tunnels(&self, remote: IpAddr) -> impl Iterator<Item = Plug<'_>> {
        self.tunnels.get(&remote).into_iter().flatten().filter_map(|uuid| self.plug(*uuid))
    }

    /// Every endpoint that tunnel ports lead to.
    pub fn endpoints(&self) -> impl Iterator<Item = IpAddr> {
        self.tunnels.keys().copied()
    }

    /// The ports of a bridge. Costs as much as it has ports.
    pub fn ports_of<'a>(&'a self, bridge: &str) -> impl Iterator<Item = &'a PortRow> {
        let ports = self.bridge(bridge).into_iter().flat_map(|bridge| &bridge.ports);
        ports.filter_map(|uuid| self.ports.get(uuid)).map(Arc::as_ref)
    }
}

impl PortRow {
    /// The network and segment that the row remembers, and their local VLAN.
    pub fn remembers(&self) -> Option<(model::NetworkId, Segment, VlanTag)> {
        let text = |key: &str| self.other_config.get(key).map(String::as_str);
        let network = text("net_uuid")?.parse().ok()?;
        let physical_network = || text("physical_network").filter(|name| *name != "None").map(str::to_owned);
        let id = || text("segmentation_id").and_then(|id| id.parse::<u32>().ok());
        let tunnel = |kind| Some(Segment::Tunnel { kind, key: id()? });
        let segment = match text("network_type")? {
            "local" => Segment::Local,
            "flat" => Segment::Flat { physical_network: physical_network()? },
            "vlan" => Segment::Vlan {
                physical_network: physical_network()?,
                vlan: VlanTag(u16::try_from(id()?).ok()?),
            },
            "vxlan" => tunnel(TunnelKind::Vxlan)?,
            "geneve" => tunnel(TunnelKind::Geneve)?,
            "gre" => tunnel(TunnelKind::Gre)?,
            _ => return None,
        };
        Some((network, segment, VlanTag(text("tag")?.parse().ok()?)))
    }
}

impl InterfaceRow {
    /// The Neutron port that this is the plug of: it says so and says its MAC.
    pub fn plugged_as(&self) -> Option<PortId> {
        self.port.filter(|_| self.mac.is_some())
    }

    /// The far end of a tunnel interface.
    pub fn remote(&self) -> Option<IpAddr> {
        let tunnel = matches!(self.kind.as_str(), "vxlan" | "geneve" | "gre" | "ip6gre");
        self.options.get("remote_ip").filter(|_| tunnel)?.parse().ok()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bridges, ports, interfaces, .. } = self;
        write!(f, "Rows({} bridges, {} ports, {} interfaces)", bridges.len(), ports.len(), interfaces.len())
    }
}

fn unname(names: &mut OrdMap<String, Uuid>, name: &str, uuid: Uuid) {
    // A row of the same name may have come before this one went.
    if names.get(name) == Some(&uuid) {
        names.remove(name);
    }
}

fn remember<K: Ord + Clone>(index: &mut OrdMap<K, OrdSet<Uuid>>, key: Option<K>, uuid: Uuid) {
    if let Some(key) = key {
        index.entry(key).or_default().insert(uuid);
    }
}

fn forget<K: Ord + Clone>(index: &mut OrdMap<K, OrdSet<Uuid>>, key: Option<K>, uuid: Uuid) {
    let Some(key) = key else { return };
    if let Some(set) = index.get_mut(&key) {
        set.remove(&uuid);
        if set.is_empty() {
            index.remove(&key);
        }
    }
}

/// Both are sorted. A bridge of a thousand ports gets one more with every plug, so this walks both once
/// and looks nothing up.
fn only_in_first(first: &[Uuid], second: &[Uuid]) -> Vec<Uuid> {
    let mut second = second.iter().peekable();
    let mut only = Vec::new();
    for uuid in first {
        while second.next_if(|other| *other < uuid).is_some() {}
        if second.peek() != Some(&uuid) {
            only.push(*uuid);
        }
    }
    only
}
