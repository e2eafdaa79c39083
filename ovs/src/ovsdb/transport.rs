//! Opens the byte stream to a server, whichever kind of remote it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::Error;
use super::remote::Remote;
use super::tls::{self, TlsError, TlsFiles};

pub(crate) type Source = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// The two directions of a new connection. They must be served by separate tasks: a server whose replies are not read
/// stops reading requests, and a client that waits for its write to finish before it reads waits for ever.
pub(crate) async fn open(remote: &Remote, files: Option<&TlsFiles>) -> Result<(Source, Sink), Error> {
    let refused = |source| Error::Connect { remote: remote.to_string(), source };
    match remote {
        Remote::Unix(path) => {
            let (source, sink) = UnixStream::connect(path).await.map_err(refused)?.into_split();
            Ok((Box::new(source), Box::new(sink)))
        }
        Remote::Tcp { host, port } => {
            let (source, sink) = tcp(host, *port).await.map_err(refused)?.into_split();
            Ok((Box::new(source), Box::new(sink)))
        }
        Remote::Ssl { host, port } => {
            let unusable = |source| Error::Tls { remote: remote.to_string(), source };
            let files = files.ok_or(TlsError::NoFiles).map_err(unusable)?;
            let connector = tls::connector(files).map_err(unusable)?;
            let stream = tcp(host, *port).await.map_err(refused)?;
            let stream = connector.connect(server_name(host), stream).await.map_err(refused)?;
            let (source, sink) = tokio::io::split(stream);
            Ok((Box::new(source), Box::new(sink)))
        }
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The name to send along in the handshake. It is not compared with the certificate, so a host that is neither a DNS
/// name nor an address is no reason to fail.
fn server_name(host: &str) -> ServerName<'static> {
    ServerName::try_from(host.to_owned())
        .unwrap_or_else(|_| ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)))
}
