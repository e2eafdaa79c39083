//! One flow of every kind that a Neutron node has, whatever feature it belongs to, and of every action that
//! can be said.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use model::Mac;
use ovs::openflow::{Action, Ct, CtState, Field, Flow, Learn, Match, Nat, NatAddresses, NatChoice, Subfield};

const VLAN: u16 = 3;
const COOKIE: u64 = 0xba01_0000_0000_0001;

fn mac() -> Mac {
    "fa:16:3e:00:00:01".parse().expect("a good address")
}

fn address() -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 5)
}

fn network() -> Ipv4Net {
    "10.0.0.0/24".parse().expect("a good address")
}

fn address6() -> Ipv6Addr {
    "fe80::f816:3eff:fe00:1".parse().expect("a good address")
}

fn network6() -> Ipv6Net {
    "2001:db8::/64".parse().expect("a good address")
}

fn zone() -> Subfield {
    Subfield::bits(Field::Reg6, 0, 15)
}

pub(crate) fn all() -> Vec<Flow> {
    let parts = [
        local_switching(),
        spoof_guard(),
        direct_egress(),
        tunnels(),
        l2population(),
        firewall_ports(),
        firewall_rules(),
        routers(),
        extensions(),
        rare_matches(),
        rare_actions(),
    ];
    parts.concat()
}

fn local_switching() -> Vec<Flow> {
    vec![
        Flow::new(0, 65535, Match::new().dl_vlan(4095)).cookie(COOKIE),
        Flow::new(0, 0, Match::new()).cookie(COOKIE).action(Action::GotoTable(58)),
        Flow::new(23, 0, Match::new()),
        Flow::new(60, 1, Match::new()).action(Action::Normal),
        Flow::new(0, 2, Match::new().in_port(1)),
        Flow::new(0, 3, Match::new().in_port(1).dl_vlan(101))
            .actions([Action::set_vlan_vid(VLAN), Action::GotoTable(58)]),
        Flow::new(0, 3, Match::new().in_port(1).no_vlan()).actions([
            Action::push_vlan(),
            Action::set_vlan_vid(VLAN),
            Action::GotoTable(58),
        ]),
        Flow::new(2, 4, Match::new().in_port(2).dl_vlan(VLAN))
            .actions([Action::set_vlan_vid(101), Action::Normal]),
        Flow::new(2, 5, Match::new().in_port(2).dl_vlan(VLAN))
            .actions([Action::strip_vlan(), Action::Normal]),
    ]
}

fn spoof_guard() -> Vec<Flow> {
    let advertisement = || Match::new().in_port(5).icmpv6_type(136);
    vec![
        Flow::new(0, 10, Match::new().in_port(5).arp()).action(Action::GotoTable(24)),
        Flow::new(0, 10, advertisement()).action(Action::GotoTable(24)),
        Flow::new(0, 9, Match::new().in_port(5)).action(Action::GotoTable(25)),
        Flow::new(24, 2, Match::new().in_port(5).arp_spa(address())).action(Action::GotoTable(25)),
        Flow::new(24, 2, Match::new().in_port(5).arp_spa(network())).action(Action::GotoTable(25)),
        Flow::new(24, 2, advertisement().nd_target(address6())).action(Action::GotoTable(58)),
        Flow::new(24, 2, advertisement().nd_target(network6())).action(Action::GotoTable(58)),
        Flow::new(25, 2, Match::new().in_port(5).dl_src(mac())).action(Action::GotoTable(30)),
    ]
}

fn direct_egress() -> Vec<Flow> {
    vec![
        Flow::new(60, 9, Match::new().in_port(5).dl_src(mac()))
            .actions([Action::set_field(Field::Reg6, VLAN), Action::resubmit_table(61)]),
        Flow::new(61, 12, Match::new().dl_vlan(VLAN).dl_dst(mac()))
            .actions([Action::strip_vlan(), Action::Output(5)]),
        Flow::new(61, 12, Match::new().reg6(3).dl_dst(mac())).action(Action::Output(5)),
        Flow::new(62, 10, Match::new().dl_src(mac()).dl_dst_unicast().in_port(5)).actions([
            Action::push_vlan(),
            Action::set_vlan_vid(VLAN),
            Action::Output(2),
        ]),
    ]
}

