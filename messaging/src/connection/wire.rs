//! The byte stream under the AMQP client: plain TCP or TLS, made by us and handed over.
//!
//! The client library makes its own streams otherwise, and cannot leave a certificate unverified, choose its
//! cryptography, nor be made to let go of a peer that says nothing. It takes any stream through its runtime traits.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// A stream to the broker.
pub(crate) type Wire = Compat<Box<dyn Transport>>;

pub(crate) trait Transport: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Transport for T {}

pub(crate) fn wire(stream: impl Transport + 'static) -> Wire {
    let boxed: Box<dyn Transport> = Box::new(stream);
    boxed.compat()
}

/// Ends the TCP connection when dropped. The client library reads the stream in a thread of its own, which would wait
/// for ever for a peer that is gone.
#[derive(Debug)]
pub(crate) struct Hangup(Socket);

impl Hangup {
    pub(crate) fn of(stream: &tokio::net::TcpStream) -> io::Result<Self> {
        SockRef::from(stream).try_clone().map(Self)
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        // It fails when the connection has ended already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

/// The tokio runtime, as the client library wants to be given it; the type of its streams is ours.
#[derive(Debug, Clone)]
pub(crate) struct Kit(Tokio);

impl Kit {
    /// The runtime that calls this.
    pub(crate) fn current() -> async_rs::Runtime<Self> {
        async_rs::Runtime::new(Self(Tokio::current()))
    }
}

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

impl Reactor for Kit {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// Not for us: streams are made in `dial`.
    fn register<H: Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Wire, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    /// Not for us: streams are made in `dial`.
    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
