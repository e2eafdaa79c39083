//! What a broker's refusal means, in one sentence that names the setting to look at. Pure.

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// What the broker says when a declared object exists with other properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inequivalent {
    /// `queue` or `exchange`.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) argument: String,
    /// What we declared, and what there is.
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl Inequivalent {
    /// Reads `PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current
    /// is 'false'`; values that are not set are told as `none`, typed ones as `the value '5' of type 'long'`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (argument, rest) = text.split_once("inequivalent arg '")?.1.split_once("' for ")?;
        let (kind, rest) = rest.split_once(" '")?;
        let (name, rest) = rest.split_once("' in vhost")?;
        let (ours, theirs) = rest.split_once(": received ")?.1.split_once(" but current is ")?;
        let value = |text: &str| {
            let quoted = text.split_once('\'').and_then(|(_, rest)| rest.split_once('\''));
            quoted.map_or(text, |(value, _)| value).trim().to_owned()
        };
        Some(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            argument: argument.to_owned(),
            ours: value(ours),
            theirs: value(theirs),
        })
    }

    /// Whether the object can be used although it is not as declared. An exchange of another type routes otherwise.
    pub(crate) fn is_usable(&self) -> bool {
        self.argument != "type"
    }

    pub(crate) fn sentence(&self) -> String {
        let setting = match self.argument.as_str() {
            "durable" if self.name.ends_with("_fanout") => "rabbit_transient_quorum_queue",
            "durable" => "amqp_durable_queues and rabbit_quorum_queue",
            "auto_delete" => "amqp_auto_delete",
            "x-queue-type" => "rabbit_quorum_queue and rabbit_stream_fanout",
            "x-expires" | "x-max-age" => "rabbit_transient_queues_ttl",
            "x-delivery-limit" => "rabbit_quorum_delivery_limit",
            "x-max-in-memory-length" => "rabbit_quorum_max_memory_length",
            "x-max-in-memory-bytes" => "rabbit_quorum_max_memory_bytes",
            "x-ha-policy" => "rabbit_ha_queues",
            "type" => "control_exchange",
            _ => "the options of its queues",
        };
        format!(
            "the {} {} exists at the message broker with {} = {}, and this program is set to {}: compare {} in \
             [oslo_messaging_rabbit] with the setting of the other programs",
            self.kind, self.name, self.argument, self.theirs, self.ours, setting
        )
    }
}

/// The error that the broker itself sent, if it did.
pub(crate) fn from_broker(error: &lapin::Error) -> Option<&AMQPError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error),
        _ => None,
    }
}

pub(crate) fn is_soft(error: &lapin::Error, kind: &AMQPSoftError) -> bool {
    from_broker(error).is_some_and(|error| matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == kind))
}

/// Whether an error is about the whole connection, not about one channel.
pub(crate) fn ends_connection(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Hard(_)),
        ErrorKind::InvalidChannel(_)
        | ErrorKind::InvalidChannelState(..)
        | ErrorKind::ChannelsLimitReached => false,
        _ => true,
    }
}

/// Why the broker did not let us in. `user` and `host` are the virtual host and the user that we named.
pub(crate) fn login(error: &lapin::Error, user: &str, host: &str) -> String {
    let Some(refusal) = from_broker(error) else {
        return match error.kind() {
            ErrorKind::IOError(error) => format!(
                "it closed the connection before it was open ({error}): is this its AMQP port, and is ssl in \
                 [oslo_messaging_rabbit] as the broker has it?"
            ),
            ErrorKind::AuthProviderError(what) => {
                format!("the log-in failed ({what}): look at rabbit_login_method")
            }
            _ => error.to_string(),
        };
    };
    let text = refusal.get_message().as_str();
    let refused = matches!(
        refusal.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
    );
    if refused && text.contains("vhost") {
        let missing = text.contains("not found");
        let what = if missing { "does not exist there" } else { "may not be used by this user" };
        return format!(
            "the virtual host {host} {what} (user {user}): look at the path of transport_url, which names it"
        );
    }
    match refusal.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            format!("it refuses user {user}: the name or the password in transport_url is wrong")
        }
        _ => format!("it refuses the connection: {text}"),
    }
}

/// Why an operation on an object failed.
pub(crate) fn operation(error: &lapin::Error, doing: &str) -> String {
    let Some(refusal) = from_broker(error) else {
        return format!("{doing} failed: {error}");
    };
    let text = refusal.get_message().as_str();
    if let Some(different) = Inequivalent::read(text) {
        return different.sentence();
    }
    match refusal.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            format!("{doing} is not permitted to the user in transport_url: {text}")
        }
        _ if text.contains("invalid property") || text.contains("invalid arg") => {
            format!(
                "{doing} failed: {text}; look at the amqp_ and rabbit_ options in [oslo_messaging_rabbit]"
            )
        }
        _ => format!("{doing} failed: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: AMQPErrorKind, text: &str) -> lapin::Error {
        ErrorKind::ProtocolError(AMQPError::new(kind, text.into())).into()
    }

    #[test]
    fn a_difference_names_object_values_and_setting() {
        let text = "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'neutron' in vhost '/': received 'true' but current is 'false'";
        let sentence = operation(&error(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED), text), "it");
        assert_eq!(
            sentence,
            "the exchange neutron exists at the message broker with durable = false, and this program is set to true: compare \
             amqp_durable_queues and rabbit_quorum_queue in [oslo_messaging_rabbit] with the setting of the other programs"
        );
    }

    #[test]
    fn values_may_be_typed_or_absent() {
        let text = "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue 'a_fanout' in vhost '/': received none but current is the value '1800000' of type 'signedint'";
        let read = Inequivalent::read(text).unwrap();
        assert_eq!((read.ours.as_str(), read.theirs.as_str()), ("none", "1800000"));
        assert!(read.is_usable());
        assert_eq!(Inequivalent::read("PRECONDITION_FAILED - something else"), None);
    }

    #[test]
    fn wrong_password_and_missing_host_are_told_apart() {
        let soft = AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED);
        let password = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.";
        assert!(login(&error(soft, password), "anna", "/").contains("password in transport_url"));
        let hard = AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED);
        let host = login(&error(hard, "NOT_ALLOWED - vhost dark not found"), "anna", "dark");
        assert!(host.contains("dark does not exist") && host.contains("path of transport_url"), "{host}");
    }
}
