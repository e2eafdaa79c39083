//! From what the controller wants to what must exist on this node's switch. Pure: a function of the
//! will, the configuration and the local VLANs that the node remembers.
//!
//! Only objects in scope are compiled. The index widens the scope by what hangs on a change (a
//! network's first port brings the network with it), so the caller need not know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use model::{
    Desired, Mac, NetworkId, ObjectRef, Port, PortId, PortOwner, RemotePort, Role, Scope, Segment,
    TunnelKind, names as devices,
};

use crate::config::{Config, VXLAN_PORT};
use crate::index::ipv4;
use crate::memory::Memory;
use crate::names;
use crate::service;
use crate::spec::{
    EndpointSpec, LocalSegment, NetworkSpec, NodeSpec, Owner, Path, PhysicalBridge, PortKind, PortSpec,
    PortState, RemoteMacSpec, Spec, SpoofGuard, TunnelBridge, TunnelPort, Wire,
};

/// What must exist of the objects in scope, and of those that hang on what changed.
pub fn compile(desired: &Desired, config: &Config, memory: &mut Memory, scope: &Scope) -> Spec {
    let scope = memory.draw_in(desired, scope);
    let complete = desired.complete.contains(&Role::L2);
    let spec = Spec {
        scope,
        complete,
        node: memory.node().clone(),
        networks: BTreeMap::new(),
        ports: BTreeMap::new(),
        endpoints: BTreeMap::new(),
        remote_macs: BTreeMap::new(),
        refused: Vec::new(),
        waiting: Vec::new(),
    };
    let mut pass = Pass { desired, config, memory, complete, spec };
    pass.release();
    match pass.spec.scope.clone() {
        Scope::All => pass.everything(),
        Scope::Objects(objects) => objects.into_iter().for_each(|object| pass.object(object)),
    }
    pass.spec
}

/// The bridges and patch ports that a configuration asks for.
pub fn node(config: &Config) -> NodeSpec {
    let with_bridges = !config.ports_only;
    let tunnel = (config.has_tunnels() && with_bridges).then(|| TunnelBridge {
        name: config.tunnel_bridge.clone(),
        int_patch: config.int_peer_patch_port.clone(),
        tun_patch: config.tun_peer_patch_port.clone(),
        arp_responder: config.arp_responder,
    });
    let mappings = config.bridge_mappings.iter().filter(|_| with_bridges);
    let physical = mappings.map(|(network, bridge)| PhysicalBridge {
        network: network.clone(),
        name: bridge.clone(),
        int_patch: names::int_patch(bridge),
        phy_patch: names::phy_patch(bridge),
    });
    NodeSpec {
        integration: config.integration_bridge.clone(),
        tunnel,
        physical: physical.collect(),
        datapath_type: config.datapath_type,
        mac_table_size: config.bridge_mac_table_size,
        ports_only: config.ports_only,
        owners: owners(config),
    }
}

/// Whose rows this process makes.
fn owners(config: &Config) -> BTreeSet<Owner> {
    [
        (Owner::Dhcp, config.dhcp_ports),
        (Owner::Router, config.router_ports),
        (Owner::Tunnel, !config.ports_only),
        (Owner::Patch, !config.ports_only),
    ]
    .into_iter()
    .filter_map(|(owner, ours)| ours.then_some(owner))
    .collect()
}

pub fn union(touched: Scope, asked: &Scope) -> Scope {
    match (touched, asked) {
        (Scope::Objects(mut touched), Scope::Objects(asked)) => {
            touched.extend(asked);
            Scope::Objects(touched)
        }
        _ => Scope::All,
    }
}

struct Pass<'a> {
    desired: &'a Desired,
    config: &'a Config,
    memory: &'a mut Memory,
    complete: bool,
    spec: Spec,
}

