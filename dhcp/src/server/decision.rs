//! What the server does about a message: offer, acknowledge, refuse or say nothing. Pure, and free of
//! how an answer is written; see [`super::message`] for that.
//!
//! The rules are those of dnsmasq with Neutron's static ranges, as guests know them (RFC 2131 leaves
//! room in most places), with two exceptions. A declined address is not taken out of service: it is the
//! port's own, and a guest could lock itself out. And a client that nobody knows anything about is never
//! refused: the server may simply not have been told of the port yet.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::request::{Kind, Request};
use super::table::{Host, Table, TableSubnet};

/// What to do about a message.
#[derive(Debug)]
pub enum Decision<'t> {
    Offer(Grant<'t>),
    Acknowledge(Grant<'t>),
    /// The options without an address: the client has one (DHCPINFORM).
    Inform {
        subnet: &'t TableSubnet,
        host: Option<&'t Arc<Host>>,
    },
    Refuse {
        subnet: &'t TableSubnet,
        reason: Refusal,
    },
    /// The client gives its lease back.
    Release(Ipv4Addr),
    /// The client found its address in use by somebody else.
    Decline(Ipv4Addr),
    Nothing(Silence),
}

/// An address for a client.
#[derive(Debug)]
pub struct Grant<'t> {
    pub subnet: &'t TableSubnet,
    pub host: &'t Arc<Host>,
    pub address: Ipv4Addr,
}

/// Why a client is told to start over. Prints as the text of option 56.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    #[error("wrong address")]
    WrongAddress,
    #[error("address not available")]
    NotAvailable,
    #[error("wrong network")]
    WrongNetwork,
}

/// Why a well-formed message gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Silence {
    #[error("no address available")]
    UnknownClient,
    #[error("no address on the client's subnet")]
    NoAddressThere,
    #[error("not a subnet of this server")]
    UnknownSubnet,
    #[error("meant for another server")]
    OtherServer,
    #[error("no address asked for")]
    NothingAsked,
    #[error("not the client's address")]
    NotTheirs,
    #[error("the answer cannot be encoded")]
    Unwritable,
}

impl<'t> Decision<'t> {
    /// `held` is the address that was last acknowledged to the client and not given back.
    pub fn of(table: &'t Table, held: Option<Ipv4Addr>, request: &Request) -> Self {
        match request.kind {
            Kind::Discover => discover(table, held, request),
            Kind::Request => match (request.requested_address, request.server_id) {
                (_, Some(server)) if !table.is_server(server) => Self::Nothing(Silence::OtherServer),
                (Some(address), Some(server)) => select(table, request, address, server),
                (Some(address), None) => reboot(table, held, request, address),
                (None, _) => renew(table, held, request),
            },
            Kind::Inform => inform(table, request),
            Kind::Release => release(table, request),
            Kind::Decline => decline(table, request),
        }
    }
}

/// The addresses that a client may have where it is, in the order of preference of its ports.
struct Candidates<'t> {
    hosts: Vec<&'t Arc<Host>>,
    grants: Vec<Grant<'t>>,
}

impl<'t> Candidates<'t> {
    fn of(table: &'t Table, request: &Request) -> Self {
        let hosts = table.hosts_of(request);
        let location = request.link.or(request.relay);
        let here = |subnet: &TableSubnet| location.is_none_or(|at| subnet.subnet.cidr.contains(&at));
        let mut grants = Vec::with_capacity(1);
        for host in &hosts {
            for address in &host.addresses {
                if let Some(subnet) = table.subnet_of(*address).filter(|subnet| here(subnet)) {
                    grants.push(Grant { subnet, host, address: *address });
                }
            }
        }
        Self { hosts, grants }
    }

    fn take(self, address: Ipv4Addr) -> Option<Grant<'t>> {
        self.grants.into_iter().find(|grant| grant.address == address)
    }
}

fn discover<'t>(table: &'t Table, held: Option<Ipv4Addr>, request: &Request) -> Decision<'t> {
    let mut candidates = Candidates::of(table, request);
    if candidates.hosts.is_empty() {
        return Decision::Nothing(Silence::UnknownClient);
    }
    let position = [request.requested_address, held]
        .into_iter()
        .flatten()
        .find_map(|address| candidates.grants.iter().position(|grant| grant.address == address));
    if candidates.grants.is_empty() {
        return Decision::Nothing(Silence::NoAddressThere);
    }
    Decision::Offer(candidates.grants.swap_remove(position.unwrap_or(0)))
}

