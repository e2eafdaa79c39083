//! Flows come back as they were sent, and read as `ovs-ofctl` writes them.

use ovs::openflow::{Action, Field, Flow, FlowFilter, Learn, Match, Subfield};

use crate::switch::Switch;
use crate::{assert_same, by_key, catalogue, clear, connect, dump, install, texts};

#[tokio::test]
async fn what_is_dumped_equals_what_was_sent() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let sent = catalogue::all();
    assert_eq!(by_key(&sent).len(), sent.len(), "the catalogue has two flows of one key");
    install(&connection, &sent).await;
    let dumped = dump(&connection).await;
    let (sent, dumped) = (by_key(&sent), by_key(&dumped));
    for (key, flow) in &sent {
        assert_eq!(dumped.get(key), Some(flow), "{flow}");
    }
    assert_eq!(sent.len(), dumped.len());
}

#[tokio::test]
async fn our_text_is_that_of_ovs_ofctl() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let flows = catalogue::all();
    install(&connection, &flows).await;
    let ours = switch.dump();
    assert_same(&ours, &texts(&flows));

    clear(&connection).await;
    assert_eq!(switch.dump(), Vec::<String>::new());
    switch.add_texts(&texts(&flows));
    assert_same(&switch.dump(), &ours);
    let mut flows = flows;
    flows.sort();
    assert_eq!(dump(&connection).await, flows);
}

#[tokio::test]
async fn a_learned_flow_is_a_flow_like_any_other() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let learn = Learn::new(20)
        .hard_timeout(300)
        .priority(1)
        .cookie(0xba)
        .match_same(Subfield::bits(Field::VlanTci, 0, 11))
        .match_field(Field::EthDst, Field::EthSrc)
        .load_value(0_u16, Field::VlanTci)
        .load_field(Field::TunId, Field::TunId)
        .output_in_port();
    let teacher = Flow::new(0, 1, Match::new()).actions([Action::learn(learn), Action::Output(1)]);
    install(&connection, &[teacher]).await;
    switch.send("in_port=7,tun_id=0x3e9,dl_vlan=3,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02");

    let mac: model::Mac = "fa:16:3e:00:00:01".parse().unwrap();
    let learned = Flow::new(20, 1, Match::new().vlan_tci(3, 0xfff).dl_dst(mac));
    let learned = learned.cookie(0xba).hard_timeout(300).actions([
        Action::load(0_u16, Field::VlanTci),
        Action::load(0x3e9_u32, Field::TunId),
        Action::Output(7),
    ]);
    let found = connection.dump_flows(&FlowFilter::all().table(20)).await.expect("dump");
    assert_eq!(found, [learned]);
}

/// Flows of others may have fields, actions and instructions that we have no word for.
#[tokio::test]
async fn what_we_have_no_word_for_survives() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let foreign = [
        "table=1,priority=1,ip,tcp,tcp_flags=+syn-ack actions=drop",
        "table=1,priority=2,mpls,mpls_label=5 actions=pop_mpls:0x0800",
        "table=1,priority=3,tun_src=10.0.0.1 actions=set_field:10.0.0.2->tun_dst,output:1",
        "table=1,priority=4,ct_nw_src=10.0.0.1,ct_state=+trk+est,ip actions=drop",
        "table=1,priority=5,ip_frag=later,ip actions=dec_ttl(1,2)",
        "table=1,priority=6 actions=multipath(symmetric_l4,1024,modulo_n,16,0,NXM_NX_REG0[0..3])",
        "table=1,priority=7 actions=push:NXM_NX_REG0[],pop:NXM_NX_REG1[],output:1",
        "table=1,priority=8 actions=write_actions(set_field:1->reg5,output:2)",
        "table=1,priority=9,xxreg0=0x1 actions=learn(table=3,limit=5,eth_type=0x800)",
        "table=1,priority=10 actions=sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4)",
        "table=1,priority=11 actions=check_pkt_larger(100)->NXM_NX_REG0[0]",
        "table=1,priority=12,ip actions=set_field:0x5/0xf->reg0,mod_nw_tos:4",
        "table=1,priority=13 actions=clone(output:1),controller(reason=invalid_ttl)",
        "table=1,priority=14,tcp actions=ct(commit,exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])),fin_timeout(idle_timeout=1)",
        "table=1,priority=15,ct_state=+trk+est,ip,dl_vlan=5 actions=resubmit(,2,ct)",
    ];
    switch.add_texts(&foreign.map(str::to_owned));
    let before = dump(&connection).await;
    assert_eq!(before.len(), foreign.len());
    assert!(texts(&before).iter().any(|text| text.contains("unknown(")), "{before:?}");
    let told = switch.dump();

    clear(&connection).await;
    install(&connection, &before).await;
    assert_same(&switch.dump(), &told);
    assert_eq!(dump(&connection).await, before);
}

#[tokio::test]
async fn dumps_come_in_parts_and_can_be_filtered() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let flow = |number: u32| {
        Flow::new(60 + (number % 2) as u8, 9, Match::new().dl_vlan(5).reg6(number))
            .cookie(0xba00_0000_0000_0000 + u64::from(number % 4))
            .actions([Action::set_vlan_vid(7), Action::Output(number % 10 + 1)])
    };
    let mut flows: Vec<Flow> = (0..3_000).map(flow).collect();
    flows.sort();
    install(&connection, &flows).await;
    assert_eq!(dump(&connection).await, flows);

    let count = async |filter: FlowFilter| connection.dump_flows(&filter).await.expect("dump").len();
    assert_eq!(count(FlowFilter::all().table(61)).await, 1_500);
    assert_eq!(count(FlowFilter::all().cookie(0xba << 56 | 2, u64::MAX)).await, 750);
    assert_eq!(count(FlowFilter::all().cookie(0xba << 56, 0xff << 56)).await, 3_000);
    assert_eq!(count(FlowFilter::all().matches(Match::new().reg6(17))).await, 1);
    assert_eq!(count(FlowFilter::all().table(62)).await, 0);
}
