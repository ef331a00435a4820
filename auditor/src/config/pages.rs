//! Settings of the pages.

use contract::settings::Section;
use std::fmt;
use std::sync::Arc;

/// The script htmx. Only a text whose SHA-256 is the pinned one is one: it runs where people's data are shown.
#[derive(Clone)]
pub struct Htmx(Arc<str>);

impl Htmx {
    /// The script.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Any text, for tests.
    #[cfg(test)]
    pub(crate) fn of_test(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Htmx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Htmx({} bytes)", self.0.len())
    }
}

#[expect(clippy::option_option, reason = "none outside: a mistake; inside: no file is named")]
pub(super) fn read(section: &Section<'_>) -> Option<Option<Htmx>> {
    let htmx = if section.has("htmx") { read_htmx(section).map(Some) } else { Some(None) };
    section.finish();
    htmx
}

fn read_htmx(section: &Section<'_>) -> Option<Htmx> {
    let text = section.file("htmx")?;
    if let Err(pinned) = crate::fetch::check_htmx(&text) {
        let reason = format!(
            "names a file that is not the script that belongs to this program: its SHA-256 is not {pinned}. `auditor fetch \
             htmx` gets it, and `auditor fetch htmx --where` says where it is then"
        );
        section.reject("htmx", reason);
        return None;
    }
    Some(Htmx(text.as_str().into()))
}
