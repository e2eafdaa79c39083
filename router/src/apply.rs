//! Carries out steps: of each router in their order, of several routers at once. What fails concerns its
//! router alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use futures::{StreamExt as _, stream};
use host::conntrack::{Connection, Selector};
use host::{Handles, Netlink, Request, Route, netns, nft, sysctl};
use model::{ObjectRef, Outcome, Planned, Report, Retry, RouterId, names};
use nix::errno::Errno;
use tracing::debug;

use crate::error::Error;
use crate::ruleset::removal;
use crate::spec::{Forwarding, Hop};
use crate::step::{Change, Step};
use crate::{AT_ONCE, announce};

/// What came of a stage, and the generations of the rulesets of those routers whose rules were loaded.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) report: Report,
    pub(crate) generations: BTreeMap<RouterId, u32>,
}

/// The changes of one stage.
pub(crate) async fn apply(handles: &Handles, steps: Vec<Planned<Step>>) -> Applied {
    let Applied { mut report, mut generations } = Applied::default();
    let removing = steps.iter().any(|planned| planned.stage.removes());
    let mut routers: BTreeMap<RouterId, Vec<Change>> = BTreeMap::new();
    for planned in steps {
        routers.entry(planned.step.router).or_default().push(planned.step.change);
    }
    create(&mut routers, &mut report).await;
    let work = stream::iter(routers)
        .map(|(router, changes)| async move { (router, one(handles, router, changes, removing).await) });
    let mut done = work.buffer_unordered(AT_ONCE);
    while let Some((router, result)) = done.next().await {
        if let Ok(Some(generation)) = result {
            generations.insert(router, generation);
        }
        report.add(ObjectRef::Router(router), outcome(result.map(drop)));
    }
    Applied { report, generations }
}

/// Makes all namespaces of the stage on one thread. What fails takes its router out.
async fn create(routers: &mut BTreeMap<RouterId, Vec<Change>>, report: &mut Report) {
    let new = routers.iter().filter(|(_, changes)| changes.contains(&Change::CreateNamespace));
    let new: Vec<RouterId> = new.map(|(router, _)| *router).collect();
    let results =
        netns::create_all(new.iter().map(|router| names::router_namespace(*router)).collect()).await;
    for (router, result) in new.into_iter().zip(results) {
        if let Err(source) = result {
            routers.remove(&router);
            report.add(ObjectRef::Router(router), outcome(Err(Error::Change { router, source })));
        }
    }
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::failed(&error, Retry::Soon),
    }
}

/// Changes of one router that are done together.
enum Batch {
    Delete,
    /// In the root namespace.
    Move(Vec<String>),
    Requests(Vec<Request>),
    Sysctls(Vec<(String, String)>),
    Rules(String),
    Forget(Vec<(Ipv4Addr, Option<Ipv4Addr>)>),
    ForgetForwarded(Vec<(Ipv4Addr, Vec<Forwarding>)>),
    Announce(Vec<(String, Ipv4Addr)>),
}

/// `removing`: nothing takes the place of a device that is deleted. Gives the generation of the ruleset when ours
/// was loaded.
async fn one(
    handles: &Handles,
    router: RouterId,
    changes: Vec<Change>,
    removing: bool,
) -> Result<Option<u32>, Error> {
    let loads = changes.iter().any(|change| matches!(change, Change::LoadRules { .. }));
    let mut generation = None;
    let name = names::router_namespace(router);
    let failed = |source| Error::Change { router, source };
    for batch in batches(changes) {
        if let Batch::Delete = batch {
            handles.delete(&name).map_err(failed)?;
            continue;
        }
        let handle = handles.namespace(&name).await.map_err(failed)?;
        let loads = loads && matches!(batch, Batch::Rules(_));
        let done = match batch {
            Batch::Requests(requests) if removing => discard(&handle, requests).await,
            batch => do_batch(handles, router, &handle, batch).await,
        };
        done.map_err(failed)?;
        if loads {
            generation = Some(handle.ruleset_generation().await.map_err(failed)?);
        }
    }
    Ok(generation)
}

async fn do_batch(handles: &Handles, router: RouterId, handle: &Netlink, batch: Batch) -> host::Result<()> {
    let namespace = handle.namespace();
    match batch {
        Batch::Delete => Ok(()),
        Batch::Move(devices) => {
            let to = |device| Request::MoveLink { device, to: namespace.clone() };
            first(handles.root().change_all(devices.into_iter().map(to).collect()).await)
        }
        Batch::Requests(requests) => first(handle.change_all(requests).await),
        Batch::Sysctls(values) => {
            let results = sysctl::write(namespace, values).await?;
            // A kernel without the key has no such feature: no IPv6, no conntrack.
            first(results.into_iter().filter(|result| !matches!(result, Err(error) if error.is_absence())))
        }
        Batch::Rules(text) => nft::load(namespace, &text).await,
        Batch::Forget(addresses) => forget(handle, addresses).await,
        Batch::ForgetForwarded(addresses) => forget_forwarded(handle, addresses.into_iter().collect()).await,
        Batch::Announce(addresses) => {
            announce::begin(handles, router, addresses);
            Ok(())
        }
    }
}

