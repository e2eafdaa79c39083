//! Where a database server is: `unix:PATH`, `tcp:HOST:PORT` or `ssl:HOST:PORT`, as Open vSwitch writes it
//! (ovsdb(7), section "Connection Methods"). Only the text; opening is done in `transport`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::Error;

/// The address of a database server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    Unix(PathBuf),
    Tcp {
        /// A name or an address, without the brackets of IPv6.
        host: String,
        port: u16,
    },
    Ssl {
        host: String,
        port: u16,
    },
}

/// Why a text is not a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("it must begin with unix:, tcp: or ssl:")]
    Method,
    #[error("passive remotes are for servers; use {0}: to connect")]
    Passive(&'static str),
    #[error("there is no path after unix:")]
    NoPath,
    #[error("there is no host")]
    NoHost,
    #[error("an IPv6 address must be in brackets, as in tcp:[::1]:6640")]
    Brackets,
    #[error("the port {0:?} is not a number from 1 to 65535")]
    Port(String),
}

/// The port of OVSDB (RFC 7047, section 7), used when the text has none.
pub const DEFAULT_PORT: u16 = 6640;

impl FromStr for Remote {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|source| Error::Remote { text: text.to_owned(), source })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, host, port) = match self {
            Self::Unix(path) => return write!(out, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Ssl { host, port } => ("ssl", host, port),
        };
        if host.contains(':') {
            write!(out, "{method}:[{host}]:{port}")
        } else {
            write!(out, "{method}:{host}:{port}")
        }
    }
}

fn parse(text: &str) -> Result<Remote, RemoteError> {
    let (method, rest) = text.trim().split_once(':').ok_or(RemoteError::Method)?;
    match method {
        "unix" if rest.is_empty() => Err(RemoteError::NoPath),
        "unix" => Ok(Remote::Unix(rest.into())),
        "tcp" => host_and_port(rest).map(|(host, port)| Remote::Tcp { host, port }),
        "ssl" => host_and_port(rest).map(|(host, port)| Remote::Ssl { host, port }),
        "punix" => Err(RemoteError::Passive("unix")),
        "ptcp" => Err(RemoteError::Passive("tcp")),
        "pssl" => Err(RemoteError::Passive("ssl")),
        _ => Err(RemoteError::Method),
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), RemoteError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(RemoteError::Brackets)?;
            match rest.strip_prefix(':') {
                None if !rest.is_empty() => return Err(RemoteError::Port(rest.to_owned())),
                port => (host, port),
            }
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(RemoteError::Brackets),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(RemoteError::NoHost);
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => match text.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(RemoteError::Port(text.to_owned())),
        },
    };
    Ok((host.to_owned(), port))
}