/// A client that took our offer. It believes that the address is its own, so it hears no as well as yes.
fn select<'t>(table: &'t Table, request: &Request, address: Ipv4Addr, server: Ipv4Addr) -> Decision<'t> {
    match Candidates::of(table, request).take(address) {
        Some(grant) => Decision::Acknowledge(grant),
        None => refuse(table, Refusal::NotAvailable, [Some(server), Some(address), None]),
    }
}

/// A client that remembers an address from before it started.
fn reboot<'t>(
    table: &'t Table,
    held: Option<Ipv4Addr>,
    request: &Request,
    address: Ipv4Addr,
) -> Decision<'t> {
    let candidates = Candidates::of(table, request);
    if candidates.hosts.is_empty() {
        return forgotten(table, held, request, address);
    }
    let own = candidates.grants.first().map(|grant| grant.address);
    match candidates.take(address) {
        Some(grant) => Decision::Acknowledge(grant),
        None => refuse(table, Refusal::WrongAddress, [own, Some(address), request.relay]),
    }
}

/// A client that uses an address and wants to go on, asking us (renewing) or anybody (rebinding).
fn renew<'t>(table: &'t Table, held: Option<Ipv4Addr>, request: &Request) -> Decision<'t> {
    let Some(address) = request.client_address else { return Decision::Nothing(Silence::NothingAsked) };
    let candidates = Candidates::of(table, request);
    if candidates.hosts.is_empty() {
        return forgotten(table, held, request, address);
    }
    let own = candidates.grants.first().map(|grant| grant.address);
    match candidates.take(address) {
        Some(grant) => Decision::Acknowledge(grant),
        None if table.subnet_of(address).is_none() => {
            refuse(table, Refusal::WrongNetwork, [own, request.relay, None])
        }
        None => refuse(table, Refusal::NotAvailable, [Some(address), own, None]),
    }
}

/// A client without a port. If it has a lease from us its port is gone, and it had better know.
fn forgotten<'t>(
    table: &'t Table,
    held: Option<Ipv4Addr>,
    request: &Request,
    address: Ipv4Addr,
) -> Decision<'t> {
    match held {
        Some(held) => refuse(table, Refusal::NotAvailable, [Some(address), Some(held), request.relay]),
        None => Decision::Nothing(Silence::UnknownClient),
    }
}

/// Refuses in the name of the subnet of the first address that is in one, else of any.
fn refuse(table: &Table, reason: Refusal, near: [Option<Ipv4Addr>; 3]) -> Decision<'_> {
    let subnet = near.into_iter().flatten().find_map(|address| table.subnet_of(address));
    match subnet.or(table.subnets.first()) {
        Some(subnet) => Decision::Refuse { subnet, reason },
        None => Decision::Nothing(Silence::UnknownSubnet),
    }
}

fn inform<'t>(table: &'t Table, request: &Request) -> Decision<'t> {
    let Some(address) = request.client_address else { return Decision::Nothing(Silence::NothingAsked) };
    match table.subnet_of(address) {
        Some(subnet) => Decision::Inform { subnet, host: table.hosts_of(request).first().copied() },
        None => Decision::Nothing(Silence::UnknownSubnet),
    }
}

fn release<'t>(table: &'t Table, request: &Request) -> Decision<'t> {
    match (request.client_address, request.server_id) {
        (_, Some(server)) if !table.is_server(server) => Decision::Nothing(Silence::OtherServer),
        (Some(address), _) => Decision::Release(address),
        (None, _) => Decision::Nothing(Silence::NothingAsked),
    }
}

fn decline<'t>(table: &'t Table, request: &Request) -> Decision<'t> {
    match (request.requested_address, request.server_id) {
        (_, Some(server)) if !table.is_server(server) => Decision::Nothing(Silence::OtherServer),
        (Some(address), _)
            if table.hosts_of(request).iter().any(|host| host.addresses.contains(&address)) =>
        {
            Decision::Decline(address)
        }
        (Some(_), _) => Decision::Nothing(Silence::NotTheirs),
        (None, _) => Decision::Nothing(Silence::NothingAsked),
    }
}
