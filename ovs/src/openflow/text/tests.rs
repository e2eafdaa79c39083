//! Golden texts of flows. That `ovs-ofctl` spells them the same is tested against the real one.

use crate::openflow::{Action, Field, Flow, Learn, Match, Subfield};

fn text(flow: &Flow) -> String {
    flow.to_string()
}

#[test]
fn the_usual_flows() {
    let mac: model::Mac = "fa:16:3e:00:00:01".parse().unwrap();
    let cases = [
        (Flow::new(0, 2, Match::new().in_port(5)), "table=0, priority=2,in_port=5 actions=drop"),
        (
            Flow::new(0, 0, Match::new()).action(Action::GotoTable(58)),
            "table=0, priority=0 actions=goto_table:58",
        ),
        (
            Flow::new(0, 3, Match::new().in_port(1).no_vlan()).cookie(0xba).actions([
                Action::push_vlan(),
                Action::set_vlan_vid(2),
                Action::GotoTable(58),
            ]),
            "cookie=0xba, table=0, priority=3,in_port=1,vlan_tci=0x0000/0x1fff \
             actions=push_vlan:0x8100,set_field:4098->vlan_vid,goto_table:58",
        ),
        (
            Flow::new(2, 0, Match::new().dl_dst_multicast()).action(Action::GotoTable(22)),
            "table=2, priority=0,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:22",
        ),
        (
            Flow::new(61, 12, Match::new().field(Field::Reg6, 3_u32).dl_dst(mac)).action(Action::Output(7)),
            "table=61, priority=12,reg6=0x3,dl_dst=fa:16:3e:00:00:01 actions=output:7",
        ),
    ];
    for (flow, golden) in cases {
        assert_eq!(text(&flow), golden);
    }
}

#[test]
fn the_learning_flow() {
    let learn = Learn::new(20)
        .priority(1)
        .hard_timeout(300)
        .cookie(0xba01)
        .match_same(Subfield::bits(Field::VlanTci, 0, 11))
        .match_field(Field::EthDst, Field::EthSrc)
        .load_value(0_u16, Field::VlanTci)
        .load_field(Field::TunId, Field::TunId)
        .output_in_port();
    let flow = Flow::new(10, 1, Match::new()).actions([Action::learn(learn), Action::Output(1)]);
    assert_eq!(
        text(&flow),
        "table=10, priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0xba01,\
         NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],\
         load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:OXM_OF_IN_PORT[]),output:1"
    );
}

#[test]
fn the_alternate_form_leaves_the_cookie_out() {
    let flow = Flow::new(0, 1, Match::new()).cookie(7).action(Action::Normal);
    assert_eq!(format!("{flow:#}"), "table=0, priority=1 actions=NORMAL");
}
