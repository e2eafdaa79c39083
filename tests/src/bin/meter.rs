//! A loss meter, for two guests of a test. Not a benchmark: it sends little, and regularly.
//!
//! ```text
//! meter serve PORT            echoes UDP and TCP until standard input ends
//! meter run HOST PORT FILE    a datagram every 5 ms and a TCP stream until standard input ends;
//!                             writes "running" to FILE at the first answers, prints JSON at the end
//! meter pour HOST PORT BYTES  sends bytes over TCP and reads them back; prints milliseconds
//! ```
//!
//! Give the longest gap a limit in a test rather than a number of losses: a gap does not depend on how
//! quickly the sender sends.

#![allow(clippy::print_stdout)] // the result of a program

use anyhow::{Context as _, bail};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(5);
/// How long answers may be on their way when the sending has ended: longer than a busy machine stops.
const GRACE: Duration = Duration::from_secs(5);
/// Room for what is sent at once after the machine stopped for seconds. With the usual 200 KiB the sockets
/// of the meter would lose datagrams, and the network be blamed.
const BUFFER: usize = 16 << 20;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", port] => serve(port.parse()?),
        ["run", host, port, file] => run(host, port.parse()?, file),
        ["pour", host, port, bytes] => pour(host, port.parse()?, bytes.parse()?),
        _ => bail!("usage: meter serve PORT | run HOST PORT FILE | pour HOST PORT BYTES"),
    }
}

fn roomy(socket: UdpSocket) -> UdpSocket {
    use nix::sys::socket::{setsockopt, sockopt};
    // Without the right to it the usual room has to do.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
    socket
}

fn await_end_of_input() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

fn serve(port: u16) -> anyhow::Result<()> {
    let datagrams = roomy(UdpSocket::bind(("::", port)).context("bind UDP")?);
    let listener = TcpListener::bind(("::", port)).context("bind TCP")?;
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
            // No route for a moment is not the end of the measurement.
            let _ = datagrams.send_to(&buffer[..length], from);
        }
    });
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = stream.try_clone()?;
                std::io::copy(&mut reader, &mut stream)
            });
        }
    });
    await_end_of_input();
    Ok(())
}

fn connect(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect((host, port)) {
            Ok(stream) => return Ok(stream),
            // The other end may not listen yet.
            Err(_) if start.elapsed() < Duration::from_secs(20) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error).context("connect TCP"),
        }
    }
}

/// The longest time between two events, kept by the thread that sees them.
struct Gap {
    last: Instant,
    longest: Duration,
}

impl Gap {
    fn new() -> Self {
        Self { last: Instant::now(), longest: Duration::ZERO }
    }

    fn event(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }

    fn longest_ms(&self) -> u128 {
        self.longest.as_millis()
    }
}

fn run(host: &str, port: u16, file: &str) -> anyhow::Result<()> {
    let stream = connect(host, port)?;
    stream.set_nodelay(true)?;
    let datagrams = roomy(UdpSocket::bind("0.0.0.0:0")?);
    datagrams.connect((host, port))?;
    let ending = Arc::new(AtomicBool::new(false));
    let got = Arc::new(AtomicU64::new(0));
    let numbered = Arc::new(AtomicU64::new(0));
    let answers = thread::spawn({
        let (datagrams, ending) = (datagrams.try_clone()?, Arc::clone(&ending));
        let (got, numbered) = (Arc::clone(&got), Arc::clone(&numbered));
        move || count_answers(&datagrams, &ending, &got, &numbered)
    });
    let tcp = thread::spawn({
        let (stream, ending) = (stream.try_clone()?, Arc::clone(&ending));
        move || keep_busy(stream, &ending)
    });
    let stopped = Arc::new(AtomicBool::new(false));
    let sender = thread::spawn({
        let (stopped, got, file) = (Arc::clone(&stopped), Arc::clone(&got), file.to_owned());
        move || send(&datagrams, &stopped, &got, &file)
    });
    await_end_of_input();
    stopped.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap_or_default();
    let last_sent = Instant::now();
    while numbered.load(Ordering::Relaxed) < sent && last_sent.elapsed() < GRACE {
        thread::sleep(INTERVAL);
    }
    ending.store(true, Ordering::Relaxed);
    let (seen, mut gap) = answers.join().unwrap_or_else(|_| (0, Gap::new()));
    // Silence that lasts to the end is a gap too.
    gap.longest = gap.longest.max(last_sent.saturating_duration_since(gap.last));
    let tcp = tcp.join().unwrap_or_else(|_| Stream::new());
    let result = serde_json::json!({
        "sent": sent, "lost": sent - seen, "longest_gap_ms": gap.longest_ms(),
        "tcp_bytes": tcp.bytes, "tcp_stall_ms": tcp.gap.longest_ms(), "tcp_broken": tcp.broken,
    });
    println!("{result}");
    Ok(())
}

