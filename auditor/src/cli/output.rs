//! Results as a table for people or JSON for programs, and complaints on standard error.

use super::CliError;
use serde::Serialize;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// One JSON value.
    Json,
    /// Aligned columns.
    Table,
}

/// Rows with a heading.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Lines below the rows, as they are.
    below: Vec<String>,
}

impl Table {
    pub(super) fn new<T>(head: &[&str], items: &[T], row: impl Fn(&T) -> Vec<String>) -> Self {
        Self {
            head: head.iter().map(|&name| name.to_owned()).collect(),
            rows: items.iter().map(row).collect(),
            below: Vec::new(),
        }
    }

    /// One line without a heading.
    pub(super) fn line(text: &str) -> Self {
        Self { head: Vec::new(), rows: vec![vec![text.to_owned()]], below: Vec::new() }
    }

    /// Names and values, a line each.
    pub(super) fn pairs(pairs: &[(&str, &str)]) -> Self {
        let rows = pairs.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect();
        Self { head: Vec::new(), rows, below: Vec::new() }
    }

    /// With these lines below, which belong to no column.
    pub(super) fn above(self, lines: Vec<String>) -> Self {
        Self { below: lines, ..self }
    }

    fn render(&self) -> String {
        let all = || std::iter::once(&self.head).filter(|head| !head.is_empty()).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| all().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        // Whoever named a device or an account does not get to write to the terminal.
        let shown = |text: &str| text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>();
        for row in all() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _never_fails = write!(line, "{:<width$}  ", shown(cell));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for line in &self.below {
            text.push_str(&shown(line));
            text.push('\n');
        }
        text
    }
}

impl Output {
    /// Writes a result.
    pub(super) fn write<T: Serialize>(self, value: &T, table: &Table) -> Result<(), CliError> {
        let text = match self {
            Self::Json => {
                let json = serde_json::to_string_pretty(value).map_err(|error| CliError::Output(error.into()))?;
                format!("{json}\n")
            }
            Self::Table => table.render(),
        };
        raw(text.as_bytes())
    }
}

/// A value as the word that its JSON is.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Writes to standard output.
pub(super) fn raw(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Writes something that whoever ran the command should know to standard error: the result stays as it is.
pub(super) fn note(text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let _nobody_reads = std::io::stderr().lock().write_all(format!("note: {text}\n").as_bytes());
}

/// Writes an error and what caused it to standard error.
pub(super) fn complain(error: &CliError) {
    let mut text = format!("auditor: {error}");
    if matches!(error, CliError::Settings(_)) {
        text = error.to_string();
    }
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.push('\n');
    let _nobody_reads = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_shown() {
        let table = Table::new(&["name", "n"], &[("å", "1"), ("long\u{1b}[2J", "22")], |(a, b)| {
            vec![(*a).to_owned(), (*b).to_owned()]
        });
        assert_eq!(table.render(), "name      n\nå         1\nlong\u{fffd}[2J  22\n");
        let below = Table::line("a").above(vec!["much longer\u{7}".to_owned()]);
        assert_eq!(below.render(), "a\nmuch longer\u{fffd}\n");
    }
}
