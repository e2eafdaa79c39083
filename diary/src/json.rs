//! A line for programs, with the keys that `tracing-subscriber` writes:
//! `{"timestamp":"…","level":"INFO","fields":{"message":"…","network":"…"},"target":"dhcp::apply"}`.

use std::error::Error;
use std::fmt::{Debug, Display};

use serde_json::Value;
use tracing::Metadata;
use tracing::field::{Field, Visit};

use crate::clock;
use crate::layer::is_shown;

/// Appends a line; `record` shows it the fields.
pub(crate) fn write(line: &mut Vec<u8>, metadata: &Metadata<'_>, record: impl FnOnce(&mut dyn Visit)) {
    begin(line, metadata.level());
    let mut fields = Fields { line, any: false };
    record(&mut fields);
    end(line, metadata.target());
}

pub(crate) fn complain(line: &mut Vec<u8>, lost: u64) {
    begin(line, &"WARN");
    let mut fields = Fields { line, any: false };
    fields.show("message", &Value::from("lines of this log are missing"));
    fields.show("lost", &Value::from(lost));
    end(line, "diary");
}

fn begin(line: &mut Vec<u8>, level: &dyn Display) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    clock::write_now(line);
    line.extend_from_slice(format!("\",\"level\":\"{level}\",\"fields\":{{").as_bytes());
}

fn end(line: &mut Vec<u8>, target: &str) {
    line.extend_from_slice(b"},\"target\":");
    string(line, target);
    line.extend_from_slice(b"}\n");
}

struct Fields<'l> {
    line: &'l mut Vec<u8>,
    any: bool,
}

impl Fields<'_> {
    fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.any, true) {
            self.line.push(b',');
        }
        string(self.line, name.trim_start_matches("r#"));
        self.line.push(b':');
    }

    fn show(&mut self, name: &str, value: &Value) {
        self.name(name);
        // Writing a value into memory does not fail.
        let _ = serde_json::to_writer(&mut *self.line, value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_shown(field) {
            self.name(field.name());
            string(self.line, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_shown(field) {
            self.show(field.name(), &Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if is_shown(field) {
            self.show(field.name(), &Value::from(value));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.show(field.name(), &Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.show(field.name(), &Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &value.to_string());
        let mut sources = Vec::new();
        let mut next = value.source();
        while let Some(source) = next {
            sources.push(Value::from(source.to_string()));
            next = source.source();
        }
        if !sources.is_empty() {
            self.show(&format!("{}.sources", field.name()), &Value::from(sources));
        }
    }
}

fn string(line: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(line, text);
}
