//! The result: rows of figures, ours beside a peer's, and whether a limit is kept.

use serde::Serialize;

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The benchmark and what of it.
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
    pub(crate) unit: &'static str,
    /// Who the peer is.
    pub(crate) beside: String,
    pub(crate) limit: Limit,
}

/// What was promised.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Limit {
    /// Of ours to the peer's.
    Ratio(f64),
    /// Of ours alone.
    Value(f64),
    /// Nothing: for information.
    None,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self { name: name.into(), ours, peer: None, unit, beside: String::new(), limit: Limit::None }
    }

    pub(crate) fn beside(self, who: impl Into<String>, peer: f64) -> Self {
        Self { peer: Some(peer), beside: who.into(), ..self }
    }

    pub(crate) fn at_most(self, limit: f64) -> Self {
        Self { limit: Limit::Value(limit), ..self }
    }

    pub(crate) fn at_most_times(self, limit: f64) -> Self {
        Self { limit: Limit::Ratio(limit), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.filter(|peer| *peer > 0.0).map(|peer| self.ours / peer)
    }

    /// None when nothing was promised.
    pub(crate) fn is_within(&self) -> Option<bool> {
        match self.limit {
            Limit::Ratio(limit) => self.ratio().map(|ratio| ratio <= limit),
            Limit::Value(limit) => Some(self.ours <= limit),
            Limit::None => None,
        }
    }

    fn cells(&self) -> [String; 7] {
        let limit = match self.limit {
            Limit::Ratio(limit) => format!("x {limit}"),
            Limit::Value(limit) => format!("{limit} {}", self.unit),
            Limit::None => String::new(),
        };
        let ok = self.is_within().map_or("", |within| if within { "yes" } else { "NO" });
        [
            self.name.clone(),
            format!("{} {}", figure(self.ours), self.unit),
            self.peer.map(|peer| format!("{} {}", figure(peer), self.unit)).unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            limit,
            ok.to_owned(),
            self.beside.clone(),
        ]
    }
}

/// Three digits that matter.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

pub(crate) fn print(rows: &[Row]) {
    let head = ["", "ours", "peer", "ratio", "limit", "ok", "the peer"].map(str::to_owned);
    let lines: Vec<[String; 7]> = [head].into_iter().chain(rows.iter().map(Row::cells)).collect();
    let width =
        |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or(0)).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            1..=3 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

pub(crate) fn print_json(rows: &[Row]) -> anyhow::Result<()> {
    for row in rows {
        let mut line = serde_json::to_value(row)?;
        line["ratio"] = row.ratio().into();
        line["ok"] = row.is_within().into();
        println!("{line}");
    }
    Ok(())
}