impl Pass<'_> {
    /// Gives back the numbers of networks without ports here. Not while the picture is incomplete:
    /// then the flows of such a network stay, and its number must not mean another one.
    fn release(&mut self) {
        if !self.complete {
            return;
        }
        let gone: Vec<_> = match &self.spec.scope {
            Scope::All => {
                let given = self.memory.vlans.given().keys();
                given
                    .filter(|(network, segment)| !self.memory.index.uses(*network, segment))
                    .cloned()
                    .collect()
            }
            Scope::Objects(objects) => {
                let networks = objects.iter().filter_map(|object| match object {
                    ObjectRef::Network(network) => Some(*network),
                    _ => None,
                });
                let Memory { index, vlans, .. } = &*self.memory;
                let unused = |network| {
                    let given = vlans.segments(network).filter(move |segment| !index.uses(network, segment));
                    given.map(move |segment| (network, segment.clone()))
                };
                networks.flat_map(unused).collect()
            }
        };
        gone.iter().for_each(|key| self.memory.vlans.release(key));
    }

    fn everything(&mut self) {
        if self.config.ports_only {
            return self.desired.ports().values().for_each(|port| self.port(port));
        }
        let networks: Vec<_> = self.memory.index.networks().collect();
        networks.into_iter().for_each(|network| self.network(network));
        let endpoints: Vec<_> = self.memory.index.endpoints().collect();
        endpoints.into_iter().for_each(|endpoint| self.endpoint(endpoint));
        self.desired.ports().values().for_each(|port| self.port(port));
        self.desired.remote_ports().values().for_each(|port| self.remote_mac(port));
    }

    fn object(&mut self, object: ObjectRef) {
        match object {
            ObjectRef::Node | ObjectRef::Router(_) => {}
            ObjectRef::Network(_) | ObjectRef::Endpoint(_) | ObjectRef::RemoteMac(..)
                if self.config.ports_only => {}
            ObjectRef::Network(network) => self.network(network),
            ObjectRef::Endpoint(address) => self.endpoint(address),
            ObjectRef::Port(id) => {
                if let Some(port) = self.desired.ports().get(&id) {
                    self.port(port);
                }
            }
            ObjectRef::RemoteMac(network, mac) => {
                if let Some(port) = self.desired.remote_ports().get(&(network, mac)) {
                    self.remote_mac(port);
                }
            }
        }
    }

    fn network(&mut self, network: NetworkId) {
        let wanted: Vec<_> = self.memory.index.segments(network).cloned().collect();
        let mut segments = Vec::new();
        for segment in wanted {
            match self.vlan(network, &segment) {
                Ok(vlan) => {
                    let flood = self.flood(network, &segment);
                    segments.push(LocalSegment { segment, vlan, flood });
                }
                Err(reason) => self.spec.refused.push((ObjectRef::Network(network), reason)),
            }
        }
        if !segments.is_empty() {
            self.spec.networks.insert(network, NetworkSpec { id: network, segments });
        }
    }

    /// The local VLAN of a segment, or why this node cannot carry it.
    fn vlan(&mut self, network: NetworkId, segment: &Segment) -> Result<model::VlanTag, String> {
        match segment {
            Segment::Flat { physical_network } | Segment::Vlan { physical_network, .. }
                if !self.config.bridge_mappings.contains_key(physical_network) =>
            {
                Err(format!(
                    "physical network {physical_network} has no bridge on this node (bridge_mappings)"
                ))
            }
            Segment::Tunnel { kind, .. } if !self.config.tunnel_types.contains(kind) => {
                Err(format!("tunnels of type {kind} are not configured on this node (tunnel_types)"))
            }
            _ => self
                .memory
                .vlans
                .take(&(network, segment.clone()), self.complete)
                .map_err(|exhausted| exhausted.to_string()),
        }
    }

    fn flood(&self, network: NetworkId, segment: &Segment) -> BTreeSet<IpAddr> {
        match segment {
            Segment::Tunnel { .. } => {
                let endpoints = self.desired.floods().get(&network).into_iter().flatten().copied();
                endpoints.filter(|endpoint| self.is_far(*endpoint)).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    fn port(&mut self, port: &Port) {
        let Some(binding) = port.binding.as_ref().filter(|binding| binding.host == self.config.host) else {
            return;
        };
        if port.owner == PortOwner::FloatingIp {
            return; // an address, not a device
        }
        let kind = self.kind(port);
        let own = matches!(kind, PortKind::Own { .. });
        if own && !service::is_wanted(self.desired, &self.config.host, port) {
            return;
        }
        let state = match &binding.segment {
            // Whoever sees to the switch gives it a VLAN.
            _ if self.config.ports_only && own => PortState::Dead,
            _ if self.config.ports_only => return,
            None => PortState::Dead,
            Some(segment) => match self.vlan(port.network, segment) {
                Err(reason) => {
                    // The failure is the network's; what can be done for the port is to cut it off.
                    self.spec.waiting.push((ObjectRef::Port(port.id), format!("its network: {reason}")));
                    PortState::Dead
                }
                Ok(_) if !port.admin_up => PortState::Dead,
                Ok(vlan) => {
                    let wire = Wire { network: port.network, segment: segment.clone(), vlan };
                    PortState::Live { wire, guard: spoof_guard(port) }
                }
            },
        };
        let spec = PortSpec { id: port.id, mac: port.mac, kind, state };
        self.spec.ports.insert(port.id, spec);
    }

    fn kind(&self, port: &Port) -> PortKind {
        let (device, owner) = match port.owner {
            PortOwner::Dhcp => (devices::tap(port.id), Owner::Dhcp),
            PortOwner::RouterInterface => {
                (self.router_device(port.id, devices::router_interface), Owner::Router)
            }
            PortOwner::RouterGateway => (self.router_device(port.id, devices::router_gateway), Owner::Router),
            PortOwner::FloatingIp | PortOwner::Other(_) => return PortKind::Vif,
        };
        if !self.spec.node.owners.contains(&owner) {
            return PortKind::Vif;
        }
        let mtu = self.desired.networks().get(&port.network).map_or(0, |network| network.mtu);
        PortKind::Own { device, owner, internal: !self.config.ovs_use_veth, mtu }
    }

    /// With veth pairs the switch's end is always called `tap…`; the other end has the router's name.
    fn router_device(&self, port: PortId, internal: fn(PortId) -> String) -> String {
        if self.config.ovs_use_veth { devices::tap(port) } else { internal(port) }
    }

    /// An endpoint has a tunnel port of every kind that a network with ports here reaches it by.
    fn endpoint(&mut self, address: IpAddr) {
        if !self.is_far(address) {
            return;
        }
        let mut kinds = BTreeSet::new();
        for network in self.memory.index.networks_behind(address) {
            kinds.extend(self.memory.index.segments(network).filter_map(|segment| match segment {
                Segment::Tunnel { kind, .. } if self.config.tunnel_types.contains(kind) => Some(*kind),
                _ => None,
            }));
        }
        if kinds.is_empty() {
            return;
        }
        let local = self.config.tunnel_address();
        if local.is_ipv4() != address.is_ipv4() {
            let reason =
                format!("its address and this node's tunnel address {local} are not of one IP version");
            self.spec.refused.push((ObjectRef::Endpoint(address), reason));
            return;
        }
        let tunnels = kinds.into_iter().map(|kind| tunnel_port(self.config, kind, address)).collect();
        self.spec.endpoints.insert(address, EndpointSpec { address, tunnels });
    }

    fn remote_mac(&mut self, port: &RemotePort) {
        if !self.config.l2_population || !self.is_far(port.endpoint) {
            return;
        }
        let segments = self.memory.index.segments(port.network);
        let keys: Vec<_> = segments
            .filter_map(|segment| match segment {
                Segment::Tunnel { kind, key } => Some((segment.clone(), *kind, *key)),
                _ => None,
            })
            .collect();
        let mut paths = Vec::new();
        for (segment, kind, key) in keys {
            // A segment that has no number is told of with its network.
            if let Ok(vlan) = self.vlan(port.network, &segment) {
                paths.push(Path { vlan, key, port: names::tunnel(kind, port.endpoint) });
            }
        }
        if paths.is_empty() {
            return;
        }
        let ours = |address: &std::net::Ipv4Addr| {
            self.config.arp_responder && self.memory.index.answers(port.network, *address) == Some(port.mac)
        };
        let addresses = ipv4(port).filter(ours).collect();
        let key = (port.network, port.mac);
        let spec =
            RemoteMacSpec { network: port.network, mac: port.mac, endpoint: port.endpoint, addresses, paths };
        self.spec.remote_macs.insert(key, spec);
    }

    /// Whether an endpoint is another node.
    fn is_far(&self, endpoint: IpAddr) -> bool {
        self.config.has_tunnels() && self.config.local_ip != Some(endpoint)
    }
}

/// What a guest's port may send from. Ports of Neutron's own services are trusted.
fn spoof_guard(port: &Port) -> Option<SpoofGuard> {
    if !port.port_security || port.owner.is_network_service() {
        return None;
    }
    let macs: BTreeSet<Mac> =
        std::iter::once(port.mac).chain(port.allowed_pairs.iter().filter_map(|pair| pair.mac)).collect();
    let fixed = port.fixed_ips.iter().map(|fixed| IpNet::from(fixed.address));
    let pairs = port.allowed_pairs.iter().map(|pair| pair.address.trunc());
    let (four, mut six): (BTreeSet<_>, BTreeSet<_>) =
        fixed.chain(pairs).partition(|net| net.addr().is_ipv4());
    six.extend(macs.iter().map(|mac| IpNet::from(IpAddr::V6(mac.link_local()))));
    Some(SpoofGuard { macs, arp: unless_any(four), nd: unless_any(six) })
}

/// A prefix of length 0 allows every address, so there is nothing to check.
fn unless_any(addresses: BTreeSet<IpNet>) -> Option<BTreeSet<IpNet>> {
    addresses.iter().all(|net| net.prefix_len() > 0).then_some(addresses)
}

fn tunnel_port(config: &Config, kind: TunnelKind, remote: IpAddr) -> TunnelPort {
    let gre6 = kind == TunnelKind::Gre && remote.is_ipv6();
    let interface_type = match kind {
        TunnelKind::Vxlan => "vxlan",
        TunnelKind::Geneve => "geneve",
        TunnelKind::Gre if gre6 => "ip6gre",
        TunnelKind::Gre => "gre",
    };
    let mut options = BTreeMap::from([
        ("remote_ip".to_owned(), remote.to_string()),
        ("local_ip".to_owned(), config.tunnel_address().to_string()),
        ("in_key".to_owned(), "flow".to_owned()),
        ("out_key".to_owned(), "flow".to_owned()),
        ("df_default".to_owned(), config.dont_fragment.to_string()),
        ("egress_pkt_mark".to_owned(), "0".to_owned()),
    ]);
    let mut option = |key: &str, value: String| options.insert(key.to_owned(), value);
    if kind == TunnelKind::Vxlan && config.vxlan_udp_port != VXLAN_PORT {
        option("dst_port", config.vxlan_udp_port.to_string());
    }
    if config.tunnel_csum {
        option("csum", "true".to_owned());
    }
    if config.dscp_inherit {
        option("tos", "inherit".to_owned());
    } else if let Some(dscp) = config.dscp.filter(|dscp| *dscp > 0) {
        option("tos", (u32::from(dscp) << 2).to_string());
    }
    if gre6 {
        option("packet_type", "legacy_l2".to_owned());
    }
    TunnelPort { kind, name: names::tunnel(kind, remote), interface_type, options }
}
