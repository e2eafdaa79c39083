//! The thread that all servers of a node share. One packet costs a few microseconds, less than waking a
//! second thread for it would; and no other work of the agent can keep a client waiting.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread; it ends, and with it every server, when this is dropped.
#[derive(Debug)]
pub struct ServerThread {
    runtime: Handle,
    /// The thread runs until this is gone.
    _alive: oneshot::Sender<()>,
}

impl ServerThread {
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel();
        std::thread::Builder::new().name("dhcp".to_owned()).spawn(move || {
            // Nothing is ever sent: it ends in an error, when the sender is gone.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _alive: alive })
    }

    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
