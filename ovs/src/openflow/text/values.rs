//! Values of fields as text, each in the notation that `ovs-ofctl` has for it. Which field has which notation
//! is said in `field`.

use std::fmt::{self, Display, Formatter};

use super::super::action::{PORT_ALL, PORT_ANY, PORT_CONTROLLER, PORT_FLOOD, PORT_IN_PORT, PORT_LOCAL};
use super::super::action::{PORT_NORMAL, PORT_TABLE};
use super::super::field::{Notation, Value};

/// A whole value in the notation of its field.
pub(super) struct ValueText(pub(super) Notation, pub(super) u128);

impl Display for ValueText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(notation, value) = *self;
        match notation {
            Notation::Decimal => write!(out, "{value}"),
            Notation::Hexadecimal | Notation::ConnectionState => HexOrZero(value).fmt(out),
            Notation::Mac => Value(value).mac().fmt(out),
            Notation::Ipv4 => Value(value).ipv4().fmt(out),
            Notation::Ipv6 => Value(value).ipv6().fmt(out),
            Notation::Port => PortText(value as u32).fmt(out),
        }
    }
}

/// A value with its mask.
pub(super) struct MaskedText(pub(super) Notation, pub(super) u128, pub(super) u128);

impl Display for MaskedText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(notation, value, mask) = *self;
        let length = match notation {
            Notation::Ipv4 => prefix_length(mask, 32),
            Notation::Ipv6 => prefix_length(mask, 128),
            _ => None,
        };
        if let Some(length) = length {
            return write!(out, "{}/{length}", ValueText(notation, value));
        }
        match notation {
            Notation::Mac | Notation::Ipv4 | Notation::Ipv6 => {
                write!(out, "{}/{}", ValueText(notation, value), ValueText(notation, mask))
            }
            Notation::Decimal | Notation::Hexadecimal | Notation::ConnectionState | Notation::Port => {
                write!(out, "{value:#x}/{mask:#x}")
            }
        }
    }
}

/// How many ones a mask of `bits` bits begins with, if nothing but zeros follows them.
fn prefix_length(mask: u128, bits: u32) -> Option<u32> {
    let aligned = mask << (128 - bits);
    let ones = aligned.leading_ones();
    (ones == 128 || aligned << ones == 0).then_some(ones)
}

/// A port by its number or its reserved word.
pub(super) struct PortText(pub(super) u32);

impl Display for PortText {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            PORT_IN_PORT => out.write_str("IN_PORT"),
            PORT_TABLE => out.write_str("TABLE"),
            PORT_NORMAL => out.write_str("NORMAL"),
            PORT_FLOOD => out.write_str("FLOOD"),
            PORT_ALL => out.write_str("ALL"),
            PORT_CONTROLLER => out.write_str("CONTROLLER"),
            PORT_LOCAL => out.write_str("LOCAL"),
            PORT_ANY => out.write_str("ANY"),
            number => number.fmt(out),
        }
    }
}

/// Hexadecimal with a prefix, except that zero is `0`.
pub(super) struct HexOrZero(pub(super) u128);

impl Display for HexOrZero {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { out.write_str("0") } else { write!(out, "{:#x}", self.0) }
    }
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Bytes as hexadecimal digits with dots between them.
pub(super) struct Dotted<'a>(pub(super) &'a [u8]);

impl Display for Dotted<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(out, "{}{byte:02x}", if place == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}
