//! The servers of this node: what each knows and whether it listens. Clones share them, so hosts, leases
//! and counters can be asked for while the engine is at work.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use imbl::OrdMap;
use model::{Mac, NetworkId, PortId};
use serde::Serialize;

use crate::server::lease::Lease;
use crate::server::socket::Sockets;
use crate::server::table::{Host, ServedSubnet, Table, Times};
use crate::server::thread::{Listener, ServerThread};
use crate::server::turn::Server;

/// See the head of this module.
#[derive(Debug, Clone, Default)]
pub struct Service {
    networks: Arc<Mutex<Networks>>,
}

#[derive(Debug, Default)]
struct Networks {
    running: BTreeMap<NetworkId, Running>,
    /// Started with the first server that listens.
    thread: Option<ServerThread>,
    homes: OrdMap<PortId, NetworkId>,
    /// The table of every running server: what a pass looks at must cost the same however many there are.
    tables: OrdMap<NetworkId, Table>,
}

#[derive(Debug)]
struct Running {
    server: Arc<Server>,
    listener: Option<Listener>,
}

/// A host that a server knows, one for each address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostEntry {
    pub network: NetworkId,
    pub port: PortId,
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub name: String,
}

/// An address that a server acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseEntry {
    pub network: NetworkId,
    pub port: PortId,
    pub mac: Mac,
    pub address: Ipv4Addr,
    /// Seconds since it was last acknowledged.
    pub age_seconds: u64,
    /// Absent for a lease without end.
    pub remaining_seconds: Option<u64>,
}

impl Networks {
    /// Takes up what a server knows now.
    fn show(&mut self, network: NetworkId) {
        match self.running.get(&network) {
            Some(running) => self.tables.insert(network, running.server.table()),
            None => self.tables.remove(&network),
        };
    }
}

