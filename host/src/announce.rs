//! Telling the neighbours that an address has moved here: gratuitous ARP for IPv4, unsolicited neighbour
//! advertisements for IPv6. The packets are built by pure functions; [`announce`] sends one round. How many
//! rounds, and when, is the caller's business.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::Mac;
use nix::errno::Errno;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::ndp::MutableNeighborAdvertPacket;
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;

use crate::socket::{PacketTarget, packet_socket};
use crate::{Error, Netlink, Result};

const ARP: usize = 28;
const IPV6: usize = 40;
/// An advertisement with the option that holds the Ethernet address.
const ADVERTISEMENT: usize = 32;
/// All nodes of the link, and its Ethernet address (RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);
/// RFC 4861 section 4.4: the sender is a router, and the address is to replace the one that is cached.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

/// The two ways to say it in ARP. Some stacks listen only to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GratuitousArp {
    /// As `arping -U`.
    Request,
    /// As `arping -A`.
    Reply,
}

/// The ARP packet (without an Ethernet header) that says that `address` is at `mac`.
pub fn gratuitous_arp(form: GratuitousArp, mac: Mac, address: Ipv4Addr) -> Vec<u8> {
    let (operation, target): (ArpOperation, _) = match form {
        GratuitousArp::Request => (ArpOperations::Request, Mac::BROADCAST),
        GratuitousArp::Reply => (ArpOperations::Reply, mac),
    };
    let mut bytes = vec![0; ARP];
    if let Some(mut packet) = MutableArpPacket::new(&mut bytes) {
        packet.set_hardware_type(ArpHardwareTypes::Ethernet);
        packet.set_protocol_type(EtherTypes::Ipv4);
        packet.set_hw_addr_len(6);
        packet.set_proto_addr_len(4);
        packet.set_operation(operation);
        packet.set_sender_hw_addr(mac.0.into());
        packet.set_sender_proto_addr(address);
        packet.set_target_hw_addr(target.0.into());
        packet.set_target_proto_addr(address);
    }
    bytes
}

/// The IPv6 packet (without an Ethernet header) that says to all nodes that `address` is at `mac`.
///
/// It says that the sender is a router: a node that hears the contrary of one of its default routers drops
/// it (RFC 4861 section 7.2.5), and a node that has no route by the sender ignores it.
pub fn neighbour_advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let mut bytes = vec![0; IPV6 + ADVERTISEMENT];
    if let Some(mut packet) = MutableIpv6Packet::new(&mut bytes) {
        packet.set_version(6);
        packet.set_payload_length(ADVERTISEMENT as u16);
        packet.set_next_header(IpNextHeaderProtocols::Icmpv6);
        // Proof that no router has passed it on (RFC 4861 section 7.1.2).
        packet.set_hop_limit(255);
        packet.set_source(address);
        packet.set_destination(ALL_NODES);
    }
    let message = &mut bytes[IPV6..];
    // Option 2, the target's link-layer address, of one unit of 8 bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac.0);
    if let Some(mut packet) = MutableNeighborAdvertPacket::new(message) {
        packet.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        packet.set_flags(ROUTER | OVERRIDE);
        packet.set_target_addr(address);
    }
    let sum = Icmpv6Packet::new(message).map(|packet| checksum(&packet, &address, &ALL_NODES));
    if let (Some(sum), Some(mut packet)) = (sum, MutableNeighborAdvertPacket::new(message)) {
        packet.set_checksum(sum);
    }
    bytes
}

/// Announces addresses on a device of the handle's namespace, once: both forms of ARP for an IPv4 address,
/// an advertisement for an IPv6 address. The device must be there and up.
pub async fn announce(netlink: &Netlink, device: &str, addresses: &[IpAddr]) -> Result<()> {
    let namespace = netlink.namespace();
    let failed = |source: io::Error| Error::Socket {
        deed: format!("announce addresses on {device}"),
        namespace: namespace.to_string(),
        source,
    };
    let link = netlink.link(device).await?.ok_or_else(|| failed(Errno::ENODEV.into()))?;
    let mac = link.mac.ok_or_else(|| failed(Errno::EPFNOSUPPORT.into()))?;
    let packets: Vec<_> = addresses.iter().flat_map(|address| packets(link.index, mac, *address)).collect();
    let send = move || {
        let socket = packet_socket()?;
        packets.iter().try_for_each(|(target, packet)| socket.send_to(packet, &target.address()?).map(drop))
    };
    namespace.run(send).await?.map_err(failed)
}

fn packets(device: u32, mac: Mac, address: IpAddr) -> Vec<(PacketTarget, Vec<u8>)> {
    match address {
        IpAddr::V4(address) => {
            let target = PacketTarget { device, mac: Mac::BROADCAST, ethertype: EtherTypes::Arp.0 };
            let forms = [GratuitousArp::Request, GratuitousArp::Reply];
            forms.map(|form| (target, gratuitous_arp(form, mac, address))).to_vec()
        }
        IpAddr::V6(address) => {
            let target = PacketTarget { device, mac: ALL_NODES_MAC, ethertype: EtherTypes::Ipv6.0 };
            vec![(target, neighbour_advertisement(mac, address))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0xfa, 0x16, 0x3e, 1, 2, 3]);

    #[test]
    fn arp_speaks_of_one_address_at_both_ends() {
        let request = gratuitous_arp(GratuitousArp::Request, MAC, Ipv4Addr::new(203, 0, 113, 5));
        #[rustfmt::skip]
        assert_eq!(request, [
            0, 1, 8, 0, 6, 4, 0, 1,
            0xfa, 0x16, 0x3e, 1, 2, 3, 203, 0, 113, 5,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 203, 0, 113, 5,
        ]);
        let reply = gratuitous_arp(GratuitousArp::Reply, MAC, Ipv4Addr::new(203, 0, 113, 5));
        #[rustfmt::skip]
        assert_eq!(reply, [
            0, 1, 8, 0, 6, 4, 0, 2,
            0xfa, 0x16, 0x3e, 1, 2, 3, 203, 0, 113, 5,
            0xfa, 0x16, 0x3e, 1, 2, 3, 203, 0, 113, 5,
        ]);
    }

    #[test]
    fn an_advertisement_has_a_right_checksum() {
        let address: Ipv6Addr = "2001:db8::5".parse().unwrap();
        let bytes = neighbour_advertisement(MAC, address);
        assert_eq!(bytes.len(), 72);
        assert_eq!(bytes[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(bytes[40], 136);
        assert_eq!(bytes[44..48], [0xa0, 0, 0, 0]);
        assert_eq!(bytes[48..64], address.octets());
        assert_eq!(bytes[64..], [2, 1, 0xfa, 0x16, 0x3e, 1, 2, 3]);
        // The sum over the pseudo header and the message, checksum included, is all ones.
        let words = bytes[8..].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum::<u32>() + 32 + 58;
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}
