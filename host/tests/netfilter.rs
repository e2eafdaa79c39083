//! Rulesets and connection tracking, judged by `nft` and `conntrack`.

#![allow(clippy::unwrap_used)]

mod seen;

use std::time::Instant;

use host::conntrack::Selector;
use host::nft::{self, Family};
use host::{Error, Handles, netns};

use seen::run;

const RULESET: &str = r#"
add table ip baryon
delete table ip baryon
table ip baryon {
    comment "0123456789abcdef"
    chain postrouting {
        type nat hook postrouting priority srcnat
        ip saddr 10.0.0.0/24 snat to 203.0.113.5 fully-random
    }
}
"#;

#[tokio::test]
async fn a_ruleset_is_loaded_where_it_belongs() {
    let handles = Handles::open().await.unwrap();
    for name in ["rules", "norules"] {
        netns::create(name).await.unwrap();
    }
    let inside = handles.namespace("rules").await.unwrap();
    assert_eq!(inside.table_comment(Family::Ipv4, "baryon").await.unwrap(), None);
    for _ in 0..2 {
        nft::load(inside.namespace(), RULESET).await.unwrap();
    }
    assert!(run("ip netns exec rules nft list ruleset").contains("snat to 203.0.113.5 fully-random"));
    assert_eq!(run("ip netns exec norules nft list ruleset"), "");
    assert_eq!(run("nft list ruleset"), "", "the ruleset has leaked into the caller's namespace");

    let comment = inside.table_comment(Family::Ipv4, "baryon").await.unwrap();
    assert_eq!(comment.as_deref(), Some("0123456789abcdef"));
    assert_eq!(inside.table_comment(Family::Ipv6, "baryon").await.unwrap(), None);
    let elsewhere = handles.namespace("norules").await.unwrap();
    assert_eq!(elsewhere.table_comment(Family::Ipv4, "baryon").await.unwrap(), None);

    nft::load(inside.namespace(), "add table inet plain").await.unwrap();
    let plain = inside.table_comment(Family::Inet, "plain").await.unwrap();
    assert_eq!(plain.as_deref(), Some(""));
}

#[tokio::test]
async fn a_bad_ruleset_changes_nothing_and_says_where() {
    let handles = Handles::open().await.unwrap();
    netns::create("badrules").await.unwrap();
    let inside = handles.namespace("badrules").await.unwrap();
    let error =
        nft::load(inside.namespace(), "add table ip t\nadd rule ip t nochain accept\n").await.unwrap_err();
    assert!(matches!(error, Error::Ruleset { .. }));
    let text = error.to_string();
    assert!(text.contains("badrules") && text.contains(":2:") && text.contains("nochain"), "{text}");
    assert_eq!(run("ip netns exec badrules nft list ruleset"), "");
}

#[tokio::test]
async fn a_long_ruleset_and_a_long_complaint_do_not_block() {
    let handles = Handles::open().await.unwrap();
    netns::create("longrules").await.unwrap();
    let inside = handles.namespace("longrules").await.unwrap();
    let lines =
        (0..5000).map(|line| format!("add rule ip t c ip saddr 10.0.{}.{} accept\n", line / 256, line % 256));
    let body: String = lines.collect();
    nft::load(inside.namespace(), &format!("table ip t {{ chain c {{ }} ; }}\n{body}")).await.unwrap();
    let listed = run("ip netns exec longrules nft list chain ip t c");
    assert_eq!(listed.matches("accept").count(), 5000);
    nft::load(inside.namespace(), &body.replace("ip t", "ip absent")).await.unwrap_err();
}

