//! Guests that send nonsense, too much, too slowly, or too often.

use std::time::{Duration, Instant};

use metadata::rate::{IpVersion, Limit, Window};
use metadata::{Client, Config, Place};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::lab::{Guest, Node, Process, ROUTER, config, nova, router, turn, until};

async fn node(change: impl FnOnce(&mut Config)) -> (Node, Guest, Process) {
    let nova = nova(&[]).await;
    let mut settings = config();
    change(&mut settings);
    let mut node = Node::new(settings).await;
    let guest = router(&mut node.desired);
    node.settle().await;
    for address in ["10.0.0.5", "10.0.0.6"] {
        node.book.write(Place::Router(ROUTER), Client::Address(address.parse().unwrap()), "i-1");
    }
    (node, guest, nova)
}

/// Everything until the proxy closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    // A reset is an end as good as any.
    assert!(read.is_ok(), "the connection stays open after {:?}", String::from_utf8_lossy(&bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn send(guest: &Guest, bytes: &[u8]) -> String {
    let mut stream = guest.connect().await;
    // The proxy may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    rest(stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_counted() {
    let _turn = turn().await;
    let (node, guest, _nova) = node(|_| {}).await;
    let mut noise = 0x9e37_79b9_u32;
    let mut random = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let header = |size: usize| format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "a".repeat(size));
    let many: String = (0..500).map(|number| format!("X-{number}: a\r\n")).collect();
    let broken: Vec<Vec<u8>> = vec![
        (0..100_000).map(|_| random()).collect(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec(),
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        header(100_000).into_bytes(),
        format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).into_bytes(),
    ];
    let count = broken.len() as u64;
    for bytes in broken {
        let beginning = String::from_utf8_lossy(&bytes[..18]).into_owned();
        let answer = send(&guest, &bytes).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(refused, "{beginning:?} was answered {answer:?}");
    }
    assert_eq!(guest.ask("/").await.code, 200);
    let counts = node.metadata.service().counts();
    assert!(counts.malformed + counts.broken_off >= count, "{counts:?}");
    assert!(counts.malformed >= 7, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_for_a_document_is_refused() {
    let _turn = turn().await;
    let (_node, guest, _nova) = node(|_| {}).await;
    for head in ["CONNECT nova:8775 HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        let answer = send(&guest, format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    // Two requests in one, of which the second hides in the body of the first.
    let hidden = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                  GET /b HTTP/1.1\r\nX-Instance-ID: i-2\r\nConnection: close\r\n\r\n";
    let answer = send(&guest, hidden.as_bytes()).await;
    assert!(!answer.contains("i-2"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_guests_are_cut_off() {
    let _turn = turn().await;
    let patience = Duration::from_secs(1);
    let (_node, guest, _nova) = node(|config| {
        config.times.request = patience;
        config.times.client = patience;
    })
    .await;
    let start = Instant::now();
    let cases: [&[u8]; 4] = [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    ];
    let (first, second, third, fourth) = tokio::join!(
        send(&guest, cases[0]),
        send(&guest, cases[1]),
        send(&guest, cases[2]),
        send(&guest, cases[3])
    );
    assert!(start.elapsed() >= patience, "nobody was given the time");
    for answer in [first, second, third] {
        assert!(!answer.contains("200"), "{answer}");
    }
    assert!(!fourth.contains("200 OK"), "{fourth}");
    // One that asked before is cut off when it keeps silent afterwards.
    let idle = send(&guest, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_guest_are_limited() {
    let _turn = turn().await;
    let (node, guest, _nova) = node(|config| config.connections_each = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(guest.connect().await);
    }
    assert_eq!(rest(guest.connect().await).await, "");
    assert_eq!(node.metadata.service().counts().crowded, 1);
    guest.sh("ip address add 10.0.0.6/24 dev eth0");
    let other = "--interface 10.0.0.6 http://169.254.169.254/";
    assert_eq!(guest.curl(other).await.code, 200);
    drop(held);
    until("a guest that closed its connections gets new ones", async || {
        let answer = guest.ask("/").await;
        if answer.code == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_all_are_limited() {
    let _turn = turn().await;
    let (_node, guest, _nova) = node(|config| config.connections = 2).await;
    let held = [guest.connect().await, guest.connect().await];
    assert_eq!(rest(guest.connect().await).await, "");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_refused() {
    let _turn = turn().await;
    let window = |seconds, requests| Window { duration: Duration::from_secs(seconds), requests };
    let limit = Limit { version: IpVersion::V4, base: window(600, 4), burst: window(600, 1000) };
    let (node, guest, _nova) = node(|config| config.rate_limit = Some(limit)).await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(guest.ask("/").await.code);
    }
    assert_eq!(codes, [200, 200, 200, 200, 429, 429]);
    guest.sh("ip address add 10.0.0.6/24 dev eth0");
    assert_eq!(guest.curl("--interface 10.0.0.6 http://169.254.169.254/").await.code, 200);
    assert_eq!(node.metadata.service().counts().limited, 2);
}
