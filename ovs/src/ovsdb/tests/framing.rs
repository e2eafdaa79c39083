//! The framer and the digest: any chunking gives the same, limits hold, garbage is named.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::ovsdb::digest;
use crate::ovsdb::framer::{Framer, FramingError};
use crate::ovsdb::message::Message;

fn frames(bytes: &[u8], cuts: &[usize], limit: usize) -> Result<Vec<Vec<u8>>, FramingError> {
    let mut framer = Framer::new(limit);
    let mut frames = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let cut = (*cuts.next().unwrap_or(&1)).clamp(1, rest.len());
        framer.room().extend_from_slice(&rest[..cut]);
        rest = &rest[cut..];
        while let Some(frame) = framer.next()? {
            frames.push(frame.to_vec());
        }
    }
    Ok(frames)
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[{}\"\\\\\\[\\]]{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(
        values in prop::collection::vec(any_json(), 0..8),
        cuts in prop::collection::vec(1_usize..40, 1..10),
    ) {
        let objects: Vec<Json> = values.into_iter().map(|value| json!({ "v": value })).collect();
        let stream = objects.iter().map(Json::to_string).collect::<Vec<_>>().join(" \n");
        let found = frames(stream.as_bytes(), &cuts, 1 << 20).expect("well-formed");
        let found: Vec<Json> =
            found.iter().map(|frame| serde_json::from_slice(frame).expect("a whole object")).collect();
        prop_assert_eq!(found, objects);
    }

    #[test]
    fn garbage_never_panics_and_chunking_does_not_matter(
        bytes in prop::collection::vec(
            prop_oneof![
                Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b'['), Just(b':'), Just(b' '), any::<u8>(),
            ],
            0..200,
        ),
        cuts in prop::collection::vec(1_usize..40, 1..10),
    ) {
        prop_assert_eq!(frames(&bytes, &cuts, 64), frames(&bytes, &[1], 64));
    }

    #[test]
    fn the_digest_does_not_depend_on_the_pieces(
        messages in prop::collection::vec(
            (prop_oneof![Just("result"), Just("params")], any_json()), 0..6,
        ),
        piece in 1_usize..50,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes: Vec<u8> = messages
            .iter()
            .map(|(member, body)| json!({ "id": 1, (*member): body }).to_string())
            .collect::<String>()
            .into_bytes();
        if let Some((place, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let text = |outcome: Result<usize, _>| outcome.map_err(|error| format!("{error:?}"));
        prop_assert_eq!(text(digest(&bytes, piece)), text(digest(&bytes, bytes.len())));
    }
}

/// Updates of the digest's own database, damaged in one place: the decoder and the replica see nearly right input.
#[test]
fn damaged_updates_are_errors_and_not_panics() {
    let id = "00000000-0000-0000-0000-000000000001";
    let stream = [
        json!({ "id": 1, "result": { "Row": { id: { "initial": {
            "text": "a", "real": 1.5, "truth": true, "maybe": 5, "texts": ["set", ["a", "b"]],
            "pairs": ["map", [["a", "b"]]], "others": ["uuid", id],
        } } } } }),
        json!({ "id": null, "method": "update3", "params": ["replica", id, { "Row": { id: { "modify": {
            "texts": "a", "pairs": ["map", [["a", "c"]]], "maybe": ["set", []],
        } } } }] }),
        json!({ "id": null, "method": "update2", "params": ["replica", { "Row": { id: { "delete": null } } }] }),
    ]
    .map(|json| json.to_string())
    .concat();
    assert_eq!(digest(stream.as_bytes(), 7).expect("undamaged"), 3);
    for place in 0..stream.len() {
        for byte in [b'{', b'}', b'"', b'[', b']', b'0', b'n', 0xff] {
            let mut bytes = stream.clone().into_bytes();
            bytes[place] = byte;
            drop(digest(&bytes, 1000));
        }
    }
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    let message = br#"{"a":"}"}"#;
    assert_eq!(frames(message, &[1], message.len()).expect("fits").len(), 1);
    for cut in [1, message.len()] {
        assert_eq!(
            frames(message, &[cut], message.len() - 1),
            Err(FramingError::TooLong(message.len() - 1)),
            "in pieces of {cut}"
        );
    }
    // An endless message is refused before its end, and endless white space takes no memory.
    assert!(frames(&[b'{'; 100], &[1], 50).is_err());
    assert_eq!(frames(&[b' '; 10_000], &[100], 50), Ok(vec![]));
}

#[test]
fn what_is_no_object_is_named() {
    assert_eq!(frames(b"HTTP/1.1 400", &[3], 100), Err(FramingError::Garbage(b'H')));
    assert_eq!(frames(b"{}}", &[1], 100), Err(FramingError::Garbage(b'}')));
    assert_eq!(frames(b"[1]", &[1], 100), Err(FramingError::Garbage(b'[')));
}

#[test]
fn the_buffer_of_a_large_message_is_given_back() {
    let large = json!({ "a": "x".repeat(8 << 20) }).to_string();
    let mut framer = Framer::new(16 << 20);
    for chunk in large.as_bytes().chunks(60_000) {
        framer.room().extend_from_slice(chunk);
    }
    assert_eq!(framer.next().expect("fits").expect("whole").len(), large.len());
    assert!(framer.room().capacity() < 1 << 20);
}

#[test]
fn messages_are_told_apart() {
    let decode = |text: &str| Message::decode(text.as_bytes());
    assert_eq!(
        decode(r#"{"id":"echo","method":"echo","params":[1]}"#).expect("a request"),
        Message::Request { method: "echo".into(), params: json!([1]), id: json!("echo") }
    );
    assert_eq!(
        decode(r#"{"id":null,"method":"update","params":[]}"#).expect("a notification"),
        Message::Notification { method: "update".into(), params: json!([]) }
    );
    assert_eq!(
        decode(r#"{"id":1,"result":{},"error":null}"#).expect("a response"),
        Message::Response { id: json!(1), outcome: Ok(json!({})) }
    );
    assert_eq!(
        decode(r#"{"id":1,"result":null,"error":"unknown method"}"#).expect("a refusal"),
        Message::Response { id: json!(1), outcome: Err(json!("unknown method")) }
    );
    for (text, complaint) in [
        (r#"{"result":1}"#, "a message that is not JSON-RPC"),
        (r#"{"method":1}"#, "a message that is not JSON-RPC"),
        (r#"{"a" 1}"#, "a message that is not JSON"),
    ] {
        assert!(decode(text).expect_err(text).to_string().starts_with(complaint), "{text}");
    }
    // Deeper than any parser should follow.
    let deep = format!("{{\"id\":1,\"result\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(decode(&deep).is_err());
}
