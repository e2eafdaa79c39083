//! What is different between the state before and after, for people: one paragraph for each thing.
//! Worked out from the states themselves, so that it also says what follows from the file without
//! being in it (DHCP ports, router ports).

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::local::draft::Draft;
use crate::local::state::{Key, Record, State};
use crate::local::status::Statuses;
use crate::local::view::Viewer;

/// All changes, in the order hosts, networks, subnets, ports, routers, floating IPs.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Difference {
    pub changes: Vec<Change>,
}

/// One thing that is made, changed or removed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Change {
    pub action: Action,
    /// `network`, `subnet`, …
    pub kind: &'static str,
    pub name: String,
    pub id: String,
    /// The thing in a few words.
    pub about: String,
    /// Of a changed thing, the fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    Delete,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FieldChange {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// `3 to create, 1 to change, 0 to remove`
    pub fn summary(&self) -> String {
        let count = |action| self.changes.iter().filter(|change| change.action == action).count();
        let [new, changed, gone] = [Action::Create, Action::Update, Action::Delete].map(count);
        format!("{new} to create, {changed} to change, {gone} to remove")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| change.fmt(f))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        };
        let kind = if self.kind == "floatingip" { "floating IP" } else { self.kind };
        writeln!(f, "{mark} {kind} {}: {}", self.name, self.about)?;
        for field in &self.fields {
            writeln!(f, "    {}: {} -> {}", field.field, field.old, field.new)?;
        }
        Ok(())
    }
}

pub(super) fn between(before: &State, draft: &Draft<'_>) -> Difference {
    let statuses = Statuses::default();
    let viewer = |state| Viewer { state, statuses: &statuses, local: &draft.config.host };
    let (old, new) = (viewer(before), viewer(&draft.state));
    let changes = draft.touched.iter().filter_map(|key| Some((rank(key), change(old, new, key)?)));
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by(|(rank, a), (other, b)| rank.cmp(other).then_with(|| a.name.cmp(&b.name)));
    Difference { changes: changes.into_iter().map(|(_, change)| change).collect() }
}

/// The kind's place in the list.
fn rank(key: &Key) -> u8 {
    match key {
        Key::Host(_) => 0,
        Key::Network(_) => 1,
        Key::Subnet(_) => 2,
        Key::Port(_) => 3,
        Key::Router(_) => 4,
        Key::FloatingIp(_) => 5,
    }
}

fn change(old: Viewer<'_>, new: Viewer<'_>, key: &Key) -> Option<Change> {
    let (before, after) = (old.state.get(key), new.state.get(key));
    let views = (before.as_ref().map(|it| view(old, it)), after.as_ref().map(|it| view(new, it)));
    let (action, fields) = match views {
        (None, None) => return None,
        (None, Some(_)) => (Action::Create, Vec::new()),
        (Some(_), None) => (Action::Delete, Vec::new()),
        (Some(before), Some(after)) => {
            let fields = fields(before, &after);
            if fields.is_empty() {
                return None;
            }
            (Action::Update, fields)
        }
    };
    let (viewer, record) = match after {
        Some(after) => (new, after),
        None => (old, before?),
    };
    let (kind, name, id) = named(&record);
    Some(Change { action, kind, name, id, about: about(viewer.state, &record), fields })
}

fn view(viewer: Viewer<'_>, record: &Record) -> Map<String, Value> {
    match record {
        Record::Host(host) => viewer.host(host),
        Record::Network(network) => viewer.network(network),
        Record::Subnet(subnet) => viewer.subnet(subnet),
        Record::Port(port) => viewer.port(port),
        Record::Router(router) => viewer.router(router),
        Record::FloatingIp(floating) => viewer.floating_ip(floating),
    }
}

fn fields(before: Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    /// Follow from other fields, or from other things that are in the list themselves.
    const UNSAID: [&str; 7] = [
        "updated_at",
        "revision_number",
        "tenant_id",
        "status",
        "port_details",
        "subnets",
        "binding:vif_details",
    ];
    let said = before.into_iter().filter(|(field, _)| !UNSAID.contains(&field.as_str()));
    let changes = said.filter_map(|(field, old)| {
        let new = after.get(&field).cloned().unwrap_or_default();
        (old != new).then_some(FieldChange { field, old, new })
    });
    changes.collect()
}

fn named(record: &Record) -> (&'static str, String, String) {
    match record {
        Record::Host(host) => ("host", host.name.to_string(), host.name.to_string()),
        Record::Network(network) => ("network", network.name.clone(), network.id.to_string()),
        Record::Subnet(subnet) => ("subnet", subnet.name.clone(), subnet.id.to_string()),
        Record::Port(port) => {
            let name =
                if port.name.is_empty() { format!("({})", port.device_owner) } else { port.name.clone() };
            ("port", name, port.id.to_string())
        }
        Record::Router(router) => ("router", router.name.clone(), router.id.to_string()),
        Record::FloatingIp(floating) => ("floatingip", floating.name.clone(), floating.id.to_string()),
    }
}

fn about(state: &State, record: &Record) -> String {
    let network = |id| match state.networks().get(id) {
        Some(network) => format!("on network {}", network.name),
        None => String::new(),
    };
    match record {
        Record::Host(host) => match host.tunnel_ip {
            Some(address) => format!("tunnels end at {address}"),
            None => "no tunnels".to_owned(),
        },
        Record::Network(it) => {
            let provider = &it.provider;
            let physical = provider.physical_network.as_deref().map(|name| format!(" {name}"));
            let number = provider.segmentation_id.map(|id| format!(" {id}"));
            let external = if it.external { ", external" } else { "" };
            let [physical, number] = [physical, number].map(Option::unwrap_or_default);
            format!("{}{physical}{number}, mtu {}{external}", provider.network_type, it.mtu)
        }
        Record::Subnet(it) => format!("{} {}", it.cidr, network(&it.network)),
        Record::Port(it) => {
            let addresses: String =
                it.fixed_ips.iter().map(|fixed| format!("{} ", fixed.ip_address)).collect();
            let host = it.host.as_ref().map(|host| format!(", host {host}")).unwrap_or_default();
            format!("{} {addresses}{}{host}", it.mac_address, network(&it.network))
        }
        Record::Router(it) => match &it.gateway {
            Some(gateway) => format!("host {}, gateway {}", it.host, network(&gateway.network)),
            None => format!("host {}, no gateway", it.host),
        },
        Record::FloatingIp(it) => match &it.target {
            Some(target) => format!("{} leads to {}", it.address, target.fixed),
            None => format!("{} leads nowhere", it.address),
        },
    }
}
