//! One request of a guest, from its head to Nova's answer. What may go on is decided in `request`, what the guest is
//! told in `answer`.

use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::answer::{Refusal, is_for_guests};
use crate::config::{Config, Way};
use crate::counters::{Counters, Event};
use crate::lookup::{Client, Instance, Lookup, Memory, Query};
use crate::patience::{Body, Patient};
use crate::place::Place;
use crate::rate::Meter;
use crate::relay;
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
        let result = self.forward(door, client, &head, body).await;
        let from = format!("{client} of {}", door.place);
        Ok(self.finish(result, &head, &from))
    }

    /// The same for a request that a listener of another process has passed on.
    pub(crate) async fn answer_agent(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let result = match request::sender(&head) {
            Ok((place, client)) => self.to_nova(place, client, &head, body).await,
            Err(refusal) => Err(refusal),
        };
        Ok(self.finish(result, &head, "another process"))
    }

    fn finish(&self, result: Result<Response<Body>, Refusal>, head: &Parts, from: &str) -> Response<Body> {
        let response = match result {
            Ok(response) => {
                self.counters.count(Event::Answered);
                response
            }
            Err(refusal) => {
                self.note(refusal, head, from);
                refusal.response()
            }
        };
        debug!(from, method = %head.method, path = head.uri.path(), status = response.status().as_u16(), "request");
        response
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
        match &self.config.way {
            Way::Nova => self.to_nova(door.guests_of, client, head, body).await,
            Way::Agent(socket) => {
                let request = request::to_agent(head, self.taken(body), client, door.guests_of)?;
                let times = self.config.times;
                let response = timeout(times.connect + times.server, relay::ask(socket, request)).await;
                let response = response.map_err(|_| Refusal::Late)?.map_err(|error| {
                    debug!(socket = %socket.display(), error = &error as &dyn Error, "no answer from the metadata agent");
                    if upstream::is_too_large(&error) { Refusal::TooLarge } else { Refusal::NoNova }
                })?;
                Ok(copy(response, times.server))
            }
        }
    }

    /// A guest's body, which must come in time and be of a size that Nova takes.
    fn taken(&self, body: Incoming) -> Body {
        let limit = usize::try_from(MOST).unwrap_or(usize::MAX);
        Limited::new(Patient::new(body, self.config.times.client), limit).boxed()
    }

    async fn to_nova(
        &self,
        place: Place,
        client: IpAddr,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        let instance = self.instance(place, client).await?;
        let signature = sign(&self.config.secret, &instance.id);
        let times = self.config.times;
        let body = self.taken(body);
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

    async fn instance(&self, place: Place, client: IpAddr) -> Result<Instance, Refusal> {
        let unknown = Refusal::Unknown(place);
        let client = Client::of(client).ok_or(unknown)?;
        match self.memory.instance(Query { place, client }).await {
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

    fn note(&self, refusal: Refusal, head: &Parts, from: &str) {
        let event = match refusal {
            Refusal::Unknown(_) | Refusal::Nobody => Event::Unknown,
            Refusal::Malformed | Refusal::TooLarge => Event::Malformed,
            Refusal::TooMany => Event::Limited,
            Refusal::NoLookup => Event::NoLookup,
            Refusal::NoNova | Refusal::Late | Refusal::Unexpected => Event::NoNova,
        };
        if let Some(count) = self.counters.count(event) {
            let (method, path) = (&head.method, head.uri.path());
            warn!(from, %method, path, %event, count, "{refusal}");
        }
    }
}

/// Nova's answer as the guest gets it.
fn pass_on(
    response: Response<Incoming>,
    patience: Duration,
    nova: &hyper::http::uri::Authority,
) -> Result<Response<Body>, Refusal> {
    match response.status() {
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
    Ok(copy(response, patience))
}

/// Code, body and the headers that concern the document.
fn copy(response: Response<Incoming>, patience: Duration) -> Response<Body> {
    let (head, body) = response.into_parts();
    let mut onward = Response::new(Patient::new(body, patience).boxed());
    *onward.status_mut() = head.status;
    for name in PASSED {
        for value in head.headers.get_all(&name) {
            onward.headers_mut().append(name.clone(), value.clone());
        }
    }
    onward
}
