//! Takes guests' connections on one socket and serves them until the listener is closed, and all of them with it.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::counters::Event;
use crate::proxy::{Door, Proxy};

/// The longest head of a request, in bytes.
const HEAD: usize = 16 << 10;
/// What is read and written at a time, in bytes.
const BUFFER: usize = 32 << 10;
/// How long no connection is taken when the process has no more files.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until it is aborted.
pub(crate) async fn serve(proxy: Arc<Proxy>, room: Arc<Semaphore>, door: Arc<Door>, socket: TcpListener) {
    let guests = Arc::new(Guests { most: proxy.config.connections_each, counts: Mutex::default() });
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, address) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                warn!(place = %door.place, error = &error as &dyn Error, "cannot take connections; trying again");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (Ok(room), Some(seat)) = (room.clone().try_acquire_owned(), guests.seat(address)) else {
            if let Some(count) = proxy.counters.count(Event::Crowded) {
                warn!(place = %door.place, client = %address, count, "too many connections; closed");
            }
            continue;
        };
        let (proxy, door) = (proxy.clone(), door.clone());
        connections.spawn(async move {
            connection(&proxy, &door, address, stream).await;
            drop((room, seat));
        });
    }
}

async fn connection(proxy: &Proxy, door: &Door, client: IpAddr, stream: TcpStream) {
    let service = service_fn(|request| proxy.answer(door, client, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.config.times.request)
        .max_header_size(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    let Err(error) = served else { return };
    let event = if error.is_parse() { Event::Malformed } else { Event::BrokenOff };
    let error = &error as &dyn Error;
    match proxy.counters.count(event) {
        Some(count) if event == Event::Malformed => {
            warn!(place = %door.place, %client, error, count, "a request was not understood");
        }
        _ => debug!(place = %door.place, %client, error, "a connection broke off"),
    }
}

/// The peer gave up before its connection was taken.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many connections each guest of a listener has.
#[derive(Debug)]
struct Guests {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A guest's leave to have one more connection; given back when dropped.
struct Seat {
    guests: Arc<Guests>,
    guest: IpAddr,
}

impl Guests {
    fn seat(self: &Arc<Self>, guest: IpAddr) -> Option<Seat> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(guest).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat { guests: self.clone(), guest })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.guests.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.guest) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.guest);
            }
        }
    }
}
