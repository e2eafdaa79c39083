//! Sockets that live inside a namespace and are used from any task. A socket belongs for ever to the
//! namespace of the thread that made it, so each is made on a visiting thread and handed out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;

use model::Mac;
use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UdpSocket};

use crate::thread::watch;
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

/// A UDP socket for IPv4 that hears one device only, broadcasts too, and tells which address of the node a
/// packet was sent to. It does not need the device to have an address.
#[derive(Debug)]
pub struct DeviceUdp {
    socket: UdpSocket,
}

/// A packet that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How much of the buffer was filled.
    pub length: usize,
    /// True when the packet was longer than the buffer.
    pub truncated: bool,
    pub from: SocketAddrV4,
    /// The destination in its header, broadcast for instance.
    pub to: Ipv4Addr,
    /// The address of the node that would answer.
    pub local: Ipv4Addr,
    /// The device it came in by.
    pub device: u32,
}

impl DeviceUdp {
    /// Opens the socket on all addresses of a device.
    pub async fn open(namespace: &Namespace, device: &str, port: u16) -> Result<Self> {
        let failed = failure(namespace, format!("open UDP port {port} on device {device}"));
        let device = device.to_owned();
        let open = move || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
            socket.bind_device(Some(device.as_bytes()))?;
            socket.set_broadcast(true)?;
            socket.set_reuse_address(true)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
            Ok(socket)
        };
        let socket = namespace.run(open).await?.map_err(&failed)?;
        let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
        Ok(Self { socket })
    }

    /// Waits for a packet.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.async_io(Interest::READABLE, || receive(self.socket.as_raw_fd(), buffer)).await
    }

    /// Sends a packet by the usual way of the kernel: the destination must answer ARP, or be the broadcast
    /// address.
    pub async fn send(&self, payload: &[u8], to: SocketAddrV4) -> io::Result<()> {
        self.socket.send_to(payload, SocketAddr::V4(to)).await.map(drop)
    }
}

fn receive(socket: i32, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = cmsg_space!(libc::in_pktinfo);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(socket, &mut parts, Some(&mut control), MsgFlags::empty())?;
    let sender = message.address.ok_or(io::ErrorKind::InvalidData)?;
    let mut received = Received {
        length: message.bytes,
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        from: SocketAddrV4::new(sender.ip(), sender.port()),
        to: Ipv4Addr::UNSPECIFIED,
        local: Ipv4Addr::UNSPECIFIED,
        device: 0,
    };
    for part in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = part {
            received.to = u32::from_be(info.ipi_addr.s_addr).into();
            received.local = u32::from_be(info.ipi_spec_dst.s_addr).into();
            received.device = info.ipi_ifindex.cast_unsigned();
        }
    }
    Ok(received)
}

/// A socket that sends packets without asking ARP: to any Ethernet address, with a payload whose headers
/// from IP (or ARP) on are the caller's. It receives nothing.
#[derive(Debug)]
pub struct PacketSender {
    socket: AsyncFd<Socket>,
}

/// Where a packet goes. The kernel writes the Ethernet header, with the device's own address as source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketTarget {
    /// Index of the device to send by.
    pub device: u32,
    pub mac: Mac,
    /// `0x0800` for IPv4, `0x0806` for ARP, `0x86dd` for IPv6.
    pub ethertype: u16,
}

impl PacketSender {
    /// Opens the socket; it serves every device of the namespace.
    pub async fn open(namespace: &Namespace) -> Result<Self> {
        let failed = failure(namespace, "open a packet socket".to_owned());
        let socket = namespace.run(packet_socket).await?.map_err(&failed)?;
        socket.set_nonblocking(true).map_err(&failed)?;
        Ok(Self { socket: watch(socket, Interest::WRITABLE).map_err(failed)? })
    }

    /// Sends one packet.
    pub async fn send(&self, payload: &[u8], target: PacketTarget) -> io::Result<()> {
        let address = target.address()?;
        self.socket.async_io(Interest::WRITABLE, |socket| socket.send_to(payload, &address)).await.map(drop)
    }
}

/// A socket of protocol 0 gets no packets, so nothing piles up in it.
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
