//! A server that says anything: the client names what is wrong, never panics, and goes on to the next connection.

use std::time::Duration;

use ovs::ovsdb::{Client, Event, Monitor, Remote, Settings};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use crate::server::{Server, next, settings, soon};

/// What one connection gets to hear, and what the client is to say about it.
struct Part {
    says: Vec<u8>,
    then: Then,
    complaint: &'static str,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    KeepOpen,
}

fn part(says: impl Into<Vec<u8>>, then: Then, complaint: &'static str) -> Part {
    Part { says: says.into(), then, complaint }
}

fn reply(id: &str, result: &Json) -> String {
    json!({ "id": id, "result": result, "error": null }).to_string()
}

fn schema() -> String {
    let columns = json!({ "name": { "type": "string" }, "ports": { "type": {
        "key": { "type": "uuid", "refTable": "Port" }, "min": 0, "max": "unlimited" } } });
    reply("get_schema", &json!({ "name": "Open_vSwitch", "tables": { "Bridge": { "columns": columns } } }))
}

/// A good beginning, then this.
fn after_greeting(rest: &str) -> String {
    let id = "00000000-0000-0000-0000-000000000000";
    format!("{}{}{rest}", schema(), reply("monitor_cond_since", &json!([false, id, {}])))
}

fn update(table_updates: &Json) -> String {
    let params = json!(["replica", "00000000-0000-0000-0000-000000000000", table_updates]);
    after_greeting(&json!({ "id": null, "method": "update3", "params": params }).to_string())
}

