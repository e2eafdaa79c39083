//! Opening a listener's socket. Runs on a thread that visits the namespace.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener};
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::place::{ADDRESS, ADDRESS6, Bind, PORT};

/// Connections that may wait to be taken: as many as haproxy's for Neutron.
const BACKLOG: i32 = 1024;

/// A socket that listens, and the index of its device.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) device: Option<u32>,
}

/// Opens one. `share`: beside a socket of another process that allows it, as haproxy's do. `patience`: how long a
/// peer may leave what is sent to it unacknowledged, or its window shut.
pub(crate) fn listen(bind: &Bind, share: bool, patience: Duration) -> io::Result<Listening> {
    let mut device = None;
    let address: SocketAddr = match bind {
        Bind::Port(port) => SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, *port, 0, 0).into(),
        Bind::V4 => SocketAddrV4::new(ADDRESS, PORT).into(),
        Bind::V6 { device: name } => {
            let index = if_nametoindex(name.as_str())?;
            device = Some(index);
            SocketAddrV6::new(ADDRESS6, PORT, 0, index).into()
        }
    };
    let socket = match (bind, Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))) {
        (Bind::Port(port), Err(error)) if is_absent_family(&error) => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            let address = SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, *port).into();
            return finish(socket, address, device, share, patience);
        }
        (_, socket) => socket?,
    };
    match bind {
        Bind::Port(_) => socket.set_only_v6(false)?,
        // The address may come later than the listener, and an IPv6 one is only ready when nobody else has claimed it.
        Bind::V4 => socket.set_freebind_v4(true)?,
        Bind::V6 { .. } => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
    }
    finish(socket, address, device, share, patience)
}

fn finish(
    socket: Socket,
    address: SocketAddr,
    device: Option<u32>,
    share: bool,
    patience: Duration,
) -> io::Result<Listening> {
    socket.set_nonblocking(true)?;
    // A restart need not wait for connections of before to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    // Connections take these over.
    socket.set_tcp_user_timeout(Some(patience))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(patience))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listening { socket: socket.into(), device })
}

/// A kernel without IPv6.
fn is_absent_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32)
}
