//! Reading TOML settings: every mistake at once, each as `file:line: key: reason`.
//!
//! A [`Document`] is a file's tree with the line of each value, environment overrides laid over it. A program
//! reads it section by section; each read that fails is noted and gives `None`, and so the reader goes on to
//! find the next mistake. [`Document::finish`] tells whether there was any. A key that nobody asked for is a
//! mistake too, with the nearest known key as a hint.
//!
//! ```
//! # use contract::settings::Document;
//! let document = Document::parse("gateway.toml", "[node]\nname = \"gw1\"\n", []);
//! let node = document.root().section("node");
//! let name: Option<String> = node.required("name");
//! node.finish();
//! assert_eq!(name.as_deref(), Some("gw1"));
//! assert!(document.finish().is_ok());
//! ```

mod tree;
mod value;

pub use value::{OneOrSeveral, Setting};

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use tree::{Node, Place, Value};

/// The largest settings file, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File and line, or the environment variable.
    pub place: String,
    /// The key, with its sections: `journal.budget_bytes`.
    pub key: String,
    /// What is wrong, and how to cure it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.reason)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.reason)
        }
    }
}

/// Every mistake of a document, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A settings file that was read, and the mistakes found so far.
#[derive(Debug)]
pub struct Document {
    file: String,
    root: Node,
    problems: RefCell<Vec<(u32, Problem)>>,
    /// The file could not be read.
    unread: bool,
    /// Files that settings name are looked at, too.
    looks_at_files: bool,
}

impl Document {
    /// Reads a file. Overrides are (variable, value) pairs such as `("GATEWAY__JOURNAL__BUDGET_BYTES", "1000")`
    /// without the program's prefix: see [`overrides`].
    pub fn read(path: &Path, overrides: impl IntoIterator<Item = Override>) -> Self {
        let name = path.display().to_string();
        let text = match std::fs::metadata(path) {
            Ok(meta) if meta.len() > FILE_BYTES_MAX => Err(format!("the file is larger than {FILE_BYTES_MAX} bytes")),
            Ok(_) => std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}")),
            Err(error) => Err(format!("cannot be read: {error}")),
        };
        match text {
            Ok(text) => Self::parse(&name, &text, overrides),
            Err(reason) => {
                let mut document = Self::parse(&name, "", overrides);
                document.note(&Place::File(1), "", reason);
                document.unread = true;
                document
            }
        }
    }

    /// Looks at the files that settings name, too: one that cannot be read is a mistake like others. For those who are
    /// about to use them.
    #[must_use]
    pub fn looking_at_files(self) -> Self {
        Self { looks_at_files: true, ..self }
    }

    /// Reads a text; `file` names it in messages, and relative paths in it are relative to its folder.
    pub fn parse(file: &str, text: &str, overrides: impl IntoIterator<Item = Override>) -> Self {
        let (mut root, errors) = tree::parse(text);
        let document = RefCell::new(Vec::new());
        for over in overrides {
            tree::lay_over(&mut root, &over);
        }
        let document = Self { file: file.to_owned(), root, problems: document, unread: false, looks_at_files: false };
        for (line, reason) in errors {
            document.note(&Place::File(line), "", reason);
        }
        document
    }

    /// The top of the tree.
    pub fn root(&self) -> Section<'_> {
        Section { document: self, node: Some(&self.root), key: String::new(), known: RefCell::default() }
    }

    /// Notes a mistake that only the program can see, at the place of a value read before.
    pub fn reject(&self, at: &At, reason: impl Into<String>) {
        self.note(&at.place, &at.key, reason.into());
    }

    /// Whether all was well.
    pub fn finish(&self) -> Result<(), Problems> {
        let mut problems = self.problems.borrow().clone();
        if problems.is_empty() {
            return Ok(());
        }
        if self.unread {
            // All else is said to be missing, and is not.
            problems.truncate(1);
        }
        problems.sort();
        problems.dedup();
        Err(Problems(problems.into_iter().map(|(_, problem)| problem).collect()))
    }

    fn note(&self, place: &Place, key: &str, reason: String) {
        let (line, place) = match place {
            Place::File(line) => (*line, format!("{}:{line}", self.file)),
            Place::Variable(name) => (0, name.clone()),
        };
        self.problems.borrow_mut().push((line, Problem { place, key: key.to_owned(), reason }));
    }
}

/// An environment variable that replaces a value: `GATEWAY__JOURNAL__BUDGET_BYTES=1000`.
#[derive(Debug, Clone)]
pub struct Override {
    name: String,
    path: Vec<String>,
    value: String,
}

