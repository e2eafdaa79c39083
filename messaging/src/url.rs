//! Reading a transport URL: `rabbit://user:password@host:port,…/vhost?option=value`.

use crate::options::OptionError;
use crate::settings::Settings;

/// The port of a host that names none, also with TLS.
pub(crate) const DEFAULT_PORT: u16 = 5672;

/// The text is no transport URL. No message repeats the text, because it holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("the transport URL does not begin with rabbit://")]
    Scheme,
    #[error("host {0} of the transport URL has the port `{1}`, which is no port number")]
    Port(usize, String),
    #[error("host {0} of the transport URL has no name")]
    Host(usize),
    #[error(
        "the transport URL holds a % that is not followed by two hexadecimal digits, or text that is not UTF-8"
    )]
    Percent,
    #[error(transparent)]
    Option(#[from] OptionError),
}

pub(crate) fn settings<'a>(
    _url: &str,
    _options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Settings, UrlError> {
    Ok(Settings::default())
}
