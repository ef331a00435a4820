//! The fields of the three forms, as the registries' own paper forms name them.

use super::field::{Choice, Field, Input, Wrong};
use super::sheet::Sheet;
use crate::duties::Region;
use crate::forms::Kind;
use crate::web::language::Language;

/// What a form is about, which decides which fields it has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    /// The account has an HSA-id, which counts.
    pub(super) hsa: bool,
    /// Whose account it is has been said.
    pub(super) account: bool,
}

/// A form's fields, not yet filled in.
pub(super) fn fields(speaks: impl Into<Language>, kind: Kind, given: Given) -> Vec<Field> {
    let speaks = speaks.into();
    match kind {
        Kind::Application => application(speaks, given),
        Kind::Alteration => alteration(speaks, given),
        Kind::Deregistration => {
            let mut fields = whose(speaks, given);
            fields.extend([region(speaks), registry(speaks), words(speaks, "reason", "forms-reason")]);
            fields
        }
    }
}

/// The fields with what stands in them, and what is wrong with it.
pub(super) fn filled(fields: Vec<Field>, sheet: &Sheet, wrong: &[Wrong]) -> Vec<Field> {
    let fill = |field: Field| {
        let name = field.name;
        field.with(sheet.get(name), wrong)
    };
    fields.into_iter().map(fill).collect()
}

fn application(speaks: Language, given: Given) -> Vec<Field> {
    let line = |name, key| Field::line(speaks, name, key);
    let hsa = line("hsa", "forms-hsa").hinted(speaks, "forms-hsa-hint");
    let mut fields = vec![
        line("name", "forms-name").filled_by("name"),
        line("number", "forms-number").hinted(speaks, "forms-number-hint").optional(),
    ];
    fields.extend((!given.hsa).then_some(hsa));
    fields.extend([
        line("title", "forms-title").filled_by("organization-title"),
        region(speaks),
        line("unit", "forms-unit").filled_by("organization"),
        line("unit_hsa", "forms-unit-hsa").hinted(speaks, "forms-hsa-hint"),
        line("address", "forms-address")
            .hinted(speaks, "forms-address-hint")
            .input(Input::Lines(4))
            .filled_by("street-address"),
        line("telephone", "forms-telephone")
            .hinted(speaks, "forms-telephone-hint")
            .input(Input::Line("tel"))
            .filled_by("work tel"),
        line("mobile", "forms-mobile")
            .hinted(speaks, "forms-mobile-hint")
            .input(Input::Line("tel"))
            .filled_by("mobile tel")
            .optional(),
        line("email", "forms-email")
            .hinted(speaks, "forms-email-hint")
            .input(Input::Line("email"))
            .filled_by("work email")
            .optional(),
        registry(speaks),
        line("right", "forms-right").input(Input::Radio(rights(speaks))),
    ]);
    fields.extend(period(speaks));
    fields.push(words(speaks, "purpose", "forms-purpose").hinted(speaks, "forms-purpose-hint"));
    fields
}

fn alteration(speaks: Language, given: Given) -> Vec<Field> {
    let mut choices = rights(speaks);
    choices.push(Choice::new("none", speaks.say("forms-right-none")));
    let mut fields = whose(speaks, given);
    fields.extend([
        region(speaks),
        registry(speaks),
        Field::line(speaks, "right", "forms-right-after").input(Input::Radio(choices)),
        Field::line(speaks, "units", "forms-units")
            .hinted(speaks, "forms-units-hint")
            .input(Input::Lines(3))
            .optional(),
    ]);
    fields.extend(period(speaks));
    fields.push(words(speaks, "reason", "forms-reason"));
    fields
}

fn whose(speaks: Language, given: Given) -> Vec<Field> {
    let field = Field::line(speaks, "user_name", "forms-whose").hinted(speaks, "forms-whose-hint").optional();
    if given.account { Vec::new() } else { vec![field] }
}

/// One of the 21 regions.
pub(super) fn region(speaks: impl Into<Language>) -> Field {
    let speaks = speaks.into();
    let some = Region::ALL.iter().map(|region| Choice::new(region.as_str(), region.name()));
    let choices = std::iter::once(Choice::new("", speaks.say("forms-choose"))).chain(some).collect();
    Field::line(speaks, "region", "forms-region").input(Input::Select(choices))
}

fn registry(speaks: Language) -> Field {
    Field::line(speaks, "registry", "forms-registry").hinted(speaks, "forms-registry-hint")
}

fn rights(speaks: Language) -> Vec<Choice> {
    vec![
        Choice::new("read", speaks.say("forms-right-read")),
        Choice::new("read_write", speaks.say("forms-right-read-write")),
    ]
}

fn period(speaks: Language) -> [Field; 2] {
    [
        Field::line(speaks, "valid_from", "forms-valid-from").input(Input::Line("date")),
        Field::line(speaks, "valid_to", "forms-valid-to")
            .hinted(speaks, "forms-valid-to-hint")
            .input(Input::Line("date"))
            .optional(),
    ]
}

/// Some lines of one's own words.
pub(super) fn words(speaks: impl Into<Language>, name: &'static str, key: &'static str) -> Field {
    Field::line(speaks, name, key).input(Input::Lines(4))
}
