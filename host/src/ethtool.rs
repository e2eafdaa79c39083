//! Device features that only ethtool's ioctl sets.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

use crate::{Error, Namespace, Result};

/// `ETHTOOL_SRXCSUM` and `ETHTOOL_STXCSUM` of linux/ethtool.h
const SET_RX_CHECKSUM: u32 = 0x15;
const SET_TX_CHECKSUM: u32 = 0x17;
/// linux/sockios.h
const SIOCETHTOOL: u32 = 0x8946;

/// Switches off checksum offload in both directions, and with it segmentation offload. Needed on a veth end
/// whose packets go to a userspace switch: that one would pass on checksums which nobody ever computed.
pub async fn disable_checksum_offload(namespace: &Namespace, device: &str) -> Result<()> {
    let name = device.to_owned();
    let work = move || {
        // Any socket will do: it says in which namespace the device is.
        let socket: OwnedFd = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?.into();
        set(&socket, &name, SET_RX_CHECKSUM, 0)?;
        set(&socket, &name, SET_TX_CHECKSUM, 0)
    };
    namespace.run(work).await?.map_err(|source| Error::Socket {
        deed: format!("do `ethtool -K {device} rx off tx off`"),
        namespace: namespace.to_string(),
        source,
    })
}

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

fn set(socket: &OwnedFd, device: &str, command: u32, data: u32) -> io::Result<()> {
    let mut value = Value { command, data };
    // The last byte of the name stays zero.
    let mut name = [0; libc::IFNAMSIZ];
    if device.len() >= name.len() {
        return Err(Errno::ENODEV.into());
    }
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = from.cast_signed();
    }
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() },
    };
    // SAFETY: the kernel reads `request`, whose name ends in a zero byte and whose data pointer leads to a
    // `Value`, of the layout that both commands want; both live beyond the call. The file descriptor is open.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    Errno::result(result)?;
    Ok(())
}
