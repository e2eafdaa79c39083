//! One effect on a router. Prints as the command that an operator would type.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::IpNet;
use model::{Mac, RouterId, names};

use crate::leftover::Leftover;
use crate::ruleset::{Family, Ruleset, TABLE};
use crate::spec::{Forwarding, Hop};

/// A change and the router that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub router: RouterId,
    pub change: Change,
}

/// What is done in a router's namespace, or with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    CreateNamespace,
    DeleteNamespace,
    /// A kernel without the key has no such feature, and then nothing is to be done.
    SetSysctl {
        key: String,
        value: String,
    },
    /// Fetches a device out of the root namespace.
    MoveLink {
        device: String,
    },
    /// Sets what is given and sets the device up.
    SetLink {
        device: String,
        mac: Option<Mac>,
        mtu: Option<u32>,
    },
    DeleteLink {
        device: String,
    },
    AddAddress {
        device: String,
        address: IpNet,
    },
    DeleteAddress {
        device: String,
        address: IpNet,
    },
    /// Makes the route, whatever way its destination had before.
    ReplaceRoute {
        destination: IpNet,
        hops: Vec<Hop>,
    },
    DeleteRoute {
        destination: IpNet,
    },
    /// Loads our rules and removes those of Neutron's L3 agent in the same moment.
    LoadRules {
        ruleset: Ruleset,
        instead_of: Vec<Leftover>,
    },
    DeleteRules {
        family: Family,
    },
    /// Cuts the connections that an address outside was translated for: those to it and those from it,
    /// but for those of the fixed address to keep.
    Forget {
        address: Ipv4Addr,
        keep: Option<Ipv4Addr>,
    },
    /// Cuts the connections to an address that led elsewhere than its ports do now.
    ForgetForwarded {
        address: Ipv4Addr,
        keep: Vec<Forwarding>,
    },
    /// Tells the neighbours where an address is now (gratuitous ARP), in the background.
    Announce {
        device: String,
        address: Ipv4Addr,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = names::router_namespace(self.router);
        match &self.change {
            Change::CreateNamespace => write!(f, "ip netns add {name}"),
            Change::DeleteNamespace => write!(f, "ip netns del {name}"),
            Change::SetSysctl { key, value } => write!(f, "ip netns exec {name} sysctl -w {key}={value}"),
            Change::MoveLink { device } => write!(f, "ip link set dev {device} netns {name}"),
            Change::SetLink { device, mac, mtu } => set_link(f, &name, device, *mac, *mtu),
            Change::DeleteLink { device } => write!(f, "ip -n {name} link del dev {device}"),
            Change::AddAddress { device, address } => {
                write!(f, "ip -n {name} address replace {address} dev {device}")
            }
            Change::DeleteAddress { device, address } => {
                write!(f, "ip -n {name} address del {address} dev {device}")
            }
            Change::ReplaceRoute { destination, hops } => replace_route(f, &name, destination, hops),
            Change::DeleteRoute { destination } => {
                write!(f, "ip -n {name} route del {destination} proto static")
            }
            Change::LoadRules { ruleset, instead_of } if f.alternate() => {
                write!(f, "ip netns exec {name} nft -f - <<'END'\n{ruleset}")?;
                instead_of.iter().try_for_each(|leftover| leftover.fmt(f))?;
                f.write_str("END")
            }
            Change::LoadRules { ruleset, instead_of } => {
                write!(f, "ip netns exec {name} nft -f - # {}", ruleset.fingerprint())?;
                if instead_of.is_empty() {
                    return Ok(());
                }
                f.write_str(" instead of the L3 agent's in")?;
                instead_of
                    .iter()
                    .try_for_each(|leftover| write!(f, " {} {}", leftover.family, leftover.table))
            }
            Change::DeleteRules { family } => {
                write!(f, "ip netns exec {name} nft delete table {family} {TABLE}")
            }
            Change::Forget { address, keep } => {
                let command = format!("ip netns exec {name} conntrack -D");
                write!(f, "{command} -d {address}; {command} -q {address}")?;
                keep.map_or(Ok(()), |fixed| write!(f, " # but for those of {fixed}"))
            }
            Change::ForgetForwarded { address, keep } => {
                write!(f, "ip netns exec {name} conntrack -D -d {address} # but for those to")?;
                keep.iter().try_for_each(|kept| {
                    let Forwarding { protocol, external, fixed, internal } = kept;
                    write!(f, " {protocol} {external} at {fixed} {internal}")
                })
            }
            Change::Announce { device, address } => {
                write!(f, "ip netns exec {name} arping -U -c 3 -I {device} {address}")
            }
        }
    }
}

fn set_link(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    device: &str,
    mac: Option<Mac>,
    mtu: Option<u32>,
) -> fmt::Result {
    write!(f, "ip -n {name} link set dev {device}")?;
    if let Some(mac) = mac {
        write!(f, " address {mac}")?;
    }
    if let Some(mtu) = mtu {
        write!(f, " mtu {mtu}")?;
    }
    f.write_str(" up")
}

fn replace_route(f: &mut fmt::Formatter<'_>, name: &str, destination: &IpNet, hops: &[Hop]) -> fmt::Result {
    write!(f, "ip -n {name} route replace {destination} proto static")?;
    for hop in hops {
        if hops.len() > 1 {
            f.write_str(" nexthop")?;
        }
        match hop.via {
            Some(via) => write!(f, " via {via} dev {}", hop.device)?,
            None => write!(f, " dev {} scope link", hop.device)?,
        }
    }
    Ok(())
}
