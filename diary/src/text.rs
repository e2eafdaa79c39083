//! A line for people, as `tracing-subscriber` writes it:
//! `2026-11-20T10:25:57.427653Z  INFO dhcp::apply: DHCP server listens network=… device="tap…"`.
//!
//! Control characters in values are escaped: one event is one line, whatever a guest calls itself.

use std::error::Error;
use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use crate::clock;
use crate::layer::is_shown;

const TARGET: &str = "diary";

/// Appends a line; `record` shows it the fields.
pub(crate) fn write(
    line: &mut Vec<u8>,
    metadata: &Metadata<'_>,
    colours: bool,
    record: impl FnOnce(&mut dyn Visit),
) {
    begin(line, *metadata.level(), metadata.target(), colours);
    record(&mut Fields { line, colours });
    line.push(b'\n');
}

/// Appends the message and the fields, each after a space, and no end of the line.
pub(crate) fn write_fields(line: &mut Vec<u8>, record: impl FnOnce(&mut dyn Visit)) {
    record(&mut Fields { line, colours: false });
}

pub(crate) fn complain(line: &mut Vec<u8>, colours: bool, lost: u64) {
    begin(line, Level::WARN, TARGET, colours);
    let mut fields = Fields { line, colours };
    fields.show("message", &format_args!("lines of this log are missing"));
    fields.show("lost", &lost);
    line.push(b'\n');
}

fn begin(line: &mut Vec<u8>, level: Level, target: &str, colours: bool) {
    let (name, colour) = match level {
        Level::ERROR => ("ERROR", "31"),
        Level::WARN => (" WARN", "33"),
        Level::INFO => (" INFO", "32"),
        Level::DEBUG => ("DEBUG", "34"),
        Level::TRACE => ("TRACE", "35"),
    };
    painted(line, colours, "2", clock::write_now);
    line.push(b' ');
    painted(line, colours, colour, |line| line.extend_from_slice(name.as_bytes()));
    line.push(b' ');
    painted(line, colours, "2", |line| {
        line.extend_from_slice(target.as_bytes());
        line.push(b':');
    });
}

fn painted(line: &mut Vec<u8>, colours: bool, colour: &str, write: impl FnOnce(&mut Vec<u8>)) {
    if !colours {
        return write(line);
    }
    line.extend_from_slice(b"\x1b[");
    line.extend_from_slice(colour.as_bytes());
    line.push(b'm');
    write(line);
    line.extend_from_slice(b"\x1b[0m");
}

struct Fields<'l> {
    line: &'l mut Vec<u8>,
    colours: bool,
}

impl Fields<'_> {
    /// The message is a value without a name.
    fn show(&mut self, name: &str, value: &dyn Debug) {
        self.name(name);
        // Writing into memory does not fail; a value that cannot be shown is left out.
        let _ = write!(Value(self.line), "{value:?}");
    }

    fn name(&mut self, name: &str) {
        self.line.push(b' ');
        if name != "message" {
            let name = name.trim_start_matches("r#");
            painted(self.line, self.colours, "3", |line| line.extend_from_slice(name.as_bytes()));
            painted(self.line, self.colours, "2", |line| line.push(b'='));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_shown(field) {
            self.show(field.name(), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.show("message", &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if !is_shown(field) {
            return;
        }
        self.show(field.name(), &format_args!("{value}"));
        if value.source().is_some() {
            self.show(&format!("{}.sources", field.name()), &Sources(value));
        }
    }
}

/// What led to an error: `[the nearest, the next, …]`.
struct Sources<'e>(&'e (dyn Error + 'static));

impl Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let mut next = self.0.source();
        while let Some(source) = next {
            list.entry(&format_args!("{source}"));
            next = source.source();
        }
        list.finish()
    }
}

/// Writes text without control characters.
struct Value<'l>(&'l mut Vec<u8>);

impl fmt::Write for Value<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Those from U+0080 on are two bytes in UTF-8, of which the first is 0xc2.
        let plain = |byte: &u8| *byte >= 0x20 && *byte != 0x7f && *byte != 0xc2;
        if text.as_bytes().iter().all(plain) {
            self.0.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        for character in text.chars() {
            if character.is_control() {
                write!(self.0, "{}", character.escape_default()).map_err(|_| fmt::Error)?;
            } else {
                self.0.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(())
    }
}
