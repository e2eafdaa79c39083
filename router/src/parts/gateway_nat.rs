//! The gateway's source NAT: what leaves through `qg-` gets the gateway's address, unless a floating
//! IP has given it another.
//!
//! Only the first IPv4 address of the gateway is used; IPv6 is never translated. Without
//! `enable_snat` one rule stays: a host inside that calls a floating IP of the same router must get its
//! answers through the router, so its packets come from the gateway's address.

use std::net::{IpAddr, Ipv4Addr};

use model::{Gateway, Router, names};

use super::{gateway, randomly};
use crate::config::Config;
use crate::ruleset::Chain;
use crate::spec::RouterSpec;

pub(super) fn add(router: &Router, config: &Config, spec: &mut RouterSpec) {
    let Some(gateway) = gateway(router) else { return };
    let Some(address) = source(gateway) else { return };
    let device = names::router_gateway(gateway.interface.port);
    let mark = config.external_ingress_mark;
    let to_gateway = format!("snat to {address}{}", randomly(config));
    let rules = &mut spec.ruleset;
    rules.rule(
        Chain::ManglePrerouting,
        format!("iifname \"{device}\" meta mark set meta mark & 0xffff0000 | 0x{mark:x}"),
        "gateway_nat: came from outside",
    );
    rules.rule(
        Chain::NatPostrouting,
        format!("oifname != \"{device}\" ct status ! dnat accept"),
        "gateway_nat: not between internal networks",
    );
    if gateway.enable_snat {
        rules.rule(
            Chain::SourceNat,
            format!("oifname \"{device}\" {to_gateway}"),
            "gateway_nat: what leaves",
        );
    }
    rules.rule(
        Chain::SourceNat,
        format!("meta mark & 0xffff != 0x{mark:x} ct status dnat {to_gateway}"),
        "gateway_nat: from inside to a floating IP",
    );
}

fn source(gateway: &Gateway) -> Option<Ipv4Addr> {
    gateway.interface.addresses.iter().find_map(|net| match net.addr() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}
