//! Metadata: what guests send to 169.254.169.254 (or fe80::a9fe:a9fe) goes to the proxy that listens in the
//! router's namespace, whatever its own addresses are. Nobody reaches the proxy in another way: requests carry
//! a mark from before their destination changes, and what has no such mark is dropped.

use model::Router;

use crate::config::Config;
use crate::ruleset::{Chain, Family};
use crate::spec::RouterSpec;

/// Where guests look for metadata.
const ADDRESSES: [(Family, &str); 2] = [(Family::Ip, "169.254.169.254"), (Family::Ip6, "fe80::a9fe:a9fe")];

pub(super) fn add(router: &Router, config: &Config, spec: &mut RouterSpec) {
    let Some(port) = config.metadata_port else { return };
    let mark = config.metadata_access_mark;
    let addresses = router.interfaces.iter().flat_map(|interface| &interface.addresses);
    let speaks_ipv6 = addresses.into_iter().any(|net| net.addr().is_ipv6());
    for (family, address) in ADDRESSES {
        // IPv6 would be tracked for nothing.
        if family == Family::Ip6 && !speaks_ipv6 {
            continue;
        }
        let request = format!("iifname \"qr-*\" {family} daddr {address} tcp dport 80");
        let rules = [
            (
                Chain::ManglePrerouting,
                format!("{request} meta mark set meta mark & 0xffff0000 | 0x{mark:x}"),
                "metadata: a request",
            ),
            (Chain::NatPrerouting, format!("{request} redirect to :{port}"), "metadata: to the proxy"),
            (
                Chain::FilterInput,
                format!("tcp dport {port} meta mark & 0xffff != 0x{mark:x} drop"),
                "metadata: to the proxy by no other way",
            ),
            (
                Chain::FilterForward,
                format!("meta mark & 0xffff == 0x{mark:x} drop"),
                "metadata: requests go no further",
            ),
        ];
        for (chain, text, comment) in rules {
            spec.ruleset.rule_of(family, chain, text, comment);
        }
    }
}
