//! Data about people and units that other systems have: who leaves, which units there are, who works where. They come
//! as CSV or JSON, whole: one row that cannot be taken, and nothing of it is.

mod fault;
mod rows;
mod table;

pub use fault::{Fault, Faults, What};
pub use rows::{Assignment, Employment, Rows, Span, Unit};
pub use table::Format;

/// What is brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Until when people are employed. An account ends with the employment of its user.
    Employments,
    /// Units, with their care providers.
    Units,
    /// Who works in which unit.
    Assignments,
}

impl Feed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Employments, Self::Units, Self::Assignments];

    /// Its name, for interfaces and the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Employments => "employments",
            Self::Units => "units",
            Self::Assignments => "assignments",
        }
    }

    /// Its columns, all of which a table has to have, in any order.
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Employments => &["hsa", "last_day"],
            Self::Units => &["hsa", "name", "provider_hsa", "valid_from", "valid_to"],
            Self::Assignments => &["hsa", "unit_hsa", "title", "valid_from", "valid_to"],
        }
    }

    /// Reads a table. The rows are right each for itself and among themselves.
    pub fn read(self, text: &[u8], format: Format) -> Result<Rows, Faults> {
        Rows::read(self, &table::read(text, format, self.columns())?)
    }
}

/// A text names no feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of employments, units, assignments")]
pub struct NoFeed;

impl std::str::FromStr for Feed {
    type Err = NoFeed;

    fn from_str(text: &str) -> Result<Self, NoFeed> {
        Self::ALL.into_iter().find(|feed| feed.as_str() == text).ok_or(NoFeed)
    }
}

/// What an import did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Rows that were read.
    pub rows: usize,
    /// Of these, such as were not known.
    pub new: usize,
    /// And such as say something else than is known.
    pub changed: usize,
    /// Accounts that were closed since their users' employment is over.
    pub closed: usize,
}

#[cfg(test)]
mod tests;
