//! What of a guest's request goes to Nova. Pure.
//!
//! A guest does not say who it is: of its headers only those go on that concern the document, and everything that
//! names an instance, a project, a network or an address is made here. A request that claims to come from somebody
//! else (`X-Forwarded-For`) gets no answer, as with Neutron's agents, which look for that address and find nobody.

use std::net::IpAddr;

use hyper::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RANGE, USER_AGENT,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Uri};

use crate::answer::Refusal;
use crate::lookup::Instance;
use crate::place::{NETWORK_HEADER, Place, ROUTER_HEADER};

/// Headers of the guest that go on.
const PASSED: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, RANGE, USER_AGENT];

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Nova takes the password of a guest, of some hundred bytes, and nothing else.
pub(crate) const MOST: u64 = 1 << 20;

/// Where Nova is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Whether a guest's request is one that could be answered. `place` is whose guest asks.
pub(crate) fn check(head: &Parts, place: Place) -> Result<(), Refusal> {
    if head.headers.contains_key(FORWARDED_FOR) {
        return Err(Refusal::Unknown(place));
    }
    check_document(head)
}

/// Who asks, by the words of a listener of another process: exactly one address, and either a network or a router.
pub(crate) fn sender(head: &Parts) -> Result<(Place, IpAddr), Refusal> {
    check_document(head)?;
    let only = |name: &str| -> Result<Option<&str>, Refusal> {
        let mut values = head.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| Refusal::Nobody),
            _ => Err(Refusal::Nobody),
        }
    };
    let place = match (only(NETWORK_HEADER)?, only(ROUTER_HEADER)?) {
        (Some(id), None) => id.parse().ok().map(Place::Network),
        (None, Some(id)) => id.parse().ok().map(Place::Router),
        _ => None,
    };
    // haproxy listens on both versions of IP at once and writes IPv4 addresses as IPv6 ones.
    let address = only(FORWARDED_FOR)?.and_then(|address| address.trim().parse::<IpAddr>().ok());
    place.zip(address.map(|address| address.to_canonical())).ok_or(Refusal::Nobody)
}

fn check_document(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT || !head.uri.path().starts_with('/') {
        return Err(Refusal::Malformed);
    }
    match head.headers.get(CONTENT_LENGTH).map(content_length) {
        Some(None) => Err(Refusal::Malformed),
        Some(Some(length)) if length > MOST => Err(Refusal::TooLarge),
        _ => Ok(()),
    }
}

fn content_length(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// The request to Nova: the guest's method, path, query and body, and who the guest is.
pub(crate) fn onward<B>(
    target: &Target,
    head: &Parts,
    body: B,
    client: IpAddr,
    instance: &Instance,
    signature: &str,
) -> Result<Request<B>, Refusal> {
    let document = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder()
        .scheme(target.scheme.clone())
        .authority(target.authority.clone())
        .path_and_query(document)
        .build()
        .map_err(|_| Refusal::Malformed)?;
    let mut request = copy(head, uri, body);
    let headers = request.headers_mut();
    let own = [
        (FORWARDED_FOR, client.to_string()),
        ("x-instance-id", instance.id.clone()),
        ("x-tenant-id", instance.project.clone()),
        ("x-instance-id-signature", signature.to_owned()),
    ];
    for (name, text) in own {
        insert(headers, name, &text)?;
    }
    Ok(request)
}

/// The request to the node's metadata agent: the guest's, and where and who the guest is.
pub(crate) fn to_agent<B>(
    head: &Parts,
    body: B,
    client: IpAddr,
    place: Place,
) -> Result<Request<B>, Refusal> {
    let document = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let mut request = copy(head, Uri::from(document), body);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("169.254.169.254"));
    insert(headers, FORWARDED_FOR, &client.to_string())?;
    insert(headers, place.header(), &place.id())?;
    Ok(request)
}

/// What of a guest's request is nobody's claim.
fn copy<B>(head: &Parts, uri: Uri, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    for name in PASSED {
        for value in head.headers.get_all(&name) {
            request.headers_mut().append(name.clone(), value.clone());
        }
    }
    request
}