fn tunnels() -> Vec<Flow> {
    let learn = || {
        let learn = Learn::new(20)
            .hard_timeout(300)
            .priority(1)
            .cookie(COOKIE)
            .match_same(Subfield::bits(Field::VlanTci, 0, 11))
            .match_field(Field::EthDst, Field::EthSrc)
            .load_value(0_u16, Field::VlanTci)
            .load_field(Field::TunId, Field::TunId)
            .output_in_port();
        [Action::learn(learn), Action::Output(1)]
    };
    vec![
        Flow::new(2, 0, Match::new().dl_dst_unicast()).action(Action::GotoTable(20)),
        Flow::new(2, 0, Match::new().dl_dst_multicast()).action(Action::GotoTable(22)),
        Flow::new(2, 1, Match::new().arp().dl_dst(Mac::BROADCAST)).action(Action::GotoTable(21)),
        Flow::new(4, 1, Match::new().tun_id(0x3e9)).actions([
            Action::push_vlan(),
            Action::set_vlan_vid(VLAN),
            Action::GotoTable(10),
        ]),
        Flow::new(9, 1, Match::new().dl_src(mac())).action(Action::Output(1)),
        Flow::new(10, 1, Match::new()).actions(learn()),
        Flow::new(10, 2, Match::new().arp_tha(Mac::BROADCAST)).actions(learn()),
        Flow::new(10, 2, Match::new().icmpv6_type(134)).actions(learn()),
        // As the switch makes it from the learn action.
        Flow::new(20, 1, Match::new().vlan_tci(VLAN, 0xfff).dl_dst(mac())).hard_timeout(300).actions([
            Action::load(0_u16, Field::VlanTci),
            Action::load(0x3e9_u32, Field::TunId),
            Action::Output(7),
        ]),
    ]
}

fn l2population() -> Vec<Flow> {
    vec![
        Flow::new(20, 2, Match::new().dl_vlan(VLAN).dl_dst(mac())).actions([
            Action::strip_vlan(),
            Action::set_field(Field::TunId, 0x3e9_u32),
            Action::Output(7),
        ]),
        Flow::new(21, 1, Match::new().dl_vlan(VLAN).arp_tpa(address())).actions(arp_answer()),
        Flow::new(22, 1, Match::new().dl_vlan(VLAN)).actions([
            Action::strip_vlan(),
            Action::set_field(Field::TunId, 0x3e9_u32),
            Action::Output(7),
            Action::Output(8),
        ]),
        Flow::new(22, 3, Match::new().dl_vlan(VLAN).arp_tpa(address())),
        Flow::new(22, 3, Match::new().icmpv6_type(134).dl_vlan(VLAN).dl_src(mac())),
    ]
}

fn arp_answer() -> Vec<Action> {
    vec![
        Action::set_field(Field::ArpOp, 2_u16),
        Action::move_field(Field::ArpSha, Field::ArpTha),
        Action::move_field(Field::ArpSpa, Field::ArpTpa),
        Action::set_field(Field::ArpSha, mac()),
        Action::set_field(Field::ArpSpa, address()),
        Action::move_field(Field::EthSrc, Field::EthDst),
        Action::set_field(Field::EthSrc, mac()),
        Action::InPort,
    ]
}

