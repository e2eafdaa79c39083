//! Reports of ports to the server: which are sent, together with whom, and what their answers mean. What has
//! to be said of one port is decided in `status`.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{NetworkId, PortId};
use serde_json::Value;

use super::status::{Step, is_live};
use super::{Ask, L2, REPORTS, TableAsked, failure};
use crate::neutron::fault::{Fault, Malformed};
use crate::neutron::wire::object::Place;
use crate::neutron::wire::read::Reader;

/// Of the reports under way so many are left for ports that somebody waits for.
const RESERVED: usize = 2;

impl L2 {
    /// Queues what the server has to be told of a port now, or takes it back.
    pub(super) fn settle_report(&mut self, id: PortId, now: Instant) {
        if self.ups.is_under_way(id) || self.downs.is_under_way(id) {
            return;
        }
        let Some(entry) = self.ports.get_mut(&id) else { return };
        let is_plugged = !entry.rows.is_empty();
        let step = entry.standing.step(entry.slot.object(), is_plugged, now);
        match step {
            Step::Up => self.ups.want(id),
            Step::Down => self.downs.want(id),
            Step::Nothing => {}
        }
        if step != Step::Up {
            self.ups.forget(id);
        }
        if step != Step::Down {
            self.downs.forget(id);
        }
    }

    /// Reports every port again that is up in a tunnel: the other nodes learn from the server where it is, and
    /// the server tells them only when it is reported.
    pub(crate) fn announce(&mut self, now: Instant) {
        let tunnelled: Vec<PortId> =
            self.tunnelled.values().flat_map(|ports| ports.keys().copied()).collect();
        for id in tunnelled {
            if let Some(entry) = self.ports.get_mut(&id) {
                entry.standing.announce();
            }
            self.touch(id, now);
        }
    }

    /// The reports that are to be sent now. `wanted` are networks whose tables are to be asked for, with
    /// their rounds; those that are in the answer are under way.
    pub(crate) fn reports(&mut self, wanted: &[(NetworkId, u64)], now: Instant) -> Vec<Ask> {
        let mut asks = Vec::new();
        while let Some(ask) = self.report_with_tables(wanted, &asks, now) {
            asks.push(ask);
        }
        loop {
            let ports = self.ups.take(now);
            if ports.is_empty() {
                break;
            }
            self.are_sent(&ports);
            asks.push(Ask::Up { ports, tables: Vec::new() });
        }
        loop {
            let ports = self.downs.take(now);
            if ports.is_empty() {
                break;
            }
            self.are_sent(&ports);
            asks.push(Ask::Down(ports));
        }
        asks
    }

    /// A report that brings tables along: of each network one port, rather one that is to be reported anyway.
    fn report_with_tables(&mut self, wanted: &[(NetworkId, u64)], sent: &[Ask], now: Instant) -> Option<Ask> {
        let asked: BTreeSet<NetworkId> = sent.iter().flat_map(tables).map(|table| table.network).collect();
        let mut tables = Vec::new();
        for (network, round) in wanted.iter().filter(|(network, _)| !asked.contains(network)) {
            if tables.len() >= REPORTS.batch {
                break;
            }
            if let Some(port) = self.bearer(*network, now) {
                tables.push(TableAsked { network: *network, port, round: *round });
            }
        }
        let is_urgent = tables.iter().any(|table| self.ups.is_pending(table.port));
        if tables.is_empty() || !self.ups.has_room(if is_urgent { 0 } else { RESERVED }) {
            return None;
        }
        let ports = self.ups.take_of(tables.iter().map(|table| table.port), now);
        self.are_sent(&ports);
        tables.retain(|table| ports.contains(&table.port));
        (!ports.is_empty()).then_some(Ask::Up { ports, tables })
    }

    /// The port to ask for a network's table by: one that the server has up, or that is reported up now.
    fn bearer(&self, network: NetworkId, now: Instant) -> Option<PortId> {
        let mut known = None;
        for id in self.tunnelled.get(&network)?.keys() {
            let Some(entry) = self.ports.get(id) else { continue };
            let is_ready = self.ups.is_ready(*id, now) && !self.downs.is_pending(*id);
            if !is_ready || entry.place() != Some(Place::Here) {
                continue;
            }
            if self.ups.is_pending(*id) {
                return Some(*id);
            }
            let is_up = entry.standing.is_known_to_be_up() && !entry.rows.is_empty();
            if known.is_none() && is_up && entry.slot.object().is_some_and(is_live) {
                known = Some(*id);
            }
        }
        known
    }

    /// Whether there is, or soon will be, a port to ask for a network's table by.
    pub(crate) fn has_bearer(&self, network: NetworkId) -> bool {
        let ports = self.tunnelled.get(&network).into_iter().flat_map(|ports| ports.keys());
        ports.into_iter().any(|id| {
            let is_up = || {
                self.ports.get(id).is_some_and(|entry| {
                    let is_live = entry.slot.object().is_some_and(is_live) && !entry.rows.is_empty();
                    is_live && entry.place() == Some(Place::Here) && entry.standing.is_known_to_be_up()
                })
            };
            self.ups.is_pending(*id) || is_up()
        })
    }

    fn are_sent(&mut self, ports: &[PortId]) {
        for id in ports {
            if let Some(entry) = self.ports.get_mut(id) {
                entry.standing.report_is_sent();
            }
        }
    }

    /// Takes in what came of a report. Says whose ports the server did not take.
    pub(crate) fn reported(
        &mut self,
        ports: &[PortId],
        up: bool,
        answer: &Result<Value, Fault>,
        now: Instant,
    ) -> BTreeSet<PortId> {
        let failed = match answer.as_ref().map(|answer| refused(answer, up)) {
            Ok(Ok(failed)) => Ok(failed),
            Ok(Err(malformed)) => {
                self.complaints.add(format!("answer to update_device_list: {malformed}"));
                Err(failure(&Fault::Malformed(malformed)))
            }
            Err(fault) => Err(failure(fault)),
        };
        let queue = if up { &mut self.ups } else { &mut self.downs };
        let failed = match failed {
            Ok(failed) => {
                queue.answered(ports, |id| failed.contains(&id), now);
                failed
            }
            Err(failure) => {
                queue.failed(ports, failure, now);
                ports.iter().copied().collect()
            }
        };
        for id in ports {
            if let Some(entry) = self.ports.get_mut(id) {
                if failed.contains(id) {
                    entry.standing.unanswered();
                } else {
                    entry.standing.acknowledged(up, entry.slot.object());
                    if let Some(moment) = entry.standing.look(now) {
                        self.port_hints.entry(*id).or_insert((moment, None));
                    }
                }
            }
            self.touch(*id, now);
        }
        failed
    }
}

fn tables(ask: &Ask) -> &[TableAsked] {
    match ask {
        Ask::Up { tables, .. } => tables,
        Ask::Ports(_) | Ask::Networks(_) | Ask::Down(_) => &[],
    }
}

/// The devices that the server could not serve.
fn refused(answer: &Value, up: bool) -> Result<BTreeSet<PortId>, Malformed> {
    let reader = Reader::new("result", answer)?;
    let failed = reader.parsed_list(if up { "failed_devices_up" } else { "failed_devices_down" })?;
    Ok(failed.into_iter().collect())
}
