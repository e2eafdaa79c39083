//! Reading a transport URL: `rabbit://user:password@host:port,…/vhost?option=value`.

use crate::options::{self, OptionError};
use crate::settings::{Broker, Settings};

/// The port of a host that names none, also with TLS.
pub(crate) const DEFAULT_PORT: u16 = 5672;

/// The text is no transport URL. No message repeats the text, because it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("the transport URL does not begin with rabbit://")]
    Scheme,
    #[error("host {0} of the transport URL has a port that is no port number")]
    Port(usize),
    #[error("host {0} of the transport URL has no name")]
    Host(usize),
    #[error(
        "the transport URL has a % without two hexadecimal digits after it, or is not UTF-8 when decoded"
    )]
    Percent,
    #[error("the settings of the message broker cannot be used")]
    Option(#[from] OptionError),
}

/// The settings for a URL, over `options` of the configuration.
pub(crate) fn settings<'a>(
    url: &str,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Settings, UrlError> {
    let rest = ["rabbit://", "kombu://"].iter().find_map(|scheme| url.trim().strip_prefix(scheme));
    let (rest, query) = split(rest.ok_or(UrlError::Scheme)?, '?');
    let (hosts, path) = split(rest, '/');
    let mut settings = Settings { brokers: brokers(hosts)?, ..Settings::default() };
    if !path.is_empty() {
        settings.virtual_host = decoded(path)?;
    }
    let mut all: Vec<(String, String)> =
        options.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = split(pair, '=');
        all.push((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?));
    }
    // A stable sort: the switches come first, and of the same name the one in the URL last.
    all.sort_by_key(|(name, _)| !options::SWITCHES.contains(&name.as_str()));
    for (name, value) in &all {
        options::set(&mut settings, name, value)?;
    }
    Ok(settings)
}

fn brokers(hosts: &str) -> Result<Vec<Broker>, UrlError> {
    if hosts.is_empty() {
        return Ok(vec![Broker::default()]);
    }
    hosts.split(',').enumerate().map(|(index, text)| broker(text.trim(), index + 1)).collect()
}

fn broker(text: &str, number: usize) -> Result<Broker, UrlError> {
    let (login, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (user, password) = split(login, ':');
    let (host, port) = match place.strip_prefix('[') {
        Some(address) => {
            let (host, port) = address.split_once(']').ok_or(UrlError::Host(number))?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => split(place, ':'),
    };
    let guest = Broker::default();
    Ok(Broker {
        host: Some(decoded(host)?).filter(|host| !host.is_empty()).ok_or(UrlError::Host(number))?,
        port: match port {
            "" => DEFAULT_PORT,
            port => port.parse().map_err(|_| UrlError::Port(number))?,
        },
        user: if user.is_empty() { guest.user } else { decoded(user)? },
        password: if login.is_empty() { guest.password } else { decoded(password)? },
    })
}

fn split(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.first_chunk::<2>().ok_or(UrlError::Percent)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(UrlError::Percent);
        let [high, low] = *digits;
        // Two digits are at most 255.
        bytes.push((digit(high)? * 16 + digit(low)?) as u8);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Percent)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn of(url: &str) -> Settings {
        settings(url, []).unwrap()
    }

    #[test]
    fn hosts_have_their_own_credentials_and_ports() {
        let settings = of("rabbit://anna:p%40ss%3a@one:5673,[2001:db8::1]:5674,bob:@three/dark%2Fblue");
        let broker = |host: &str, port, user: &str, password: &str| Broker {
            host: host.into(),
            port,
            user: user.into(),
            password: password.into(),
        };
        assert_eq!(
            settings.brokers,
            [
                broker("one", 5673, "anna", "p@ss:"),
                broker("2001:db8::1", 5674, "guest", "guest"),
                broker("three", 5672, "bob", ""),
            ]
        );
        assert_eq!(settings.virtual_host, "dark/blue");
        assert_eq!(settings.brokers[1].to_string(), "[2001:db8::1]:5674");
    }

    #[test]
    fn an_empty_path_is_the_root_host() {
        for url in ["rabbit://", "rabbit:///", "rabbit://localhost:5672", "kombu://guest:guest@localhost/"] {
            let settings = of(url);
            assert_eq!(
                (settings.brokers, settings.virtual_host.as_str()),
                (vec![Broker::default()], "/"),
                "{url}"
            );
        }
    }

    #[test]
    fn the_query_wins_over_the_configuration() {
        let url = "rabbit://h/?rabbit_quorum_queue=true&ssl=1&heartbeat_timeout_threshold=30&what=ever";
        let file = [
            ("ssl_ca_file", "/etc/ca.pem"),
            ("rabbit_quorum_queue", "False"),
            ("rpc_response_timeout", "90"),
        ];
        let settings = settings(url, file).unwrap();
        assert!(settings.queues.quorum);
        assert_eq!(settings.tls.unwrap().ca_file.unwrap(), std::path::Path::new("/etc/ca.pem"));
        assert_eq!(settings.heartbeat, Duration::from_secs(30));
        assert_eq!(settings.response_timeout, Duration::from_secs(90));
    }

    #[test]
    fn options_of_tls_do_not_switch_it_on() {
        assert_eq!(
            settings("rabbit://h/", [("ssl_ca_file", "/etc/ca.pem"), ("ssl", "false")]).unwrap().tls,
            None
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, wrong) in [
            ("http://h/", UrlError::Scheme),
            ("rabbit://u:secret@/", UrlError::Host(1)),
            ("rabbit://a,u:secret@h:what/", UrlError::Port(2)),
            ("rabbit://u:secret%4@h/", UrlError::Percent),
            ("rabbit://u:secret%ff@h/", UrlError::Percent),
            ("rabbit://[::1/", UrlError::Host(1)),
        ] {
            let error = settings(url, []).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(error, wrong, "{url}");
        }
        assert!(matches!(settings("rabbit://h/?ssl=perhaps", []), Err(UrlError::Option(_))));
        assert!(!format!("{:?}", of("rabbit://u:secret@h/")).contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = settings(&text, []);
            let _ = settings(&format!("rabbit://{text}"), []);
        }
    }
}
