//! What a bus needs to know: where the brokers are, how queues are declared, how patient to be.
//! Every field says which option of oslo.messaging it stands for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::compression::Compression;
use crate::options::{self, OptionError};
use crate::url::{self, UrlError};

/// Everything a [`crate::Bus`] is started with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In the order in which they are tried; oslo.messaging shuffles them once, which is the caller's to do.
    pub brokers: Vec<Broker>,
    pub virtual_host: String,
    /// `None`: plain TCP.
    pub tls: Option<Tls>,
    pub login: Login,
    /// How the bodies of messages are sent (`kombu_compression`); what others compressed is read anyway.
    pub compression: Option<Compression>,
    /// The topic exchange that calls and casts go through (`control_exchange`).
    pub exchange: String,
    /// What the broker shows for this connection.
    pub connection_name: String,
    /// `heartbeat_timeout_threshold`; zero: none.
    pub heartbeat: Duration,
    pub queues: QueueOptions,
    /// How many messages of each queue the broker sends ahead of their acknowledgement (`rabbit_qos_prefetch_count`);
    /// zero: no limit.
    pub prefetch: u16,
    pub retry: Retry,
    /// How long a call waits for its answer (`rpc_response_timeout`).
    pub response_timeout: Duration,
    /// What that grows to after time-outs (`rpc_response_max_timeout`).
    pub response_max_timeout: Duration,
}

/// One host of the transport URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
}

/// How the user is proved (`rabbit_login_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// User and password, in the form of SASL (RFC 4616).
    Plain,
    /// User and password, in the form of AMQP 0-9.
    AmqPlain,
    /// The client certificate.
    External,
}

/// The `ssl_*` options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; `None`: the connection is encrypted, but whoever answers is believed.
    pub ca_file: Option<PathBuf>,
    /// A certificate to show, with its key.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    /// With a CA file: do not compare the certificate's names with the host (`ssl_enforce_hostname_verification`).
    pub any_host_name: bool,
}

/// How exchanges and queues are declared. Shared ones must be declared as the other side declares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOptions {
    /// `amqp_durable_queues`
    pub durable: bool,
    /// `amqp_auto_delete`
    pub auto_delete: bool,
    /// `rabbit_quorum_queue`: topic and host queues
    pub quorum: bool,
    /// `rabbit_transient_quorum_queue`: fanout and reply queues
    pub transient_quorum: bool,
    /// `rabbit_transient_queues_ttl`: how long fanout and reply queues outlive their consumer; zero: for ever
    pub transient_ttl: Duration,
    /// `rabbit_stream_fanout`: one stream for each fanout topic instead of a queue for each listener
    pub stream_fanout: bool,
    pub quorum_limits: QuorumLimits,
    /// `rabbit_ha_queues`: the mirroring policy of brokers before quorum queues
    pub mirrored: bool,
    /// `use_queue_manager`: names that come back after a restart
    pub manager: Option<QueueManager>,
    /// `enable_cancel_on_failover`
    pub cancel_on_failover: bool,
}

/// Limits of quorum queues; zero: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuorumLimits {
    /// `rabbit_quorum_delivery_limit`
    pub deliveries: u32,
    /// `rabbit_quorum_max_memory_length`
    pub memory_length: u32,
    /// `rabbit_quorum_max_memory_bytes`
    pub memory_bytes: u32,
}

/// What fanout and reply queues are named after (`hostname`, `processname`); an empty host stands for this machine's
/// name, an empty process for the program's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueManager {
    pub host: String,
    pub process: String,
}

/// Pauses between attempts to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first pause (`rabbit_retry_interval`).
    pub interval: Duration,
    /// What each further pause is longer by (`rabbit_retry_backoff`).
    pub backoff: Duration,
    /// The longest pause (`rabbit_interval_max`).
    pub max: Duration,
}

impl Settings {
    /// Settings for one transport URL, all else as oslo.messaging has it: `rabbit://user:password@host:port,…/vhost?option=value`.
    ///
    /// # Errors
    /// When the text is no such URL, or an option in it has a value that cannot be understood.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        url::settings(url, [])
    }

    /// The same, over options of the configuration; what the URL says itself comes last and wins. Options that are
    /// not known are passed over.
    ///
    /// # Errors
    /// As [`Settings::from_url`]; also when an option has a value that cannot be understood.
    pub fn from_url_and_options<'a>(
        url: &str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, UrlError> {
        url::settings(url, options)
    }

    /// Sets one option by its name in `[oslo_messaging_rabbit]` (or `[DEFAULT]`). `false`: it is not one of ours. The
    /// switches `ssl` and `use_queue_manager` must come before the options that they govern.
    ///
    /// # Errors
    /// When the value cannot be understood.
    pub fn set_option(&mut self, name: &str, value: &str) -> Result<bool, OptionError> {
        options::set(self, name, value)
    }
}

impl Default for Settings {
    /// A broker on this machine, and the defaults of oslo.messaging; prefetch is bounded.
    fn default() -> Self {
        Self {
            brokers: vec![Broker::default()],
            virtual_host: "/".to_owned(),
            tls: None,
            login: Login::AmqPlain,
            compression: None,
            exchange: "neutron".to_owned(),
            connection_name: env!("CARGO_PKG_NAME").to_owned(),
            heartbeat: Duration::from_secs(60),
            queues: QueueOptions::default(),
            prefetch: 100,
            retry: Retry::default(),
            response_timeout: Duration::from_secs(60),
            response_max_timeout: Duration::from_secs(600),
        }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: url::DEFAULT_PORT,
            user: "guest".to_owned(),
            password: "guest".to_owned(),
        }
    }
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            durable: false,
            auto_delete: false,
            quorum: false,
            transient_quorum: false,
            transient_ttl: Duration::from_secs(1800),
            stream_fanout: false,
            quorum_limits: QuorumLimits::default(),
            mirrored: false,
            manager: None,
            cancel_on_failover: false,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            backoff: Duration::from_secs(2),
            max: Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***@{self}", self.user)
    }
}