fn firewall_ports() -> Vec<Flow> {
    let from = |matches: Match| matches.in_port(5).reg5(5);
    let wired = |table| {
        [
            Action::set_field(Field::Reg5, 5_u8),
            Action::set_field(Field::Reg6, VLAN),
            Action::resubmit_table(table),
        ]
    };
    vec![
        Flow::new(60, 100, Match::new().in_port(5)).actions(wired(71)),
        Flow::new(60, 90, Match::new().dl_dst(mac()).no_vlan()).actions(wired(81)),
        Flow::new(71, 95, from(Match::new().arp_spa(address())).dl_src(mac()))
            .action(Action::resubmit_table(94)),
        Flow::new(71, 95, from(Match::new().rarp()).dl_src(mac())).action(Action::resubmit_table(94)),
        Flow::new(71, 95, from(Match::new().dl_type(0x8906))).action(Action::resubmit_table(94)),
        Flow::new(71, 95, from(Match::new().icmpv6_type(135).ipv6_src(address6())))
            .action(Action::resubmit_table(94)),
        Flow::new(71, 80, from(Match::new().udp_src(68).udp_dst(67).nw_src(Ipv4Addr::UNSPECIFIED)))
            .action(Action::resubmit_table(73)),
        Flow::new(71, 80, from(Match::new().udp6().udp_src(546).udp_dst(547).ipv6_src(address6())))
            .action(Action::resubmit_table(73)),
        Flow::new(71, 65, from(Match::new().nw_src(address()).dl_src(mac())))
            .action(Action::ct(Ct::new().table(72).zone(zone()))),
        Flow::new(71, 10, from(Match::new())).actions([Action::CtClear, Action::resubmit_table(93)]),
        Flow::new(71, 110, Match::new().ct_state(CtState::new().trk(true)))
            .actions([Action::CtClear, Action::resubmit_table(71)]),
        Flow::new(72, 50, Match::new().ct_state(CtState::new().inv(true).trk(true)))
            .action(Action::resubmit_table(93)),
        Flow::new(72, 50, Match::new().ct_mark(1).reg5(5)).action(Action::resubmit_table(93)),
        Flow::new(
            72,
            50,
            Match::new()
                .ct_state(CtState::new().est(true).rel(false).rpl(true))
                .ct_mark(0)
                .ct_zone(VLAN)
                .reg5(5),
        )
        .action(Action::resubmit_table(94)),
        Flow::new(72, 40, Match::new().ct_state(CtState::new().est(true)).ip().reg5(5)).action(Action::ct(
            Ct::new().commit().zone(zone()).exec(Action::set_field(Field::CtMark, 1_u32)),
        )),
        Flow::new(
            73,
            90,
            Match::new().ct_state(CtState::new().new_connection(true).est(false)).ipv6().reg5(5),
        )
        .actions([Action::ct(Ct::new().commit().zone(zone())), Action::resubmit_table(91)]),
        Flow::new(81, 90, Match::new().ct_state(CtState::new().trk(false)).ip().reg5(5))
            .action(Action::ct(Ct::new().table(82).zone(zone()))),
    ]
}

fn firewall_rules() -> Vec<Flow> {
    let new = CtState::new().new_connection(true).est(false);
    let accept =
        || [Action::ct(Ct::new().commit().zone(zone())), Action::Output(5), Action::resubmit_table(92)];
    vec![
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).tcp_dst(22).nw_src(network())).actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).tcp_dst_masked(0x50, 0xfff0)).actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).udp6().udp_dst_masked(0x50, 0xfff0))
            .actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).sctp_dst(99)).actions(accept()),
        Flow::new(82, 76, Match::new().ct_state(new).reg5(5).icmp_type(8)).actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).icmp_type(3).icmp_code(4)).actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).icmpv6_type(128).icmpv6_code(0))
            .actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).ip().nw_proto(47)).actions(accept()),
        Flow::new(82, 77, Match::new().ct_state(new).reg5(5).ipv6().nw_proto(112)).actions(accept()),
        Flow::new(82, 75, Match::new().ct_state(new).reg5(5).icmp6().ipv6_dst(network6())).actions(accept()),
        Flow::new(82, 70, Match::new().reg6(3).nw_src(address()))
            .actions([Action::conjunction(16, 1, 2), Action::conjunction(24, 1, 2)]),
        Flow::new(82, 70, Match::new().reg5(5).tcp_dst(80)).action(Action::conjunction(16, 2, 2)),
        Flow::new(82, 70, Match::new().conj_id(16).ip().reg5(5).ct_state(new))
            .actions([Action::load(16_u32, Field::Reg7), Action::Output(5)]),
    ]
}

