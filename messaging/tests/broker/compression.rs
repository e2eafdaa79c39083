//! Compressed messages, sent and read.

use lapin::options::BasicGetOptions;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{Compression, Settings};
use serde_json::json;

use crate::peer::{Peer, listen, next, request, settings, shared, start, up};

fn compressing(method: &str) -> Settings {
    let mut settings = settings(shared(), "packed");
    assert!(settings.set_option("kombu_compression", method).unwrap());
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_answers_are_compressed_and_read_whatever_the_reader_is_set_to() {
    for (ours, theirs) in [("gzip", "bz2"), ("bz2", ""), ("", "gzip")] {
        let (server, mut incoming) = start(compressing(theirs), vec![listen("packed.t")]);
        let (client, _incoming) = start(compressing(ours), vec![]);
        up(&server);
        up(&client);
        let text = "word ".repeat(20_000);
        let args = json!({ "text": text.clone() });
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.call(request("packed.t", "greet", args)).await }
        });
        let heard = next(&mut incoming).await;
        assert_eq!(heard.args["text"], text);
        heard.answer.send(Ok(json!(text)));
        assert_eq!(asking.await.unwrap().unwrap(), json!(text), "{ours} and {theirs}");
        let (sent, received) = (server.counters().received_bytes, client.counters().received_bytes);
        assert_eq!((sent < 20_000, received < 20_000), (!ours.is_empty(), !theirs.is_empty()));
        assert!(server.counters().dropped.is_empty() && client.counters().dropped.is_empty());
        client.close().await;
        server.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_says_how_a_message_is_compressed() {
    let peer = Peer::new(shared()).await;
    peer.serve("packed", "packed.raw").await;
    let mut settings = compressing("gzip");
    assert_eq!(settings.compression, Some(Compression::Gzip));
    settings.connection_name = "raw".to_owned();
    let (bus, _incoming) = start(settings, vec![]);
    up(&bus);
    bus.cast(request("packed.raw", "greet", json!({}))).await.unwrap();
    // The broker has confirmed it.
    let options = BasicGetOptions { no_ack: true };
    let got = peer.channel.basic_get("packed.raw".into(), options).await.unwrap().expect("a message");
    let headers: &FieldTable = got.delivery.properties.headers().as_ref().unwrap();
    let method = headers.inner().get("compression").and_then(AMQPValue::as_long_string);
    assert_eq!(method.unwrap().to_string(), "application/x-gzip");
    assert_eq!(got.delivery.properties.content_encoding().as_ref().unwrap().as_str(), "utf-8");
    // The form that Python's zlib writes and reads.
    assert_eq!(got.delivery.data[0], 0x78);
    bus.close().await;
}
