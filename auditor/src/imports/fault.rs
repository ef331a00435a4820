//! What is wrong with a table: where, and what would be right. Never what stands there.

use std::fmt;

/// At most so many are told.
const TOLD_MAX: usize = 100;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The text cannot be read as what it should be.
    Form,
    /// A column or field is missing.
    Missing,
    /// A column or field that is not known.
    Unknown,
    /// A value that is none of its kind.
    Value,
    /// The same stands in another row.
    Double,
    /// It would end before it begins.
    Backwards,
    /// It is valid at the same time as another row of the same.
    Overlap,
    /// It names what is not known here.
    Absent,
    /// More than is taken at once.
    TooMany,
}

impl What {
    /// Its stable name, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Value => "value",
            Self::Double => "double",
            Self::Backwards => "backwards",
            Self::Overlap => "overlap",
            Self::Absent => "absent",
            Self::TooMany => "too_many",
        }
    }
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line in the file, from 1; 0: the whole of it.
    pub line: u64,
    /// The column, from 1: of a table the cell's, of JSON the character's; 0: the whole row.
    pub column: u64,
    /// The field's name; empty: the whole row.
    pub field: &'static str,
    /// What.
    pub what: What,
    /// In words, with the cure.
    pub words: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => {}
            (line, 0) => write!(f, "line {line}: ")?,
            (line, column) => write!(f, "line {line}, column {column}: ")?,
        }
        if !self.field.is_empty() {
            write!(f, "{} ", self.field)?;
        }
        f.write_str(&self.words)
    }
}

/// All that is wrong with a table; the first hundred are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// The first of them.
    pub told: Vec<Fault>,
    /// How many there are.
    pub count: usize,
}

impl Faults {
    /// One more.
    pub fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(fault);
        }
    }

    /// These alone, if there are any.
    pub fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.count == 0 { Ok(value) } else { Err(self) }
    }

    /// One alone.
    pub fn one(line: u64, column: u64, field: &'static str, what: What, words: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(Fault { line, column, field, what, words: words.into() });
        faults
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault(s), nothing was brought in", self.count)?;
        for fault in &self.told {
            write!(f, "\n  {fault}")?;
        }
        if self.count > self.told.len() {
            write!(f, "\n  and {} more", self.count - self.told.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
