//! The codec against golden bytes, against itself, and against damaged bytes.

mod values;

use proptest::prelude::*;

use super::*;
use crate::openflow::{Action, Field, Flow, FlowKey, Match};

fn bytes_of(message: &Message, xid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, xid, &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    let words: Vec<String> =
        bytes.chunks(8).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    words.join(" ")
}

#[test]
fn a_flow_modification_as_the_specification_has_it() {
    let flow = Flow::new(60, 100, Match::new().in_port(5).dl_vlan(3)).cookie(0xba).actions([
        Action::set_field(Field::Reg6, 3_u8),
        Action::resubmit_table(71),
        Action::Output(7),
        Action::GotoTable(61),
    ]);
    let golden = [
        "050e008800000009 00000000000000ba 0000000000000000 3c00000000000064 ffffffffffffffff ffffffff00000000",
        "0001001280000004 0000000580000c02 1003000000000000",
        "0004003800000000",
        "0019001000010c04 0000000300000000 ffff001000002320 000efff847000000 0000001000000007 0000000000000000",
        "000100083d000000",
    ];
    assert_eq!(hex(&bytes_of(&Message::FlowMod(FlowMod::Add(flow)), 9)), golden.join(" "));
}

#[test]
fn a_bundled_message_has_the_id_of_its_bundle_message() {
    let change = FlowMod::Remove(FlowKey { table: 1, priority: 2, matches: Match::new() });
    let mut out = Vec::new();
    assert!(write_bundled(&change, 7, 3, 42, &mut out));
    let (header, message) = decode(&out).unwrap();
    let Message::BundleAdd { bundle: 7, flags: 3, message: inner } = message else { panic!("{message:?}") };
    let (inner_header, inner) = decode(&inner).unwrap();
    assert_eq!((header.xid, inner_header.xid), (42, 42));
    assert_eq!(inner, Message::FlowMod(change));
}

#[test]
fn a_change_that_no_message_can_hold_is_not_written() {
    let flow = Flow::new(0, 1, Match::new()).actions((1..5000).map(Action::Output));
    let mut out = vec![1, 2, 3];
    assert!(!write_bundled(&FlowMod::Add(flow), 1, 3, 1, &mut out));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn hellos_offer_versions() {
    let versions = |bytes: &[u8]| match decode(bytes) {
        Ok((_, Message::Hello { versions })) => versions,
        other => panic!("{other:?}"),
    };
    let with_bitmap = bytes_of(&Message::Hello { versions: 0b10_0010 }, 0);
    assert_eq!(hex(&with_bitmap), "0500001000000000 0001000800000022");
    assert_eq!(versions(&with_bitmap), 0b10_0010);
    assert_eq!(versions(&[4, 0, 0, 8, 0, 0, 0, 0]), 0b1_1110);
}

#[test]
fn a_stream_is_cut_into_messages() {
    let first = bytes_of(&Message::BarrierReply, 1);
    let second = bytes_of(&Message::EchoRequest(vec![1, 2, 3]), 2);
    let whole = [first.clone(), second.clone()].concat();
    let mut stream = BytesMut::new();
    let mut messages = Vec::new();
    for byte in whole {
        stream.extend_from_slice(&[byte]);
        messages.extend(split_message(&mut stream).unwrap());
    }
    assert_eq!(messages, [first, second]);
    let mut hostile = BytesMut::from([5, 0, 0, 7, 0, 0, 0, 0].as_slice());
    assert_eq!(split_message(&mut hostile), Err(DecodeError::Length { part: "message", length: 7 }));
}

#[test]
fn what_has_no_name_is_kept() {
    let field = [0x80, 0x00, 0x48, 0x01, 0x05];
    let action = [0, 11, 0, 8, 9, 9, 9, 9];
    let instruction = [0, 3, 0, 8, 0, 0, 0, 0];
    let mut matches = Match::new().in_port(1);
    matches.add_unknown(&field);
    let flow = Flow::new(0, 1, matches).actions([
        Action::UnknownInstruction(instruction.to_vec()),
        Action::Unknown(action.to_vec()),
        Action::Normal,
    ]);
    let change = Message::FlowMod(FlowMod::Add(flow.clone()));
    assert_eq!(decode(&bytes_of(&change, 1)).unwrap().1, change);
    assert_eq!(
        flow.to_string(),
        "table=0, priority=1,in_port=1,unknown(8000480105) \
         actions=unknown(000b000809090909),NORMAL,unknown(0003000800000000)"
    );
}

proptest! {
    #[test]
    fn changes_survive_the_wire(change in values::flow_mod(), xid: u32) {
        let message = Message::FlowMod(change);
        let (header, read) = decode(&bytes_of(&message, xid)).unwrap();
        prop_assert_eq!(header.xid, xid);
        prop_assert_eq!(read, message);
    }

    #[test]
    fn dumps_survive_the_wire(
        flows in prop::collection::vec(values::flow_stats(), 0..8),
        filter in values::flow_filter(),
        more: bool,
    ) {
        let reply = Message::FlowStats { flows, more };
        prop_assert_eq!(decode(&bytes_of(&reply, 1)).unwrap().1, reply);
        let request = Message::FlowStatsRequest(filter);
        prop_assert_eq!(decode(&bytes_of(&request, 1)).unwrap().1, request);
    }

    #[test]
    fn other_messages_survive_the_wire(message in values::plain_message()) {
        prop_assert_eq!(decode(&bytes_of(&message, 1)).unwrap().1, message);
    }

    /// Any bytes are either refused or read, and what is read can be printed and written.
    #[test]
    fn no_bytes_are_too_strange(body in prop::collection::vec(any::<u8>(), 0..200), kind: u8) {
        let mut message = vec![VERSION, kind, 0, 0, 0, 0, 0, 1];
        message.extend(body);
        set_length(&mut message, 0, 2);
        try_all(&message);
    }

    #[test]
    fn damage_is_survived(
        flows in prop::collection::vec(values::flow_stats(), 1..4),
        change in values::flow_mod(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for message in [Message::FlowStats { flows, more: false }, Message::FlowMod(change)] {
            let mut bytes = bytes_of(&message, 1);
            for (place, byte) in &damage {
                // The header stays, so that the body is looked at.
                let place = HEADER_LENGTH + place.index(bytes.len() - HEADER_LENGTH);
                bytes[place] = *byte;
            }
            try_all(&bytes);
            bytes.truncate(HEADER_LENGTH + cut.index(bytes.len() - HEADER_LENGTH));
            set_length(&mut bytes, 0, 2);
            try_all(&bytes);
        }
    }
}

/// Reads a message; what can be read must print, and be the same after another turn over the wire.
fn try_all(bytes: &[u8]) {
    let Ok((header, message)) = decode(bytes) else { return };
    if let Message::FlowStats { flows, .. } = &message {
        for counted in flows {
            assert!(!counted.flow.to_string().is_empty());
        }
    }
    if let Message::FlowMod(change) = &message {
        assert!(!change.to_string().is_empty());
    }
    let again = bytes_of(&message, header.xid);
    assert_eq!(decode(&again).expect("what was read can be read again").1, message);
}
