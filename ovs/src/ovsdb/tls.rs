//! TLS as Open vSwitch does it: both sides show a certificate signed by a common authority, and a certificate is good
//! when the chain is. The host's name is not compared, because the certificates that Open vSwitch's own tool makes
//! (`ovs-pki`) have no host name in them; the authority must therefore be one that signs for nobody else.

use std::path::PathBuf;
use std::sync::Arc;

use ::tls::{Authorities, File, Identity, Trust};
use tokio_rustls::TlsConnector;

/// The files for an `ssl:` remote, all PEM. They are read again for every connection, so renewed ones are taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub private_key: PathBuf,
    /// This side's certificate, with any intermediate ones after it.
    pub certificate: PathBuf,
    /// The authorities that may have signed the server's certificate.
    pub ca_certificate: PathBuf,
}

/// Why TLS could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("an ssl: remote needs a private key, a certificate and a CA certificate")]
    NoFiles,
    #[error(transparent)]
    Files(#[from] ::tls::Error),
}

pub(crate) fn connector(files: &TlsFiles) -> Result<TlsConnector, TlsError> {
    let trust = Trust::AnyHost(Authorities::In(File::new("ssl_ca_cert_file", &files.ca_certificate)));
    let identity = Identity {
        certificate: File::new("ssl_cert_file", &files.certificate),
        key: File::new("ssl_key_file", &files.private_key),
    };
    Ok(TlsConnector::from(Arc::new(::tls::client(&trust, Some(&identity))?)))
}
