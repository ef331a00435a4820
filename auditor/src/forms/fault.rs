//! What cannot stand in a form: fields too long, missing, or that say different things.

use super::{Content, Form};
use contract::Micros;

/// The longest line, in characters.
const LINE_MAX: usize = 200;
/// The longest text of several lines.
const TEXT_MAX: usize = 2_000;
/// The most units that one right is for.
const UNITS_MAX: usize = 100;
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
    /// It does not say who somebody without an account is.
    #[error(
        "the form does not say who the person is: who has no account gives their personnummer or samordningsnummer"
    )]
    Number,
    /// It is about one account and changes another.
    #[error("the form is about one account and changes another")]
    Account,
    /// A right of another registry, or several.
    #[error("the form changes the right in its own registry only, and gives one there at most")]
    Registry,
}

impl Form {
    /// Whether it can be kept as an application of somebody without an account. An HSA-id alone is what they type: without
    /// a number nobody could tell that it is about who decides on it.
    pub fn check_newcomers(&self) -> Result<(), FormFault> {
        self.check()?;
        if self.subject.number.is_some() { Ok(()) } else { Err(FormFault::Number) }
    }

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
                check_line("the name", &form.name)?;
                check_line("the title", &form.title)?;
                check_line("the unit", &form.unit.0)?;
                if form.address.is_empty() || form.address.len() > ADDRESS_LINES_MAX {
                    return Err(FormFault::Text("the address"));
                }
                form.address.iter().try_for_each(|text| check_line("the address", text))?;
                check_line("the telephone number", &form.telephone)?;
                form.mobile.iter().try_for_each(|text| check_line("the mobile telephone number", text))?;
                form.email.iter().try_for_each(|text| check_line("the e-mail address", text))?;
                check_words("the purpose", &form.purpose)?;
                period(form.valid_from, form.valid_to)
            }
            Content::Alteration(form) => {
                check_words("the reason", &form.reason)?;
                if form.rights.len() > 1 || form.rights.iter().any(|grant| grant.registry != self.registry) {
                    return Err(FormFault::Registry);
                }
                if form.rights.iter().any(|grant| grant.units.len() > UNITS_MAX) {
                    return Err(FormFault::Text("the list of units"));
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

/// Text of one line.
pub fn check_line(field: &'static str, text: &str) -> Result<(), FormFault> {
    let fits = !text.trim().is_empty() && text.chars().count() <= LINE_MAX && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(FormFault::Text(field)) }
}

fn period(from: Micros, to: Option<Micros>) -> Result<(), FormFault> {
    if to.is_some_and(|to| to <= from) { Err(FormFault::Period) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{account, application, registry};
    use super::super::{Alteration, Application, Person};
    use super::*;
    use crate::duties::Region;
    use contract::directory::Grant;
    use contract::id::{HsaId, RegistryName};
    use contract::record::Right;

    fn form(content: Content) -> Form {
        let hsa = HsaId::parse("SE2321000016-P001").ok();
        let subject = Person { account: Some(account(1)), hsa, number: None };
        Form { subject, region: Region::Skane, registry: registry(), content }
    }

    #[test]
    fn an_application_is_whole_and_of_bounded_length() {
        let check = |change: fn(&mut Application)| {
            let mut form_1 = application();
            change(&mut form_1);
            form(Content::Application(form_1)).check()
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|form| form.name = " ".to_owned()), Err(FormFault::Text("the name")));
        assert_eq!(check(|form| form.name = "å".repeat(201)), Err(FormFault::Text("the name")));
        assert_eq!(check(|form| form.name = "å".repeat(200)), Ok(()));
        assert_eq!(check(|form| form.title = "a\u{1b}b".to_owned()), Err(FormFault::Text("the title")));
        assert_eq!(check(|form| form.address = Vec::new()), Err(FormFault::Text("the address")));
        assert_eq!(check(|form| form.address = vec!["a".to_owned(); 7]), Err(FormFault::Text("the address")));
        assert_eq!(check(|form| form.purpose = "a\nb".to_owned()), Ok(()));
        assert_eq!(check(|form| form.purpose = "a".repeat(2_001)), Err(FormFault::Text("the purpose")));
        assert_eq!(check(|form| form.valid_to = Some(form.valid_from)), Err(FormFault::Period));
    }

    #[test]
    fn a_change_is_of_one_account_and_one_right() {
        let check = |change: fn(&mut Form, &mut Alteration)| {
            let hsa = HsaId::parse("SE2321000016-U001").expect("valid");
            let grant =
                Grant { registry: registry(), right: Right::Read, units: vec![hsa], valid_from: 1, valid_to: None };
            let mut form_2 = Alteration { account: account(1), rights: vec![grant], reason: "Nytt".to_owned() };
            let mut form = form(Content::Application(application()));
            change(&mut form, &mut form_2);
            Form { content: Content::Alteration(form_2), ..form }.check()
        };
        assert_eq!(check(|_, _| {}), Ok(()));
        assert_eq!(check(|_, change| change.rights.clear()), Ok(()));
        assert_eq!(check(|_, change| change.account = account(2)), Err(FormFault::Account));
        assert_eq!(check(|form, _| form.subject.account = None), Err(FormFault::Account));
        assert_eq!(check(|form, _| form.subject.hsa = None), Err(FormFault::Subject));
        assert_eq!(check(|_, change| change.rights.extend(change.rights.clone())), Err(FormFault::Registry));
        let other = |form: &mut Form, _: &mut Alteration| form.registry = RegistryName::parse("annat").expect("valid");
        assert_eq!(check(other), Err(FormFault::Registry));
        let many = |_: &mut Form, change: &mut Alteration| {
            for grant in &mut change.rights {
                grant.units = std::iter::repeat_n(grant.units.clone(), 101).flatten().collect();
            }
        };
        assert_eq!(check(many), Err(FormFault::Text("the list of units")));
    }

    #[test]
    fn what_people_wrote_does_not_show() {
        let shown = format!("{:?}", form(Content::Application(application())));
        for secret in ["Anna", "Gatan", "046", "070", "Registrering"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let step = super::super::Move::Refuse("Känd av Bertil".to_owned());
        assert_eq!(format!("{step:?}"), "Move(refuse)");
    }
}
