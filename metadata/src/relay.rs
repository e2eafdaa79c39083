//! The way to the node's metadata agent when that is another process: a connection to its unix socket for each request,
//! as that agent has it.

use std::io;
use std::path::Path;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tracing::debug;

use crate::patience::Body;

/// Why the agent gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot connect to the metadata agent")]
    Connect(#[from] io::Error),
    #[error("the metadata agent gave no answer")]
    Ask(#[from] hyper::Error),
}

pub(crate) async fn ask(socket: &Path, request: Request<Body>) -> Result<Response<Incoming>, Error> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer's body, or when nobody wants that any more.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "the connection to the metadata agent broke off");
        }
    });
    Ok(sender.send_request(request).await?)
}
