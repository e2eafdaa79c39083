//! What was acknowledged to whom. A memory for people and for one rule (a client whose port is gone is
//! told so); the addresses themselves are Neutron's to give, so nothing here survives a restart and
//! nothing needs to.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use imbl::OrdMap;
use model::{Mac, PortId};
use serde::Serialize;

use super::reply::Lent;
use super::table::FOR_EVER;

/// An acknowledged address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub port: PortId,
    /// When it was last acknowledged.
    pub since: SystemTime,
    /// Absent for a lease without end.
    pub expires: Option<SystemTime>,
}

/// The leases of one network; a copy costs nothing.
///
/// An address of a port is leased to one client at a time. A client that is known by its client identifier
/// may send any MAC address, and would otherwise have a lease with each.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    by_mac: OrdMap<Mac, Lease>,
    /// Who has which address of a port: one entry for each lease.
    holders: OrdMap<(PortId, Ipv4Addr), Mac>,
    /// The number of leases at which the expired ones are looked for next.
    sweep_at: usize,
}

/// So few leases are kept whether expired or not.
const FEW: usize = 1024;

impl Leases {
    /// The address that a client has, as far as we know.
    pub fn held(&self, mac: Mac, now: SystemTime) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).filter(|lease| lease.lives(now)).map(|lease| lease.address)
    }

    pub fn grant(&mut self, mac: Mac, lent: &Lent, now: SystemTime) {
        let expires = (lent.seconds != FOR_EVER).then(|| now + Duration::from_secs(lent.seconds.into()));
        self.forget(mac);
        if let Some(before) = self.holders.insert((lent.port, lent.address), mac) {
            self.by_mac.remove(&before);
        }
        self.by_mac.insert(mac, Lease { mac, address: lent.address, port: lent.port, since: now, expires });
        if self.by_mac.len() >= self.sweep_at.max(FEW) {
            self.expire(now);
            self.sweep_at = self.by_mac.len() * 2;
        }
    }

    /// Forgets what a client gave back. True when it had that address.
    pub fn give_back(&mut self, mac: Mac, address: Ipv4Addr) -> bool {
        let had = self.by_mac.get(&mac).is_some_and(|lease| lease.address == address);
        if had {
            self.forget(mac);
        }
        had
    }

    pub fn forget(&mut self, mac: Mac) {
        if let Some(lease) = self.by_mac.remove(&mac) {
            self.holders.remove(&(lease.port, lease.address));
        }
    }

    /// Drops what has expired.
    fn expire(&mut self, now: SystemTime) {
        let over: Vec<Mac> =
            self.by_mac.values().filter(|lease| !lease.lives(now)).map(|lease| lease.mac).collect();
        for mac in over {
            self.forget(mac);
        }
    }

    /// Leases that live, in the order of the MAC addresses.
    pub fn living(&self, now: SystemTime) -> impl Iterator<Item = &Lease> {
        self.by_mac.values().filter(move |lease| lease.lives(now))
    }
}

impl Lease {
    fn lives(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

    fn lent(seconds: u32) -> Lent {
        Lent { address: ADDRESS, port: PortId(uuid::Uuid::nil()), seconds }
    }

    #[test]
    fn a_lease_ends_when_its_time_is_over() {
        let begin = SystemTime::UNIX_EPOCH;
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut leases = Leases::default();
        leases.grant(MAC, &lent(120), begin);
        assert_eq!(leases.held(MAC, at(119)), Some(ADDRESS));
        assert_eq!(leases.held(MAC, at(120)), None);
        leases.expire(at(120));
        assert!(leases.by_mac.is_empty() && leases.holders.is_empty());
        leases.grant(MAC, &lent(FOR_EVER), begin);
        assert_eq!(leases.held(MAC, at(u64::from(FOR_EVER) * 2)), Some(ADDRESS));
    }

    #[test]
    fn one_address_has_one_client_however_many_ask() {
        let begin = SystemTime::UNIX_EPOCH;
        let mut leases = Leases::default();
        let mac = |number: u16| Mac([2, 0, 0, 0, (number >> 8) as u8, number as u8]);
        for number in 0..5000 {
            leases.grant(mac(number), &lent(FOR_EVER), begin);
        }
        assert_eq!(leases.living(begin).count(), 1);
        assert_eq!(leases.held(mac(4999), begin), Some(ADDRESS));
        // A client that goes from one address to another leaves the first to whoever asks next.
        let other = Lent { address: Ipv4Addr::new(10, 0, 0, 4), ..lent(FOR_EVER) };
        leases.grant(mac(4999), &other, begin);
        leases.grant(mac(1), &lent(FOR_EVER), begin);
        assert_eq!(leases.held(mac(4999), begin), Some(other.address));
        assert!(leases.give_back(mac(1), ADDRESS));
        leases.grant(mac(2), &lent(FOR_EVER), begin);
        assert_eq!((leases.living(begin).count(), leases.holders.len()), (2, 2));
    }

    #[test]
    fn only_the_own_address_is_given_back() {
        let begin = SystemTime::UNIX_EPOCH;
        let mut leases = Leases::default();
        leases.grant(MAC, &lent(120), begin);
        assert!(!leases.give_back(MAC, Ipv4Addr::LOCALHOST));
        assert!(leases.give_back(MAC, ADDRESS));
        assert!(!leases.give_back(MAC, ADDRESS));
    }
}