/// The overrides of a program among the environment's variables: those that begin with `PREFIX__`.
pub fn overrides(prefix: &str, variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    variables
        .into_iter()
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(prefix)?.strip_prefix("__")?;
            let path = path.split("__").map(str::to_ascii_lowercase).collect();
            Some(Override { name, path, value })
        })
        .collect()
}

/// Where a value stood, for a mistake that shows later.
#[derive(Debug, Clone)]
pub struct At {
    place: Place,
    key: String,
}

/// A table of the document. One that is absent reads as empty, so that all its required keys are named.
#[derive(Debug)]
pub struct Section<'a> {
    document: &'a Document,
    node: Option<&'a Node>,
    key: String,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    /// A table in this one. Absent: reads as empty.
    #[must_use]
    pub fn section(&self, key: &str) -> Section<'a> {
        let node = self.get(key);
        if let Some(node) = node
            && !matches!(node.value, Value::Table(_))
        {
            self.document.note(
                &node.place,
                &self.path(key),
                format!("is {}, where a table is expected", node.value.what()),
            );
            return Section { document: self.document, node: None, key: self.path(key), known: RefCell::default() };
        }
        Section { document: self.document, node, key: self.path(key), known: RefCell::default() }
    }

    /// Whether the document has this key.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether the document has a table of this key.
    pub fn is_table(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| matches!(node.value, Value::Table(_)))
    }

    /// The tables of an array of tables (`[[key]]`), none if absent.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.document.note(
                &node.place,
                &self.path(key),
                format!("is {}, where [[{key}]] tables are expected", node.value.what()),
            );
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let key = format!("{}[{i}]", self.path(key));
            if matches!(item.value, Value::Table(_)) {
                let (document, known) = (self.document, RefCell::default());
                sections.push(Section { document, node: Some(item), key, known });
            } else {
                self.document.note(&item.place, &key, format!("is {}, where a table is expected", item.value.what()));
            }
        }
        sections
    }

    /// A value that must be there.
    pub fn required<T: Setting>(&self, key: &str) -> Option<T> {
        if self.get(key).is_none() {
            self.document.note(&self.place(), &self.path(key), "is missing".to_owned());
            return None;
        }
        self.optional(key)
    }

    /// A value that may be there. `None` also when it is there and wrong, which is noted.
    pub fn optional<T: Setting>(&self, key: &str) -> Option<T> {
        let node = self.get(key)?;
        match T::read(&node.value) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.document.note(&node.place, &self.path(key), reason);
                None
            }
        }
    }

    /// A value, or what it is when nobody sets it.
    pub fn or<T: Setting>(&self, key: &str, default: T) -> Option<T> {
        if self.get(key).is_none() { Some(default) } else { self.optional(key) }
    }

    /// A value within bounds, or what it is when nobody sets it.
    pub fn within<T: Setting + Copy + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        default: T,
        low: T,
        high: T,
    ) -> Option<T> {
        let value = self.or(key, default)?;
        if value < low || value > high {
            self.reject(key, format!("is {value}, and must be {low} to {high}"));
            return None;
        }
        Some(value)
    }

    /// A value parsed from text by its own type; must be there.
    pub fn parsed<T>(&self, key: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        let text: String = self.required(key)?;
        self.parse_text(key, &text)
    }

    /// A value parsed from text by its own type; `Some(None)` when absent.
    pub fn parsed_optional<T>(&self, key: &str) -> Option<Option<T>>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        if !self.has(key) {
            return Some(None);
        }
        self.parsed(key).map(Some)
    }

    /// A list of values parsed from text; absent: empty. One wrong item is noted, and the rest still read.
    pub fn parsed_list<T>(&self, key: &str) -> Option<Vec<T>>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        let texts: Vec<String> = self.or(key, Vec::new())?;
        let count = texts.len();
        let values: Vec<T> = texts.iter().filter_map(|text| self.parse_text(key, text)).collect();
        (values.len() == count).then_some(values)
    }

    /// One of a closed list of words.
    pub fn word<T: Copy>(&self, key: &str, default: Option<T>, words: &[(&str, T)]) -> Option<T> {
        let text: Option<String> = self.optional(key);
        let Some(text) = text else {
            return match default {
                _ if self.has(key) => None,
                Some(value) => Some(value),
                None => self.required::<String>(key).and(None),
            };
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.reject(key, format!("is {text:?}, and must be one of: {}", names.join(", ")));
        }
        found
    }

    /// A path that must be there; a relative one is relative to the settings file's folder.
    pub fn path_required(&self, key: &str) -> Option<PathBuf> {
        self.required::<String>(key).map(|text| self.resolve(&text))
    }

    /// A list of paths.
    pub fn paths(&self, key: &str) -> Option<Vec<PathBuf>> {
        let texts: Vec<String> = self.required(key)?;
        Some(texts.iter().map(|text| self.resolve(text)).collect())
    }

    /// The path of a file that is read later: a certificate, a key. Whether it can be read is seen now, if the document
    /// [looks at files](Document::looking_at_files).
    pub fn file_required(&self, key: &str) -> Option<PathBuf> {
        let path = self.path_required(key)?;
        self.can_be_read(key, &path).then_some(path)
    }

    /// The path of a file that may be named. `Some(None)` when it is not.
    pub fn file_optional(&self, key: &str) -> Option<Option<PathBuf>> {
        if !self.has(key) {
            return Some(None);
        }
        self.file_required(key).map(Some)
    }

    /// Paths of files that are read later.
    pub fn files(&self, key: &str) -> Option<Vec<PathBuf>> {
        let paths = self.paths(key)?;
        let readable = paths.iter().filter(|path| self.can_be_read(key, path)).count();
        (readable == paths.len()).then_some(paths)
    }

    /// Whether a file holds what it should, as `read` judges its bytes: if the document
    /// [looks at files](Document::looking_at_files). `what` it should be is told if it does not; nothing of what it is.
    pub fn file_holds(&self, key: &str, path: &Path, what: &str, read: impl FnOnce(&[u8]) -> bool) -> bool {
        if !self.document.looks_at_files {
            return true;
        }
        // That it cannot be read was told.
        let Ok(bytes) = std::fs::read(path).map(zeroize::Zeroizing::new) else { return true };
        let good = read(&bytes);
        if !good {
            self.reject(key, format!("{} is not {what}", path.display()));
        }
        good
    }

    fn can_be_read(&self, key: &str, path: &Path) -> bool {
        if !self.document.looks_at_files {
            return true;
        }
        // A folder can be opened, and not read.
        let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut [0]));
        if let Err(error) = &read {
            self.reject(key, format!("{} cannot be read: {error}", path.display()));
        }
        read.is_ok()
    }

    /// A path as the settings file means it.
    pub fn resolve(&self, text: &str) -> PathBuf {
        Path::new(&self.document.file).parent().unwrap_or(Path::new("")).join(text)
    }

    /// The text of a file whose path stands under `key`: for secrets. Noted if the file cannot be read.
    pub fn file(&self, key: &str) -> Option<zeroize::Zeroizing<String>> {
        let path = self.path_required(key)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(zeroize::Zeroizing::new(text)),
            Err(error) => {
                self.reject(key, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    /// Notes a mistake of a value of this section.
    pub fn reject(&self, key: &str, reason: impl Into<String>) {
        let at = self.at(key);
        self.document.reject(&at, reason);
    }

    /// Where a value stands, for later.
    pub fn at(&self, key: &str) -> At {
        let place = self.get(key).map_or_else(|| self.place(), |node| node.place.clone());
        At { place, key: self.path(key) }
    }

    /// Ends the reading of this section: keys that nobody asked for are noted.
    pub fn finish(&self) {
        let Some(Node { value: Value::Table(table), .. }) = self.node else { return };
        let known = self.known.borrow();
        for (key, node) in table.iter().filter(|(key, _)| !known.contains(key.as_str())) {
            let hint = nearest(key, known.iter().map(String::as_str));
            let reason = if let Some(hint) = hint {
                format!("is not a known key; did you mean {hint:?}?")
            } else {
                let names: Vec<_> = known.iter().map(String::as_str).collect();
                format!("is not a known key; known here: {}", names.join(", "))
            };
            self.document.note(&node.place, &self.path(key), reason);
        }
    }

    fn parse_text<T>(&self, key: &str, text: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.reject(key, format!("{text:?}: {error}"));
                None
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        self.known.borrow_mut().insert(key.to_owned());
        match &self.node?.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }

    fn path(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    fn place(&self) -> Place {
        self.node.map_or(Place::File(1), |node| node.place.clone())
    }
}

/// The known key that differs least, if it differs by a slip of the pen.
fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.map(|k| (distance(key, k), k)).filter(|(d, k)| *d <= 1 + k.len() / 4).min().map(|(_, k)| k)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let up = *cell;
            let best = (diagonal + usize::from(x != y)).min(up + 1).min(left + 1);
            diagonal = up;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
