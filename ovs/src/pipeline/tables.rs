//! Every flow table that we write to, in the order in which a packet meets them: number, name, purpose,
//! and what happens to a packet that no flow of the table wants. The numbers are those of Neutron,
//! because operators and their tools know them.
//!
//! Numbers of tables appear in no other file. Priorities are here as well, next to their table, with
//! the name of what they are for. Tables of Neutron that hold no flow of ours are left out.

/// What a table is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    pub number: u8,
    pub name: &'static str,
    pub purpose: &'static str,
    pub miss: &'static str,
}

/// The integration bridge: every port of a guest or service, one VLAN per network and segment.
pub mod integration {
    use super::Table;

    /// Where every packet enters.
    pub const LOCAL_SWITCHING: u8 = 0;
    /// Tells that flows have survived: absent after a restart of vswitchd. Nothing leads there.
    pub const CANARY: u8 = 23;
    pub const ARP_SPOOF: u8 = 24;
    pub const MAC_SPOOF: u8 = 25;
    pub const LOCAL_EGRESS: u8 = 30;
    pub const LOCAL_IP: u8 = 31;
    pub const PACKET_RATE_LIMIT: u8 = 58;
    pub const BANDWIDTH_RATE_LIMIT: u8 = 59;
    pub const TRANSIENT: u8 = 60;
    pub const TRANSIENT_EGRESS: u8 = 62;

    const fn table(number: u8, name: &'static str, purpose: &'static str, miss: &'static str) -> Table {
        Table { number, name, purpose, miss }
    }

    pub const TABLES: [Table; 10] = [
        table(LOCAL_SWITCHING, "LOCAL_SWITCHING", "sort by port; provider VLAN to local VLAN", "goto 58"),
        table(ARP_SPOOF, "ARP_SPOOF", "ARP and ND: only the port's own addresses", "drop"),
        table(MAC_SPOOF, "MAC_SPOOF", "only the port's own MACs", "drop"),
        table(LOCAL_EGRESS, "LOCAL_EGRESS", "reserved for Local IP", "goto 58"),
        table(LOCAL_IP, "LOCAL_IP", "reserved for Local IP", "goto 58"),
        table(PACKET_RATE_LIMIT, "PACKET_RATE_LIMIT", "reserved for packet rate meters", "goto 59"),
        table(BANDWIDTH_RATE_LIMIT, "BANDWIDTH_RATE_LIMIT", "reserved for bandwidth meters", "goto 60"),
        table(TRANSIENT, "TRANSIENT", "switching by MAC and local VLAN", "NORMAL"),
        table(TRANSIENT_EGRESS, "TRANSIENT_EGRESS", "reserved for direct output", "NORMAL"),
        table(CANARY, "CANARY", "says that flows survived; no packet comes here", "drop"),
    ];
}

/// The tunnel bridge: local VLANs on one side, tunnel keys on the other.
pub mod tunnel {
    use super::Table;

    pub const BY_PORT: u8 = 0;
    pub const PATCH_LV_TO_TUN: u8 = 2;
    pub const GRE_TUN_TO_LV: u8 = 3;
    pub const VXLAN_TUN_TO_LV: u8 = 4;
    pub const GENEVE_TUN_TO_LV: u8 = 6;
    pub const LEARN_FROM_TUN: u8 = 10;
    pub const UCAST_TO_TUN: u8 = 20;
    pub const ARP_RESPONDER: u8 = 21;
    pub const FLOOD_TO_TUN: u8 = 22;

    const fn table(number: u8, name: &'static str, purpose: &'static str, miss: &'static str) -> Table {
        Table { number, name, purpose, miss }
    }

    pub const TABLES: [Table; 9] = [
        table(BY_PORT, "BY_PORT", "from the patch port or from a tunnel", "drop"),
        table(
            PATCH_LV_TO_TUN,
            "PATCH_LV_TO_TUN",
            "unicast, broadcast, ARP requests",
            "none: every packet matches",
        ),
        table(ARP_RESPONDER, "ARP_RESPONDER", "answers for addresses behind tunnels", "goto 22"),
        table(UCAST_TO_TUN, "UCAST_TO_TUN", "the tunnel that a MAC is behind", "goto 22"),
        table(FLOOD_TO_TUN, "FLOOD_TO_TUN", "every tunnel of the network", "drop"),
        table(GRE_TUN_TO_LV, "GRE_TUN_TO_LV", "tunnel key to local VLAN", "drop"),
        table(VXLAN_TUN_TO_LV, "VXLAN_TUN_TO_LV", "tunnel key to local VLAN", "drop"),
        table(GENEVE_TUN_TO_LV, "GENEVE_TUN_TO_LV", "tunnel key to local VLAN", "drop"),
        table(
            LEARN_FROM_TUN,
            "LEARN_FROM_TUN",
            "remember the tunnel of the source MAC; to the patch port",
            "none: every packet matches",
        ),
    ];
}

