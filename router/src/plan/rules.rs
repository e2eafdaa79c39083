//! Rules, the addresses that they translate, and the connections that were made under other rules.

use ipnet::{IpNet, Ipv4Net};
use model::Stage;

use super::{Work, of_conntrack};
use crate::step::Change;

impl Work<'_> {
    pub(super) fn rules(&mut self) {
        let stale = self.table_differs();
        if stale && self.spec.ruleset.is_empty() {
            self.push(Stage::RemoveRules, Change::DeleteRules);
        } else if stale {
            self.push(Stage::AddRules, Change::LoadRules { ruleset: self.spec.ruleset.clone() });
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

    fn table_differs(&self) -> bool {
        match &self.have.table {
            Some(comment) => self.spec.ruleset.is_empty() || *comment != self.spec.ruleset.fingerprint(),
            None => !self.spec.ruleset.is_empty(),
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

    /// Connections of floating addresses that stood for another fixed address under the rules that are
    /// replaced, or may have: who loaded those rules may be gone.
    fn forget_moved(&mut self) {
        let (spec, have) = (self.spec, self.have);
        if !self.exists {
            return;
        }
        for (floating, fixed) in &spec.floating {
            let moved = match &have.floating {
                Some(before) => before.get(floating).is_some_and(|before| before != fixed),
                None => true,
            };
            if moved {
                self.push(Stage::AddRules, Change::Forget { address: *floating, keep: Some(*fixed) });
            }
        }
    }
}
