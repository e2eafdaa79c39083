//! Sockets that live inside a namespace and are used from any task. A socket belongs for ever to the
//! namespace of the thread that made it, so each is made on a visiting thread and handed out.

use std::io;
use std::net::SocketAddr;

use model::Mac;
use nix::libc;
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::{Error, Namespace, Result};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A UDP socket bound to an address.
pub async fn udp(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket> {
    let failed = failure(namespace, format!("open a UDP socket on {address}"));
    let open = move || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let socket = namespace.run(open).await?.map_err(&failed)?;
    UdpSocket::from_std(socket.into()).map_err(failed)
}

/// A TCP listener on an address.
pub async fn tcp(namespace: &Namespace, address: SocketAddr) -> Result<TcpListener> {
    let failed = failure(namespace, format!("listen on TCP {address}"));
    let open = move || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // So that a restart need not wait for connections of before to time out.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    let socket = namespace.run(open).await?.map_err(&failed)?;
    TcpListener::from_std(socket.into()).map_err(failed)
}

/// Where a packet goes. The kernel writes the Ethernet header, with the device's own address as source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketTarget {
    /// Index of the device to send by.
    pub(crate) device: u32,
    pub(crate) mac: Mac,
    /// `0x0800` for IPv4, `0x0806` for ARP, `0x86dd` for IPv6.
    pub(crate) ethertype: u16,
}

/// A socket that sends packets without asking ARP, with a payload whose headers from IP (or ARP) on are the
/// caller's. One of protocol 0 gets no packets, so nothing piles up in it.
pub(crate) fn packet_socket() -> io::Result<Socket> {
    Socket::new(Domain::PACKET, Type::DGRAM, None)
}

impl PacketTarget {
    pub(crate) fn address(self) -> io::Result<SockAddr> {
        let device = i32::try_from(self.device).map_err(io::Error::other)?;
        let mut hardware = [0; 8];
        hardware[..6].copy_from_slice(&self.mac.0);
        let packet = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: self.ethertype.to_be(),
            sll_ifindex: device,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        };
        let mut storage = SockAddrStorage::zeroed();
        // SAFETY: `sockaddr_ll` is plain data, of a size and an alignment that fit into the storage, which
        // is made for every kind of socket address.
        #[allow(unsafe_code)]
        unsafe {
            *storage.view_as::<libc::sockaddr_ll>() = packet;
        }
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the storage was zeroed, and its first `length` bytes have just been written.
        #[allow(unsafe_code)]
        Ok(unsafe { SockAddr::new(storage, length) })
    }
}

fn failure(namespace: &Namespace, deed: String) -> impl Fn(io::Error) -> Error {
    let namespace = namespace.to_string();
    move |source| Error::Socket { deed: deed.clone(), namespace: namespace.clone(), source }
}