impl Service {
    fn lock(&self) -> MutexGuard<'_, Networks> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, network: NetworkId) -> Option<Arc<Server>> {
        self.lock().running.get(&network).map(|running| running.server.clone())
    }

    /// The networks that have a server, listening or not.
    pub fn networks(&self) -> Vec<NetworkId> {
        self.lock().running.keys().copied().collect()
    }

    /// The hosts of a network, by MAC address.
    pub fn hosts(&self, network: NetworkId) -> Vec<HostEntry> {
        let Some(server) = self.server(network) else { return Vec::new() };
        let table = server.table();
        let entries = |host: &Arc<Host>| {
            let host = host.clone();
            host.addresses
                .iter()
                .map(|address| HostEntry {
                    network,
                    port: host.port,
                    mac: host.mac,
                    address: *address,
                    name: host.name_for(*address),
                })
                .collect::<Vec<_>>()
        };
        table.hosts().flat_map(entries).collect()
    }

    /// The leases of a network that have not expired, by MAC address.
    pub fn leases(&self, network: NetworkId) -> Vec<LeaseEntry> {
        let Some(server) = self.server(network) else { return Vec::new() };
        let now = SystemTime::now();
        let entry = |lease: &Lease| LeaseEntry {
            network,
            port: lease.port,
            mac: lease.mac,
            address: lease.address,
            age_seconds: now.duration_since(lease.since).unwrap_or_default().as_secs(),
            remaining_seconds: lease.expires.map(|end| end.duration_since(now).unwrap_or_default().as_secs()),
        };
        server.leases().living(now).map(entry).collect()
    }

    /// What a network's server has counted, by the name of the event.
    pub fn counters(&self, network: NetworkId) -> BTreeMap<String, u64> {
        self.server(network).map(|server| server.counters.all()).unwrap_or_default()
    }

    /// The tables of all servers that know their hosts.
    pub(crate) fn tables(&self) -> OrdMap<NetworkId, Table> {
        self.lock().tables.clone()
    }

    /// Whether a network has a server, listening or not.
    pub(crate) fn has(&self, network: NetworkId) -> bool {
        self.lock().running.contains_key(&network)
    }

    pub(crate) fn homes(&self) -> OrdMap<PortId, NetworkId> {
        self.lock().homes.clone()
    }

    /// The index of the device that a network's server listens on.
    pub(crate) fn listens_on(&self, network: NetworkId) -> Option<u32> {
        let networks = self.lock();
        let listener = networks.running.get(&network)?.listener.as_ref()?;
        listener.lives().then_some(listener.device)
    }

    /// Sets what a network's server tells, making the server when there is none. It listens on as before.
    pub(crate) fn configure(&self, network: NetworkId, times: Times, subnets: &[ServedSubnet]) {
        let mut networks = self.lock();
        let running = networks
            .running
            .entry(network)
            .or_insert_with(|| Running { server: Arc::new(Server::new(network)), listener: None });
        running.server.change(|table| table.set_subnets(times, subnets));
        networks.show(network);
    }

    /// Adds or replaces hosts of a network that has a server.
    pub(crate) fn set_hosts(&self, network: NetworkId, hosts: Vec<Arc<Host>>) {
        let mut networks = self.lock();
        let Networks { running, homes, .. } = &mut *networks;
        let Some(running) = running.get(&network) else { return };
        for host in hosts {
            homes.insert(host.port, network);
            // Packets are answered between one host and the next.
            running.server.change(|table| table.set_host(host));
        }
        networks.show(network);
    }

    pub(crate) fn drop_host(&self, network: NetworkId, port: PortId) {
        let mut networks = self.lock();
        if networks.homes.get(&port) == Some(&network) {
            networks.homes.remove(&port);
        }
        if let Some(running) = networks.running.get(&network) {
            running.server.change(|table| table.drop_host(port));
        }
        networks.show(network);
    }

    /// Has a network's server listen on these sockets, and no longer on those before.
    pub(crate) fn listen(&self, network: NetworkId, sockets: Sockets, device: u32) -> io::Result<()> {
        let mut networks = self.lock();
        let Networks { running, thread, .. } = &mut *networks;
        let thread = match thread {
            Some(thread) if thread.lives() => thread,
            thread => thread.insert(ServerThread::start()?),
        };
        if let Some(running) = running.get_mut(&network) {
            running.listener = Some(thread.listen(running.server.clone(), sockets, device)?);
        }
        Ok(())
    }

    /// Stops listening.
    pub(crate) fn close(&self, network: NetworkId) {
        if let Some(running) = self.lock().running.get_mut(&network) {
            running.listener = None;
        }
    }

    /// Stops a server and forgets what it knows.
    pub(crate) fn stop(&self, network: NetworkId) {
        let mut networks = self.lock();
        let Some(running) = networks.running.remove(&network) else { return };
        networks.show(network);
        for host in running.server.table().hosts() {
            if networks.homes.get(&host.port) == Some(&network) {
                networks.homes.remove(&host.port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> Arc<Host> {
        Arc::new(Host {
            port: PortId(uuid::Uuid::from_u128(number.into())),
            mac: Mac([2, 0, 0, 0, 0, number]),
            addresses: vec![Ipv4Addr::new(10, 0, 0, number)],
            name: None,
            extra: None,
        })
    }

    #[test]
    fn what_servers_know_is_read_as_it_is_however_many_there_are() {
        let service = Service::default();
        let network = |number| NetworkId(uuid::Uuid::from_u128(number));
        for number in 1..=3 {
            service.configure(network(number), Times::default(), &[]);
        }
        service.set_hosts(network(2), vec![host(1), host(2)]);
        service.drop_host(network(2), host(1).port);
        service.stop(network(3));
        let tables = service.tables();
        assert_eq!(tables.keys().copied().collect::<Vec<_>>(), [network(1), network(2)]);
        assert_eq!(tables[&network(2)].hosts().collect::<Vec<_>>(), [&host(2)]);
        let server = service.server(network(2)).unwrap();
        assert_eq!(server.table().hosts().collect::<Vec<_>>(), [&host(2)]);
        assert!(tables.ptr_eq(&service.tables()), "tables are gathered anew although nothing changed");
    }
}
