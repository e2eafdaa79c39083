//! Ten thousand flows are put into a bridge.
//!
//! Ours: typed flows, committed as a bundle by the OpenFlow client: encoded, sent, answered, committed,
//! confirmed. The peer is the floor: the bytes of the same bundle, encoded beforehand, written to the
//! bridge's management socket in one piece with commit and barrier behind them, and read until the barrier
//! is answered. `ovs-ofctl --bundle` with the same flows in a file is what an operator has. By turns, each
//! time into an empty bridge.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use model::Mac;
use ovs::openflow::codec::{self, BundleStep, Message};
use ovs::openflow::{Action, Bundle, Connection, Flow, FlowFilter, FlowMod, Match};
use tests::{Node, Underlay};

use crate::table::Row;
use crate::{Effort, clock, switch};

const BRIDGE: &str = "br-bench";
const FLOWS: u32 = 10_000;
const LIMIT: f64 = 1.2;
const FLAGS: u16 = 3;

pub(crate) async fn run(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let underlay = Underlay::new();
    let node = Node::new(&underlay, 1);
    let datapath = node.datapath().name();
    node.sh(&format!(
        "ovs-vsctl add-br {BRIDGE} -- set Bridge {BRIDGE} datapath_type={datapath} fail_mode=secure"
    ));
    let connection = switch::bridge(&node, BRIDGE).await?;
    let flows: Vec<Flow> = (0..FLOWS / 2).flat_map(pair).collect();
    let bundle: Bundle = flows.iter().cloned().map(FlowMod::Add).collect();
    let bytes = encoded(&bundle)?;
    node.write("/run/flows", &flows.iter().map(|flow| format!("{flow}\n")).collect::<String>());
    let socket = node.path(&format!("/run/openvswitch/{BRIDGE}.mgmt"));

    let (mut ours, mut raw, mut ofctl) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds(24) {
        clear(&connection).await?;
        ours.push(time(connection.commit(&bundle)).await?);
        clear(&connection).await?;
        raw.push(blast(&socket, &bytes)?);
        if round % 4 == 0 {
            clear(&connection).await?;
            let begin = Instant::now();
            node.sh(&format!("ovs-ofctl -O OpenFlow14 --bundle add-flows {BRIDGE} /run/flows"));
            ofctl.push(begin.elapsed());
        }
    }
    let there = connection.dump_flows(&FlowFilter::all()).await?.len();
    ensure!(there == flows.len(), "{there} flows arrived");
    let ours = clock::median(ours);
    Ok(vec![
        Row::new("flows: 10,000 in one bundle", "ms", ours)
            .beside("raw bytes on the management socket", clock::median(raw))
            .at_most_times(LIMIT),
        Row::new("flows: the same", "ms", ours).beside("ovs-ofctl --bundle", clock::median(ofctl)),
    ])
}

/// Two flows of a guarded port.
fn pair(number: u32) -> [Flow; 2] {
    let [_, _, c, d] = number.to_be_bytes();
    let address = ipnet::Ipv4Net::from(std::net::Ipv4Addr::new(10, 1, c, d));
    let from = || Match::new().in_port(number + 1);
    let cookie = 0xba06 << 48 | u64::from(number);
    [
        Flow::new(24, 2, from().arp_spa(address)).action(Action::GotoTable(25)).cookie(cookie),
        Flow::new(25, 2, from().dl_src(Mac([0xfa, 0x16, 0x3e, 1, c, d])))
            .action(Action::GotoTable(30))
            .cookie(cookie),
    ]
}

async fn clear(connection: &Connection) -> anyhow::Result<()> {
    let everything = FlowMod::RemoveAll(FlowFilter::all());
    connection.commit(&[everything].into_iter().collect()).await?;
    Ok(connection.barrier().await?)
}

async fn time(
    work: impl Future<Output = Result<(), ovs::openflow::BundleError>>,
) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    work.await?;
    Ok(begin.elapsed())
}

/// Open, changes, close, commit, barrier.
fn encoded(bundle: &Bundle) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    let step = |step| Message::BundleControl { bundle: 1, step, flags: FLAGS };
    codec::encode(&step(BundleStep::Open), 1, &mut out);
    let mut xid = 1;
    for change in bundle.changes() {
        xid += 1;
        let mut message = Vec::new();
        codec::encode(&Message::FlowMod(change.clone()), xid, &mut message);
        codec::encode(&Message::BundleAdd { bundle: 1, flags: FLAGS, message }, xid, &mut out);
    }
    codec::encode(&step(BundleStep::Close), xid + 1, &mut out);
    codec::encode(&step(BundleStep::Commit), xid + 2, &mut out);
    codec::encode(&Message::BarrierRequest, xid + 3, &mut out);
    Ok(out)
}

/// Writes the bytes and reads until the barrier is answered.
fn blast(socket: &Path, bytes: &[u8]) -> anyhow::Result<Duration> {
    let mut stream = UnixStream::connect(socket)?;
    let mut hello = Vec::new();
    codec::encode(&Message::Hello { versions: 1 << codec::VERSION }, 0, &mut hello);
    stream.write_all(&hello)?;
    let mut received = Vec::new();
    ensure!(matches!(next(&mut stream, &mut received)?, Message::Hello { .. }), "the switch says no hello");
    let mut writing = stream.try_clone()?;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || writing.write_all(bytes));
        loop {
            match next(&mut stream, &mut received)? {
                Message::BarrierReply => break,
                Message::Error(error) => anyhow::bail!("the switch refuses: {error}"),
                _ => {}
            }
        }
        writer.join().ok().context("the writer ends")??;
        Ok(begin.elapsed())
    })
}

fn next(stream: &mut UnixStream, received: &mut Vec<u8>) -> anyhow::Result<Message> {
    loop {
        if let Some(&[_, _, high, low]) = received.first_chunk() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            if received.len() >= length {
                let message: Vec<u8> = received.drain(..length).collect();
                return Ok(codec::decode(&message)?.1);
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "the switch hangs up");
        received.extend(buffer.iter().take(count));
    }
}
