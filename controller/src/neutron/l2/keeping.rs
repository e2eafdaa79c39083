//! Which ports are remembered without being plugged in, for how long, and what is forgotten with a port.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::{NetworkId, PortId, TunnelKind};

use super::L2;
use super::status::is_live;
use crate::neutron::finding::Finding;
use crate::neutron::wire::object::{Place, PortObject, PortStatus};

/// How many ports that are not plugged in are kept.
const MOST_KEPT: usize = 2048;

/// How long a port that was just bound to this node is expected to be plugged in.
const AWAITED: Duration = Duration::from_secs(120);
const MOST_AWAITED: usize = 256;

impl L2 {
    /// A port that the server has just bound to this node is wired before it is plugged in. So the switch
    /// knows it when it comes, instead of cutting it off until it has been asked about.
    pub(super) fn await_plug(&mut self, id: PortId, before: Option<&PortObject>, now: Instant) {
        let Some(entry) = self.ports.get_mut(&id) else { return };
        let Some(object) = entry.slot.object() else { return };
        let comes = object.place != Place::Elsewhere && is_live(object);
        let came = before.is_some_and(|before| before.place != Place::Elsewhere && is_live(before));
        let is_up = object.place == Place::Here && object.status == PortStatus::Active;
        if entry.is_needed() || !comes || came || is_up || self.awaited.len() >= MOST_AWAITED {
            return;
        }
        entry.awaited = Some(now + AWAITED);
        self.awaited.insert(id);
    }

    pub(super) fn stop_awaiting(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.awaited) {
            let Some(entry) = self.ports.get_mut(&id) else { continue };
            match entry.awaited {
                Some(until) if until > now => _ = self.awaited.insert(id),
                Some(_) => {
                    entry.awaited = None;
                    self.needed(id, false, now);
                }
                None => {}
            }
        }
    }

    /// Decides what becomes of a port that is not needed.
    pub(super) fn keep_or_drop(&mut self, id: PortId) {
        let Some(entry) = self.ports.get_mut(&id) else { return };
        let reports = self.ups.is_pending(id) || self.downs.is_pending(id);
        let keep = !entry.is_needed() && !reports;
        let worth = entry.place().is_some_and(|place| place != Place::Elsewhere);
        if !keep {
            if let Some(number) = entry.kept.take() {
                self.kept.remove(&number);
            }
        } else if !worth {
            self.drop_port(id);
        } else if entry.kept.is_none() {
            self.counter += 1;
            entry.kept = Some(self.counter);
            self.kept.insert(self.counter, id);
            if self.kept.len() > MOST_KEPT
                && let Some((_, oldest)) = self.kept.pop_first()
            {
                self.drop_port(oldest);
            }
        }
    }

    /// Forgets a port that nobody needs.
    pub(super) fn drop_port(&mut self, id: PortId) {
        let Some(entry) = self.ports.remove(&id) else { return };
        if let Some(number) = entry.kept {
            self.kept.remove(&number);
        }
        self.port_pulls.forget(id);
        self.ups.forget(id);
        self.downs.forget(id);
        self.port_hints.remove(&id);
        self.count_tunnel(id, entry.tunnel, None);
        self.uncount_network(id, entry.network);
        if matches!(entry.found, Some(Some(_))) {
            self.findings.push(Finding::BoundPort(id, None));
        }
    }

    pub(super) fn count_tunnel(
        &mut self,
        id: PortId,
        before: Option<(NetworkId, TunnelKind)>,
        after: Option<(NetworkId, TunnelKind)>,
    ) {
        if before == after {
            return;
        }
        if let Some((network, _)) = before {
            if let Some(ports) = self.tunnelled.get_mut(&network) {
                ports.remove(&id);
                if ports.is_empty() {
                    self.tunnelled.remove(&network);
                }
            }
            self.tunnelled_changed.insert(network);
        }
        if let Some((network, kind)) = after {
            self.tunnelled.entry(network).or_default().insert(id, kind);
            self.tunnelled_changed.insert(network);
        }
    }

    /// Networks whose tunnels changed since this was last called, with the kinds of tunnels that carry their
    /// ports here.
    pub(crate) fn take_tunnelled(&mut self) -> Vec<(NetworkId, BTreeSet<TunnelKind>)> {
        let changed = std::mem::take(&mut self.tunnelled_changed);
        let kinds = |id: &NetworkId| {
            self.tunnelled.get(id).into_iter().flat_map(|ports| ports.values().copied()).collect()
        };
        changed.iter().map(|id| (*id, kinds(id))).collect()
    }
}
