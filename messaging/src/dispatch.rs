//! Deciding whether an endpoint serves a request. Pure.

use crate::failure::Failure;
use crate::listen::Endpoint;
use crate::version::Version;

/// Why no endpoint serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unserved {
    /// No endpoint has the namespace and the version.
    Version,
    /// One has, but not the method.
    Method,
}

/// Looks through the endpoints in order: the first with the namespace, a version that serves the one wanted, and the
/// method, has it.
pub(crate) fn check(
    endpoints: &[Endpoint],
    namespace: Option<&str>,
    wanted: Version,
    method: &str,
) -> Result<(), Unserved> {
    let mut fitting = endpoints
        .iter()
        .filter(|e| e.namespace.as_deref() == namespace && e.version.serves(wanted))
        .peekable();
    if fitting.peek().is_none() {
        return Err(Unserved::Version);
    }
    let known = |endpoint: &Endpoint| endpoint.methods.is_none_or(|methods| methods.contains(&method));
    // Names with an underscore in front are private in the language the protocol comes from.
    match !method.starts_with('_') && fitting.any(known) {
        true => Ok(()),
        false => Err(Unserved::Method),
    }
}

impl Unserved {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Version => "unsupported-version",
            Self::Method => "no-such-method",
        }
    }

    /// What a caller is answered.
    pub(crate) fn failure(self, wanted: Version, method: &str) -> Failure {
        const MODULE: &str = "oslo_messaging.rpc.dispatcher";
        match self {
            Self::Version => Failure::new(
                MODULE,
                "UnsupportedVersion",
                format!("Version {wanted} is not offered here. Method: {method}"),
            ),
            Self::Method => Failure::new(
                MODULE,
                "NoSuchMethod",
                format!("There is no method {method} in version {wanted}."),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn endpoint(minor: u32, methods: &'static [&'static str]) -> Endpoint {
        Endpoint { namespace: None, version: Version::new(1, minor), methods: Some(methods) }
    }

    fn asked(namespace: Option<&str>, minor: u32, method: &str) -> Result<(), Unserved> {
        let any = Endpoint { namespace: Some("trunk".into()), version: Version::new(1, 0), methods: None };
        let endpoints = [endpoint(3, &["old", "both"]), endpoint(7, &["new", "both"]), any];
        check(&endpoints, namespace, Version::new(1, minor), method)
    }

    #[test]
    fn the_first_endpoint_with_version_and_method_serves() {
        assert_eq!(asked(None, 0, "old"), Ok(()));
        assert_eq!(asked(None, 7, "new"), Ok(()));
        assert_eq!(asked(None, 5, "both"), Ok(()));
        assert_eq!(asked(Some("trunk"), 0, "anything"), Ok(()));
    }

    #[test]
    fn a_version_offered_elsewhere_makes_it_a_missing_method() {
        assert_eq!(asked(None, 5, "old"), Err(Unserved::Method));
        assert_eq!(asked(None, 8, "old"), Err(Unserved::Version));
        assert_eq!(asked(Some("trunk"), 1, "anything"), Err(Unserved::Version));
        assert_eq!(asked(Some("other"), 0, "old"), Err(Unserved::Version));
        assert_eq!(asked(Some("trunk"), 0, "_private"), Err(Unserved::Method));
    }
}
