//! How messages reach the server: oslo.messaging's options, with its names and defaults. What they do on
//! the wire is the messaging library's knowledge; here their form is checked, so that a wrong one is told
//! with its line.

use messaging::{Settings, UrlError};

use crate::config::values::{Name, Values};

/// What an option's value looks like.
#[derive(Debug, Clone, Copy)]
enum Form {
    Flag(bool),
    Number(u32),
    Text(&'static str),
}

macro_rules! rabbit {
    ($option:literal, $form:ident $usual:literal, $help:literal) => {
        (option!("oslo_messaging_rabbit", $option, $help), Form::$form($usual))
    };
}

/// The switches `ssl` and `use_queue_manager` come before what they govern, as the library wants it.
const RABBIT: &[(Name, Form)] = &[
    rabbit!("ssl", Flag false, "TLS to the broker"),
    rabbit!("ssl_ca_file", Text "", "who may be the broker; empty: whoever answers"),
    rabbit!("ssl_cert_file", Text "", "this node's certificate"),
    rabbit!("ssl_key_file", Text "", "this node's key"),
    rabbit!("ssl_enforce_hostname_verification", Flag true, "the broker's name must fit its certificate"),
    rabbit!("use_queue_manager", Flag false, "names of queues that come back after a restart"),
    rabbit!("hostname", Text "", "part of these names; empty: this machine"),
    rabbit!("processname", Text "", "part of these names; empty: this program"),
    rabbit!("amqp_durable_queues", Flag false, "topic queues outlive the broker"),
    rabbit!("amqp_auto_delete", Flag false, "topic queues go with their last consumer"),
    rabbit!("rabbit_ha_queues", Flag false, "mirrored classic queues"),
    rabbit!("rabbit_quorum_queue", Flag false, "quorum queues for topics"),
    rabbit!("rabbit_transient_quorum_queue", Flag false, "quorum queues for answers and fan-out"),
    rabbit!("rabbit_quorum_delivery_limit", Number 0, "deliveries of one message; 0: no limit"),
    rabbit!("rabbit_quorum_max_memory_length", Number 0, "messages in memory; 0: no limit"),
    rabbit!("rabbit_quorum_max_memory_bytes", Number 0, "bytes in memory; 0: no limit"),
    rabbit!("rabbit_transient_queues_ttl", Number 1800, "seconds that an unused queue is kept; 0: for ever"),
    rabbit!("rabbit_stream_fanout", Flag false, "one stream for all listeners of a fan-out"),
    rabbit!("enable_cancel_on_failover", Flag false, "be told when a mirrored queue moves"),
    rabbit!("kombu_compression", Text "", "gzip or bz2; empty: messages are sent as they are"),
    rabbit!("rabbit_login_method", Text "AMQPLAIN", "PLAIN, AMQPLAIN or EXTERNAL"),
    rabbit!("rabbit_retry_interval", Number 1, "seconds to the second attempt to connect"),
    rabbit!("rabbit_retry_backoff", Number 2, "seconds more for each further one"),
    rabbit!("rabbit_interval_max", Number 30, "the most seconds between two attempts"),
    rabbit!("heartbeat_timeout_threshold", Number 60, "seconds of silence after which the broker is gone; 0: never"),
];

/// Takes the options, and makes of them what the library is started with.
pub(super) fn messaging(values: &mut Values) -> Settings {
    let url_name = secret!("DEFAULT", "transport_url", "the server's message broker");
    // Guest on this machine, as oslo.messaging has it.
    let url = values.get(url_name, "rabbit://".to_owned());
    let mut options = vec![
        (
            "control_exchange",
            values
                .get(option!("DEFAULT", "control_exchange", "exchange of all topics"), "neutron".to_owned()),
        ),
        (
            "rpc_response_timeout",
            number(values, option!("DEFAULT", "rpc_response_timeout", "seconds to wait for an answer"), 60),
        ),
        (
            "rpc_response_max_timeout",
            number(
                values,
                option!("DEFAULT", "rpc_response_max_timeout", "what that grows to after time-outs"),
                600,
            ),
        ),
    ];
    for (name, form) in RABBIT {
        let value = match form {
            Form::Flag(usual) => values.flag(*name, *usual).to_string(),
            Form::Number(usual) => number(values, *name, *usual),
            Form::Text(usual) => values.get(*name, (*usual).to_owned()),
        };
        options.push((name.option, value));
    }
    prefetch(values, &mut options);
    match Settings::from_url_and_options(&url, options.iter().map(|(name, value)| (*name, value.as_str()))) {
        Ok(settings) => settings,
        Err(error) => {
            refuse(values, url_name, &error);
            Settings::default()
        }
    }
}

/// An option is named with its own line; one that stands in the URL itself, with that.
fn refuse(values: &mut Values, url: Name, error: &UrlError) {
    let UrlError::Option(wrong) = error else { return values.refuse(url, "", &error.to_string()) };
    match RABBIT
        .iter()
        .find(|(name, _)| name.option == wrong.option && values.is_written(name.section, name.option))
    {
        Some((name, _)) => values.refuse(*name, &wrong.value, &format!("it has to be {}", wrong.wants)),
        None => values.refuse(url, "", &wrong.to_string()),
    }
}

/// Without a number, the library's own is better than none: a backlog would come all at once.
fn prefetch(values: &mut Values, options: &mut Vec<(&'static str, String)>) {
    let name = option!(
        "oslo_messaging_rabbit",
        "rabbit_qos_prefetch_count",
        "messages under way; 0: the library's choice"
    );
    let count: u16 = values.get(name, 0);
    if count > 0 {
        options.push((name.option, count.to_string()));
    }
}

fn number(values: &mut Values, name: Name, usual: u32) -> String {
    values.get(name, usual).to_string()
}