#[tokio::test]
async fn connections_are_forgotten_by_address() {
    let handles = Handles::open().await.unwrap();
    for name in ["tracked", "trackedtoo"] {
        netns::create(name).await.unwrap();
        for (source, destination, reply, port) in [
            ("192.0.2.1", "203.0.113.5", "10.0.0.5", 1),
            ("192.0.2.1", "203.0.113.6", "10.0.0.6", 2),
            ("10.0.0.5", "192.0.2.9", "192.0.2.9", 3),
            ("2001:db8::1", "2001:db8::2", "2001:db8::2", 4),
        ] {
            run(&format!(
                "ip netns exec {name} conntrack -I -p udp --timeout 600 -s {source} -d {destination} \
                 -r {reply} -q {source} --sport {port} --dport 53 --reply-port-src 53 --reply-port-dst {port} -w 7"
            ));
        }
    }
    let listed = |name: &str, family: &str| {
        let text = run(&format!("ip netns exec {name} conntrack -L -f {family}"));
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let inside = handles.namespace("tracked").await.unwrap();
    let delete = async |selectors| inside.delete_conntrack(selectors).await.unwrap();
    let at = |text: &str| text.parse().unwrap();

    assert_eq!(delete(vec![]).await, 0);
    assert_eq!(delete(vec![Selector::OriginalDestination(at("203.0.113.7"))]).await, 0);
    // Source and destination are not taken for each other.
    assert_eq!(delete(vec![Selector::OriginalSource(at("203.0.113.5"))]).await, 0);
    let lead_elsewhere =
        |outside, inside| Selector::Mistranslated { outside: at(outside), inside: at(inside) };
    assert_eq!(delete(vec![lead_elsewhere("203.0.113.5", "10.0.0.5")]).await, 0);
    assert_eq!(delete(vec![lead_elsewhere("192.0.2.1", "192.0.2.1")]).await, 0);
    assert_eq!(delete(vec![lead_elsewhere("203.0.113.5", "10.0.0.6")]).await, 1);
    assert_eq!(listed("tracked", "ipv4").len(), 2);
    let both = vec![Selector::ReplySource(at("10.0.0.6")), Selector::OriginalSource(at("10.0.0.5"))];
    assert_eq!(delete(both).await, 2);
    assert!(listed("tracked", "ipv4").is_empty());
    assert_eq!(listed("tracked", "ipv6").len(), 1);
    assert_eq!(delete(vec![Selector::OriginalDestination(at("2001:db8::2"))]).await, 1);
    assert!(listed("tracked", "ipv6").is_empty());
    assert_eq!(listed("trackedtoo", "ipv4").len(), 3, "the same connections of another namespace stay");
}

#[tokio::test]
async fn a_hundred_namespaces_are_observed_at_once() {
    let handles = Handles::open().await.unwrap();
    let names: Vec<String> = (0..100).map(|number| format!("many{number}")).collect();
    let start = Instant::now();
    for result in netns::create_all(names.clone()).await {
        result.unwrap();
    }
    println!("making: {:?} for each namespace", start.elapsed() / 100);
    // The second look finds its sockets open.
    for look in ["first", "second"] {
        let start = Instant::now();
        for name in &names {
            let state = handles.observe(name).await.unwrap().unwrap();
            assert_eq!(state.links.len(), 1);
            let inside = handles.namespace(name).await.unwrap();
            assert_eq!(inside.table_comment(Family::Ipv4, "baryon").await.unwrap(), None);
        }
        println!("{look} look: {:?} for each namespace", start.elapsed() / 100);
        assert!(start.elapsed().as_secs() < 5);
    }
}

#[tokio::test]
async fn every_change_of_rules_makes_another_generation() {
    let handles = Handles::open().await.unwrap();
    netns::create("generations").await.unwrap();
    let inside = handles.namespace("generations").await.unwrap();
    let mut before = inside.ruleset_generation().await.unwrap();
    for change in ["add table ip t", "add chain ip t c", "add rule ip t c drop", "flush chain ip t c"] {
        run(&format!("ip netns exec generations nft {change}"));
        let after = inside.ruleset_generation().await.unwrap();
        assert_ne!(before, after, "{change}");
        before = after;
    }
    run("ip netns exec generations nft list ruleset");
    nft::list(inside.namespace(), Family::Ipv4, "t").await.unwrap();
    assert_eq!(inside.ruleset_generation().await.unwrap(), before, "looking is no change");
}
