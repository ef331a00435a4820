//! What a person sees of a fetch: a spinner or a bar with the time that has passed, on a terminal; plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of one package.
pub(super) struct Progress {
    title: &'static str,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    silent: bool,
    started: Instant,
    stepped: bool,
}

impl Progress {
    pub(super) fn new(title: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { title, bar, silent: false, started: Instant::now(), stepped: false }
    }

    /// For tests.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self { title: "", bar: None, silent: true, started: Instant::now(), stepped: false }
    }

    /// A new step of unknown length.
    pub(super) fn step(&mut self, what: &str) {
        self.stepped = true;
        if let Some(bar) = &self.bar {
            bar.set_style(style("{spinner} {prefix}: {msg} [{elapsed}]"));
            bar.unset_length();
            bar.set_position(0);
            bar.set_prefix(self.title);
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
        } else {
            self.line(&format!("{}: {what}", self.title));
        }
    }

    /// The step has so many bytes.
    pub(super) fn length(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_style(style("{spinner} {prefix}: {msg} [{elapsed}] {bar:30} {bytes}/{total_bytes}"));
            bar.set_length(bytes);
            bar.set_position(0);
        }
    }

    /// So many bytes more are done.
    pub(super) fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// Something worth keeping on the screen.
    pub(super) fn say(&self, what: &str) {
        let line = format!("{}: {what}", self.title);
        match &self.bar {
            Some(bar) => bar.suspend(|| self.line(&line)),
            None => self.line(&line),
        }
    }

    /// Everything is there.
    pub(super) fn done(&mut self, place: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.stepped {
            self.line(&format!("{}: {place} ({:.1} s)", self.title, self.started.elapsed().as_secs_f64()));
        } else {
            self.line(&format!("{}: {place} (there already)", self.title));
        }
    }

    fn line(&self, line: &str) {
        if !self.silent {
            // Nobody listening is no reason to stop.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
