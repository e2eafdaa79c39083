//! The two sockets of a network's server, opened inside its namespace and bound to its device.
//!
//! Requests come in on an ordinary UDP socket. Answers to relays leave by it; answers to clients on the
//! link leave as whole frames by a packet socket, which receives nothing.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use host::Namespace;
use model::Mac;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, bind, recvmmsg, sendmsg};
use nix::{ifaddrs, libc};
use socket2::{Domain, Protocol, Socket, Type};

use super::frame::{self, End, SERVER_PORT};
use super::reply::{Addressee, Reply};
use super::request::LONGEST;

/// What a burst of clients may leave in the socket until the server comes to it, in bytes. The kernel
/// takes memory only for what is there.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Packets that are read at once: a turn of the server.
pub(super) const BATCH: usize = 16;
/// A packet that is too long is read so far that this shows.
const PACKET: usize = LONGEST + 1;

/// The sockets of one server.
#[derive(Debug)]
pub struct Sockets {
    udp: Socket,
    link: Socket,
    mac: Mac,
}

/// Packets as they were read, and the memory for them. The kernel gives memory only for what is used.
#[derive(Debug)]
pub struct Batch {
    headers: MultiHeaders<SockaddrIn>,
    buffers: Box<[[u8; PACKET]]>,
    /// Of the packets that are there.
    lengths: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: vec![[0; PACKET]; BATCH].into(),
            lengths: Vec::with_capacity(BATCH),
        }
    }
}

impl Batch {
    /// Reads what is there, without waiting.
    fn receive(&mut self, socket: &Socket) -> nix::Result<usize> {
        self.lengths.clear();
        let mut places: Vec<_> = self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let read =
            recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut places, MsgFlags::MSG_DONTWAIT, None)?;
        self.lengths.extend(read.map(|packet| packet.bytes));
        Ok(self.lengths.len())
    }

    /// What was read last.
    pub fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().zip(&self.lengths).filter_map(|(buffer, length)| buffer.get(..*length))
    }
}

/// What is to be waited for: requests.
impl AsFd for Sockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.udp.as_fd()
    }
}

impl Sockets {
    /// Opens both on a device of a namespace.
    pub async fn open(namespace: &Namespace, device: String, mac: Mac) -> io::Result<Self> {
        let opened = namespace.run(move || Ok::<_, io::Error>((listen(&device)?, link(&device)?))).await;
        let (udp, link) = opened.map_err(io::Error::other)??;
        Ok(Self { udp, link, mac })
    }

    /// Takes packets that are there, and gives their number.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<usize> {
        match batch.receive(&self.udp) {
            // One with a wrong checksum wakes us and is gone.
            Err(Errno::EAGAIN) => Ok(0),
            received => Ok(received?),
        }
    }

    /// Sends an answer. `scratch` is memory for its frame.
    pub fn send(&self, reply: &Reply, scratch: &mut Vec<u8>) -> io::Result<()> {
        let to = match reply.to {
            Addressee::Relay(relay) => return self.send_routed(reply, relay),
            Addressee::Broadcast => End { mac: Mac::BROADCAST, address: Ipv4Addr::BROADCAST },
            Addressee::Client(mac, address) => End { mac, address },
        };
        let from = End { mac: self.mac, address: reply.from };
        frame::build(scratch, from, to, &reply.message).ok_or(io::ErrorKind::InvalidInput)?;
        self.link.send(scratch).map(|_| ())
    }

    /// Says which of the server's addresses the packet comes from; the kernel might take another one.
    fn send_routed(&self, reply: &Reply, to: Ipv4Addr) -> io::Result<()> {
        let source = libc::in_addr { s_addr: u32::from(reply.from).to_be() };
        let source =
            libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
        let to = SockaddrIn::from(SocketAddrV4::new(to, SERVER_PORT));
        sendmsg(
            self.udp.as_raw_fd(),
            &[IoSlice::new(&reply.message)],
            &[ControlMessage::Ipv4PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )?;
        Ok(())
    }
}

/// For requests.
fn listen(device: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // The successor of a server opens its socket while the old one still serves.
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(device.as_bytes()))?;
    socket.set_broadcast(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT).into())?;
    Ok(socket)
}

/// For frames. Protocol 0: nothing is received.
fn link(device: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.set_nonblocking(true)?;
    let address = ifaddrs::getifaddrs()?
        .filter(|interface| interface.interface_name == device)
        .find_map(|interface| interface.address?.as_link_addr().copied())
        .ok_or(io::Error::from_raw_os_error(libc::ENODEV))?;
    bind(socket.as_fd().as_raw_fd(), &address)?;
    Ok(socket)
}
