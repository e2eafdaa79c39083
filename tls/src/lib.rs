//! What a client needs to speak TLS: whom it believes, and what it shows, from the files that an operator names. One
//! place for all connections of the program, so that all are checked alike.
//!
//! Nothing is sent or kept here. A [`ClientConfig`] is made from the files as they are at that moment; who connects
//! for a long time makes one anew, so that renewed certificates are taken up.

mod file;
mod verify;

pub use file::{Error, File};
pub use rustls::ClientConfig;

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ConfigBuilder, RootCertStore, WantsVerifier, client::WantsClientCert};
use tracing::warn;

use verify::{AnyHost, Anyone};

/// Which servers are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those with a certificate of an authority, for the host that was meant to be reached.
    Host(Authorities),
    /// Those with a certificate of an authority, for whatever host.
    AnyHost(Authorities),
    /// Whoever answers: what is said cannot be overheard, but may be said to anybody.
    Anyone,
    /// None at all: for a client that is not meant to speak TLS.
    Nobody,
}

/// Whose signature makes a server's certificate good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorities {
    /// The certificates in a file, and no others.
    In(File),
    /// Those that this system trusts. The option is the one that would name others.
    OfSystem { instead: &'static str },
}

/// What is shown to a server that asks who this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A certificate, with any intermediate ones after it.
    pub certificate: File,
    pub key: File,
}

/// Where systems keep the authorities that they trust.
const OF_SYSTEMS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Identity {
    /// What two options name that make sense only together.
    ///
    /// # Errors
    /// When just one of them is set; the names are those of the options.
    pub fn of(
        certificate: Option<File>,
        key: Option<File>,
        names: [&'static str; 2],
    ) -> Result<Option<Self>, Error> {
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
            _ => Err(Error::Half { certificate: names[0], key: names[1] }),
        }
    }
}

/// Reads the files. It takes no longer than reading them does.
///
/// # Errors
/// When a file cannot be read or is not what its option is for.
pub fn client(trust: &Trust, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(Error::Versions)?;
    let builder = trusting(builder, trust, provider)?;
    let Some(Identity { certificate, key }) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |source| Error::Identity {
        certificate: certificate.clone(),
        key: key.clone(),
        source: Box::new(source),
    };
    builder.with_client_auth_cert(certificate.certificates()?, key.private_key()?).map_err(unusable)
}

fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    trust: &Trust,
    provider: Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Nobody => return Ok(builder.with_root_certificates(RootCertStore::empty())),
        Trust::Anyone => Arc::new(Anyone(provider.signature_verification_algorithms)),
        Trust::Host(authorities) => chain(authorities, provider)?,
        Trust::AnyHost(authorities) => Arc::new(AnyHost(chain(authorities, provider)?)),
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

fn chain(
    authorities: &Authorities,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let file = match authorities {
        Authorities::In(file) => file.clone(),
        Authorities::OfSystem { instead } => of_system(instead)?,
    };
    let mut roots = RootCertStore::empty();
    // Some of a system's many authorities may be of a kind that is not known here.
    let (_, unusable) = roots.add_parsable_certificates(file.certificates()?);
    if roots.is_empty() {
        return Err(Error::NoAuthority { file });
    }
    if unusable > 0 {
        warn!(path = %file.path.display(), unusable, "authorities that cannot be used were left out");
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|source| Error::Authorities { file, source })
}

fn of_system(instead: &'static str) -> Result<File, Error> {
    let path = OF_SYSTEMS.iter().map(Path::new).find(|path| path.exists());
    path.map(|path| File::new(instead, path)).ok_or(Error::NoSystem { instead })
}
