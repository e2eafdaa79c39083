//! Reads what an agent has to read at its start, with the same clients, and nothing else: the rows of the
//! switch's database, the flows of its bridges, links, addresses and routes of the namespaces, and the
//! controller's store. No comparison, no plan. Run by `restart` in the node's namespaces.

use std::path::Path;

use anyhow::Context as _;
use futures::StreamExt as _;
use host::{Handles, netns};
use ovs::openflow::{Connection, FlowFilter};
use ovs::ovsdb::{Client, Monitor, Settings};

const RUN: &str = "/run/openvswitch";
/// Namespaces that are read at a time.
const AT_ONCE: usize = 16;

pub(crate) async fn run(host: &str, store: &Path) -> anyhow::Result<()> {
    let config = controller::local::Config::new(host);
    let (_local, desired, _api) = controller::Local::open(store, config)?;
    let settings = Settings::new(format!("unix:{RUN}/db.sock").parse()?, monitor());
    let (switch, namespaces) = tokio::join!(switch(settings), namespaces());
    let (rows, flows) = switch?;
    let namespaces = namespaces?;
    let ports = desired.borrow().ports().len();
    println!("{ports} ports, {rows} rows, {flows} flows, {namespaces} namespaces");
    tell()?;
    // Who measures has yet to look at the clock of this process.
    std::future::pending().await
}

async fn switch(settings: Settings) -> anyhow::Result<(usize, usize)> {
    let (client, _events) = Client::connect(settings).await?;
    let replica = client.replica();
    let mut flows = 0;
    for (_, bridge) in replica.rows("Bridge") {
        let connection = Connection::connect(format!("{RUN}/{}.mgmt", bridge.string("name"))).await?;
        flows += connection.dump_flows(&FlowFilter::all()).await?.len();
    }
    Ok((replica.len(), flows))
}

/// The columns that tell an agent anything.
fn monitor() -> Monitor {
    Monitor::new("Open_vSwitch")
        .table("Open_vSwitch", ["bridges", "other_config"])
        .table(
            "Bridge",
            ["name", "ports", "datapath_type", "datapath_id", "protocols", "fail_mode", "other_config"],
        )
        .table("Port", ["name", "interfaces", "tag", "vlan_mode", "trunks", "other_config", "external_ids"])
        .table("Interface", ["name", "type", "ofport", "external_ids", "options", "error", "mtu_request"])
}

async fn namespaces() -> anyhow::Result<usize> {
    let handles = Handles::open().await?;
    handles.root().observe().await?;
    let names = netns::list()?;
    let count = names.len();
    let read = futures::stream::iter(names).map(|name| {
        let handles = &handles;
        async move { handles.observe(&name).await }
    });
    let read: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
    read.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(count)
}

/// As the agent tells systemd.
fn tell() -> anyhow::Result<()> {
    let path = std::env::var("NOTIFY_SOCKET").context("nobody to tell")?;
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.send_to(b"READY=1", path)?;
    Ok(())
}