/// What removes something in the namespace and puts nothing in its place. Ports of the kernel's switch go
/// when the switch removes them, and not otherwise.
async fn discard(handle: &Netlink, requests: Vec<Request>) -> host::Result<()> {
    let results = handle.change_all(requests).await.into_iter();
    first(results.filter(|result| match result {
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
            debug!(namespace = %handle.namespace(), error = %error, "left to the switch");
            false
        }
        _ => true,
    }))
}

/// Connections to and from the addresses, in one look at all connections of the namespace.
async fn forget(handle: &Netlink, addresses: Vec<(Ipv4Addr, Option<Ipv4Addr>)>) -> host::Result<()> {
    let selectors = addresses.into_iter().flat_map(|(address, keep)| {
        let outside = IpAddr::V4(address);
        match keep {
            Some(fixed) => vec![Selector::Mistranslated { outside, inside: IpAddr::V4(fixed) }],
            None => vec![Selector::OriginalDestination(outside), Selector::ReplyDestination(outside)],
        }
    });
    let count = handle.delete_conntrack(selectors.collect()).await?;
    debug!(namespace = %handle.namespace(), count, "connections cut");
    Ok(())
}

/// Connections to the addresses, or from them, that are not as the ports of the addresses lead now.
async fn forget_forwarded(
    handle: &Netlink,
    addresses: BTreeMap<Ipv4Addr, Vec<Forwarding>>,
) -> host::Result<()> {
    let stale = move |entry: &Connection| {
        let kept = |address: &IpAddr| match address {
            IpAddr::V4(address) => addresses.get(address),
            IpAddr::V6(_) => None,
        };
        if let Some(keep) = kept(&entry.original.destination) {
            return !keep.iter().any(|forwarding| leads(forwarding, entry));
        }
        // Ports that are led inwards give no connection outwards its source.
        kept(&entry.reply.destination).is_some()
    };
    let count = handle.delete_conntrack_where(stale).await?;
    debug!(namespace = %handle.namespace(), count, "connections cut");
    Ok(())
}

fn leads(forwarding: &Forwarding, entry: &Connection) -> bool {
    entry.protocol == forwarding.protocol.number()
        && entry.reply.source == IpAddr::V4(forwarding.fixed)
        && entry.original.destination_port.and_then(|port| forwarding.inside(port)) == entry.reply.source_port
}

/// The first failure; the other requests have been tried all the same.
fn first(results: impl IntoIterator<Item = host::Result<()>>) -> host::Result<()> {
    results.into_iter().collect()
}

/// Neighbouring changes of one kind in one batch.
fn batches(changes: Vec<Change>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for change in changes {
        let Some(next) = batch(change) else { continue };
        match (batches.last_mut(), next) {
            (Some(Batch::Move(all)), Batch::Move(more)) => all.extend(more),
            (Some(Batch::Requests(all)), Batch::Requests(more)) => all.extend(more),
            (Some(Batch::Sysctls(all)), Batch::Sysctls(more)) => all.extend(more),
            (Some(Batch::Forget(all)), Batch::Forget(more)) => all.extend(more),
            (Some(Batch::ForgetForwarded(all)), Batch::ForgetForwarded(more)) => all.extend(more),
            (Some(Batch::Announce(all)), Batch::Announce(more)) => all.extend(more),
            (_, next) => batches.push(next),
        }
    }
    batches
}

fn batch(change: Change) -> Option<Batch> {
    let batch = match change {
        // Done before, for all routers together.
        Change::CreateNamespace => return None,
        Change::DeleteNamespace => Batch::Delete,
        Change::SetSysctl { key, value } => Batch::Sysctls(vec![(key, value)]),
        Change::MoveLink { device } => Batch::Move(vec![device]),
        Change::SetLink { device, mac, mtu } => {
            let mac = mac.map(|mac| Request::SetMac { device: device.clone(), mac });
            let mtu = mtu.map(|mtu| Request::SetMtu { device: device.clone(), mtu });
            Batch::Requests(mac.into_iter().chain(mtu).chain([Request::SetUp { device }]).collect())
        }
        Change::DeleteLink { device } => Batch::Requests(vec![Request::DeleteLink { device }]),
        Change::AddAddress { device, address } => {
            Batch::Requests(vec![Request::AddAddress { device, address }])
        }
        Change::DeleteAddress { device, address } => {
            Batch::Requests(vec![Request::DeleteAddress { device, address }])
        }
        Change::ReplaceRoute { destination, hops } => {
            let hops = hops.into_iter().map(|Hop { via, device }| host::Hop { via, device });
            Batch::Requests(vec![Request::ReplaceRoute(Route::multipath(destination, hops.collect()))])
        }
        Change::DeleteRoute { destination } => {
            Batch::Requests(vec![Request::DeleteRoute(Route::multipath(destination, Vec::new()))])
        }
        Change::LoadRules { ruleset, instead_of } => {
            let removals: String = instead_of.iter().map(ToString::to_string).collect();
            Batch::Rules(format!("{ruleset}{removals}"))
        }
        Change::DeleteRules { family } => Batch::Rules(removal(family)),
        Change::Forget { address, keep } => Batch::Forget(vec![(address, keep)]),
        Change::ForgetForwarded { address, keep } => Batch::ForgetForwarded(vec![(address, keep)]),
        Change::Announce { device, address } => Batch::Announce(vec![(device, address)]),
    };
    Some(batch)
}
