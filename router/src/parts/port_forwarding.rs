//! Port forwardings: ports of an address outside that stand for ports inside. An address on `qg-`, and up to
//! three look-ups for each protocol:
//!
//! * `…_forwarded`: from a port to a port. A range that leads to other numbers is written port by port, because
//!   nftables cannot shift a range;
//! * `…_gathered`: from a range to one port;
//! * `…_alike`: from a range to the same range.
//!
//! A floating IP of the same address goes first. What comes back needs no rule: it follows its connection.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{Router, RouterPortForwarding, TransportProtocol, names};

use super::gateway;
use crate::ruleset::{Chain, Map};
use crate::spec::{Forwarding, RouterSpec};

const TO_PORT: &str = "ipv4_addr . inet_service : ipv4_addr . inet_service";
const TO_ADDRESS: &str = "ipv4_addr . inet_service : ipv4_addr";

pub(super) fn add(router: &Router, spec: &mut RouterSpec) {
    let Some(gateway) = gateway(router) else { return };
    let device = names::router_gateway(gateway.interface.port);
    if !spec.interfaces.contains_key(&device) {
        return;
    }
    let mut taken: BTreeMap<Ipv4Addr, Vec<Forwarding>> = BTreeMap::new();
    for forwarding in &router.port_forwardings {
        let of_address = taken.entry(forwarding.floating).or_default();
        match check(forwarding, of_address) {
            Ok(forwarding) => of_address.push(forwarding),
            Err(condition) => spec.unmet.push(condition),
        }
    }
    taken.retain(|_, forwardings| !forwardings.is_empty());
    for forwardings in taken.values_mut() {
        forwardings.sort();
    }
    rules(&taken, spec);
    if let Some(interface) = spec.interfaces.get_mut(&device) {
        interface.floating.extend(taken.keys());
    }
    spec.translations.forwarded = taken;
}

/// The forwarding as it can be made, or what would have to change first.
fn check(forwarding: &RouterPortForwarding, others: &[Forwarding]) -> Result<Forwarding, String> {
    let RouterPortForwarding { id, protocol, floating, external, fixed, internal } = *forwarding;
    if external.count() == 0 || external.first == 0 || internal.first == 0 {
        return Err(format!("ports outside and inside for port forwarding {id}"));
    }
    if internal.count() != 1 && internal.count() != external.count() {
        return Err(format!("as many ports inside as outside, or one, for port forwarding {id}"));
    }
    if others.iter().any(|other| other.protocol == protocol && other.external.overlaps(external)) {
        let ports = format!("{protocol} {external} of {floating}");
        return Err(format!("ports of its own for port forwarding {id}: another has some of {ports}"));
    }
    Ok(Forwarding { protocol, external, fixed, internal })
}

fn rules(taken: &BTreeMap<Ipv4Addr, Vec<Forwarding>>, spec: &mut RouterSpec) {
    let mut maps: BTreeMap<(TransportProtocol, Kind), Vec<(String, String)>> = BTreeMap::new();
    for (floating, forwardings) in taken {
        for forwarding in forwardings {
            let kind = Kind::of(forwarding);
            let elements = maps.entry((forwarding.protocol, kind)).or_default();
            kind.write(*floating, forwarding, elements);
        }
    }
    for ((protocol, kind), elements) in maps {
        let name = format!("{protocol}_{}", kind.name());
        let (types, target) = match kind {
            Kind::Forwarded | Kind::Gathered => (TO_PORT, "dnat ip to"),
            Kind::Alike => (TO_ADDRESS, "dnat to"),
        };
        spec.ruleset.rule(
            Chain::NatPrerouting,
            format!("{target} ip daddr . {protocol} dport map @{name}"),
            "port_forwarding: to the port inside",
        );
        spec.ruleset.map(name, Map { types, intervals: kind != Kind::Forwarded, elements });
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Forwarded,
    Gathered,
    Alike,
}

impl Kind {
    fn of(forwarding: &Forwarding) -> Self {
        if forwarding.external.count() == 1 {
            Self::Forwarded
        } else if forwarding.internal.count() == 1 {
            Self::Gathered
        } else if forwarding.internal == forwarding.external {
            Self::Alike
        } else {
            Self::Forwarded
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Gathered => "gathered",
            Self::Alike => "alike",
        }
    }

    fn write(self, floating: Ipv4Addr, forwarding: &Forwarding, into: &mut Vec<(String, String)>) {
        let Forwarding { external, fixed, internal, .. } = forwarding;
        let range = || format!("{floating} . {external}");
        match self {
            Self::Forwarded => into.extend((external.first..=external.last).filter_map(|port| {
                let inside = forwarding.inside(port)?;
                Some((format!("{floating} . {port}"), format!("{fixed} . {inside}")))
            })),
            Self::Gathered => into.push((range(), format!("{fixed} . {}", internal.first))),
            Self::Alike => into.push((range(), fixed.to_string())),
        }
    }
}