/// Sends numbered datagrams by the clock: one that was late is not left out.
fn send(datagrams: &UdpSocket, stopped: &AtomicBool, got: &AtomicU64, file: &str) -> u64 {
    // The first packets of a connection may be spent on finding the neighbour; they do not count.
    while got.load(Ordering::Relaxed) == 0 {
        let _ = datagrams.send(&u64::MAX.to_be_bytes());
        thread::sleep(INTERVAL);
        if stopped.load(Ordering::Relaxed) {
            return 0;
        }
    }
    let _ = std::fs::write(file, "running\n");
    let start = Instant::now();
    let mut number: u64 = 0;
    while !stopped.load(Ordering::Relaxed) {
        let _ = datagrams.send(&number.to_be_bytes());
        number += 1;
        let due = start + INTERVAL * u32::try_from(number).unwrap_or(u32::MAX);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    number
}

/// How many different numbers came back.
fn count_answers(
    datagrams: &UdpSocket,
    ending: &AtomicBool,
    got: &AtomicU64,
    numbered: &AtomicU64,
) -> (u64, Gap) {
    let _ = datagrams.set_read_timeout(Some(Duration::from_millis(50)));
    let mut seen = std::collections::BTreeSet::new();
    let mut gap = Gap::new();
    let mut buffer = [0; 2048];
    while !ending.load(Ordering::Relaxed) {
        let Ok(8) = datagrams.recv(&mut buffer) else { continue };
        got.fetch_add(1, Ordering::Relaxed);
        let mut number = [0; 8];
        number.copy_from_slice(&buffer[..8]);
        let number = u64::from_be_bytes(number);
        if number != u64::MAX && seen.insert(number) {
            if seen.len() == 1 {
                gap = Gap::new();
            }
            gap.event();
            numbered.fetch_add(1, Ordering::Relaxed);
        }
    }
    (seen.len() as u64, gap)
}

struct Stream {
    bytes: u64,
    gap: Gap,
    broken: Option<String>,
}

impl Stream {
    fn new() -> Self {
        Self { bytes: 0, gap: Gap::new(), broken: None }
    }
}

/// One block goes round and round; a retransmission shows as a stall.
fn keep_busy(mut stream: TcpStream, ending: &AtomicBool) -> Stream {
    let mut state = Stream::new();
    let mut block = [b'x'; 1000];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let mut result = stream.write_all(&block);
    while !ending.load(Ordering::Relaxed) && result.is_ok() {
        match stream.read(&mut block) {
            Ok(0) => result = Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                state.bytes += length as u64;
                state.gap.event();
                thread::sleep(Duration::from_millis(1));
                result = stream.write_all(&block[..length]);
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
            Err(error) => result = Err(error),
        }
    }
    state.gap.event();
    state.broken = result.err().map(|error| error.to_string());
    state
}

fn pour(host: &str, port: u16, bytes: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut stream = connect(host, port)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut writer = stream.try_clone()?;
    let sender = thread::spawn(move || {
        let sent = std::io::copy(&mut std::io::repeat(b'x').take(bytes), &mut writer);
        let _ = writer.shutdown(Shutdown::Write);
        sent
    });
    let back = std::io::copy(&mut stream, &mut std::io::sink()).context("read what comes back")?;
    let sent = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?.context("send")?;
    if back != bytes {
        bail!("{sent} bytes were sent and {back} came back");
    }
    println!("{}", start.elapsed().as_millis());
    Ok(())
}
