//! Values with a fixed meaning that flows and ports share, each with its name. Registers of the firewall
//! (reg5 the port, reg6 the local VLAN, reg7 the remote group) belong to it and are not written here.

/// The VLAN of ports that must not reach anything: the access tag of dead ports, dropped wherever it
/// shows up in a tag.
pub const DEAD_VLAN: u16 = 4095;

/// First and last VLAN that a network can be given on the integration bridge.
pub const LOCAL_VLANS: std::ops::RangeInclusive<u16> = 1..=4094;

/// How long a MAC that was learnt from a tunnel is believed, in seconds.
pub const LEARNT_SECONDS: u16 = 300;

/// ICMPv6 router advertisement (RFC 4861).
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// ICMPv6 neighbour advertisement (RFC 4861).
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// `ar$op` of a reply (RFC 826).
pub const ARP_REPLY: u16 = 2;
