//! Making one connection to one broker.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{Connection, ConnectionProperties};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::refusal;
use super::tls::{self, TlsError};
use super::wire::{Hangup, Kit, Wire, wire};
use crate::settings::{Broker, Login, Settings};

/// How long one address may take to accept a connection, and the broker to greet.
const CONNECT: Duration = Duration::from_secs(10);
const GREETING: Duration = Duration::from_secs(30);
/// What is asked of the broker. The client library keeps room for 64 frames; with the largest that brokers offer, that
/// would be 8 MiB. Messages may be longer than a frame.
const LARGEST_FRAME: u32 = 16_384;

/// A connection, and the way to end it whatever the other side does.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    pub(crate) hangup: Hangup,
}

/// Why there is no connection. The text is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the message broker {broker} of transport_url cannot be found: {source}")]
    Resolve { broker: Broker, source: io::Error },
    #[error("the message broker {broker} of transport_url cannot be reached: {source}")]
    Reach { broker: Broker, source: io::Error },
    #[error(
        "TLS with the message broker {broker} failed: {source}; look at the ssl options in [oslo_messaging_rabbit]"
    )]
    Tls { broker: Broker, source: TlsError },
    #[error("the message broker {broker} does not let us in: {why}")]
    Login { broker: Broker, why: String },
    #[error("the message broker {broker} of transport_url says nothing for {} s: is this its AMQP port, with or without ssl?", GREETING.as_secs())]
    Silent { broker: Broker },
}

/// Connects, proves who we are, and opens the virtual host.
pub(crate) async fn dial(settings: &Settings, broker: &Broker) -> Result<Dialled, DialError> {
    let stream = reach(broker).await?;
    let tuned = tune(&stream, settings.heartbeat).and_then(|()| Hangup::of(&stream));
    let hangup = tuned.map_err(|source| DialError::Reach { broker: broker.clone(), source })?;
    let silent = || DialError::Silent { broker: broker.clone() };
    let wire = match &settings.tls {
        None => wire(stream),
        Some(tls) => {
            let secured =
                timeout(GREETING, tls::secure(tls, &broker.host, stream)).await.map_err(|_| silent())?;
            wire(secured.map_err(|source| DialError::Tls { broker: broker.clone(), source })?)
        }
    };
    let greeted = timeout(GREETING, greet(settings, broker, wire)).await.map_err(|_| silent())?;
    let connection = greeted.map_err(|error| DialError::Login {
        broker: broker.clone(),
        why: refusal::login(&error, &broker.user, &settings.virtual_host),
    })?;
    Ok(Dialled { connection, hangup })
}

async fn reach(broker: &Broker) -> Result<TcpStream, DialError> {
    let found = tokio::net::lookup_host((broker.host.as_str(), broker.port)).await;
    let addresses = found.map_err(|source| DialError::Resolve { broker: broker.clone(), source })?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(DialError::Reach { broker: broker.clone(), source: last })
}

/// A peer that vanished is noticed within the time of a heartbeat, also while we are the ones who send.
fn tune(stream: &TcpStream, heartbeat: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let patience = if heartbeat.is_zero() { Duration::from_secs(60) } else { heartbeat };
    let socket = SockRef::from(stream);
    // Whole seconds, and at least one.
    let interval = (patience / 4).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(patience.max(interval)).with_interval(interval);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(patience))
}

async fn greet(settings: &Settings, broker: &Broker, wire: Wire) -> lapin::Result<Connection> {
    // The library asks for the stream once more if the broker hangs up early: that is for our own loop to repeat.
    let stream = Mutex::new(Some(wire));
    let take = async move |_uri, _runtime| {
        let wire = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(AsyncTcpStream::Plain(wire.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?))
    };
    let properties =
        ConnectionProperties::default().with_connection_name(settings.connection_name.as_str().into());
    Connection::connector(address(settings, broker), Kit::current(), take, properties).await
}

fn address(settings: &Settings, broker: &Broker) -> AMQPUri {
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: broker.user.clone(), password: broker.password.clone() },
            host: broker.host.clone(),
            port: broker.port,
        },
        vhost: settings.virtual_host.clone(),
        query: AMQPQueryString {
            frame_max: Some(LARGEST_FRAME),
            heartbeat: Some(u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX)),
            auth_mechanism: Some(match settings.login {
                Login::Plain => SASLMechanism::Plain,
                Login::AmqPlain => SASLMechanism::AMQPlain,
                Login::External => SASLMechanism::External,
            }),
            ..AMQPQueryString::default()
        },
    }
}
