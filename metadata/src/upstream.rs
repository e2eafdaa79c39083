//! The way to Nova: connections that are kept for a while, over TLS when the operator wants it.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::LengthLimitError;
use hyper::http::uri::{Authority, Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tracing::warn;

use crate::config::{Identity, Nova};
use crate::error::TlsError;
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

/// Where systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Upstream {
    pub(crate) fn new(nova: Nova, connect: Duration) -> Self {
        Self { nova, connect, made: Mutex::default() }
    }

    /// Connects to nothing yet.
    pub(crate) fn client(&self) -> Result<Client, TlsError> {
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

fn open(nova: &Nova, connect: Duration) -> Result<Client, TlsError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(nova)?)
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

fn tls(nova: &Nova) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Version { source })?;
    let builder = if !nova.tls {
        builder.with_root_certificates(RootCertStore::empty())
    } else if nova.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(authorities(nova.authority.as_deref())?)
    };
    match &nova.identity {
        Some(Identity { certificate, key }) if nova.tls => {
            let chain = certificates("nova_client_cert", certificate)?;
            let read = |source| TlsError::Read { option: "nova_client_priv_key", path: key.clone(), source };
            let key = PrivateKeyDer::from_pem_file(key).map_err(read)?;
            builder.with_client_auth_cert(chain, key).map_err(|source| TlsError::Identity { source })
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let system = || SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
    let path = file.or_else(system).ok_or(TlsError::NoAuthority)?;
    // Some of a system's many authorities may be of a kind that is not known here.
    let (_, unusable) = store.add_parsable_certificates(certificates("auth_ca_cert", path)?);
    if store.is_empty() {
        return Err(TlsError::NoCertificate { option: "auth_ca_cert", path: path.to_owned() });
    }
    if unusable > 0 {
        warn!(path = %path.display(), unusable, "authorities that cannot be used were left out");
    }
    Ok(store)
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { option, path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<Vec<_>, pem::Error>>()
        .map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { option, path: path.to_owned() });
    }
    Ok(certificates)
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

/// `nova_metadata_insecure`: whatever certificate Nova shows.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
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