fn routers() -> Vec<Flow> {
    vec![
        Flow::new(0, 99, Match::new().arp_op(2).dl_dst(mac()).arp_tha(mac()))
            .actions([Action::set_field(Field::EthDst, mac()), Action::GotoTable(58)]),
        Flow::new(3, 5, Match::new().dl_vlan(VLAN).dl_dst(mac())).actions([
            Action::set_field(Field::EthDst, mac()),
            Action::strip_vlan(),
            Action::Output(5),
        ]),
        Flow::new(1, 1, Match::new().dl_vlan(VLAN).dl_src(mac()))
            .actions([Action::set_field(Field::EthSrc, mac()), Action::GotoTable(2)]),
    ]
}

fn extensions() -> Vec<Flow> {
    vec![
        Flow::new(77, 100, Match::new().udp_src(68).udp_dst(67).dl_src(mac()).in_port(5))
            .action(Action::controller()),
        Flow::new(30, 10, Match::new().in_port(5))
            .actions([Action::set_field(Field::Reg6, VLAN), Action::resubmit_as(5, 31)]),
        Flow::new(31, 10, Match::new().reg6(3).nw_dst(address())).actions([
            Action::set_field(Field::EthDst, mac()),
            Action::ct(Ct::new().commit().table(60).zone(VLAN).nat(Nat::destination(address()))),
        ]),
        Flow::new(31, 11, Match::new().reg6(3).nw_src(address()))
            .action(Action::ct(Ct::new().table(60).zone(VLAN).nat(Nat::existing()))),
        Flow::new(60, 200, Match::new().in_port(5).arp_op(1).arp_tpa(address())).actions(arp_answer()),
        Flow::new(58, 5, Match::new().in_port(5).ip()).actions([Action::DecTtl, Action::GotoTable(59)]),
    ]
}

fn rare_matches() -> Vec<Flow> {
    let table = 100;
    let matches = [
        Match::new().metadata(7),
        Match::new().metadata_masked(0x700, 0xff00),
        Match::new().pkt_mark(9),
        Match::new().ct_mark_masked(0x10, 0xf0),
        Match::new().reg0(1).reg1(2).reg8(3).reg15_masked(0x40, 0xf0),
        Match::new().vlan_tci(0x1000, 0x1000),
        Match::new().vlan_tci(0xb003, 0xffff),
        Match::new().vlan_tci(0x3000, 0xf000),
        Match::new().dl_src_masked(mac(), "ff:ff:ff:00:00:00".parse().expect("a good address")),
        Match::new().arp().arp_sha(mac()).arp_tha(mac()),
        Match::new().arp_op(1).arp_spa(network()).arp_tpa(network()),
        Match::new().masked(Field::TunId, 0x100_u32, 0xff00_u32),
        Match::new().ip().field(Field::IpDscp, 26_u8),
        Match::new().ip().field(Field::IpEcn, 1_u8).field(Field::IpTtl, 64_u8),
        Match::new().masked(Field::Ipv4Src, 0x0a00_0005_u32, 0xff00_00ff_u32),
        Match::new().ct_state(CtState::new().trk(true)).field(Field::CtLabel, 5_u8),
        Match::new().icmpv6_type(135).nd_target(address6()).field(Field::NdSll, mac()),
        Match::new().icmpv6_type(136).field(Field::NdTll, mac()),
        Match::new().tcp6().tcp_src(1).tcp_dst(2).ipv6_src(network6()).ipv6_dst(address6()),
        Match::new().sctp6().sctp_src(1).sctp_dst(2),
        Match::new().in_port(0xffff_fffe),
        Match::new().dl_type(0x88cc),
        Match::new().sctp().nw_dst(network()),
    ];
    (1..).zip(matches).map(|(priority, matches)| Flow::new(table, priority, matches)).collect()
}

