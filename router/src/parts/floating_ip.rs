//! Floating IPs: an address outside that stands for one inside. An address on `qg-`, and two maps that
//! every packet is looked up in once, however many floating IPs there are.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use model::{Router, names};

use super::{gateway, randomly};
use crate::config::Config;
use crate::ruleset::{Chain, Map};
use crate::spec::RouterSpec;

const INWARD: &str = "floating_to_fixed";
const OUTWARD: &str = "fixed_to_floating";

pub(super) fn add(router: &Router, config: &Config, spec: &mut RouterSpec) {
    let Some(gateway) = gateway(router) else { return };
    let Some(interface) = spec.interfaces.get_mut(&names::router_gateway(gateway.interface.port)) else {
        return;
    };
    let mut inward = BTreeMap::new();
    let mut outward = BTreeMap::new();
    for floating_ip in &router.floating_ips {
        if inward
            .insert(floating_ip.floating, floating_ip.fixed)
            .is_some_and(|other| other != floating_ip.fixed)
        {
            let address = floating_ip.floating;
            spec.unmet.push(format!("one fixed address of floating IP {address} instead of several"));
        }
        // A fixed address with several floating ones answers on all, and leaves with the first.
        outward.entry(floating_ip.fixed).or_insert(floating_ip.floating);
    }
    if inward.is_empty() {
        return;
    }
    interface.floating.extend(inward.keys().copied());
    spec.translations.floating.clone_from(&inward);
    let rules = &mut spec.ruleset;
    rules.map(INWARD, addresses(&inward));
    rules.map(OUTWARD, addresses(&outward));
    let to_fixed = format!("dnat to ip daddr map @{INWARD}");
    rules.rule(Chain::NatPrerouting, to_fixed.as_str(), "floating_ip: to the fixed address");
    rules.rule(Chain::NatOutput, to_fixed, "floating_ip: the router's own packets");
    let to_floating = format!("snat to ip saddr map @{OUTWARD}{}", randomly(config));
    rules.rule(Chain::SourceNat, to_floating, "floating_ip: from the fixed address");
}

fn addresses(pairs: &BTreeMap<Ipv4Addr, Ipv4Addr>) -> Map {
    let elements = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    Map { types: "ipv4_addr : ipv4_addr", intervals: false, elements: elements.collect() }
}
