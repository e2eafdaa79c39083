//! The floor of an exchange: what any server on this machine pays whose answers leave by a socket and whose
//! four messages are in a log. One blocking thread, one look at the message type, an answer with constant
//! options; no hosts, no checks, nothing that could be called DHCP. Run by `dhcp_load` in a namespace.

use std::io::Write as _;
use std::net::UdpSocket;
use std::path::Path;

/// A request up to its options, and the magic cookie.
const FIXED: usize = 240;
/// Options 1, 51 and 54: mask, lease time, server.
const OPTIONS: [u8; 18] = [1, 4, 255, 0, 0, 0, 51, 4, 0, 1, 81, 128, 54, 4, 10, 0, 0, 2];

/// Answers relays until it is killed.
pub(crate) fn run(log: &Path) -> anyhow::Result<()> {
    let mut log = std::fs::File::create(log)?;
    let socket = UdpSocket::bind("0.0.0.0:67")?;
    let mut packet = [0; 1500];
    loop {
        let (length, relay) = socket.recv_from(&mut packet)?;
        let Some(reply) = packet.get(..length).and_then(answer) else { continue };
        writeln!(
            log,
            "2026-01-01T00:00:00.000000Z  INFO heard from a client, as long as a line of a diary is"
        )?;
        writeln!(
            log,
            "2026-01-01T00:00:00.000000Z  INFO answered a client, as long as a line of a diary is"
        )?;
        socket.send_to(&reply, relay)?;
    }
}

/// OFFER for DISCOVER, ACK for REQUEST; 10.1.x.y for the client whose MAC ends in x.y.
fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let mut reply = packet.get(..FIXED)?.to_vec();
    let kind = packet.get(FIXED..)?.windows(3).find_map(|option| match option {
        [53, 1, 1] => Some(2),
        [53, 1, 3] => Some(5),
        _ => None,
    })?;
    let (x, y) = (*packet.get(32)?, *packet.get(33)?);
    *reply.first_mut()? = 2;
    reply.get_mut(16..20)?.copy_from_slice(&[10, 1, x, y]);
    reply.extend([53, 1, kind]);
    reply.extend(OPTIONS);
    reply.push(255);
    Some(reply)
}
