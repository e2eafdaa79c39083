//! Options by the names that operators know.

use std::time::Duration;

use crate::compression::Compression;
use crate::settings::{Login, QueueManager, Settings, Tls};

/// The value of an option cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the option {option} wants {wants}, not `{value}`")]
pub struct OptionError {
    pub option: String,
    pub wants: &'static str,
    pub value: String,
}

/// The options that switch a group of others on: to be set before them.
pub(crate) const SWITCHES: [&str; 3] = ["ssl", "rabbit_use_ssl", "use_queue_manager"];

/// Sets one option. `false`: it is not one of ours.
pub(crate) fn set(settings: &mut Settings, name: &str, value: &str) -> Result<bool, OptionError> {
    let text = Text { name, value: value.trim() };
    Ok(connection(settings, &text)? || declares(settings, &text)? || tls(settings, &text)?)
}

fn connection(settings: &mut Settings, text: &Text<'_>) -> Result<bool, OptionError> {
    match text.name {
        "control_exchange" => settings.exchange = text.value.to_owned(),
        "heartbeat_timeout_threshold" => settings.heartbeat = text.seconds()?,
        "rabbit_qos_prefetch_count" => settings.prefetch = text.number()?,
        "rabbit_retry_interval" => settings.retry.interval = text.seconds()?,
        "rabbit_retry_backoff" => settings.retry.backoff = text.seconds()?,
        "rabbit_interval_max" => settings.retry.max = text.seconds()?,
        "rpc_response_timeout" => settings.response_timeout = text.seconds()?,
        "rpc_response_max_timeout" => settings.response_max_timeout = text.seconds()?,
        "rabbit_login_method" => settings.login = text.login()?,
        "kombu_compression" => settings.compression = text.compression()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn declares(settings: &mut Settings, text: &Text<'_>) -> Result<bool, OptionError> {
    let queues = &mut settings.queues;
    match text.name {
        "amqp_durable_queues" | "rabbit_durable_queues" => queues.durable = text.truth()?,
        "amqp_auto_delete" => queues.auto_delete = text.truth()?,
        "rabbit_quorum_queue" => queues.quorum = text.truth()?,
        "rabbit_transient_quorum_queue" => queues.transient_quorum = text.truth()?,
        "rabbit_transient_queues_ttl" => queues.transient_ttl = text.seconds()?,
        "rabbit_stream_fanout" => queues.stream_fanout = text.truth()?,
        "rabbit_quorum_delivery_limit" => queues.quorum_limits.deliveries = text.number()?,
        "rabbit_quorum_max_memory_length" => queues.quorum_limits.memory_length = text.number()?,
        "rabbit_quorum_max_memory_bytes" => queues.quorum_limits.memory_bytes = text.number()?,
        "rabbit_ha_queues" => queues.mirrored = text.truth()?,
        "enable_cancel_on_failover" => queues.cancel_on_failover = text.truth()?,
        "use_queue_manager" => queues.manager = text.truth()?.then(QueueManager::default),
        "hostname" => queues.manager.iter_mut().for_each(|manager| manager.host = text.value.to_owned()),
        "processname" => {
            queues.manager.iter_mut().for_each(|manager| manager.process = text.value.to_owned());
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn tls(settings: &mut Settings, text: &Text<'_>) -> Result<bool, OptionError> {
    let file = || Some(text.value.into()).filter(|_| !text.value.is_empty());
    // Without TLS its options are known, checked and without effect.
    let mut unused = Tls::default();
    let tls = settings.tls.as_mut().unwrap_or(&mut unused);
    match text.name {
        "ssl_ca_file" | "kombu_ssl_ca_certs" => tls.ca_file = file(),
        "ssl_cert_file" | "kombu_ssl_certfile" => tls.cert_file = file(),
        "ssl_key_file" | "kombu_ssl_keyfile" => tls.key_file = file(),
        "ssl_enforce_hostname_verification" => tls.any_host_name = !text.truth()?,
        "ssl" | "rabbit_use_ssl" => {
            settings.tls = text.truth()?.then(|| settings.tls.take().unwrap_or_default());
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// One option's name and value.
struct Text<'a> {
    name: &'a str,
    value: &'a str,
}

impl Text<'_> {
    fn wants(&self, wants: &'static str) -> OptionError {
        OptionError { option: self.name.to_owned(), wants, value: self.value.to_owned() }
    }

    fn truth(&self) -> Result<bool, OptionError> {
        match self.value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
            "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
            _ => Err(self.wants("true or false")),
        }
    }

    fn number<N: std::str::FromStr>(&self) -> Result<N, OptionError> {
        self.value.parse().map_err(|_| self.wants("a number"))
    }

    fn seconds(&self) -> Result<Duration, OptionError> {
        let seconds: f64 = self.number()?;
        Duration::try_from_secs_f64(seconds).map_err(|_| self.wants("a number of seconds"))
    }

    fn compression(&self) -> Result<Option<Compression>, OptionError> {
        match self.value.to_ascii_lowercase().as_str() {
            "" | "none" => Ok(None),
            name => Compression::named(name).map(Some).ok_or_else(|| self.wants("gzip, bz2 or nothing")),
        }
    }

    fn login(&self) -> Result<Login, OptionError> {
        match self.value.to_ascii_uppercase().as_str() {
            "PLAIN" => Ok(Login::Plain),
            "AMQPLAIN" => Ok(Login::AmqPlain),
            "EXTERNAL" => Ok(Login::External),
            _ => Err(self.wants("PLAIN, AMQPLAIN or EXTERNAL")),
        }
    }
}
