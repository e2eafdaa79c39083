//! One request of a guest, from its head to Nova's answer. What may go on is decided in `request`, what the guest is
//! told in `answer`.

use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::answer::{Refusal, is_for_guests};
use crate::config::Config;
use crate::counters::{Counters, Event};
use crate::lookup::{Client, Instance, Lookup, Memory, Query};
use crate::patience::{Body, Patient};
use crate::place::Place;
use crate::rate::Meter;
use crate::request::{self, MOST};
use crate::signature::sign;
use crate::upstream::{self, Upstream};

/// Headers of Nova's answers that guests get.
const PASSED: [HeaderName; 4] = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE];

/// What all listeners of the node share.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    memory: Memory,
    upstream: Upstream,
}

/// What requests of one listener have in common.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) place: Place,
    pub(crate) guests_of: Place,
    pub(crate) meter: Mutex<Meter>,
}

impl Proxy {
    pub(crate) fn new(config: Config, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            memory: Memory::new(lookup, config.remember),
            upstream: Upstream::new(config.nova.clone(), config.times.connect),
            counters: Counters::default(),
            config,
        }
    }

    /// Never fails: what goes wrong is told to the guest.
    pub(crate) async fn answer(
        &self,
        door: &Door,
        client: IpAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let response = match self.forward(door, client, &head, body).await {
            Ok(response) => {
                self.counters.count(Event::Answered);
                response
            }
            Err(refusal) => {
                self.note(refusal, door, client, &head);
                refusal.response()
            }
        };
        let status = response.status().as_u16();
        debug!(place = %door.place, %client, method = %head.method, path = head.uri.path(), status, "request");
        Ok(response)
    }

    async fn forward(
        &self,
        door: &Door,
        client: IpAddr,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        self.admit(door, client)?;
        request::check(head, door.guests_of)?;
        let instance = self.instance(door, client).await?;
        let signature = sign(&self.config.secret, &instance.id);
        let times = self.config.times;
        let limit = usize::try_from(MOST).unwrap_or(usize::MAX);
        let body = Limited::new(Patient::new(body, times.client), limit).boxed();
        let target = upstream::target(&self.config.nova).ok_or(Refusal::NoNova)?;
        let onward = request::onward(&target, head, body, client, &instance, &signature)?;
        let response = self.ask(onward).await?;
        pass_on(response, times.server, &target.authority)
    }

    fn admit(&self, door: &Door, client: IpAddr) -> Result<(), Refusal> {
        let Some(limit) = &self.config.rate_limit else { return Ok(()) };
        let mut meter = door.meter.lock().unwrap_or_else(PoisonError::into_inner);
        if meter.admit(limit, client, Instant::now()) { Ok(()) } else { Err(Refusal::TooMany) }
    }

    async fn instance(&self, door: &Door, client: IpAddr) -> Result<Instance, Refusal> {
        let unknown = Refusal::Unknown(door.guests_of);
        let client = Client::of(client).ok_or(unknown)?;
        match self.memory.instance(Query { place: door.guests_of, client }).await {
            Ok(instance) => instance.ok_or(unknown),
            Err(error) => {
                debug!(error = &error as &dyn Error, "no answer to who a guest is");
                Err(Refusal::NoLookup)
            }
        }
    }

    async fn ask(&self, request: Request<Body>) -> Result<Response<Incoming>, Refusal> {
        let client = self.upstream.client().map_err(|error| {
            debug!(error = &error as &dyn Error, "no way to Nova's metadata service");
            Refusal::NoNova
        })?;
        let times = self.config.times;
        match timeout(times.connect + times.server, client.request(request)).await {
            Err(_) => Err(Refusal::Late),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if upstream::is_too_large(&error) => Err(Refusal::TooLarge),
            Ok(Err(error)) => {
                debug!(error = &error as &dyn Error, "Nova's metadata service gave no answer");
                Err(if error.is_connect() { Refusal::NoNova } else { Refusal::Unexpected })
            }
        }
    }

    fn note(&self, refusal: Refusal, door: &Door, client: IpAddr, head: &Parts) {
        let event = match refusal {
            Refusal::Unknown(_) => Event::Unknown,
            Refusal::Malformed | Refusal::TooLarge => Event::Malformed,
            Refusal::TooMany => Event::Limited,
            Refusal::NoLookup => Event::NoLookup,
            Refusal::NoNova | Refusal::Late | Refusal::Unexpected => Event::NoNova,
        };
        if let Some(count) = self.counters.count(event) {
            let (method, path) = (&head.method, head.uri.path());
            warn!(place = %door.place, %client, %method, path, %event, count, "{refusal}");
        }
    }
}

/// Nova's answer as the guest gets it.
fn pass_on(
    response: Response<Incoming>,
    patience: std::time::Duration,
    nova: &hyper::http::uri::Authority,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = response.into_parts();
    match head.status {
        StatusCode::FORBIDDEN => {
            warn!(%nova, "Nova forbids requests for metadata; do the shared secrets differ?");
        }
        StatusCode::INTERNAL_SERVER_ERROR => warn!(%nova, "Nova's metadata service has an internal error"),
        status if !is_for_guests(status) => {
            warn!(%nova, %status, "Nova's metadata service answered with a code that guests do not get");
            return Err(Refusal::Unexpected);
        }
        _ => {}
    }
    let mut onward = Response::new(Patient::new(body, patience).boxed());
    *onward.status_mut() = head.status;
    for name in PASSED {
        for value in head.headers.get_all(&name) {
            onward.headers_mut().append(name.clone(), value.clone());
        }
    }
    Ok(onward)
}
