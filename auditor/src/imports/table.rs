//! Tables as they come: CSV (RFC 4180, also with `;` as Swedish spreadsheets write it), or JSON as a list of objects
//! whose values are texts or null.

use super::fault::{Fault, Faults, What};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma or semicolon separated, with a line of names, in UTF-8.
    Csv,
    /// A list of objects.
    Json,
}

/// The most rows that are taken at once.
const ROWS_MAX: usize = 50_000;
/// The longest text in a cell, in characters.
const CELL_MAX: usize = 200;

/// A row: its place, and its cells in the order of the columns that were asked for.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    cells: Vec<Cell>,
}

#[derive(Debug, Default, Clone)]
struct Cell {
    column: u64,
    text: String,
}

impl Row {
    /// A cell's text, empty if nothing stands there, and its column.
    pub(super) fn cell(&self, index: usize) -> (&str, u64) {
        self.cells.get(index).map_or(("", 0), |cell| (cell.text.as_str(), cell.column))
    }
}

/// Reads a table that has these columns and no others.
pub(super) fn read(text: &[u8], format: Format, columns: &'static [&'static str]) -> Result<Vec<Row>, Faults> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = text.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.split(|byte| *byte == b'\n').skip(1).count() as u64;
        Faults::one(line, 0, "", What::Form, "is not UTF-8: save the file with that encoding")
    })?;
    match format {
        Format::Csv => csv(text, columns),
        Format::Json => json(text, columns),
    }
}

fn too_many(line: u64) -> Faults {
    let words = format!("there are more than {ROWS_MAX} rows: bring them in one part after the other");
    Faults::one(line, 0, "", What::TooMany, words)
}

fn csv(text: &str, columns: &'static [&'static str]) -> Result<Vec<Row>, Faults> {
    let semicolons = text.lines().next().is_some_and(|line| line.contains(';'));
    let delimiter = if semicolons { b';' } else { b',' };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let broken = |error: &::csv::Error| {
        let line = error.position().map_or(0, ::csv::Position::line);
        Faults::one(line, 0, "", What::Form, "cannot be read as CSV: is a quotation mark not closed?")
    };
    let names = reader.headers().map_err(|error| broken(&error))?.clone();
    let mut faults = Faults::default();
    for (place, name) in (1..).zip(&names) {
        if !columns.contains(&name) {
            let words = format!("is not known; the columns are {}", columns.join(", "));
            faults.add(Fault { line: 1, column: place, field: "", what: What::Unknown, words });
        } else if names.iter().filter(|other| *other == name).count() > 1 {
            let words = "stands there more than once".to_owned();
            faults.add(Fault { line: 1, column: place, field: "", what: What::Double, words });
        }
    }
    for column in columns {
        if !names.iter().any(|name| name == *column) {
            let words = "is missing in the first line, which names the columns".to_owned();
            faults.add(Fault { line: 1, column: 0, field: column, what: What::Missing, words });
        }
    }
    let mut faults = match faults.none_or(()) {
        Ok(()) => Faults::default(),
        Err(faults) => return Err(faults),
    };
    let places: Vec<usize> =
        columns.iter().map(|column| names.iter().position(|name| name == *column).unwrap_or_default()).collect();
    let (mut rows, mut lines) = (Vec::new(), Lines { text: text.as_bytes(), at: 0, line: 1 });
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = lines.of(record.position().map_or(0, ::csv::Position::byte));
        if rows.len() == ROWS_MAX {
            return Err(too_many(line));
        }
        if record.len() != names.len() {
            let words = format!("has {} cells, and the first line {}", record.len(), names.len());
            faults.add(Fault { line, column: 0, field: "", what: What::Form, words });
            continue;
        }
        let cell =
            |place: &usize| Cell { column: *place as u64 + 1, text: record.get(*place).unwrap_or_default().to_owned() };
        rows.push(Row { line, cells: places.iter().map(cell).collect() });
    }
    long(&rows, columns, &mut faults);
    faults.none_or(rows)
}

/// On which line a record begins. The reader's own count is one too low where lines end with CR and LF: its record
/// begins between the two.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Records come in their order.
    fn of(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(byte) = self.text.get(self.at) {
            if self.at >= begin && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn json(text: &str, columns: &'static [&'static str]) -> Result<Vec<Row>, Faults> {
    let list: Vec<Object> = serde_json::from_str(text).map_err(|error| {
        // serde's own words would repeat what stands there.
        let words = "is not a list of objects whose values are texts or null";
        Faults::one(error.line() as u64, error.column() as u64, "", What::Form, words)
    })?;
    let (mut rows, mut faults) = (Vec::with_capacity(list.len().min(ROWS_MAX)), Faults::default());
    for (fields, line) in list.into_iter().zip(lines_of_objects(text)) {
        if rows.len() == ROWS_MAX {
            return Err(too_many(line));
        }
        let Object(pairs) = fields;
        let count = pairs.len();
        let fields: BTreeMap<String, Option<String>> = pairs.into_iter().collect();
        if fields.len() < count {
            let words = "has a field that stands there more than once".to_owned();
            faults.add(Fault { line, column: 0, field: "", what: What::Double, words });
            continue;
        }
        if fields.keys().any(|name| !columns.contains(&name.as_str())) {
            let words = format!("has a field that is not known; the fields are {}", columns.join(", "));
            faults.add(Fault { line, column: 0, field: "", what: What::Unknown, words });
            continue;
        }
        let cell = |column: &&'static str| Cell {
            column: 0,
            text: fields.get(*column).cloned().flatten().map_or_else(String::new, |text| text.trim().to_owned()),
        };
        rows.push(Row { line, cells: columns.iter().map(cell).collect() });
    }
    long(&rows, columns, &mut faults);
    faults.none_or(rows)
}

/// An object's fields as they stand there: programs differ in which of two of one name they take.
struct Object(Vec<(String, Option<String>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose values are texts or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Object, A::Error> {
        let mut all = Vec::new();
        while let Some(field) = fields.next_entry()? {
            all.push(field);
        }
        Ok(Object(all))
    }
}

/// The lines on which objects begin, in a list of objects that was read before.
fn lines_of_objects(text: &str) -> impl Iterator<Item = u64> {
    let (mut line, mut quoted, mut escaped) = (1, false, false);
    text.bytes().filter_map(move |byte| {
        line += u64::from(byte == b'\n');
        let begins = !quoted && byte == b'{';
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && byte == b'\\' && !escaped;
        begins.then_some(line)
    })
}

/// Cells that are too long, or have characters that cannot be printed.
fn long(rows: &[Row], columns: &'static [&'static str], faults: &mut Faults) {
    for row in rows {
        for (cell, field) in row.cells.iter().zip(columns) {
            if cell.text.chars().count() > CELL_MAX || cell.text.chars().any(char::is_control) {
                let words = format!("is longer than {CELL_MAX} characters, or has some that cannot be printed");
                faults.add(Fault { line: row.line, column: cell.column, field, what: What::Value, words });
            }
        }
    }
}