fn rare_actions() -> Vec<Flow> {
    let table = 101;
    let range = Nat {
        addresses: NatAddresses::V4(address(), Some(Ipv4Addr::new(10, 0, 0, 9))),
        ports: Some((1000, Some(2000))),
        choice: NatChoice::Random,
        persistent: true,
        ..Nat::source(address())
    };
    let range6 = Nat { ports: Some((80, None)), ..Nat::destination(address6()) };
    let teach = Learn::new(30)
        .idle_timeout(30)
        .match_value(Field::EthType, 0x0800_u16)
        .match_value(Subfield::bits(Field::Reg6, 0, 11), 3_u16)
        .match_field(Field::Ipv4Dst, Field::Ipv4Src)
        .load_value(mac(), Field::EthDst)
        .output(Field::Reg5);
    let actions: Vec<Vec<Action>> = vec![
        vec![Action::Flood],
        vec![Action::All],
        vec![Action::Local],
        vec![Action::Controller { max_len: 128 }],
        vec![Action::OutputField(Subfield::whole(Field::Reg5))],
        vec![Action::SetQueue(3), Action::Normal],
        vec![Action::Resubmit { port: Some(5), table: None }],
        vec![Action::note([1, 2, 3]), Action::Normal],
        vec![Action::load(0_u8, Field::Reg5), Action::load(0xfff_u16, Subfield::bits(Field::Reg6, 4, 15))],
        vec![Action::load(1_u8, Subfield::bits(Field::Reg6, 31, 31))],
        vec![Action::load(0_u8, Field::InPortNxm), Action::Output(3)],
        vec![Action::move_field(Subfield::bits(Field::Reg6, 0, 11), Subfield::bits(Field::VlanTci, 0, 11))],
        vec![Action::set_field(Field::Reg5, 0_u8)],
        vec![Action::set_field(Field::PacketMark, 77_u8), Action::set_field(Field::Metadata, 5_u8)],
        vec![Action::PushVlan(0x88a8), Action::set_vlan_vid(9), Action::Normal],
        vec![Action::WriteMetadata { value: 0x10, mask: 0xff }, Action::GotoTable(110)],
        vec![Action::WriteMetadata { value: 0x10, mask: u64::MAX }],
        vec![Action::ClearActions],
    ];
    let nats = [range, range6].map(|nat| Action::ct(Ct::new().commit().nat(nat)));
    let with_prerequisites = [
        Flow::new(table, 100, Match::new().ip()).action(nats[0].clone()),
        Flow::new(table, 101, Match::new().ipv6()).action(nats[1].clone()),
        Flow::new(table, 102, Match::new().ip()).actions([
            Action::set_field(Field::IpDscp, 26_u8),
            Action::set_field(Field::Ipv4Src, address()),
            Action::set_field(Field::IpTtl, 9_u8),
        ]),
        Flow::new(table, 107, Match::new().ip()).action(Action::learn(teach)),
        Flow::new(table, 103, Match::new().tcp()).action(Action::set_field(Field::TcpDst, 80_u16)),
        Flow::new(table, 104, Match::new().tcp()).action(Action::ct(Ct { helper: 21, ..Ct::new().commit() })),
        Flow::new(table, 105, Match::new().ip()).action(Action::ct(Ct { force: true, ..Ct::new().commit() })),
        Flow::new(table, 106, Match::new().ip()).action(Action::ct(
            Ct::new()
                .commit()
                .zone(5)
                .nat(Nat::existing())
                .exec(Action::set_field(Field::CtMark, 0xf_u8))
                .exec(Action::set_field(Field::CtLabel, 0x1234_u16)),
        )),
    ];
    let plain = (1..).zip(actions);
    let plain = plain.map(|(priority, actions)| Flow::new(table, priority, Match::new()).actions(actions));
    plain.chain(with_prerequisites).collect()
}
