//! Which of Neutron's agents this process stands in for, and what drives it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use model::Role;

use crate::config::values::Values;

pub(crate) const ALL: [Role; 4] = [Role::L2, Role::Dhcp, Role::L3, Role::Metadata];

/// The name of the Python agent's program, by which the server knows it too.
pub(crate) fn binary(role: Role) -> &'static str {
    match role {
        Role::L2 => "neutron-openvswitch-agent",
        Role::Dhcp => "neutron-dhcp-agent",
        Role::L3 => "neutron-l3-agent",
        Role::Metadata => "neutron-metadata-agent",
    }
}

/// The role as operators write it.
pub(crate) fn name(role: Role) -> &'static str {
    match role {
        Role::L2 => "l2",
        Role::Dhcp => "dhcp",
        Role::L3 => "l3",
        Role::Metadata => "metadata",
    }
}

/// The agent whose file this is, by a word in its name: `l3_agent.ini`, `neutron-dhcp-agent.conf`.
pub(crate) fn of_file_name(name: &str) -> Option<Role> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| match word {
        "openvswitch" | "ovs" | "ml2" => Some(Role::L2),
        "dhcp" => Some(Role::Dhcp),
        "l3" => Some(Role::L3),
        "metadata" => Some(Role::Metadata),
        _ => None,
    })
}

/// A role in a list.
struct Named(Role);

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "ovs" {
            return Ok(Self(Role::L2));
        }
        let role = ALL.into_iter().find(|role| name(*role) == text);
        role.map(Self).ok_or("not a role: l2 (or ovs), dhcp, l3 or metadata")
    }
}

/// What tells the node what should exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DriverName {
    Local,
    Neutron,
}

impl FromStr for DriverName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "local" => Ok(Self::Local),
            "neutron" => Ok(Self::Neutron),
            _ => Err("neither local nor neutron"),
        }
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Neutron => "neutron",
        })
    }
}

/// The roles of this process; all of them when none is named.
pub(super) fn roles(values: &mut Values) -> BTreeSet<Role> {
    let name = option!("baryon", "roles", "agents to stand in for: l2, dhcp, l3, metadata; empty: all");
    let named: BTreeSet<Role> = values.list::<Named>(name).into_iter().map(|named| named.0).collect();
    if named.is_empty() { ALL.into() } else { named }
}

/// A server to talk to makes the driver; without one the controller is inside.
pub(super) fn driver(values: &mut Values) -> DriverName {
    let usual =
        if values.is_written("DEFAULT", "transport_url") { DriverName::Neutron } else { DriverName::Local };
    let name =
        option!("baryon", "driver", "neutron: a server over transport_url; local: the controller inside");
    values.get(name, usual)
}
