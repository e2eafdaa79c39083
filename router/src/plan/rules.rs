//! Rules, the addresses that they translate, and the connections that were made under other rules.

use ipnet::{IpNet, Ipv4Net};
use model::Stage;

use super::{Work, of_conntrack};
use crate::step::Change;

impl Work<'_> {
    pub(super) fn rules(&mut self) {
        let (want, have) = (self.spec.ruleset.tables(), &self.have.tables);
        let stale = want != *have;
        for family in have.keys().filter(|family| !want.contains_key(family)) {
            self.push(Stage::RemoveRules, Change::DeleteRules { family: *family });
        }
        let instead_of = self.have.leftovers.clone();
        if !instead_of.is_empty() || want.iter().any(|(family, comment)| have.get(family) != Some(comment)) {
            self.push(Stage::AddRules, Change::LoadRules { ruleset: self.spec.ruleset.clone(), instead_of });
        }
        self.conntrack_sysctls(stale);
        self.floating_addresses();
        if stale {
            self.forget_moved();
        }
        for change in std::mem::take(&mut self.forget).into_iter().chain(std::mem::take(&mut self.retire)) {
            self.push(Stage::RetireAddresses, change);
        }
    }

    /// Rules that are loaded may bring conntrack, and with it keys that could not be read before.
    fn conntrack_sysctls(&mut self, loading: bool) {
        let spec = self.spec;
        for (key, value) in spec.sysctls.iter().filter(|(key, _)| of_conntrack(key)) {
            self.sysctl(Stage::AddRules, key, value, !self.exists || loading);
        }
    }

    fn floating_addresses(&mut self) {
        let (spec, have) = (self.spec, self.have);
        for (device, interface) in &spec.interfaces {
            if !self.has_device(device) {
                continue;
            }
            let present = have.links.get(device).filter(|_| !self.fresh.contains(device.as_str()));
            for floating in &interface.floating {
                let address = IpNet::V4(Ipv4Net::from(*floating));
                if present.is_none_or(|link| !link.addresses.contains(&address)) {
                    self.push(Stage::AddRules, Change::AddAddress { device: device.clone(), address });
                    self.announce(device, *floating);
                }
            }
        }
    }

    /// Connections of floating addresses that stood for something else under the rules that are replaced, or
    /// may have: who loaded those rules may be gone.
    fn forget_moved(&mut self) {
        let (wanted, have) = (&self.spec.translations, &self.have.translations);
        if !self.exists {
            return;
        }
        for (floating, fixed) in &wanted.floating {
            let moved = match have {
                Some(before) => match before.floating.get(floating) {
                    Some(before) => before != fixed,
                    None => before.forwarded.contains_key(floating),
                },
                None => true,
            };
            if moved {
                self.push(Stage::AddRules, Change::Forget { address: *floating, keep: Some(*fixed) });
            }
        }
        for (address, keep) in &wanted.forwarded {
            let moved = match have {
                Some(before) => match before.forwarded.get(address) {
                    Some(before) => before.iter().any(|forwarding| !keep.contains(forwarding)),
                    None => before.floating.contains_key(address),
                },
                None => true,
            };
            // With a floating IP of the same address all of it is that one's.
            if moved && !wanted.floating.contains_key(address) {
                let change = Change::ForgetForwarded { address: *address, keep: keep.clone() };
                self.push(Stage::AddRules, change);
            }
        }
    }
}
