//! What is behind the tunnels of this node: with l2population a table for each tunnel network that has
//! ports here, otherwise one mesh of all tunnel ends of a type. How a table is asked for is not known here,
//! only that it is wanted, that it is under way, and when everything of it must have come.

mod mesh;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imbl::OrdSet;
use model::{HostName, Mac, NetworkId, RemotePort, TunnelKind};
use serde_json::Value;

use self::mesh::Mesh;
use self::table::{Changes, Table};
use super::batches::{Batches, Failure, Pace};
use super::complaints::Complaints;
use super::fault::{Fault, Malformed};
use super::finding::Finding;
use super::role::Message;
use super::wire::fdb;
use super::wire::read::Reader;

/// A table is cast before its report is answered, but on another way: so long it may still be under way.
const QUIET: Duration = Duration::from_secs(2);
/// And however busy the cloud is, after so long it must have come.
const LONGEST: Duration = Duration::from_secs(10);

/// An end that goes within so long after this node told of its own may be the one that it had before.
const NEIGHBOURHOOD: Duration = Duration::from_secs(15);

const SYNCS: Pace = Pace { batch: 1, open: 2, quick: 0 };

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Tunnels {
    host: HostName,
    local_ip: Option<IpAddr>,
    l2_population: bool,
    /// When the server was last told of this node's tunnel end.
    told: Option<Instant>,
    /// This node's tunnel end may be new to the others.
    moved: bool,
    networks: BTreeMap<NetworkId, Here>,
    meshes: BTreeMap<TunnelKind, Mesh>,
    syncs: Batches<TunnelKind>,
    /// Whether everything was heard once since the start. Before, a list of ends with one end of several in it
    /// would take the others away from a switch that has them all.
    released: bool,
    /// Counts what could make former answers void.
    round: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) complaints: Complaints,
}

/// A tunnel network with ports here.
#[derive(Debug)]
struct Here {
    kinds: BTreeSet<TunnelKind>,
    table: Table,
    asking: Asking,
    /// What is heard from this round on is up to date.
    round: u64,
    said_macs: BTreeMap<Mac, Arc<RemotePort>>,
    said_ends: OrdSet<IpAddr>,
    /// The ends are not said yet, because more may be to come.
    held: bool,
}

/// How far the asking for a table got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asking {
    Wanted,
    UnderWay,
    Answered { at: Instant, heard: Instant },
    Settled,
}

impl Tunnels {
    pub(crate) fn new(
        host: HostName,
        local_ip: Option<IpAddr>,
        kinds: &[TunnelKind],
        l2_population: bool,
    ) -> Self {
        // Without an address of its own a node has no tunnels.
        let kinds = kinds.iter().filter(|_| local_ip.is_some());
        Self {
            host,
            local_ip,
            l2_population,
            told: None,
            moved: false,
            networks: BTreeMap::new(),
            meshes: kinds.map(|kind| (*kind, Mesh::default())).collect(),
            syncs: Batches::new(SYNCS),
            released: false,
            round: 0,
            findings: Vec::new(),
            complaints: Complaints::default(),
        }
    }

    /// Everything has to be asked for again. What is known stays until it was not repeated.
    pub(crate) fn doubt(&mut self) {
        self.round += 1;
        for (kind, mesh) in &mut self.meshes {
            mesh.synced = false;
            self.syncs.want(*kind);
        }
        for here in self.networks.values_mut() {
            here.round = self.round;
            here.asking = Asking::Wanted;
        }
    }

    pub(crate) fn hasten(&mut self) {
        self.syncs.hasten();
    }

    /// A network has ports here that these kinds of tunnels carry; none any more when there are none.
    pub(crate) fn carry(&mut self, network: NetworkId, kinds: BTreeSet<TunnelKind>) {
        if kinds.is_empty() {
            self.leave(network);
            return;
        }
        match self.networks.get_mut(&network) {
            Some(here) => here.kinds = kinds,
            None => {
                self.round += 1;
                let here = Here {
                    kinds,
                    table: Table::default(),
                    asking: Asking::Wanted,
                    round: self.round,
                    said_macs: BTreeMap::new(),
                    said_ends: OrdSet::new(),
                    held: !self.released,
                };
                self.networks.insert(network, here);
            }
        }
        self.say_ends(network);
    }

    fn leave(&mut self, network: NetworkId) {
        let Some(here) = self.networks.remove(&network) else { return };
        let gone = here.said_macs.keys().map(|mac| Finding::Remote(network, *mac, None));
        self.findings.extend(gone);
        if !here.said_ends.is_empty() {
            self.findings.push(Finding::Flood(network, OrdSet::new()));
        }
    }

    /// The tables that are to be asked for, with the round to tell their answers by.
    pub(crate) fn wanted(&self) -> Vec<(NetworkId, u64)> {
        let wanted = self.networks.iter().filter(|(_, here)| here.asking == Asking::Wanted);
        wanted.filter(|_| self.l2_population).map(|(id, here)| (*id, here.round)).collect()
    }

