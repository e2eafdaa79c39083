//! Which addresses of a subnet are free: the ranges that are left of its allocation pools. Pure.
//!
//! The ranges are a persistent map, so taking and giving back one address among sixty thousand costs
//! a few steps, and so does finding the lowest free one. Addresses outside the pools can be used by
//! whoever asks for them by name; they are never in here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use imbl::OrdMap;
use ipnet::IpNet;
use model::Mac;

use super::record::Pool;

/// The free ranges of a subnet: first address to last address, both as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Free {
    ranges: OrdMap<u128, u128>,
}

impl Free {
    /// Everything in the pools but the addresses that are taken.
    pub(super) fn new(pools: &[Pool], taken: impl Iterator<Item = IpAddr>) -> Self {
        let mut free = Self::default();
        for pool in pools {
            free.ranges.insert(number(pool.start), number(pool.end));
        }
        taken.for_each(|address| free.take(address));
        free
    }

    /// The lowest free address. `like` says the family.
    pub(super) fn lowest(&self, like: IpAddr) -> Option<IpAddr> {
        self.ranges.get_min().map(|(start, _)| address(*start, like))
    }

    /// Takes an address out; without effect when it is not free.
    pub(super) fn take(&mut self, taken: IpAddr) {
        let taken = number(taken);
        let Some((start, end)) = self.range_at(taken) else { return };
        self.ranges.remove(&start);
        if start < taken {
            self.ranges.insert(start, taken - 1);
        }
        if taken < end {
            self.ranges.insert(taken + 1, end);
        }
    }

    /// Gives an address back, if it is in one of the pools.
    pub(super) fn give_back(&mut self, given: IpAddr, pools: &[Pool]) {
        let in_pool = pools.iter().any(|pool| pool.start <= given && given <= pool.end);
        let given = number(given);
        if !in_pool || self.range_at(given).is_some() {
            return;
        }
        let (mut start, mut end) = (given, given);
        if let Some(before) = given.checked_sub(1).and_then(|before| self.range_at(before)) {
            self.ranges.remove(&before.0);
            start = before.0;
        }
        if let Some(after) = given.checked_add(1).and_then(|after| self.range_at(after)) {
            self.ranges.remove(&after.0);
            end = after.1;
        }
        self.ranges.insert(start, end);
    }

    /// How many are free, up to the largest number.
    #[cfg(test)]
    fn count(&self) -> u128 {
        self.ranges
            .iter()
            .fold(0, |sum: u128, (start, end)| sum.saturating_add((end - start).saturating_add(1)))
    }

    fn range_at(&self, at: u128) -> Option<(u128, u128)> {
        self.ranges.get_prev(&at).filter(|(_, end)| at <= **end).map(|(start, end)| (*start, *end))
    }
}

