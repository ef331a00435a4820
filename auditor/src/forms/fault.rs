//! What cannot stand in a form: fields too long, missing, or that say different things.

use super::{Content, Form};
use contract::Micros;

/// The longest line, in characters.
const LINE_MAX: usize = 200;
/// The longest text of several lines.
const TEXT_MAX: usize = 2_000;
/// The most lines of an address.
const ADDRESS_LINES_MAX: usize = 6;

/// Why a form cannot be kept. Never holds what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// A field is empty, too long, or has characters that cannot be printed.
    #[error("{0} is missing, too long, or has characters that cannot be printed")]
    Text(&'static str),
    /// It would end before it begins.
    #[error("the right would end before it begins")]
    Period,
    /// It does not say whom it is about.
    #[error("the form does not say whom it is about: forms 1 and 2 need the person's HSA-id")]
    Subject,
    /// It is about one account and changes another.
    #[error("the form is about one account and changes another")]
    Account,
    /// A right of another registry, or several.
    #[error("the form changes the right in its own registry only, and gives one there at most")]
    Registry,
}

impl Form {
    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), FormFault> {
        if self.content.account().is_some_and(|account| self.subject.account != Some(account)) {
            return Err(FormFault::Account);
        }
        // What gives something is decided on by others, who are told apart by it.
        if self.subject.hsa.is_none() && !matches!(self.content, Content::Deregistration(_)) {
            return Err(FormFault::Subject);
        }
        match &self.content {
            Content::Application(form) => {
                line("the name", &form.name)?;
                line("the title", &form.title)?;
                line("the unit", &form.unit.0)?;
                if form.address.is_empty() || form.address.len() > ADDRESS_LINES_MAX {
                    return Err(FormFault::Text("the address"));
                }
                form.address.iter().try_for_each(|text| line("the address", text))?;
                line("the telephone number", &form.telephone)?;
                form.mobile.iter().try_for_each(|text| line("the mobile telephone number", text))?;
                form.email.iter().try_for_each(|text| line("the e-mail address", text))?;
                check_words("the purpose", &form.purpose)?;
                period(form.valid_from, form.valid_to)
            }
            Content::Alteration(form) => {
                check_words("the reason", &form.reason)?;
                if form.rights.len() > 1 || form.rights.iter().any(|grant| grant.registry != self.registry) {
                    return Err(FormFault::Registry);
                }
                form.rights.iter().try_for_each(|grant| period(grant.valid_from, grant.valid_to))
            }
            Content::Deregistration(form) => check_words("the reason", &form.reason),
        }
    }
}

/// Text of several lines: also what an approver says, or why something is refused.
pub fn check_words(field: &'static str, text: &str) -> Result<(), FormFault> {
    let bad = |c: char| c.is_control() && c != '\n';
    let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_MAX && !text.chars().any(bad);
    if fits { Ok(()) } else { Err(FormFault::Text(field)) }
}

fn line(field: &'static str, text: &str) -> Result<(), FormFault> {
    let fits = !text.trim().is_empty() && text.chars().count() <= LINE_MAX && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(FormFault::Text(field)) }
}

fn period(from: Micros, to: Option<Micros>) -> Result<(), FormFault> {
    if to.is_some_and(|to| to <= from) { Err(FormFault::Period) } else { Ok(()) }
}