    pub(crate) fn table_asked(&mut self, network: NetworkId, round: u64) {
        if let Some(here) = self.networks.get_mut(&network).filter(|here| here.round == round) {
            here.asking = Asking::UnderWay;
        }
    }

    /// What came of asking for a table. The table itself is cast.
    pub(crate) fn table_answered(&mut self, network: NetworkId, round: u64, came: bool, now: Instant) {
        let here = self.networks.get_mut(&network).filter(|here| here.round == round);
        if let Some(here) = here.filter(|here| here.asking == Asking::UnderWay) {
            here.asking = if came { Asking::Answered { at: now, heard: now } } else { Asking::Wanted };
        }
    }

    /// The types whose ends are to be asked for now.
    pub(crate) fn questions(&mut self, now: Instant) -> Vec<TunnelKind> {
        let mut kinds = Vec::new();
        loop {
            let batch = self.syncs.take(now);
            if batch.is_empty() {
                return kinds;
            }
            for kind in batch {
                if let Some(mesh) = self.meshes.get_mut(&kind) {
                    mesh.asked();
                }
                kinds.push(kind);
                self.told = Some(now);
            }
        }
    }

    /// Whether the other nodes may not know yet where the ports of this node are, since this was last called.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Takes in an answer to `tunnel_sync`.
    pub(crate) fn synced(&mut self, kind: TunnelKind, answer: Result<Value, Fault>, now: Instant) {
        let read = match answer {
            Ok(value) => ends(&value).map_err(|malformed| {
                self.complaints.add(format!("answer to tunnel_sync: {malformed}"));
                Failure::Trouble
            }),
            Err(Fault::Unreachable) => Err(Failure::Unsent),
            Err(_) => Err(Failure::Trouble),
        };
        let (ends, malformed) = match read {
            Ok(read) => read,
            Err(failure) => return self.syncs.failed(&[kind], failure, now),
        };
        self.syncs.answered(&[kind], |_| false, now);
        for malformed in &malformed {
            self.complaints.add(format!("answer to tunnel_sync: {malformed}"));
        }
        if let Some(mesh) = self.meshes.get_mut(&kind) {
            mesh.listed(ends, malformed.is_empty());
            self.say_mesh(kind);
        }
    }

    pub(crate) fn message(&mut self, message: &Message, now: Instant) {
        let understood = match message.method.as_str() {
            "add_fdb_entries" | "remove_fdb_entries" | "update_fdb_entries" if self.l2_population => {
                self.table_message(message, now)
            }
            "tunnel_update" => self.end_message(message, true, now),
            "tunnel_delete" => self.end_message(message, false, now),
            _ => Ok(()),
        };
        if let Err(malformed) = understood {
            self.complain(message, &malformed);
        }
    }

    fn complain(&mut self, message: &Message, malformed: &Malformed) {
        self.complaints.add(format!("{} on {}: {malformed}", message.method, message.topic));
    }

    fn table_message(&mut self, message: &Message, now: Instant) -> Result<(), Malformed> {
        // Old servers cast to all what is for one.
        let addressee = Reader::of("arguments", &message.args).text("host")?;
        if addressee.is_some_and(|host| *host != self.host.0) {
            return Ok(());
        }
        let is_here = |network: NetworkId| self.networks.contains_key(&network);
        let complaints = if message.method == "update_fdb_entries" {
            let (changes, complaints) = fdb::readdressed(&message.args, is_here);
            for change in &changes {
                self.change(change.network, |table, _, changes| table.readdress(change, changes));
            }
            complaints
        } else {
            let (entries, complaints) = fdb::entries(&message.args, is_here);
            let adds = message.method == "add_fdb_entries";
            for behind in entries {
                if Some(behind.endpoint) == self.local_ip {
                    continue;
                }
                if adds {
                    self.heard(behind.network, now);
                }
                self.change(behind.network, |table, round, changes| match adds {
                    true => table.add(&behind, round, changes),
                    false => table.remove(&behind, changes),
                });
            }
            complaints
        };
        for malformed in &complaints {
            self.complain(message, malformed);
        }
        Ok(())
    }

    /// A table that is awaited is still coming in.
    fn heard(&mut self, network: NetworkId, now: Instant) {
        if let Some(Here { asking: Asking::Answered { heard, .. }, .. }) = self.networks.get_mut(&network) {
            *heard = now;
        }
    }

    /// `tunnel_update` and `tunnel_delete`: a node got or lost a tunnel end.
    fn end_message(&mut self, message: &Message, came: bool, now: Instant) -> Result<(), Malformed> {
        let reader = Reader::of("arguments", &message.args);
        let end: IpAddr = reader.required("tunnel_ip")?;
        let kind = match reader.text("tunnel_type")? {
            Some(text) => self.meshes.keys().copied().find(|kind| kind.to_string() == text),
            None => None,
        };
        // Types that this node does not have are none of its business.
        let Some(kind) = kind else { return Ok(()) };
        if Some(end) == self.local_ip {
            return Ok(());
        }
        let mesh = self.meshes.entry(kind).or_default();
        let changed = if came { mesh.came(end) } else { mesh.went(end) };
        if !self.l2_population {
            if changed {
                self.say_mesh(kind);
            }
        } else if !came {
            self.moved |= self.told.is_some_and(|told| now <= told + NEIGHBOURHOOD);
            // No node is behind it any more, whatever the tables still say.
            let on = self.networks.iter().filter(|(_, here)| here.kinds.contains(&kind));
            for network in on.map(|(network, _)| *network).collect::<Vec<_>>() {
                self.change(network, |table, _, changes| table.forget_end(end, changes));
            }
        }
        Ok(())
    }

