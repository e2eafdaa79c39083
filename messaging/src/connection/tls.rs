//! TLS towards the broker: what its options mean.

use std::error::Error as _;
use std::sync::Arc;

use ::tls::{Authorities, File, Identity, Trust};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::settings::Tls;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}", with_cause(.0))]
    Files(#[from] ::tls::Error),
    #[error("`{0}` is no name that a certificate can be for")]
    Name(String, #[source] InvalidDnsNameError),
    #[error("{0}")]
    Handshake(std::io::Error),
}

/// Puts TLS on a stream. The files are read anew for every connection, so that renewed certificates count.
pub(crate) async fn secure(
    tls: &Tls,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|source| TlsError::Name(host.to_owned(), source))?;
    let names = ["ssl_cert_file", "ssl_key_file"];
    let [certificate, key] = [(names[0], &tls.cert_file), (names[1], &tls.key_file)]
        .map(|(option, path)| path.as_ref().map(|path| File::new(option, path)));
    let identity = Identity::of(certificate, key, names)?;
    let config = ::tls::client(&trust(tls), identity.as_ref())?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(TlsError::Handshake)
}

/// Without a CA file whoever answers is believed, as oslo.messaging does.
fn trust(tls: &Tls) -> Trust {
    let Some(path) = &tls.ca_file else { return Trust::Anyone };
    let authorities = Authorities::In(File::new("ssl_ca_file", path));
    match tls.any_host_name {
        true => Trust::AnyHost(authorities),
        false => Trust::Host(authorities),
    }
}

/// In one sentence, as it is shown where there is room for no more.
fn with_cause(error: &::tls::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
