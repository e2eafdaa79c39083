//! The turn of one network's server: receive, answer, send. Everything that it decides is in
//! [`super::reply`]; here are the clock, the log and the counters. Whose turn it is, [`super::thread`] says.
//!
//! The table is taken anew for every turn, so a host that was added is served by the next packet and
//! no packet waits for a change.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use model::{Mac, NetworkId};
use tracing::{debug, info, warn};

use super::counters::{Counters, Event};
use super::decision::Silence;
use super::lease::Leases;
use super::reply::{Answer, Reply, ReplyKind, answer};
use super::request::{Kind, Request};
use super::socket::{Batch, Sockets};
use super::table::Table;

/// What a network's server knows. It is there before the server listens and survives its sockets.
#[derive(Debug)]
pub struct Server {
    pub network: NetworkId,
    pub counters: Counters,
    table: RwLock<Table>,
    leases: Mutex<Leases>,
}

/// Memory to work in: what packets are read into and what a frame is built in. One for the thread, not for
/// each network, as it is in use only during a turn.
#[derive(Debug, Default)]
pub struct Desk {
    batch: Batch,
    frame: Vec<u8>,
}

impl Server {
    pub fn new(network: NetworkId) -> Self {
        Self { network, counters: Counters::default(), table: RwLock::default(), leases: Mutex::default() }
    }

    /// The table as it is. A copy costs nothing.
    pub fn table(&self) -> Table {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the table; the next packet is answered by it.
    pub fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The leases as they are. A copy costs nothing.
    pub fn leases(&self) -> Leases {
        self.lock_leases().clone()
    }

    fn lock_leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers what has arrived, as far as it fits into one turn: so many packets.
    pub fn turn(&self, sockets: &Sockets, desk: &mut Desk) -> io::Result<usize> {
        let Desk { batch, frame } = desk;
        let count = sockets.receive(batch)?;
        if count == 0 {
            return Ok(0);
        }
        let table = self.table();
        let now = SystemTime::now();
        for packet in batch.packets() {
            if let Some(reply) = self.handle(&table, packet, now)
                && let Err(error) = sockets.send(&reply, frame)
            {
                self.counters.count([Event::NotSent]);
                debug!(network = %self.network, to = ?reply.to, error = %error, "answer not sent");
            }
        }
        Ok(count)
    }

    /// Answers one packet, and keeps leases, counters and log.
    pub fn handle(&self, table: &Table, packet: &[u8], now: SystemTime) -> Option<Reply> {
        let (request, answer) = answer(table, |mac| self.lock_leases().held(mac, now), packet);
        match &request {
            Some(request) => {
                self.log(request, &answer);
                self.remember(request.mac, &answer, now);
            }
            None => {
                if let Answer::Malformed(reason) = &answer {
                    debug!(network = %self.network, length = packet.len(), reason = %reason, "packet dropped");
                }
            }
        }
        // Who sees the count sees what came of it too.
        self.counters.count(Event::of(request.as_ref().map(|request| request.kind), &answer));
        match answer {
            Answer::Send(reply) => Some(reply),
            _ => None,
        }
    }

    fn remember(&self, mac: Mac, answer: &Answer, now: SystemTime) {
        match answer {
            Answer::Send(Reply { kind: ReplyKind::Ack(lent), .. }) => {
                self.lock_leases().grant(mac, lent, now);
            }
            Answer::Send(Reply { kind: ReplyKind::Nak(_), .. }) => self.lock_leases().forget(mac),
            Answer::Returned { address, .. } => _ = self.lock_leases().give_back(mac, *address),
            _ => {}
        }
    }

    /// The diary of an exchange: what was heard and what was said, one line each, in the words that
    /// operators search for.
    fn log(&self, request: &Request, answer: &Answer) {
        let network = self.network;
        let mac = request.mac;
        let asked = request.requested_address.or(request.client_address).unwrap_or(Ipv4Addr::UNSPECIFIED);
        match request.kind {
            Kind::Discover => info!(%network, %mac, "DHCPDISCOVER"),
            Kind::Request => info!(%network, %mac, address = %asked, "DHCPREQUEST"),
            Kind::Inform => info!(%network, %mac, address = %asked, "DHCPINFORM"),
            Kind::Release => info!(%network, %mac, address = %asked, "DHCPRELEASE"),
            Kind::Decline => warn!(%network, %mac, address = %asked, "DHCPDECLINE"),
        }
        match answer {
            Answer::Send(Reply { kind, from, .. }) => match kind {
                ReplyKind::Offer(lent) => {
                    info!(%network, %mac, address = %lent.address, port = %lent.port, server = %from, "DHCPOFFER");
                }
                ReplyKind::Ack(lent) => {
                    info!(%network, %mac, address = %lent.address, port = %lent.port, server = %from, "DHCPACK");
                }
                ReplyKind::Options => info!(%network, %mac, address = %asked, server = %from, "DHCPACK"),
                ReplyKind::Nak(reason) => {
                    info!(%network, %mac, address = %asked, server = %from, reason = %reason, "DHCPNAK");
                }
            },
            Answer::Silence(reason @ (Silence::UnknownClient | Silence::NoAddressThere)) => {
                info!(%network, %mac, reason = %reason, "not answered");
            }
            Answer::Silence(reason) => debug!(%network, %mac, reason = %reason, "not answered"),
            Answer::Returned { .. } | Answer::Malformed(_) => {}
        }
    }
}
