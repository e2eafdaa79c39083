//! TLS towards the broker: whom to believe, and what to show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::VerifierBuilderError;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore,
    SignatureScheme,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::settings::Tls;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the file {path} of {option} cannot be used: {source}")]
    File { option: &'static str, path: PathBuf, source: pem::Error },
    #[error("the file {path} of ssl_ca_file holds no certificate")]
    NoAuthority { path: PathBuf },
    #[error("ssl_cert_file and ssl_key_file must be set together")]
    HalfIdentity,
    #[error("the certificates of ssl_ca_file cannot be used: {0}")]
    Authority(VerifierBuilderError),
    #[error("the client certificate of ssl_cert_file and ssl_key_file cannot be used: {0}")]
    Identity(RustlsError),
    #[error("TLS cannot be set up: {0}")]
    Setup(RustlsError),
    #[error("`{0}` is no name that a certificate can be for")]
    Name(String, #[source] InvalidDnsNameError),
    #[error("{0}")]
    Handshake(std::io::Error),
}

/// Puts TLS on a stream.
pub(crate) async fn secure(
    tls: &Tls,
    host: &str,
    stream: tokio::net::TcpStream,
) -> Result<TlsStream<tokio::net::TcpStream>, TlsError> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|source| TlsError::Name(host.to_owned(), source))?;
    let connector = TlsConnector::from(Arc::new(config(tls)?));
    connector.connect(name, stream).await.map_err(TlsError::Handshake)
}

/// Read anew for every connection, so that renewed certificates count.
fn config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(tls, provider)?);
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let key_file = |source| TlsError::File { option: "ssl_key_file", path: key.clone(), source };
            let key = PrivateKeyDer::from_pem_file(key).map_err(key_file)?;
            let chain = certificates("ssl_cert_file", certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)
        }
        _ => Err(TlsError::HalfIdentity),
    }
}

fn verifier(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let Some(path) = &tls.ca_file else {
        return Ok(Arc::new(Anybody(provider)));
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates("ssl_ca_file", path)?);
    if usable == 0 {
        return Err(TlsError::NoAuthority { path: path.clone() });
    }
    let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(TlsError::Authority)?;
    match tls.any_host_name {
        true => Ok(Arc::new(AnyName(strict))),
        false => Ok(strict),
    }
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { option, path: path.to_owned(), source };
    CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}

/// Believes whoever answers, as oslo.messaging does without a CA file.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

/// Wants a certificate of the right authority, for whatever name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when all else is right.
            Err(RustlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
