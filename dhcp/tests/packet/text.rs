//! An answer as text: whom it goes to, the fields that are not empty, the options in their order.

use std::fmt::Write;

use dhcp::server::reply::{Addressee, Answer, Reply, ReplyKind};
use dhcproto::v4::{DhcpOption, Message, OptionCode};
use dhcproto::{Decodable, Decoder};

pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Send(reply) => send(reply),
        Answer::Returned { address, declined: false } => format!("silence: {address} given back\n"),
        Answer::Returned { address, declined: true } => format!("silence: {address} declined\n"),
        Answer::Silence(reason) => format!("silence: {reason}\n"),
        Answer::Malformed(reason) => format!("dropped: {reason}\n"),
    }
}

fn send(reply: &Reply) -> String {
    let kind = match reply.kind {
        ReplyKind::Offer(_) => "offer",
        ReplyKind::Ack(_) => "ack",
        ReplyKind::Options => "options",
        ReplyKind::Nak(_) => "nak",
    };
    let to = match reply.to {
        Addressee::Relay(address) => format!("relay {address}"),
        Addressee::Broadcast => "everybody".to_owned(),
        Addressee::Client(mac, address) => format!("{mac} at {address}"),
    };
    let bytes = &reply.message;
    let message = Message::decode(&mut Decoder::new(bytes)).expect("our own message");
    let mut text = format!("{kind} from {} to {to}, {} bytes\n", reply.from, bytes.len());
    let mut line = |name: &str, value: String| writeln!(text, "  {name} {value}").expect("a string");
    for (name, address) in [
        ("ciaddr", message.ciaddr()),
        ("yiaddr", message.yiaddr()),
        ("siaddr", message.siaddr()),
        ("giaddr", message.giaddr()),
    ] {
        if !address.is_unspecified() {
            line(name, address.to_string());
        }
    }
    if message.flags().broadcast() {
        line("flags", "broadcast".to_owned());
    }
    let overload = overload(&bytes[240..]);
    options(&bytes[240..], &mut line);
    for (bit, name, field) in [(1, "file", &bytes[108..236]), (2, "sname", &bytes[44..108])] {
        if overload & bit != 0 {
            line(name, "has options:".to_owned());
            options(field, &mut line);
        } else if field[0] != 0 {
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            line(name, String::from_utf8_lossy(&field[..end]).into_owned());
        }
    }
    text
}

fn overload(mut area: &[u8]) -> u8 {
    while let [code, length, rest @ ..] = area {
        if *code == 52 {
            return rest[0];
        }
        if *code == 255 {
            break;
        }
        area = &rest[usize::from(*length)..];
    }
    0
}

/// Each option on a line, as dhcproto reads it; what it has no words for in bytes.
fn options(mut area: &[u8], line: &mut impl FnMut(&str, String)) {
    while let [code, length, rest @ ..] = area {
        if *code == 255 {
            return;
        }
        let (value, after) = rest.split_at(usize::from(*length));
        let option = DhcpOption::decode(&mut Decoder::new(&area[..2 + value.len()]));
        let shown = match (OptionCode::from(*code), option) {
            (OptionCode::Unknown(_), _) | (_, Err(_)) => format!("{value:?}"),
            (_, Ok(DhcpOption::TFTPServerName(text) | DhcpOption::BootfileName(text))) => {
                format!("{:?}", String::from_utf8_lossy(&text))
            }
            (_, Ok(option)) => format!("{option:?}"),
        };
        line(&format!("{code:>3}"), shown);
        area = after;
    }
}