/// The pools that a subnet has when none are given: all hosts of the prefix but the gateway.
pub(super) fn default_pools(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<Pool> {
    let (first, last) = hosts(cidr);
    let whole = (number(first), number(last));
    let gateway = gateway.map(number).filter(|gateway| whole.0 <= *gateway && *gateway <= whole.1);
    let parts = match gateway {
        None => vec![whole],
        Some(gateway) => {
            let below = gateway.checked_sub(1).map(|end| (whole.0, end));
            let above = gateway.checked_add(1).map(|start| (start, whole.1));
            below.into_iter().chain(above).filter(|(start, end)| start <= end).collect()
        }
    };
    parts
        .into_iter()
        .map(|(start, end)| Pool { start: address(start, cidr.addr()), end: address(end, cidr.addr()) })
        .collect()
}

/// The first and the last address that a host of the prefix can have.
pub(super) fn hosts(cidr: IpNet) -> (IpAddr, IpAddr) {
    let (network, broadcast) = (number(cidr.network()), number(cidr.broadcast()));
    let (first, last) = match cidr {
        IpNet::V4(net) if net.prefix_len() >= 31 => (network, broadcast),
        IpNet::V6(net) if net.prefix_len() >= 127 => (network, broadcast),
        IpNet::V4(_) => (network + 1, broadcast - 1),
        // The first address of an IPv6 prefix is its routers' anycast address (RFC 4291, 2.6.1).
        IpNet::V6(_) => (network + 1, broadcast),
    };
    (address(first, cidr.addr()), address(last, cidr.addr()))
}

/// The address that a host makes from an IPv6 prefix of 64 bits and its MAC (RFC 4862, 5.5.3).
pub(super) fn derived_address(cidr: IpNet, mac: Mac) -> IpAddr {
    let host = u128::from(mac.link_local()) & u128::from(u64::MAX);
    address(number(cidr.network()) | host, cidr.addr())
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pools(text: &str, gateway: &str) -> Vec<Pool> {
        default_pools(text.parse().unwrap(), gateway.parse().ok())
    }

    fn shown(pools: &[Pool]) -> Vec<String> {
        pools.iter().map(|pool| format!("{}-{}", pool.start, pool.end)).collect()
    }

    #[test]
    fn pools_leave_out_the_gateway() {
        assert_eq!(shown(&pools("10.0.0.0/24", "10.0.0.1")), ["10.0.0.2-10.0.0.254"]);
        assert_eq!(shown(&pools("10.0.0.0/24", "10.0.0.9")), ["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]);
        assert_eq!(shown(&pools("10.0.0.0/31", "")), ["10.0.0.0-10.0.0.1"]);
        assert_eq!(shown(&pools("0.0.0.0/0", "255.255.255.254")), ["0.0.0.1-255.255.255.253"]);
        assert_eq!(
            shown(&pools("2001:db8::/64", "2001:db8::1")),
            ["2001:db8::2-2001:db8::ffff:ffff:ffff:ffff"]
        );
        assert_eq!(shown(&pools("::/0", "::1")), ["::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
    }

    #[test]
    fn sixty_thousand_addresses_come_in_order() {
        let pools = pools("10.0.0.0/16", "10.0.0.1");
        let mut free = Free::new(&pools, std::iter::empty());
        let like: IpAddr = "10.0.0.0".parse().unwrap();
        let mut last = like;
        for _ in 0..60_000 {
            let next = free.lowest(like).unwrap();
            assert!(next > last);
            free.take(next);
            last = next;
        }
        assert_eq!(last.to_string(), "10.0.234.97");
    }

    #[test]
    fn an_address_is_derived_from_the_mac() {
        let derived = derived_address("2001:db8::/64".parse().unwrap(), "fa:16:3e:00:00:01".parse().unwrap());
        assert_eq!(derived.to_string(), "2001:db8::f816:3eff:fe00:1");
    }

    proptest! {
        /// Against a set of numbers: nothing is handed out twice, nothing is lost.
        #[test]
        fn free_ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0u8..64), 0..200)) {
            let pools = pools("10.0.0.0/26", "10.0.0.1");
            let like: IpAddr = "10.0.0.0".parse().unwrap();
            let mut free = Free::new(&pools, std::iter::empty());
            let mut model: BTreeSet<IpAddr> = (2..63).map(|last| IpAddr::from([10, 0, 0, last])).collect();
            for (take, last) in steps {
                let address = IpAddr::from([10, 0, 0, last]);
                if take {
                    free.take(address);
                    model.remove(&address);
                } else {
                    free.give_back(address, &pools);
                    if (2..63).contains(&last) { model.insert(address); }
                }
                prop_assert_eq!(free.lowest(like), model.first().copied());
                prop_assert_eq!(free.count(), model.len() as u128);
            }
            let taken = (0..64).map(|last| IpAddr::from([10, 0, 0, last])).filter(|a| !model.contains(a));
            prop_assert_eq!(free.count(), Free::new(&pools, taken).count());
        }
    }
}
