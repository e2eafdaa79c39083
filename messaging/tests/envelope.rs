//! The envelope by cases and properties. A file `cases/received/<name>.body` is a message as it comes, and `<name>.txt`
//! what is read of it; `cases/sent/<name>.json` is what is to be sent, and `<name>.txt` the payload that goes out.
//! `UPDATE_GOLDEN=1` writes the texts. A new case needs no Rust.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use messaging::envelope::{self, RequestFields};
use messaging::{Failure, Version};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

fn cases(kind: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(kind);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    paths.sort();
    assert!(paths.len() >= 5, "only {} cases", paths.len());
    paths
}

fn compare(case: &Path, text: &str) {
    let golden = case.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, text).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(text, expected, "{}", case.display());
}

/// Everything that is read of a message, for the reader.
fn told(body: &[u8]) -> String {
    let payload = match envelope::decode(body) {
        Ok(payload) => payload,
        Err(error) => return format!("dropped: {error}\n"),
    };
    let mut text = String::new();
    if payload.is_reply() {
        let reply = match payload.reply() {
            Ok(reply) => reply,
            Err(error) => return format!("dropped: {error}\n"),
        };
        writeln!(text, "answer to {}, {}", reply.message_id, if reply.ending { "its end" } else { "a part" })
            .unwrap();
        match reply.outcome {
            Ok(result) => writeln!(text, "result {result}").unwrap(),
            Err(failure) => writeln!(text, "failure {failure:#?}").unwrap(),
        }
        return text;
    }
    match payload.request() {
        Ok(request) => writeln!(text, "{request:#?}").unwrap(),
        Err(error) => writeln!(text, "dropped: {error}").unwrap(),
    }
    text
}

#[test]
fn what_is_read() {
    for case in cases("received", "body") {
        let text = told(&fs::read(&case).unwrap());
        assert!(!text.contains("never-to-be-shown"), "{text}");
        compare(&case, &text);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    namespace: Option<String>,
    method: Option<String>,
    version: Option<String>,
    #[serde(default)]
    args: Map<String, Value>,
    #[serde(default)]
    call: bool,
    #[serde(default)]
    result: Value,
    failure: Option<SentFailure>,
}

#[derive(Deserialize)]
struct SentFailure {
    module: String,
    class: String,
    message: String,
}

#[test]
fn what_is_sent() {
    for case in cases("sent", "json") {
        let sent: Sent = serde_json::from_slice(&fs::read(&case).unwrap()).unwrap();
        let body = match &sent.method {
            Some(method) => envelope::request(&RequestFields {
                namespace: sent.namespace.as_deref(),
                method,
                version: sent.version.as_ref().unwrap().parse().unwrap(),
                args: &sent.args,
                unique_id: "1f",
                reply_to: sent.call.then_some(("reply_2e", "3d")),
                request_id: "req-4c",
                timestamp: "2026-01-02 03:04:05.000006",
            }),
            None => {
                let failure = sent.failure.map(|one| Failure::new(&one.module, &one.class, one.message));
                envelope::reply("3d", "1f", &failure.map_or(Ok(sent.result), Err))
            }
        };
        let outer: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(outer.keys().collect::<Vec<_>>(), ["oslo.message", "oslo.version"]);
        let payload: Value = serde_json::from_str(outer["oslo.message"].as_str().unwrap()).unwrap();
        compare(&case, &format!("{} {payload:#}\n", outer["oslo.version"]));
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(".{0,8}", values(), 0..6).prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        told(&bytes);
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in objects(), known in prop::collection::btree_map(
        prop::sample::select(vec![
            "method", "args", "version", "namespace", "_msg_id", "_reply_q", "_unique_id", "result", "failure", "ending",
            "_context_request_id",
        ]), values(), 0..8))
    {
        let mut payload = payload;
        payload.extend(known.into_iter().map(|(key, value)| (key.to_owned(), value)));
        let text = Value::Object(payload).to_string();
        told(text.as_bytes());
        told(serde_json::json!({ "oslo.version": "2.0", "oslo.message": text }).to_string().as_bytes());
    }

    #[test]
    fn a_message_that_lost_a_byte_is_read_or_refused(case in 0usize..5, at in any::<prop::sample::Index>(), byte: u8) {
        let mut body = fs::read(&cases("received", "body")[case]).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        told(&body);
    }

    #[test]
    fn a_request_arrives_as_it_was_sent(
        namespace in prop::option::of(".{1,10}"), method in ".{1,20}", major: u32, minor: u32, args in objects(),
        call: bool,
    ) {
        let version = Version::new(major, minor);
        let body = envelope::request(&RequestFields {
            namespace: namespace.as_deref(), method: &method, version, args: &args, unique_id: "unique",
            reply_to: call.then_some(("queue", "id")), request_id: "req-1", timestamp: "now",
        });
        let read = envelope::decode(&body).unwrap().request().unwrap();
        prop_assert_eq!(read.namespace, namespace);
        prop_assert_eq!(read.method, method);
        prop_assert_eq!(read.version, Ok(version));
        prop_assert_eq!(read.args, Some(args));
        prop_assert_eq!(read.reply_to, call.then(|| ("queue".to_owned(), "id".to_owned())));
        prop_assert_eq!(read.request_id.as_deref(), Some("req-1"));
        prop_assert_eq!(read.unique_id, "unique");
    }

    #[test]
    fn an_answer_arrives_as_it_was_sent(result in values(), failure in prop::option::of((".{1,20}", ".*"))) {
        let outcome = match failure {
            Some((class, message)) => Err(Failure::new("module", class.trim_end_matches("_Remote"), message)),
            None => Ok(result),
        };
        let read = envelope::decode(&envelope::reply("id", "unique", &outcome)).unwrap();
        prop_assert!(read.is_reply());
        let read = read.reply().unwrap();
        prop_assert_eq!((read.message_id.as_str(), read.ending), ("id", true));
        prop_assert_eq!(read.outcome, outcome);
    }
}
