//! Rules that somebody changes by hand.

use model::Scope;

use crate::lab::{self, Lab, gateway, interface, namespace, qg, qr, router, run};

async fn with_rules() -> Lab {
    let mut lab = Lab::new().await;
    lab::plug(&[qr(1), qg(9)]);
    let interfaces = vec![interface(1, &["10.0.1.1/24"])];
    let mut wanted = router(1, interfaces, Some(gateway(9, &["203.0.113.10/24"], &["203.0.113.1"])));
    wanted.floating_ips = vec![lab::floating("203.0.113.101", "10.0.1.5")];
    lab.desired.set_router(wanted);
    lab.converge().await;
    lab
}

fn nft(command: &str) -> String {
    run(&format!("ip netns exec {} nft {command}", namespace(1)))
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_somebody_changed_are_put_right_at_the_next_look() {
    let mut lab = with_rules().await;
    let right = nft("list table ip baryon");
    for change in [
        "flush chain ip baryon nat_prerouting",
        "add rule ip baryon filter_forward drop",
        "insert rule ip baryon nat_postrouting accept",
        "delete table ip baryon",
    ] {
        nft(change);
        lab.converge().await;
        assert_eq!(nft("list table ip baryon"), right, "after {change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_somebody_else_costs_one_load_and_stays() {
    let mut lab = with_rules().await;
    nft("add table ip theirs");
    let pass = lab.converge().await;
    let loads = pass.plan.matches(" nft -f - # baryon ").count();
    // Connections are looked through as well: they may have been made under other rules.
    let looks = pass.plan.matches(" conntrack -D -d ").count();
    assert_eq!((loads, looks, pass.plan.lines().count()), (1, 1, 2), "{}", pass.plan);
    assert!(nft("list tables").contains("table ip theirs"));
    // A look changes nothing, and neither does a process that starts anew.
    nft("list ruleset");
    assert_eq!(lab.pass(&Scope::All).await.plan, "");
    lab.restart();
    assert_eq!(lab.pass(&Scope::All).await.plan, "");
}

/// What it learnt of the generation when it began is enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_loaded_nothing_itself_sees_it_too() {
    let mut lab = with_rules().await;
    let right = nft("list table ip baryon");
    lab.restart();
    assert_eq!(lab.pass(&Scope::All).await.plan, "");
    nft("flush chain ip baryon nat_prerouting");
    lab.converge().await;
    assert_eq!(nft("list table ip baryon"), right);
}
