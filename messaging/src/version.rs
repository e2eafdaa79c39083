//! Versions of endpoints: which request an endpoint can serve.

use std::fmt;
use std::str::FromStr;

/// A version of an RPC interface, `major.minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of the form major.minor")]
pub struct VersionError(String);

impl Version {
    /// What a request without a version asks for.
    pub const DEFAULT: Self = Self::new(1, 0);

    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Whether an endpoint of this version can serve a request that asks for `wanted`: same major, no newer minor.
    pub const fn serves(self, wanted: Self) -> bool {
        self.major == wanted.major && self.minor >= wanted.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.chars().take(40).collect());
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().ok_or_else(wrong)
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_serves_older_minors_of_its_major() {
        let offered = Version::new(1, 4);
        assert!(offered.serves(Version::new(1, 0)) && offered.serves(Version::new(1, 4)));
        assert!(!offered.serves(Version::new(1, 5)) && !offered.serves(Version::new(2, 0)));
        assert!(!Version::new(2, 4).serves(Version::new(1, 4)));
    }

    #[test]
    fn only_two_numbers_are_a_version() {
        assert_eq!("1.10".parse(), Ok(Version::new(1, 10)));
        for wrong in ["", "1", "1.", ".1", "1.2.3", "1.x", "+1.0", "1. 0", "99999999999.0"] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong}");
        }
    }
}
