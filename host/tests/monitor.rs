//! The watch over links and namespaces. Alone in its sandbox, as every test of a binary shares the events.

#![allow(clippy::unwrap_used)]

mod seen;

use std::time::Duration;

use host::monitor::{HostEvent, Monitor};
use host::{Handles, Namespace, Request, netns};
use tokio::time::timeout;

use seen::ip;

async fn heard(monitor: &mut Monitor, wanted: impl Fn(&HostEvent) -> bool) -> HostEvent {
    timeout(Duration::from_secs(20), async {
        loop {
            let event = monitor.next().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
    .expect("the event does not come")
}

#[tokio::test]
async fn links_and_namespaces_are_heard_and_a_flood_is_admitted() {
    let handles = Handles::open().await.unwrap();
    let mut monitor = Monitor::open(&handles).await.unwrap();

    ip("tuntap add watched mode tap");
    let event = heard(&mut monitor, |event| matches!(event, HostEvent::Link { .. })).await;
    let index = handles.root().link("watched").await.unwrap().unwrap().index;
    assert_eq!(event, HostEvent::Link { name: "watched".to_owned(), index });

    netns::create("away").await.unwrap();
    let event = heard(&mut monitor, |event| matches!(event, HostEvent::Namespace { .. })).await;
    assert_eq!(event, HostEvent::Namespace { name: "away".to_owned() });

    // A device that moves to a namespace has gone from here.
    let device = || "watched".to_owned();
    let away = Namespace::open("away").unwrap();
    handles.root().change(Request::MoveLink { device: device(), to: away }).await.unwrap();
    let event = heard(&mut monitor, |event| matches!(event, HostEvent::LinkGone { .. })).await;
    assert_eq!(event, HostEvent::LinkGone { name: device(), index });
    // And back.
    let inside = handles.namespace("away").await.unwrap();
    let home = handles.root().namespace().clone();
    inside.change(Request::MoveLink { device: device(), to: home }).await.unwrap();
    heard(&mut monitor, |event| matches!(event, HostEvent::Link { name, .. } if name == "watched")).await;
    drop(inside);

    ip("netns del away");
    let event = heard(&mut monitor, |event| matches!(event, HostEvent::NamespaceGone { .. })).await;
    assert_eq!(event, HostEvent::NamespaceGone { name: "away".to_owned() });
    handles.sweep();

    let flood = (0..20_000).map(|turn| Request::SetMtu { device: device(), mtu: 1400 + turn % 2 });
    for result in handles.root().change_all(flood.collect()).await {
        result.unwrap();
    }
    heard(&mut monitor, |event| *event == HostEvent::Missed).await;
    // It goes on hearing afterwards.
    ip("tuntap add later mode tap");
    heard(&mut monitor, |event| matches!(event, HostEvent::Link { name, .. } if name == "later")).await;
}
