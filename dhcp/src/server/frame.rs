//! The frame around an answer: Ethernet, IPv4 and UDP headers with full checksums.
//!
//! The kernel would leave the UDP checksum of what it sends on a virtual device to hardware that is not
//! there, and clients that read raw frames drop such packets. So answers on the link are built whole.

use std::net::Ipv4Addr;

use model::Mac;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv4::{Ipv4Flags, MutableIpv4Packet};
use pnet_packet::udp::MutableUdpPacket;
use pnet_packet::{ipv4, udp};

pub const SERVER_PORT: u16 = 67;
pub const CLIENT_PORT: u16 = 68;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
const TIME_TO_LIVE: u8 = 64;

/// One end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub mac: Mac,
    pub address: Ipv4Addr,
}

/// A frame from the server's port 67 to the client's port 68. `frame` is overwritten; its memory is kept.
/// Nothing comes of a payload that is too long for an IP packet.
pub fn build(frame: &mut Vec<u8>, from: End, to: End, payload: &[u8]) -> Option<()> {
    let udp_length = u16::try_from(UDP + payload.len()).ok()?;
    let ip_length = udp_length.checked_add(IPV4 as u16)?;
    frame.clear();
    frame.resize(ETHERNET + IPV4 + UDP, 0);
    frame.extend_from_slice(payload);

    let mut ethernet = MutableEthernetPacket::new(frame)?;
    ethernet.set_destination(to.mac.0.into());
    ethernet.set_source(from.mac.0.into());
    ethernet.set_ethertype(EtherTypes::Ipv4);

    let mut datagram = MutableUdpPacket::new(frame.get_mut(ETHERNET + IPV4..)?)?;
    datagram.set_source(SERVER_PORT);
    datagram.set_destination(CLIENT_PORT);
    datagram.set_length(udp_length);
    let checksum = match udp::ipv4_checksum(&datagram.to_immutable(), &from.address, &to.address) {
        // Zero would say that there is no checksum (RFC 768).
        0 => 0xffff,
        sum => sum,
    };
    datagram.set_checksum(checksum);

    let mut packet = MutableIpv4Packet::new(frame.get_mut(ETHERNET..)?)?;
    packet.set_version(4);
    packet.set_header_length(5);
    packet.set_total_length(ip_length);
    packet.set_flags(Ipv4Flags::DontFragment);
    packet.set_ttl(TIME_TO_LIVE);
    packet.set_next_level_protocol(IpNextHeaderProtocols::Udp);
    packet.set_source(from.address);
    packet.set_destination(to.address);
    let checksum = ipv4::checksum(&packet.to_immutable());
    packet.set_checksum(checksum);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071, written out once more.
    fn sum(bytes: &[u8]) -> u16 {
        let mut sum: u32 =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn both_checksums_are_whole() {
        let from = End { mac: Mac([2, 0, 0, 0, 0, 1]), address: Ipv4Addr::new(10, 0, 0, 2) };
        let to = End { mac: Mac::BROADCAST, address: Ipv4Addr::BROADCAST };
        for payload in [&b"odd"[..], b"even", &[0xff; 300], &[]] {
            let mut frame = vec![7; 9];
            build(&mut frame, from, to, payload).unwrap();
            assert_eq!(frame.len(), 42 + payload.len());
            assert_eq!(sum(&frame[14..34]), 0xffff);
            let length = (8 + payload.len()) as u16;
            let mut pseudo = [&from.address.octets()[..], &to.address.octets(), &[0, 17]].concat();
            pseudo.extend(length.to_be_bytes());
            pseudo.extend(&frame[34..]);
            assert_eq!(sum(&pseudo), 0xffff);
        }
    }

    #[test]
    fn what_does_not_fit_is_not_built() {
        let end = End { mac: Mac::ZERO, address: Ipv4Addr::LOCALHOST };
        assert_eq!(build(&mut Vec::new(), end, end, &vec![0; 65_508]), None);
    }
}
