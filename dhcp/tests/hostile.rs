//! Packets that nobody should send: whatever the bytes, the server does not panic, and what it answers is
//! a message that it can stand for. Run in debug builds too, where `dhcproto` asserts more.

mod packet;

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use dhcp::server::reply::{Answer, ReplyKind, answer};
use dhcp::server::table::Table;
use dhcproto::v4::Message;
use dhcproto::{Decodable, Decoder};
use packet::{request, table};
use proptest::prelude::*;

const TABLES: [&str; 3] = [
    include_str!("packets/table.yaml"),
    include_str!("packets/port-options/table.yaml"),
    include_str!("packets/more-than-fits/table.yaml"),
];

fn tables() -> &'static [Table] {
    static READ: LazyLock<Vec<Table>> =
        LazyLock::new(|| TABLES.iter().map(|yaml| table::read(yaml).expect("a table")).collect());
    &READ
}

/// Checks what is true of any answer.
fn check(table: &Table, held: Option<Ipv4Addr>, bytes: &[u8]) {
    let (request, answer) = answer(table, |_| held, bytes);
    let Answer::Send(reply) = answer else { return };
    let request = request.expect("only what was understood is answered");
    assert!((300..=1372).contains(&reply.message.len()), "{} bytes", reply.message.len());
    let message = Message::decode(&mut Decoder::new(&reply.message)).expect("our own message");
    assert_eq!(message.xid(), request.transaction);
    assert!(table.is_server(reply.from));
    match reply.kind {
        ReplyKind::Offer(lent) | ReplyKind::Ack(lent) => {
            assert_eq!(message.yiaddr(), lent.address);
            let host = table.host(lent.port).expect("a host of the table");
            assert!(host.addresses.contains(&lent.address));
        }
        ReplyKind::Options | ReplyKind::Nak(_) => assert!(message.yiaddr().is_unspecified()),
    }
}

fn good_packet() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec!["discover", "request", "inform", "release", "decline"]);
    let addresses = prop::sample::select(vec!["10.0.0.3", "10.0.0.4", "192.0.2.1", "10.0.0.2"]);
    (kinds, 2_u8..6, addresses.clone(), addresses, 0_u8..16).prop_map(|(kind, mac, one, two, parts)| {
        let mut text = format!("type {kind}\nmac fa:16:3e:00:00:0{mac}\n");
        for (bit, line) in
            [format!("50 {one}"), format!("54 {two}"), format!("ciaddr {one}"), "55 1 3 6 67 121".into()]
                .iter()
                .enumerate()
        {
            if parts >> bit & 1 == 1 {
                text += line;
                text.push('\n');
            }
        }
        request::read(&text).expect("a packet").packet
    })
}

/// Any options behind a good beginning: what a client that wants to do harm would try.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let option = (1_u8..=254, prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(code, value)| {
        let mut bytes = vec![code, value.len() as u8];
        bytes.extend(value);
        bytes
    });
    prop::collection::vec(option, 0..60).prop_map(|options| options.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        tables().iter().for_each(|table| check(table, None, &bytes));
    }

    #[test]
    fn flipped_bytes(
        mut packet in good_packet(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        for (place, byte) in flips {
            let place = place.index(packet.len());
            packet[place] = byte;
        }
        if cut {
            packet.truncate(length.index(packet.len()));
        }
        tables().iter().for_each(|table| check(table, Some(Ipv4Addr::new(10, 0, 0, 9)), &packet));
    }

    #[test]
    fn any_options(packet in good_packet(), options in options(), overload in 0_u8..4, file: [u8; 32]) {
        let mut bytes = packet[..240].to_vec();
        bytes[108..140].copy_from_slice(&file);
        bytes.extend([53, 1, 1 + file[0] % 8, 52, 1, overload]);
        bytes.extend(options);
        tables().iter().for_each(|table| check(table, None, &bytes));
    }
}

#[test]
fn a_flood_of_options_is_walked_once() {
    let table = &tables()[0];
    let mut packet = request::read("type discover\nmac fa:16:3e:00:00:03").unwrap().packet;
    packet.pop();
    packet.extend([82, 1, 7].repeat(3000));
    let begin = std::time::Instant::now();
    for _ in 0..1000 {
        check(table, None, &packet);
    }
    assert!(begin.elapsed().as_millis() < 1000, "{:?}", begin.elapsed());
}
