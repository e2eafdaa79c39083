//! Being the node's metadata agent for other processes: listeners of theirs pass requests on to a unix socket, and say
//! where and from whom they have them. The socket's permissions are all that keeps others away.

use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::config::AgentSocket;
use crate::proxy::Proxy;

/// How long until a socket that another agent answers on is looked at again.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until it is aborted.
pub(crate) async fn serve(proxy: Arc<Proxy>, socket: AgentSocket) {
    let room = Arc::new(Semaphore::new(proxy.config.connections));
    let listener = wait_for(&socket).await;
    info!(socket = %socket.path.display(), "metadata is served to other processes");
    loop {
        // Others wait in the socket's own line.
        let Ok(room) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(
                    error = &error as &dyn Error,
                    "cannot take connections of other processes; trying again"
                );
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let proxy = proxy.clone();
        tokio::spawn(async move {
            connection(&proxy, stream).await;
            drop(room);
        });
    }
}

async fn connection(proxy: &Proxy, stream: UnixStream) {
    let service = service_fn(|request| proxy.answer_agent(request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.config.times.request)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(error = &error as &dyn Error, "a connection of another process broke off");
    }
}

/// The listener, once nobody else is the node's metadata agent.
async fn wait_for(socket: &AgentSocket) -> UnixListener {
    let mut said = false;
    loop {
        match open(socket).await {
            Ok(listener) => return listener,
            Err(error) if !said => {
                let path = socket.path.display();
                warn!(socket = %path, error = &error as &dyn Error, "metadata is not served to other processes yet");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn open(socket: &AgentSocket) -> io::Result<UnixListener> {
    if UnixStream::connect(&socket.path).await.is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another metadata agent answers on it"));
    }
    let folder = socket.path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // Made under another name and moved, so that nobody meets it with the wrong permissions.
    let mut fresh = socket.path.clone().into_os_string();
    fresh.push(".new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, Permissions::from_mode(socket.mode))?;
    // It belongs to whom the agents' folder belongs to: that is who their processes run as.
    let owner = fs::metadata(folder)?;
    chown(&fresh, Some(owner.uid()), Some(owner.gid()))?;
    fs::rename(&fresh, &socket.path)?;
    Ok(listener)
}
