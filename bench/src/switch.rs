//! The switch of a node seen from the benchmark: a database client of its own, and an OpenFlow connection.

use std::time::Duration;

use anyhow::Context as _;
use ovs::openflow::Connection;
use ovs::ovsdb::{Atom, Replica};
use ovs::ovsdb::{
    Client, Columns, Condition, Events, Map, Monitor, Mutation, Mutator, Operation, Set, Settings,
};
use tests::Node;

/// Follows the ports of a node's switch.
pub(crate) async fn database(node: &Node) -> anyhow::Result<(Client, Events)> {
    let monitor = Monitor::new("Open_vSwitch")
        .table("Open_vSwitch", ["cur_cfg", "next_cfg"])
        .table("Bridge", ["name"])
        .table("Port", ["name", "tag"])
        .table("Interface", ["name", "ofport"]);
    let socket = node.path("/run/openvswitch/db.sock");
    let settings = Settings::new(format!("unix:{}", socket.display()).parse()?, monitor);
    Client::connect(settings).await.context("cannot follow the switch's database")
}

pub(crate) async fn bridge(node: &Node, name: &str) -> anyhow::Result<Connection> {
    Ok(Connection::connect(node.path(&format!("/run/openvswitch/{name}.mgmt"))).await?)
}

/// A port for a device that exists, as a compute service or an operator would write it.
pub(crate) fn add_port(bridge: &str, device: &str, tag: Option<i64>, external_ids: Map) -> Vec<Operation> {
    let reference = |name: &str| [Atom::NamedUuid(name.into())].into_iter().collect::<Set>();
    let interface = Columns::new().with("name", device).with("external_ids", external_ids);
    let port =
        Columns::new().with("name", device).with("interfaces", reference("interface")).with("tag", tag);
    vec![
        Operation::insert_named("Interface", "interface", interface),
        Operation::insert_named("Port", "port", port),
        Operation::mutate(
            "Bridge",
            Condition::equal("name", bridge),
            Mutation::insert("ports", reference("port")),
        ),
    ]
}

/// Waits until the switch has done everything that the database says, as `ovs-vsctl` does. Without it the
/// next measurement would begin with what the last one left to do.
pub(crate) async fn settle(database: &Client) -> anyhow::Result<()> {
    let more = Mutation::new("next_cfg", Mutator::Add, 1);
    database.transact([Operation::mutate("Open_vSwitch", Vec::new(), more)]).await?;
    let column =
        |replica: &Replica, name| replica.rows("Open_vSwitch").next().map(|(_, row)| row.integer(name));
    let wanted = column(&database.replica(), "next_cfg");
    let done = database.wait_for(|replica| column(replica, "cur_cfg") >= wanted);
    tokio::time::timeout(Duration::from_secs(60), done)
        .await
        .context("the switch does not come to rest")??;
    Ok(())
}

pub(crate) fn tag(replica: &Replica, port: &str) -> Option<i64> {
    replica.find("Port", "name", port)?.1.optional_integer("tag")
}

/// The OpenFlow number that the switch gave to a port.
pub(crate) fn number(replica: &Replica, interface: &str) -> Option<u32> {
    let number = replica.find("Interface", "name", interface)?.1.optional_integer("ofport")?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}
