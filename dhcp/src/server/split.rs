//! Splits the option area of a DHCPv4 message into options, before anything looks into one of them.
//!
//! `dhcproto` decodes a whole option area in one go: an option that it cannot read hides every later
//! one, and some lengths trip its debug assertions. A hostile or merely old client must not decide what
//! else we see of its packet, so the walk over code, length and value is ours, and `dhcproto` gets one
//! option at a time, only those that the server uses.
//!
//! Covered: padding, the end marker and its absence, the `file` and `sname` fields as further areas
//! (RFC 2132 section 9.3), and options in several pieces (RFC 3396). Not covered: what a value means.

use dhcproto::v4::DhcpOption;
use dhcproto::{Decodable, Decoder};

/// More pieces than any client sends; a packet is cut off here rather than walked on.
const MOST_PIECES: usize = 128;
/// The longest value that is put together from pieces, in bytes.
const LONGEST_VALUE: usize = 1024;

const PAD: u8 = 0;
const OVERLOAD: u8 = 52;
const END: u8 = 255;

/// The options of one message, still as bytes.
#[derive(Debug)]
pub struct Options<'a> {
    /// Each with its code and length in front, in the order of RFC 3396: options, `file`, `sname`.
    pieces: Vec<&'a [u8]>,
}

/// Why an option area cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error("an option runs past the end of its area")]
    Truncated,
    #[error("more than {MOST_PIECES} options")]
    TooMany,
}

/// An option that was looked for and is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Decoded(DhcpOption),
    /// The value as it came: `dhcproto` does not take it, or it is longer than we care to join.
    Raw(Vec<u8>),
}

impl<'a> Options<'a> {
    /// `options` is what follows the magic cookie.
    pub fn split(options: &'a [u8], file: &'a [u8], sname: &'a [u8]) -> Result<Self, SplitError> {
        let mut split = Self { pieces: Vec::with_capacity(24) };
        split.walk(options)?;
        let overload = match split.pieces_of(OVERLOAD).next() {
            Some([_, _, value]) => *value,
            _ => 0,
        };
        if overload & 1 != 0 {
            split.walk(file)?;
        }
        if overload & 2 != 0 {
            split.walk(sname)?;
        }
        Ok(split)
    }

    fn walk(&mut self, mut area: &'a [u8]) -> Result<(), SplitError> {
        while let [code, rest @ ..] = area {
            match *code {
                PAD => area = rest,
                END => break,
                _ => {
                    let length = 2 + usize::from(*rest.first().ok_or(SplitError::Truncated)?);
                    let (piece, after) = area.split_at_checked(length).ok_or(SplitError::Truncated)?;
                    if self.pieces.len() == MOST_PIECES {
                        return Err(SplitError::TooMany);
                    }
                    self.pieces.push(piece);
                    area = after;
                }
            }
        }
        Ok(())
    }

    fn pieces_of(&self, code: u8) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().copied().filter(move |piece| piece.first() == Some(&code))
    }

    pub fn has(&self, code: u8) -> bool {
        self.pieces_of(code).next().is_some()
    }

    /// The value of an option, pieces joined and cut at [`LONGEST_VALUE`].
    pub fn value(&self, code: u8) -> Option<Vec<u8>> {
        let mut pieces = self.pieces_of(code).peekable();
        pieces.peek()?;
        let mut value = Vec::new();
        for piece in pieces {
            value.extend(piece.iter().skip(2).take(LONGEST_VALUE - value.len()));
        }
        Some(value)
    }

    /// An option as `dhcproto` reads it.
    ///
    /// Only codes for which `dhcproto` asserts nothing about the length may be asked for; see
    /// [`super::request`] for the list in use.
    pub fn find(&self, code: u8) -> Option<Found> {
        let mut pieces = self.pieces_of(code);
        let first = pieces.next()?;
        let decoded = if pieces.next().is_none() {
            DhcpOption::decode(&mut Decoder::new(first))
        } else {
            let joined: Vec<u8> = self.pieces_of(code).flatten().copied().take(LONGEST_VALUE).collect();
            DhcpOption::decode(&mut Decoder::new(&joined))
        };
        Some(match decoded {
            Ok(option) => Found::Decoded(option),
            Err(_) => Found::Raw(self.value(code).unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn split(options: &[u8]) -> Options<'_> {
        Options::split(options, &[], &[]).unwrap()
    }

    #[test]
    fn an_undecodable_option_hides_nothing() {
        let options = split(&[12, 2, 0xff, 0xfe, 80, 1, 9, 50, 4, 10, 0, 0, 3, 255]);
        assert_eq!(options.find(12), Some(Found::Raw(vec![0xff, 0xfe])));
        let wanted = DhcpOption::RequestedIpAddress(Ipv4Addr::new(10, 0, 0, 3));
        assert_eq!(options.find(50), Some(Found::Decoded(wanted)));
    }

    #[test]
    fn the_end_marker_and_padding_are_optional() {
        assert!(split(&[0, 0, 53, 1, 1]).has(53));
        assert!(!split(&[53, 1, 1, 255, 50, 4, 1, 2, 3, 4]).has(50));
    }

    #[test]
    fn pieces_are_joined_even_apart() {
        let options = split(&[12, 2, b'a', b'b', 53, 1, 1, 12, 1, b'c', 255]);
        assert_eq!(options.value(12), Some(b"abc".to_vec()));
        assert_eq!(options.find(12), Some(Found::Decoded(DhcpOption::Hostname("abc".to_owned()))));
    }

    #[test]
    fn file_and_sname_are_areas_when_overloaded() {
        let (file, sname) = ([50, 4, 1, 2, 3, 4, 255], [12, 1, b'x', 0]);
        let codes = |value| {
            let options = [52, 1, value, 255];
            let split = Options::split(&options, &file, &sname).unwrap();
            (split.has(50), split.has(12))
        };
        assert_eq!(codes(0), (false, false));
        assert_eq!(codes(1), (true, false));
        assert_eq!(codes(2), (false, true));
        assert_eq!(codes(3), (true, true));
    }

    #[test]
    fn what_runs_past_the_end_is_refused() {
        for options in [&[50][..], &[50, 4, 1, 2, 3], &[50, 255]] {
            assert_eq!(Options::split(options, &[], &[]).unwrap_err(), SplitError::Truncated);
        }
        let many = [60, 0].repeat(MOST_PIECES + 1);
        assert_eq!(Options::split(&many, &[], &[]).unwrap_err(), SplitError::TooMany);
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_or_refused(bytes: Vec<u8>, file: [u8; 32], sname: [u8; 16]) {
            if let Ok(options) = Options::split(&bytes, &file, &sname) {
                for code in 1..=254 {
                    prop_assert_eq!(options.has(code), options.value(code).is_some());
                }
            }
        }
    }
}
