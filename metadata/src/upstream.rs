//! The way to Nova: connections that are kept for a while, over TLS when the operator wants it.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::LengthLimitError;
use hyper::http::uri::{Authority, Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tls::{Authorities, ClientConfig, File, Trust};
use tracing::warn;

use crate::config::{Identity, Nova};
use crate::patience::Body;
use crate::request::Target;

/// Asks Nova.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// Gives clients, made from the files as they are. Over TLS they are read again now and then, so that renewed
/// certificates are taken up without a restart; what cannot be read is tried again.
#[derive(Debug)]
pub(crate) struct Upstream {
    nova: Nova,
    connect: Duration,
    made: Mutex<Option<(Instant, Client)>>,
}

/// How long certificates count as fresh.
const FRESH: Duration = Duration::from_secs(300);

/// A server closes what is idle for long, so a connection is used again only within this time.
const KEPT: Duration = Duration::from_secs(5);
const KEPT_AT_ONCE: usize = 32;

/// The option that names who may sign Nova's certificate.
const AUTHORITY: &str = "auth_ca_cert";

impl Upstream {
    pub(crate) fn new(nova: Nova, connect: Duration) -> Self {
        Self { nova, connect, made: Mutex::default() }
    }

    /// Connects to nothing yet.
    pub(crate) fn client(&self) -> Result<Client, tls::Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((since, client)) = &*made
            && (!self.nova.tls || now.duration_since(*since) < FRESH)
        {
            return Ok(client.clone());
        }
        let client = match (open(&self.nova, self.connect), made.take()) {
            (Ok(client), _) => client,
            (Err(error), Some((_, client))) => {
                warn!(error = &error as &dyn Error, "certificates for Nova stay as they were");
                client
            }
            (Err(error), None) => return Err(error),
        };
        *made = Some((now, client.clone()));
        Ok(client)
    }
}

fn open(nova: &Nova, connect: Duration) -> Result<Client, tls::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(secured(nova)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(KEPT_AT_ONCE)
        .build(connector))
}

/// Nova's address in requests; None when the configured host is no host.
pub(crate) fn target(nova: &Nova) -> Option<Target> {
    let scheme = if nova.tls { Scheme::HTTPS } else { Scheme::HTTP };
    let host = nova.host.trim_matches(['[', ']']);
    let bracketed = host.contains(':');
    let text = if bracketed { format!("[{host}]:{}", nova.port) } else { format!("{host}:{}", nova.port) };
    Some(Target { scheme, authority: text.parse::<Authority>().ok()? })
}

fn secured(nova: &Nova) -> Result<ClientConfig, tls::Error> {
    if !nova.tls {
        return tls::client(&Trust::Nobody, None);
    }
    let trust = match &nova.authority {
        _ if nova.insecure => Trust::Anyone,
        Some(path) => Trust::Host(Authorities::In(File::new(AUTHORITY, path))),
        None => Trust::Host(Authorities::OfSystem { instead: AUTHORITY }),
    };
    let identity = nova.identity.as_ref().map(|Identity { certificate, key }| tls::Identity {
        certificate: File::new("nova_client_cert", certificate),
        key: File::new("nova_client_priv_key", key),
    });
    tls::client(&trust, identity.as_ref())
}

/// Whether a guest's body was beyond the limit, when that is why a request to Nova broke off.
pub(crate) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nova_may_have_a_name_or_any_address() {
        let authority = |host: &str| {
            let nova = Nova { host: host.to_owned(), ..Nova::default() };
            target(&nova).map(|target| target.authority.to_string())
        };
        assert_eq!(authority("nova.example"), Some("nova.example:8775".to_owned()));
        assert_eq!(authority("2001:db8::1"), Some("[2001:db8::1]:8775".to_owned()));
        assert_eq!(authority("[2001:db8::1]"), Some("[2001:db8::1]:8775".to_owned()));
        assert_eq!(authority("not a host"), None);
    }
}