    /// Withdraws what was not repeated, as far as everything must have come.
    pub(crate) fn tick(&mut self, now: Instant) {
        let settled = self.networks.iter().filter(|(_, here)| here.settles_at().is_some_and(|at| at <= now));
        for network in settled.map(|(network, _)| *network).collect::<Vec<_>>() {
            if let Some(here) = self.networks.get_mut(&network) {
                here.asking = Asking::Settled;
                here.held = false;
            }
            self.change(network, Table::withdraw_before);
            self.say_ends(network);
        }
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let settling = self.networks.values().filter_map(Here::settles_at);
        settling.chain(self.syncs.due(now)).min()
    }

    /// Whether everything was heard. Of a table that nobody can ask for (`is_out_of_reach`) nothing is awaited.
    pub(crate) fn knows_all(&self, is_out_of_reach: impl Fn(NetworkId) -> bool) -> bool {
        if !self.l2_population {
            return self.meshes.values().all(|mesh| mesh.synced);
        }
        self.networks.iter().all(|(id, here)| match here.asking {
            Asking::Settled => true,
            Asking::Wanted => is_out_of_reach(*id),
            Asking::UnderWay | Asking::Answered { .. } => false,
        })
    }

    /// Everything was heard: from now on a network that comes to this node is new to its switch too.
    pub(crate) fn release(&mut self) {
        self.released = true;
        for network in self.networks.keys().copied().collect::<Vec<_>>() {
            if let Some(here) = self.networks.get_mut(&network) {
                here.held = false;
            }
            self.say_ends(network);
        }
    }

    fn change(&mut self, network: NetworkId, change: impl FnOnce(&mut Table, u64, &mut Changes)) {
        let Some(here) = self.networks.get_mut(&network) else { return };
        let mut changes = Changes::default();
        change(&mut here.table, here.round, &mut changes);
        for mac in &changes.macs {
            let remote = here.table.get(*mac).map(|remote| RemotePort {
                network,
                mac: *mac,
                addresses: remote.addresses.iter().copied().collect(),
                endpoint: remote.endpoint,
            });
            match remote {
                Some(remote) if here.said_macs.get(mac).is_some_and(|said| **said == remote) => {}
                Some(remote) => {
                    let remote = Arc::new(remote);
                    here.said_macs.insert(*mac, remote.clone());
                    self.findings.push(Finding::Remote(network, *mac, Some(remote)));
                }
                None if here.said_macs.remove(mac).is_some() => {
                    self.findings.push(Finding::Remote(network, *mac, None));
                }
                None => {}
            }
        }
        if changes.too_much {
            self.complaints.add(format!("network {network}: more is behind tunnels than is believed"));
        }
        if changes.ends {
            self.say_ends(network);
        }
    }

    fn say_mesh(&mut self, kind: TunnelKind) {
        let on = self.networks.iter().filter(|(_, here)| here.kinds.contains(&kind));
        for network in on.map(|(network, _)| *network).collect::<Vec<_>>() {
            self.say_ends(network);
        }
    }

    fn say_ends(&mut self, network: NetworkId) {
        let Some(here) = self.networks.get_mut(&network) else { return };
        let ends: OrdSet<IpAddr> = if self.l2_population {
            if here.held {
                return;
            }
            here.table.ends().collect()
        } else {
            let meshes = here.kinds.iter().filter_map(|kind| self.meshes.get(kind));
            if meshes.clone().any(|mesh| !mesh.is_whole()) {
                return;
            }
            meshes
                .flat_map(|mesh| mesh.ends().iter().copied())
                .filter(|end| Some(*end) != self.local_ip)
                .collect()
        };
        if here.said_ends != ends {
            here.said_ends = ends.clone();
            self.findings.push(Finding::Flood(network, ends));
        }
    }
}

impl Here {
    fn settles_at(&self) -> Option<Instant> {
        match self.asking {
            Asking::Answered { at, heard } => Some((heard + QUIET).min(at + LONGEST)),
            _ => None,
        }
    }
}

/// The ends of an answer to `tunnel_sync`.
fn ends(answer: &Value) -> Result<(BTreeSet<IpAddr>, Vec<Malformed>), Malformed> {
    let mut malformed = Vec::new();
    let mut ends = BTreeSet::new();
    for tunnel in Reader::new("result", answer)?.objects("tunnels")? {
        match tunnel.and_then(|tunnel| tunnel.required("ip_address")) {
            Ok(end) => _ = ends.insert(end),
            Err(error) => malformed.push(error),
        }
    }
    Ok((ends, malformed))
}
