//! Matches as bytes: a list of OXM fields, each a header of 32 bits, a value, and perhaps a mask.
//! A field that has no name here, or not the width that it should have, is kept as bytes.
//!
//! Source: OpenFlow 1.4.0, section 7.2.3.

use bytes::BufMut;

use super::super::field::{Field, Subfield};
use super::super::matcher::Match;
use super::{DecodeError, pad, set_length, take, take_array, take_u16};

/// The type of a match that is a list of OXM fields.
const MATCH_OXM: u16 = 1;
const HAS_MASK: u32 = 0x100;
const PART: &str = "match";

/// Writes a whole `ofp_match`, filled up to a multiple of 8.
pub(super) fn write_match(matches: &Match, out: &mut Vec<u8>) {
    let start = out.len();
    out.put_u16(MATCH_OXM);
    out.put_u16(0);
    for matched in matches.fields() {
        let header = matched.field.match_header();
        let length = matched.field.bytes();
        if matched.is_exact() {
            out.put_u32(header);
            write_value(matched.value, length, out);
        } else {
            let doubled = (header & 0xff) << 1;
            out.put_u32(header & !0xff | HAS_MASK | doubled);
            write_value(matched.value, length, out);
            write_value(matched.mask, length, out);
        }
    }
    out.extend_from_slice(matches.unknown());
    set_length(out, start, start + 2);
    pad(out, start);
}

/// Reads a whole `ofp_match` and what it is filled up with.
pub(super) fn read_match(rest: &mut &[u8]) -> Result<Match, DecodeError> {
    let kind = take_u16(rest, PART)?;
    let length = usize::from(take_u16(rest, PART)?);
    let bad_length = DecodeError::Length { part: PART, length };
    let body = take(rest, length.checked_sub(4).ok_or(bad_length)?, PART)?;
    take(rest, length.next_multiple_of(8) - length, PART)?;
    if kind != MATCH_OXM {
        return Err(DecodeError::MatchType { kind });
    }
    let mut matches = Match::new();
    read_fields(body, &mut matches)?;
    Ok(matches)
}

fn read_fields(mut rest: &[u8], matches: &mut Match) -> Result<(), DecodeError> {
    while !rest.is_empty() {
        let whole = rest;
        let header = u32::from_be_bytes(take_array(&mut rest, PART)?);
        let payload = take(&mut rest, (header & 0xff) as usize, PART)?;
        match known_field(header, payload) {
            Some((field, value, mask)) => matches.insert(field, value, mask),
            None => matches.add_unknown(&whole[..4 + payload.len()]),
        }
    }
    Ok(())
}

/// The field with value and mask, if it has a name and the width that goes with it.
fn known_field(header: u32, payload: &[u8]) -> Option<(Field, u128, u128)> {
    let field = Field::from_header(header)?;
    let bytes = field.bytes();
    if header & HAS_MASK == 0 && payload.len() == bytes {
        Some((field, read_value(payload), u128::MAX))
    } else if header & HAS_MASK != 0 && payload.len() == 2 * bytes {
        let (value, mask) = payload.split_at(bytes);
        Some((field, read_value(value), read_value(mask)))
    } else {
        None
    }
}

/// Writes the lowest `length` bytes of a value.
pub(super) fn write_value(value: u128, length: usize, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    out.extend_from_slice(&bytes[bytes.len() - length.min(bytes.len())..]);
}

/// A value from up to 16 bytes; of more, the last 16.
pub(super) fn read_value(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// The whole field that an action of Nicira names, if it has a name here.
pub(super) fn field_of_header(header: u32) -> Option<Field> {
    let field = Field::from_header(header)?;
    (header & 0x1ff == field.subfield_header() & 0x1ff).then_some(field)
}

/// A subfield, if its field has a name here and holds the bits.
pub(super) fn subfield(header: u32, offset: u16, width: u16) -> Option<Subfield> {
    let field = field_of_header(header)?;
    let fits = width > 0 && offset.checked_add(width)? <= field.bits();
    fits.then_some(Subfield { field, offset, width })
}

/// Offset and width in one number, as the actions of Nicira have them.
pub(super) fn offset_and_width(subfield: Subfield) -> u16 {
    subfield.offset << 6 | (subfield.width.saturating_sub(1) & 0x3f)
}

/// A subfield of up to 64 bits from its header and the number with offset and width.
pub(super) fn packed_subfield(header: u32, packed: u16) -> Option<Subfield> {
    subfield(header, packed >> 6, (packed & 0x3f) + 1)
}
