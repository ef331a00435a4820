//! What the commands print: the one place that writes to standard output and error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the place that prints")]

use std::fmt::Arguments;
use std::io::Write;

/// A line to standard output.
pub(crate) fn line(text: Arguments<'_>) {
    println!("{text}");
}

/// A line to standard error.
pub(crate) fn error(text: Arguments<'_>) {
    eprintln!("{text}");
}

/// Text to standard error as it is, for those who wait.
pub(crate) fn progress(text: Arguments<'_>) {
    eprint!("{text}");
    // Half a line would stay in the buffer.
    let _gone = std::io::stderr().flush();
}

/// Bytes to standard output.
pub(crate) fn raw(bytes: &[u8]) {
    // A reader that has gone wants no more.
    let _gone = std::io::stdout().write_all(bytes);
}
