//! Lists the bridges of a switch with their interfaces, then (with `--follow`) prints every change until interrupted.
//!
//! ```text
//! cargo build -p ovs --example ovsdb_list
//! target/debug/examples/ovsdb_list unix:/run/openvswitch/db.sock --follow
//! target/debug/examples/ovsdb_list ssl:192.0.2.1:6640 key.pem cert.pem cacert.pem
//! ```
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use anyhow::{Context, bail};
use ovs::ovsdb::{Client, Event, Monitor, Replica, RowChange, Settings, TlsFiles};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let follow = arguments.iter().any(|argument| argument == "--follow");
    arguments.retain(|argument| argument != "--follow");
    let (remote, files) = match arguments.as_slice() {
        [] => ("unix:/run/openvswitch/db.sock", None),
        [remote] => (remote.as_str(), None),
        [remote, key, certificate, ca] => {
            let files = TlsFiles {
                private_key: key.into(),
                certificate: certificate.into(),
                ca_certificate: ca.into(),
            };
            (remote.as_str(), Some(files))
        }
        _ => bail!("usage: ovsdb_list [REMOTE [KEY CERTIFICATE CA]] [--follow]"),
    };
    let monitor = Monitor::new("Open_vSwitch")
        .table("Bridge", ["name", "datapath_type", "ports"])
        .table("Port", ["name", "tag", "interfaces"])
        .table("Interface", ["name", "type", "ofport", "external_ids"]);
    let mut settings = Settings::new(remote.parse()?, monitor);
    settings.tls = files;
    let (client, mut events) = Client::connect(settings).await.context("no switch")?;
    print(&client.replica());
    while follow && let Some(event) = events.next().await {
        match event {
            Event::Connected => println!("connected"),
            Event::Disconnected { why } => println!("disconnected: {:#}", anyhow::Error::new(why)),
            Event::Changed(changes) => changes.iter().for_each(print_change),
        }
    }
    Ok(())
}

fn print(replica: &Replica) {
    for (_, bridge) in replica.rows("Bridge") {
        println!("bridge {} ({})", bridge.string("name"), bridge.string("datapath_type"));
        for port in bridge.uuids("ports").filter_map(|uuid| replica.row("Port", uuid)) {
            let tag = port.optional_integer("tag").map_or_else(|| "none".to_owned(), |tag| tag.to_string());
            println!("  port {} tag {tag}", port.string("name"));
            for interface in port.uuids("interfaces").filter_map(|uuid| replica.row("Interface", uuid)) {
                println!(
                    "    interface {} type {:?} ofport {:?} {:?}",
                    interface.string("name"),
                    interface.string("type"),
                    interface.optional_integer("ofport"),
                    interface.map("external_ids"),
                );
            }
        }
    }
}

fn print_change(change: &RowChange) {
    let RowChange { table, uuid, old, new } = change;
    match (old, new) {
        (None, Some(row)) => println!("+ {table} {uuid} {row:?}"),
        (Some(row), None) => println!("- {table} {uuid} {row:?}"),
        _ => println!("~ {table} {uuid} {old:?} -> {new:?}"),
    }
}
