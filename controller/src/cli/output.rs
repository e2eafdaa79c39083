//! What a command prints: a table, the fields of one thing, or text. The same as JSON on request.

use std::fmt;

use serde_json::Value;

/// The result of a command.
#[derive(Clone, Debug)]
pub struct Output {
    value: Value,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Table(&'static [&'static str]),
    Fields,
    Text(String),
    Json,
}

impl Output {
    pub(super) fn table(columns: &'static [&'static str], value: Value) -> Self {
        Self { value, shape: Shape::Table(columns) }
    }

    pub(super) fn fields(value: Value) -> Self {
        Self { value, shape: Shape::Fields }
    }

    pub(super) fn text(text: String, value: Value) -> Self {
        Self { value, shape: Shape::Text(text) }
    }

    pub(super) fn json(value: Value) -> Self {
        Self { value, shape: Shape::Json }
    }

    /// The answer itself, for `--json`.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// For people; ends with a line feed, or is empty.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Table(columns) => table(f, columns, self.value.as_array().map_or(&[], Vec::as_slice)),
            Shape::Fields => fields(f, &self.value),
            Shape::Text(text) => f.write_str(text),
            Shape::Json => writeln!(f, "{:#}", self.value),
        }
    }
}

fn table(f: &mut fmt::Formatter<'_>, columns: &[&str], rows: &[Value]) -> fmt::Result {
    let heads = columns.iter().map(|column| heading(column)).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|column| cell(row.get(column))).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(cells).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    for line in lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn fields(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    let Some(map) = value.as_object() else { return Ok(()) };
    let width = map.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, value) in map {
        writeln!(f, "{}", format!("{name:width$}  {}", cell(Some(value))).trim_end())?;
    }
    Ok(())
}

/// `floating_ip_address` as `FLOATING IP ADDRESS`, without the prefix of an extension.
fn heading(column: &str) -> String {
    let plain = column.rsplit(':').next().unwrap_or(column);
    plain.replace('_', " ").to_uppercase()
}

/// A value in one line.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => values.iter().map(entry).collect::<Vec<_>>().join(", "),
        Some(Value::Object(map)) if map.is_empty() => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// An entry of a list: addresses, pools and routes in the way people write them.
fn entry(value: &Value) -> String {
    let part = |name| value.get(name).and_then(Value::as_str);
    if let Some(address) = part("ip_address") {
        return address.to_owned();
    }
    if let (Some(start), Some(end)) = (part("start"), part("end")) {
        return format!("{start}-{end}");
    }
    if let (Some(destination), Some(nexthop)) = (part("destination"), part("nexthop")) {
        return format!("{destination} via {nexthop}");
    }
    cell(Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_line_up() {
        let list = json!([
            {"id": "1", "name": "a name", "fixed_ips": [{"ip_address": "10.0.0.1"}, {"ip_address": "10.0.0.2"}]},
            {"id": "22", "name": "b", "fixed_ips": []},
        ]);
        let shown = Output::table(&["id", "name", "fixed_ips"], list).to_string();
        assert_eq!(shown, "ID  NAME    FIXED IPS\n1   a name  10.0.0.1, 10.0.0.2\n22  b\n");
    }
}
