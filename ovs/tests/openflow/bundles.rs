//! A bundle happens as a whole or not at all.

use ovs::openflow::{Action, Bundle, BundleError, Flow, FlowFilter, FlowMod, Match, Refusal};

use crate::switch::{BRIDGE, Switch};
use crate::{bundle_of, connect, dump, install};

fn flow(port: u32) -> Flow {
    Flow::new(0, 9, Match::new().in_port(port)).cookie(0xba).action(Action::Output(port + 1))
}

#[tokio::test]
async fn a_bad_change_spoils_its_bundle_and_is_named() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let there_before = flow(9);
    install(&connection, std::slice::from_ref(&there_before)).await;

    let no_tag = Flow::new(7, 3, Match::new()).action(Action::DecTtl);
    let lonely = Flow::new(7, 4, Match::new()).action(Action::conjunction(1, 3, 2));
    let too_long = Flow::new(7, 5, Match::new()).actions((1..5_000).map(Action::Output));
    let mut bundle = bundle_of(&[flow(1), no_tag, flow(2), lonely, too_long]);
    bundle.remove(there_before.key());
    let error = connection.commit(&bundle).await.expect_err("bad flows");
    assert_eq!(
        error.to_string(),
        "3 of 6 flow changes were refused and none was made; \
         the first: add table=7, priority=3 actions=dec_ttl: the switch answered OFPBAC_MATCH_INCONSISTENT"
    );
    let BundleError::Refused { failures, .. } = error else { panic!("{error:?}") };
    let found: Vec<_> = failures.iter().map(|failure| (failure.index, failure.reason.to_string())).collect();
    assert_eq!(
        found,
        [
            (1, "the switch answered OFPBAC_MATCH_INCONSISTENT".to_owned()),
            (3, "the switch answered NXBAC_BAD_CONJUNCTION".to_owned()),
            (4, Refusal::TooLong.to_string()),
        ]
    );
    assert_eq!(dump(&connection).await, [there_before]);

    install(&connection, &[flow(1), flow(2)]).await;
    assert_eq!(dump(&connection).await, [flow(1), flow(2), flow(9)]);
}

/// Some changes are refused only when they are carried out.
#[tokio::test]
async fn a_failing_commit_changes_nothing_and_names_the_change() {
    let switch = Switch::start();
    let full = "-- --id=@t create flow_table flow_limit=2 overflow_policy=refuse -- set bridge";
    let mut arguments: Vec<String> = full.split(' ').map(str::to_owned).collect();
    arguments.extend([BRIDGE.to_owned(), "flow_tables:0=@t".to_owned()]);
    switch.vsctl(&arguments);
    let connection = connect(&switch).await;
    install(&connection, &[flow(1)]).await;

    let error = connection.commit(&bundle_of(&[flow(2), flow(3), flow(4)])).await.expect_err("a full table");
    let BundleError::Refused { failures, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failures[0].index, 1, "{error}");
    assert_eq!(failures[0].reason.to_string(), "the switch answered OFPFMFC_TABLE_FULL");
    assert_eq!(dump(&connection).await, [flow(1)]);
}

#[tokio::test]
async fn changes_happen_in_their_order() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    install(&connection, &[flow(1), flow(2), flow(3)]).await;

    let replaced = flow(2).cookie(7).action(Action::Normal);
    let modified = Flow { actions: vec![Action::Normal], ..flow(5) };
    let mut bundle = Bundle::new();
    bundle.remove_all(FlowFilter::all().cookie(0xba, u64::MAX));
    bundle.add(flow(1));
    bundle.add(replaced.clone());
    bundle.add(flow(4));
    bundle.add(flow(5));
    bundle.remove(flow(4).key());
    bundle.push(FlowMod::Modify(Flow { cookie: 99, ..modified.clone() }));
    connection.commit(&bundle).await.expect("commit");
    // A modification leaves the cookie.
    assert_eq!(dump(&connection).await, [flow(1), replaced, modified]);
}

#[tokio::test]
async fn a_filter_takes_away_only_what_it_selects() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let other = flow(3).cookie(0x1234);
    install(&connection, &[flow(1), flow(2), other.clone()]).await;
    let mut bundle = Bundle::new();
    bundle.remove_all(FlowFilter::all().table(0).cookie(0xba, 0xff).matches(Match::new().in_port(1)));
    connection.commit(&bundle).await.expect("commit");
    assert_eq!(dump(&connection).await, [flow(2), other]);
}

#[tokio::test]
async fn bundles_of_one_connection_do_not_meet() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let many = |table: u8| -> Vec<Flow> {
        let flow = |number| Flow::new(table, 1, Match::new().reg0(number)).action(Action::Normal);
        (0..500).map(flow).collect()
    };
    let bad = Flow::new(3, 1, Match::new()).action(Action::DecTtl);
    let (first, second) = (bundle_of(&many(1)), bundle_of(&many(2)));
    let third = bundle_of(&[many(3), vec![bad]].concat());
    let done = tokio::join!(connection.commit(&first), connection.commit(&third), connection.commit(&second));
    assert!(matches!(&done, (Ok(()), Err(BundleError::Refused { .. }), Ok(()))), "{done:?}");
    assert_eq!(dump(&connection).await, [many(1), many(2)].concat());
}

#[tokio::test]
async fn a_bundle_that_is_given_up_does_not_disturb_the_next() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    let given_up = bundle_of(&[flow(1)]);
    {
        let mut commit = std::pin::pin!(connection.commit(&given_up));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    }
    install(&connection, &[flow(2)]).await;
    assert_eq!(dump(&connection).await, [flow(2)]);
}

#[tokio::test]
async fn an_empty_bundle_is_nothing_to_do() {
    let switch = Switch::start();
    let connection = connect(&switch).await;
    connection.commit(&Bundle::new()).await.expect("nothing");
}
