//! Stands between a client and a server: passes bytes on, with a word replaced or in small pieces.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ovs::ovsdb::Remote;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

#[derive(Clone, Default)]
pub(crate) struct Meddling {
    /// What to replace in what the client says. Both must be of the same length or the count of bytes shifts.
    pub(crate) replace: Option<(&'static str, &'static str)>,
    /// The largest piece of what the server says.
    pub(crate) piece: Option<usize>,
    /// Counts the echo requests of the server.
    pub(crate) echoes: Arc<AtomicUsize>,
}

/// Listens next to the server's socket until the test ends.
pub(crate) fn between(folder: &Path, meddling: Meddling) -> Remote {
    let listener = UnixListener::bind(folder.join("proxy.sock")).expect("a socket for the proxy");
    let server = folder.join("db.sock");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&server).await.expect("the server");
            tokio::spawn(pass(client, server, meddling.clone()));
        }
    });
    Remote::Unix(folder.join("proxy.sock"))
}

/// Listens in the folder and passes on to a server's TCP port.
pub(crate) fn before_tcp(folder: &Path, port: u16, meddling: Meddling) -> Remote {
    let listener = UnixListener::bind(folder.join("proxy.sock")).expect("a socket for the proxy");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Not up yet: the client comes again.
            if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                tokio::spawn(pass(client, server, meddling.clone()));
            }
        }
    });
    Remote::Unix(folder.join("proxy.sock"))
}

async fn pass<S: AsyncRead + AsyncWrite>(
    client: UnixStream,
    server: S,
    meddling: Meddling,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let requests = async {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = from_client.read(&mut bytes).await?;
            let mut text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if let Some((from, to)) = meddling.replace {
                text = text.replace(from, to);
            }
            to_server.write_all(text.as_bytes()).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
        }
    };
    let replies = async {
        let mut bytes = vec![0; meddling.piece.unwrap_or(64 << 10)];
        loop {
            let count = from_server.read(&mut bytes).await?;
            let echoes = String::from_utf8_lossy(&bytes[..count]).matches(r#""method":"echo""#).count();
            meddling.echoes.fetch_add(echoes, Ordering::Relaxed);
            to_client.write_all(&bytes[..count]).await?;
            if count == 0 {
                return to_client.shutdown().await;
            }
        }
    };
    tokio::try_join!(requests, replies).map(drop)
}