/// The controller's words are no header only when they are broken.
fn insert(headers: &mut HeaderMap, name: &'static str, text: &str) -> Result<(), Refusal> {
    let value = HeaderValue::from_str(text).map_err(|_| Refusal::Unexpected)?;
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::NetworkId;
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place::Network(NetworkId(uuid::Uuid::from_u128(7)));

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn target() -> Target {
        Target { scheme: Scheme::HTTP, authority: Authority::from_static("[::1]:8775") }
    }

    fn instance() -> Instance {
        Instance { id: "i-1".to_owned(), project: "p-1".to_owned() }
    }

    fn sent(head: &Parts) -> Request<()> {
        onward(&target(), head, (), "10.0.0.5".parse().unwrap(), &instance(), "abc").unwrap()
    }

    #[test]
    fn who_the_guest_is_comes_from_here_alone() {
        let claims = [
            ("X-Instance-ID", "i-2"),
            ("x-tenant-id", "p-2"),
            ("X-Instance-ID-Signature", "forged"),
            ("X-Neutron-Network-ID", "n"),
            ("X-Neutron-Router-ID", "r"),
            ("X-Metadata-Provider", "m"),
            ("Host", "169.254.169.254"),
            ("Accept", "*/*"),
        ];
        let head = head("GET", "/latest/meta-data?x=1", &claims);
        assert_eq!(check(&head, PLACE), Ok(()));
        let request = sent(&head);
        assert_eq!(request.uri().to_string(), "http://[::1]:8775/latest/meta-data?x=1");
        let mut headers: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        let expected = [
            "accept: */*",
            "x-forwarded-for: 10.0.0.5",
            "x-instance-id-signature: abc",
            "x-instance-id: i-1",
            "x-tenant-id: p-1",
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn whoever_claims_another_address_is_nobody() {
        let head = head("GET", "/", &[("X-Forwarded-For", "10.0.0.9")]);
        assert_eq!(check(&head, PLACE), Err(Refusal::Unknown(PLACE)));
    }

    #[test]
    fn what_asks_for_no_document_is_refused() {
        assert_eq!(check(&head("CONNECT", "nova:80", &[]), PLACE), Err(Refusal::Malformed));
        assert_eq!(check(&head("OPTIONS", "*", &[]), PLACE), Err(Refusal::Malformed));
        let large = [("Content-Length", "1048577")];
        assert_eq!(check(&head("POST", "/", &large), PLACE), Err(Refusal::TooLarge));
        let absolute = head("GET", "http://169.254.169.254/openstack", &[]);
        assert_eq!(check(&absolute, PLACE), Ok(()));
        assert_eq!(sent(&absolute).uri().to_string(), "http://[::1]:8775/openstack");
    }

    #[test]
    fn broken_words_of_the_controller_are_an_error() {
        let broken = Instance { id: "a\r\nb".to_owned(), ..instance() };
        let result = onward(&target(), &head("GET", "/", &[]), (), "::1".parse().unwrap(), &broken, "abc");
        assert_eq!(result.map(drop), Err(Refusal::Unexpected));
    }

    #[test]
    fn a_sender_says_exactly_one_place_and_one_address() {
        const ID: &str = "00000000-0000-0000-0000-000000000007";
        let who = |headers: &[(&str, &str)]| sender(&head("GET", "/", headers));
        let from = ("X-Forwarded-For", "10.0.0.5");
        let (network, router) = (("X-Neutron-Network-ID", ID), ("X-Neutron-Router-ID", ID));
        assert_eq!(who(&[from, network]), Ok((PLACE, "10.0.0.5".parse().unwrap())));
        assert_eq!(who(&[("X-Forwarded-For", "::ffff:10.0.0.5"), network]), who(&[from, network]));
        let router_place = Place::Router(ID.parse().unwrap());
        assert_eq!(
            who(&[("X-Forwarded-For", "fe80::1"), router]),
            Ok((router_place, "fe80::1".parse().unwrap()))
        );
        for wrong in [
            &[from][..],
            &[network],
            &[from, network, router],
            &[from, network, network],
            &[from, from, network],
            &[("X-Forwarded-For", "10.0.0.5, 10.0.0.9"), network],
            &[from, ("X-Neutron-Router-ID", "../etc")],
        ] {
            assert_eq!(who(wrong), Err(Refusal::Nobody), "{wrong:?}");
        }
    }

    #[test]
    fn the_agent_hears_what_is_known_here_and_not_what_the_guest_says() {
        let claims = [("X-Neutron-Router-ID", "r"), ("Host", "x"), ("Accept", "*/*")];
        let request =
            to_agent(&head("GET", "/a?b", &claims), (), "10.0.0.5".parse().unwrap(), PLACE).unwrap();
        assert_eq!(request.uri().to_string(), "/a?b");
        assert_eq!(request.headers()["x-neutron-network-id"], PLACE.id().as_str());
        assert_eq!(request.headers()["x-forwarded-for"], "10.0.0.5");
        assert!(!request.headers().contains_key("x-neutron-router-id"));
        assert_eq!(request.headers()["host"], "169.254.169.254");
    }

    proptest! {
        /// Whatever the path is, the request goes to Nova.
        #[test]
        fn every_request_goes_to_nova(path in "[ -~]{0,40}") {
            let Ok(request) = Request::builder().uri(format!("/{path}")).body(()) else { return Ok(()) };
            let head = request.into_parts().0;
            prop_assume!(check(&head, PLACE).is_ok());
            let request = sent(&head);
            prop_assert_eq!(request.uri().host(), Some("[::1]"));
            prop_assert_eq!(request.uri().port_u16(), Some(8775));
        }
    }
}
