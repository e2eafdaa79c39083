//! The metadata service of a compute service, as far as a proxy can tell: it believes a request only when
//! the instance is signed with the shared secret, and remembers what it was asked.

use crate::Underlay;
use crate::neutron::SECRET;
use nix::sched::{CloneFlags, setns};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The underlay's address on the management network.
pub(super) const ADDRESS: &str = "198.18.0.254";
const PORT: u16 = 8775;

/// What a guest's request was when it arrived here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Whether the signature fits the instance.
    pub trusted: bool,
}

/// A service at 198.18.0.254:8775. It serves until the test ends.
#[derive(Debug, Clone, Default)]
pub struct Nova {
    heard: Arc<Mutex<Vec<Request>>>,
}

impl Nova {
    #[track_caller]
    #[must_use]
    pub fn start(underlay: &Underlay) -> Self {
        let nova = Self::default();
        let namespace = File::open(format!("/proc/{}/ns/net", underlay.pid())).expect("the underlay lives");
        let serving = nova.clone();
        // A listener belongs to the namespace of the thread that made it, whoever accepts from it.
        let listener = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter the underlay");
            TcpListener::bind((ADDRESS, PORT))
        });
        let listener = listener.join().expect("the thread ends").expect("the port is free in the underlay");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let nova = serving.clone();
                // A client that goes away has no claim to an answer.
                std::thread::spawn(move || nova.serve(stream).ok());
            }
        });
        nova
    }

    /// All requests so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Request> {
        self.heard.lock().map(|heard| heard.clone()).unwrap_or_default()
    }

    /// Answers `<instance> <path>` to those who are trusted, with the body after it when there is one.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read_request(&mut reader)? {
            let instance = request.headers.get("x-instance-id").map_or("nobody", String::as_str);
            let (status, body) = match request.trusted {
                true => ("200 OK", format!("{instance} {}{}", request.path, request.body)),
                false => ("403 Forbidden", "the signature does not fit".to_owned()),
            };
            if let Ok(mut heard) = self.heard.lock() {
                heard.push(request);
            }
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
        Ok(())
    }
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let trusted = header("x-instance-id-signature") == signature(header("x-instance-id"));
    Ok(Some(Request { method, path, headers, body, trusted }))
}

/// HMAC-SHA256 in hexadecimal, by somebody else's program.
fn signature(instance: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl(1) starts");
    if let Some(mut stdin) = openssl.stdin.take() {
        stdin.write_all(instance.as_bytes()).expect("openssl(1) reads");
    }
    let output = openssl.wait_with_output().expect("openssl(1) ends");
    String::from_utf8_lossy(&output.stdout).split_whitespace().last().unwrap_or_default().to_owned()
}