fn script() -> Vec<Part> {
    use Then::{Close, KeepOpen};
    let row = "11111111-1111-1111-1111-111111111111";
    let echo = json!({ "id": "echo", "method": "echo", "params": [] }).to_string();
    let monitor = |result: Json| format!("{}{}", schema(), reply("monitor_cond_since", &result));
    vec![
        part("", Close, "the database server closed the connection"),
        part("SSH-2.0-OpenSSH_9.2\r\n", KeepOpen, "begins with the byte 0x53 instead of a brace"),
        part([0, 255, 254, 3], KeepOpen, "begins with the byte 0x00 instead of a brace"),
        part("[1, 2, 3]", KeepOpen, "begins with the byte 0x5b instead of a brace"),
        part("{]}", KeepOpen, "a message that is not JSON: "),
        part(b"{\"id\":\"\xff\xfe\"}", KeepOpen, "a message that is not JSON: "),
        part(format!("{{\"a\":{}", "[".repeat(50_000)) + "}", KeepOpen, "a message that is not JSON: "),
        part("{}", KeepOpen, "a message that is not JSON-RPC: "),
        part(r#"{"method": 5, "id": []}"#, KeepOpen, "a message that is not JSON-RPC: "),
        part(&schema()[..50], Close, "the database server closed the connection"),
        part(
            "{\"a\":\"".to_owned() + &"x".repeat(200_000),
            KeepOpen,
            "a message is longer than 100000 bytes",
        ),
        part(reply("get_schema", &json!(5)), KeepOpen, "the schema is malformed"),
        part(reply("get_schema", &json!({ "tables": {} })), KeepOpen, "has no table Bridge"),
        part(
            r#"{"id":"get_schema","error":{"error":"go away","details":"now"}}"#,
            KeepOpen,
            "refused get_schema: go away: now",
        ),
        part(r#"{"id":"get_schema","error":["x"]}"#, KeepOpen, "refused get_schema: [\"x\"]"),
        part(monitor(json!({})), KeepOpen, "the reply to monitor_cond_since has an unexpected form: {}"),
        part(monitor(json!([1, 2, 3])), KeepOpen, "malformed table updates: 3"),
        part(
            monitor(json!([false, "", { "Bridge": { row: { "initial": { "name": 5 } } } }])),
            KeepOpen,
            "column Bridge.name of row 11111111-1111-1111-1111-111111111111: expected string, found 5",
        ),
        part(update(&json!({ "Bridge": { row: { "modify": {} } } })), KeepOpen, "which was never announced"),
        part(update(&json!({ "Port": {} })), KeepOpen, "an update of table Port, which was not asked for"),
        part(update(&json!({ "Bridge": { "x": {} } })), KeepOpen, "malformed row identity: \"x\""),
        part(
            after_greeting(r#"{"method":"update2","params":["replica"],"id":null}"#),
            KeepOpen,
            "update2 with the parameters",
        ),
        part(
            after_greeting(r#"{"method":"update3","params":5,"id":null}"#),
            KeepOpen,
            "update3 with the parameters 5",
        ),
        part(
            after_greeting(r#"{"method":"update","params":["replica",{}],"id":null}"#),
            KeepOpen,
            "update with the parameters",
        ),
        part(
            after_greeting(r#"{"method":"monitor_canceled","params":["replica"],"id":null}"#),
            KeepOpen,
            "cancelled the monitor",
        ),
        part(
            after_greeting(&echo.repeat(300_000)),
            KeepOpen,
            "sends requests faster than it reads the answers",
        ),
        part(
            after_greeting(&echo.replace("[]", &format!("[\"{}\"]", "x".repeat(90_000)))),
            KeepOpen,
            "sends requests faster than it reads the answers",
        ),
        part("", KeepOpen, "did not answer a probe"),
        part(schema(), KeepOpen, "did not answer a probe"),
        // Harmless strangeness before the end: unknown notifications, replies nobody asked for, unknown requests.
        part(
            after_greeting(concat!(
                r#"{"method":"novelty","params":null,"id":null} {"id":99,"result":5}"#,
                r#" {"id":{"a":1},"result":5} {"method":"strange","id":4,"params":[]}"#,
                r#" {"method":"update3","params":["other",0,{"X":1}],"id":null}"#,
            )),
            Close,
            "the database server closed the connection",
        ),
    ]
}

/// Plays the script, one part for each connection, then passes everything on to a real server.
async fn play(listener: UnixListener, parts: Vec<(Vec<u8>, Then)>, server: std::path::PathBuf) {
    for (says, then) in parts {
        let (mut client, _) = listener.accept().await.expect("the client comes again");
        tokio::spawn(async move {
            // The client may have heard enough before the end.
            drop(client.write_all(&says).await);
            match then {
                Then::Close => {
                    drop(client.shutdown().await);
                    drop(tokio::io::copy(&mut client, &mut tokio::io::sink()).await);
                }
                // Nothing is ever read: what the client says stays in the socket.
                Then::KeepOpen => std::future::pending().await,
            }
        });
    }
    while let Ok((mut client, _)) = listener.accept().await {
        let mut server = UnixStream::connect(&server).await.expect("the server");
        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
    }
}

#[tokio::test]
async fn every_offence_is_named_and_the_next_connection_made() {
    let server = Server::start().await;
    let path = server.folder().join("hostile.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let script = script();
    let parts = script.iter().map(|part| (part.says.clone(), part.then)).collect();
    let play = tokio::spawn(play(listener, parts, server.folder().join("db.sock")));
    let settings = Settings {
        monitor: Monitor::new("Open_vSwitch").table("Bridge", ["name", "ports"]),
        probe: Duration::from_millis(500),
        message_limit: 100_000,
        ..settings(Remote::Unix(path))
    };
    let (client, mut events) = Client::start(settings);
    for part in &script {
        let why = loop {
            match next(&mut events).await {
                Event::Disconnected { why } => break format!("{:#}", anyhow::Error::new(why)),
                Event::Connected | Event::Changed(_) => {}
            }
        };
        let says = String::from_utf8_lossy(&part.says[..part.says.len().min(200)]).into_owned();
        assert!(why.contains(part.complaint), "{why:?} does not say {:?} after {says:?}", part.complaint);
    }
    soon("the real server", client.ready()).await.expect("it lives");
    assert!(client.schema().is_some_and(|schema| schema.tables.contains_key("Flow_Table")));
    play.abort();
}
