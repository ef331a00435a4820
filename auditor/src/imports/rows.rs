//! Rows with a meaning: read cell by cell, and held against each other.

use super::Feed;
use super::fault::{Fault, Faults, What};
use super::table::Row;
use contract::Micros;
use contract::id::HsaId;
use std::collections::BTreeMap;

/// A day, in microseconds.
const DAY: Micros = 86_400_000_000;

/// From when until when something is so; without an end for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// From when.
    pub from: Micros,
    /// Until when, not with it.
    pub to: Option<Micros>,
}

impl Span {
    /// Whether both are so at some time.
    pub fn meets(self, other: Self) -> bool {
        self.to.is_none_or(|to| other.from < to) && other.to.is_none_or(|to| self.from < to)
    }
}

/// Until when somebody is employed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employment {
    /// Who.
    pub hsa: HsaId,
    /// When it is over: the day after the last. None: it goes on.
    pub over: Option<Micros>,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Which.
    pub hsa: HsaId,
    /// Its name.
    pub name: String,
    /// Its care provider (vårdgivare).
    pub provider: HsaId,
    /// When it is so.
    pub span: Span,
}

/// That somebody works in a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Who.
    pub hsa: HsaId,
    /// Where.
    pub unit: HsaId,
    /// Their title there.
    pub title: String,
    /// When it is so.
    pub span: Span,
}

/// What was read, each with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// [`Feed::Employments`]
    Employments(Vec<(u64, Employment)>),
    /// [`Feed::Units`]
    Units(Vec<(u64, Unit)>),
    /// [`Feed::Assignments`]
    Assignments(Vec<(u64, Assignment)>),
}

impl Rows {
    /// What they tell of.
    pub fn feed(&self) -> Feed {
        match self {
            Self::Employments(_) => Feed::Employments,
            Self::Units(_) => Feed::Units,
            Self::Assignments(_) => Feed::Assignments,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Employments(rows) => rows.len(),
            Self::Units(rows) => rows.len(),
            Self::Assignments(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn read(feed: Feed, table: &[Row]) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let rows = match feed {
            Feed::Employments => {
                let rows = each(table, feed, &mut faults, |cells| {
                    let (hsa, last) = (cells.hsa(0), cells.optional_day(1));
                    Some(Employment { hsa: hsa?, over: last?.map(|last| last.saturating_add(DAY)) })
                });
                doubles(&rows, |row| row.hsa.clone(), &mut faults);
                Self::Employments(rows)
            }
            Feed::Units => {
                let rows = each(table, feed, &mut faults, |cells| {
                    let (hsa, name, provider, span) = (cells.hsa(0), cells.name(1), cells.hsa(2), cells.span(3));
                    Some(Unit { hsa: hsa?, name: name?, provider: provider?, span: span? })
                });
                overlaps(&rows, |row| row.hsa.clone(), |row| row.span, &mut faults);
                Self::Units(rows)
            }
            Feed::Assignments => {
                let rows = each(table, feed, &mut faults, |cells| {
                    let (hsa, unit, span) = (cells.hsa(0), cells.hsa(1), cells.span(3));
                    Some(Assignment { hsa: hsa?, unit: unit?, title: cells.text(2).to_owned(), span: span? })
                });
                overlaps(&rows, |row| (row.hsa.clone(), row.unit.clone()), |row| row.span, &mut faults);
                Self::Assignments(rows)
            }
        };
        faults.none_or(rows)
    }
}

fn each<T>(
    table: &[Row],
    feed: Feed,
    faults: &mut Faults,
    read: impl Fn(&mut Cells<'_>) -> Option<T>,
) -> Vec<(u64, T)> {
    let mut rows = Vec::with_capacity(table.len());
    for row in table {
        if let Some(value) = read(&mut Cells { row, feed, faults }) {
            rows.push((row.line, value));
        }
    }
    rows
}

/// A row's cells, and where to tell what is wrong with them.
struct Cells<'r> {
    row: &'r Row,
    feed: Feed,
    faults: &'r mut Faults,
}

impl Cells<'_> {
    fn wrong(&mut self, index: usize, what: What, words: &str) {
        let field = self.feed.columns().get(index).copied().unwrap_or_default();
        let column = self.row.cell(index).1;
        self.faults.add(Fault { line: self.row.line, column, field, what, words: words.to_owned() });
    }

    fn text(&self, index: usize) -> &str {
        self.row.cell(index).0
    }

    fn name(&mut self, index: usize) -> Option<String> {
        let name = self.text(index).to_owned();
        if name.is_empty() {
            self.wrong(index, What::Missing, "is missing");
            return None;
        }
        Some(name)
    }

    fn hsa(&mut self, index: usize) -> Option<HsaId> {
        let hsa = HsaId::parse(self.text(index)).ok();
        if hsa.is_none() {
            self.wrong(index, What::Value, "must be an HSA-id, as SE2321000016-1A2B");
        }
        hsa
    }

    /// A day's first moment.
    #[expect(clippy::option_option, reason = "none outside: a mistake; inside: nothing stands there")]
    fn optional_day(&mut self, index: usize) -> Option<Option<Micros>> {
        let text = self.text(index);
        if text.is_empty() {
            return Some(None);
        }
        let day = contract::instant::parse(text).ok().filter(|_| text.len() == "2026-11-01".len());
        if day.is_none() {
            self.wrong(index, What::Value, "must be a day, as 2026-11-01");
        }
        day.map(Some)
    }

    /// The cells `valid_from` and `valid_to`, the last day.
    fn span(&mut self, index: usize) -> Option<Span> {
        let (from, to) = (self.optional_day(index), self.optional_day(index + 1));
        let Some(from) = from? else {
            self.wrong(index, What::Missing, "is missing");
            return None;
        };
        let to = to?.map(|last| last.saturating_add(DAY));
        if to.is_some_and(|to| to <= from) {
            self.wrong(index + 1, What::Backwards, "is before valid_from");
            return None;
        }
        Some(Span { from, to })
    }
}

fn doubles<T, K: Ord>(rows: &[(u64, T)], key: impl Fn(&T) -> K, faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (line, row) in rows {
        if let Some(first) = seen.insert(key(row), *line) {
            let words = format!("is about the same as line {first}");
            faults.add(Fault { line: *line, column: 0, field: "", what: What::Double, words });
        }
    }
}

fn overlaps<T, K: Ord>(rows: &[(u64, T)], key: impl Fn(&T) -> K, span: impl Fn(&T) -> Span, faults: &mut Faults) {
    let mut of: BTreeMap<K, Vec<(Span, u64)>> = BTreeMap::new();
    for (line, row) in rows {
        of.entry(key(row)).or_default().push((span(row), *line));
    }
    for mut spans in of.into_values() {
        spans.sort_by_key(|(span, line)| (span.from, *line));
        for ((one, first), (other, line)) in spans.iter().zip(spans.iter().skip(1)) {
            if one.meets(*other) {
                let words = format!("is valid at the same time as line {first}");
                faults.add(Fault { line: *line, column: 0, field: "", what: What::Overlap, words });
            }
        }
    }
}