/// A physical bridge: provider VLANs on the wire, local VLANs on the patch port.
pub mod physical {
    use super::Table;

    pub const BY_PORT: u8 = 0;

    pub const TABLES: [Table; 1] = [Table {
        number: BY_PORT,
        name: "BY_PORT",
        purpose: "local VLAN to provider VLAN, everything else is switched",
        miss: "NORMAL",
    }];
}

/// Priorities, by what they are for. Two of the same table and number match different packets.
pub mod priority {
    /// What takes a packet that nothing else in the table wants.
    pub const MISS: u16 = 0;

    /// br-int 0: a packet that carries the dead VLAN in its tag.
    pub const DEAD_VLAN: u16 = 65535;
    /// br-int 0: a patch port to a physical bridge drops VLANs that nobody here uses.
    pub const UNKNOWN_PROVIDER_VLAN: u16 = 2;
    /// br-int 0: a provider VLAN that is used here.
    pub const PROVIDER_TO_LOCAL: u16 = 3;
    /// br-int 0: everything of a port that must not send.
    pub const DEAD_PORT: u16 = 2;
    /// br-int 0: ARP and neighbour advertisements of a guarded port.
    pub const GUARD_ADDRESSES: u16 = 10;
    /// br-int 0: everything else of a guarded port.
    pub const GUARD_MAC: u16 = 9;
    /// br-int 24 and 25: an address that the port may use.
    pub const ALLOWED: u16 = 2;
    /// br-int 60: switching. (Not 0, so that a miss of an empty table can be told from it.)
    pub const SWITCH: u16 = 1;
    /// br-int 62: switching of what would have gone out directly.
    pub const SWITCH_EGRESS: u16 = 3;

    /// Physical 0: the patch port drops local VLANs that are not on this physical network.
    pub const UNKNOWN_LOCAL_VLAN: u16 = 2;
    /// Physical 0: a local VLAN that is on this physical network.
    pub const LOCAL_TO_PROVIDER: u16 = 4;

    /// br-tun 0: a port that is known.
    pub const KNOWN_PORT: u16 = 1;
    /// br-tun 2: broadcast ARP goes to the responder.
    pub const ARP_TO_RESPONDER: u16 = 1;
    /// br-tun 3, 4, 6: a tunnel key that is used here.
    pub const TUNNEL_TO_LOCAL: u16 = 1;
    /// br-tun 10: every packet teaches.
    pub const LEARN: u16 = 1;
    /// br-tun 10: packets that announce a new place must reach the learn action as packets.
    pub const LEARN_ANNOUNCEMENT: u16 = 2;
    /// br-tun 20: what was learnt gives way to what is known.
    pub const LEARNT_MAC: u16 = 1;
    /// br-tun 20: what the controller knows.
    pub const KNOWN_MAC: u16 = 2;
    /// br-tun 21: an address that can be answered for.
    pub const KNOWN_ADDRESS: u16 = 1;
    /// br-tun 22: a network's tunnels.
    pub const FLOOD: u16 = 1;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The part of docs/pipeline.md that repeats what is said here.
    fn rendered() -> String {
        let bridges = [
            ("br-int", &integration::TABLES[..]),
            ("br-tun", &tunnel::TABLES[..]),
            ("physical bridges", &physical::TABLES[..]),
        ];
        let mut text = String::new();
        for (bridge, tables) in bridges {
            text += &format!(
                "### {bridge}\n\n| table | name | what it does | what nothing there wants |\n|---|---|---|---|\n"
            );
            for Table { number, name, purpose, miss } in tables {
                text += &format!("| {number} | {name} | {purpose} | {miss} |\n");
            }
            text += "\n";
        }
        text
    }

    #[test]
    fn the_document_says_the_same() {
        let document = include_str!("../../../docs/pipeline.md");
        assert!(document.contains(&rendered()), "docs/pipeline.md must have this:\n{}", rendered());
    }

    #[test]
    fn a_number_is_one_table() {
        for tables in [&integration::TABLES[..], &tunnel::TABLES, &physical::TABLES] {
            let numbers: BTreeSet<_> = tables.iter().map(|table| table.number).collect();
            assert_eq!(numbers.len(), tables.len());
        }
    }
}
