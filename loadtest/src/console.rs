//! What the program says to the person at the terminal: standard output for results, standard error for progress.

use std::io::{IsTerminal, Write};

/// Writes a line of the result to standard output. A closed pipe is not an error.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Writes a line of progress to standard error.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Whether a person can see progress lines that overwrite themselves.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A line of progress that overwrites the last on a terminal, and says nothing elsewhere.
pub fn progress(line: &str) {
    if is_terminal() {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[2K{line}");
        let _ = err.flush();
    }
}

/// Ends a line of [`progress`].
pub fn progress_end() {
    if is_terminal() {
        let _ = writeln!(std::io::stderr().lock());
    }
}

/// In which form results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One line of JSON.
    Json,
}
