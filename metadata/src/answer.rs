//! What a guest is told by the proxy itself, in the words and codes of Neutron's agents, and which of Nova's answers
//! are passed on. Pure.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::patience::Body;
use crate::place::Place;

/// Why a request got no answer from Nova.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// No instance, or several, have the address; or the guest says who it is itself.
    Unknown(Place),
    /// Whoever passed the request on does not say whose it is, or says it twice.
    Nobody,
    /// Not a request for a document.
    Malformed,
    /// A body beyond what Nova takes.
    TooLarge,
    TooMany,
    /// The controller cannot be asked.
    NoLookup,
    /// Nova does not take connections.
    NoNova,
    /// Nova takes too long.
    Late,
    /// Nova said something that guests are not to see, or broke off.
    Unexpected,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unknown(_) | Self::Nobody => StatusCode::NOT_FOUND,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::NoLookup | Self::Unexpected => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoNova => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The whole answer.
    pub(crate) fn response(self) -> Response<Body> {
        let title = self.status().to_string();
        let page = format!(
            "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  {self}<br /><br />\n\n\n </body>\n</html>"
        );
        let body = Full::new(Bytes::from(page)).map_err(|never| match never {}).boxed();
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(place) => write!(f, "Instance was not found on {place}."),
            Self::Nobody => f.write_str("Instance was not found: the request names no single place."),
            Self::Malformed => f.write_str("The request is not understood."),
            Self::TooLarge => f.write_str("The body of the request is too large."),
            Self::TooMany => f.write_str("Too many requests were sent in a given amount of time."),
            Self::NoLookup | Self::Unexpected => {
                f.write_str("An unknown error has occurred. Please try your request again.")
            }
            Self::NoNova => {
                f.write_str("The remote metadata server is temporarily unavailable. Please try again later.")
            }
            Self::Late => f.write_str("The remote metadata server did not respond in time."),
        }
    }
}

/// Whether an answer of Nova's goes to the guest as it is. Neutron's agents know these codes and no others.
pub(crate) fn is_for_guests(status: StatusCode) -> bool {
    status.is_success() || matches!(status.as_u16(), 400 | 403 | 404 | 409 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_neutron() {
        let place = Place::Network(model::NetworkId(uuid::Uuid::nil()));
        let unknown = Refusal::Unknown(place);
        assert_eq!(unknown.status(), 404);
        let id = "00000000-0000-0000-0000-000000000000";
        assert_eq!(unknown.to_string(), format!("Instance was not found on network {id}."));
        assert_eq!(Refusal::NoNova.status(), 503);
        assert_eq!(Refusal::NoLookup.status(), 500);
    }

    #[test]
    fn redirections_are_not_for_guests() {
        let passed = |code: u16| is_for_guests(StatusCode::from_u16(code).unwrap());
        assert!([200, 204, 400, 403, 404, 409, 500, 502, 503, 504].into_iter().all(passed));
        assert!(![301, 302, 401, 405, 418, 505].into_iter().any(passed));
    }
}
