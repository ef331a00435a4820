//! The fields of the three forms, as the registries' own paper forms name them.

use super::field::{Choice, Field, Input, Wrong};
use super::sheet::Sheet;
use crate::duties::Region;
use crate::forms::Kind;
use crate::web::page::Frame;

/// What a form is about, which decides which fields it has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    /// The account has an HSA-id, which counts.
    pub(super) hsa: bool,
    /// Whose account it is has been said.
    pub(super) account: bool,
}

/// A form's fields, not yet filled in.
pub(super) fn fields(frame: &Frame, kind: Kind, given: Given) -> Vec<Field> {
    match kind {
        Kind::Application => application(frame, given),
        Kind::Alteration => alteration(frame, given),
        Kind::Deregistration => {
            let mut fields = whose(frame, given);
            fields.extend([region(frame), registry(frame), words(frame, "reason", "forms-reason")]);
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

fn application(frame: &Frame, given: Given) -> Vec<Field> {
    let line = |name, key| Field::line(frame, name, key);
    let hsa = line("hsa", "forms-hsa").hinted(frame, "forms-hsa-hint");
    let mut fields = vec![
        line("name", "forms-name").filled_by("name"),
        line("number", "forms-number").hinted(frame, "forms-number-hint").optional(),
    ];
    fields.extend((!given.hsa).then_some(hsa));
    fields.extend([
        line("title", "forms-title").filled_by("organization-title"),
        region(frame),
        line("unit", "forms-unit").filled_by("organization"),
        line("unit_hsa", "forms-unit-hsa").hinted(frame, "forms-hsa-hint"),
        line("address", "forms-address")
            .hinted(frame, "forms-address-hint")
            .input(Input::Lines(4))
            .filled_by("street-address"),
        line("telephone", "forms-telephone")
            .hinted(frame, "forms-telephone-hint")
            .input(Input::Line("tel"))
            .filled_by("work tel"),
        line("mobile", "forms-mobile")
            .hinted(frame, "forms-mobile-hint")
            .input(Input::Line("tel"))
            .filled_by("mobile tel")
            .optional(),
        line("email", "forms-email")
            .hinted(frame, "forms-email-hint")
            .input(Input::Line("email"))
            .filled_by("work email")
            .optional(),
        registry(frame),
        line("right", "forms-right").input(Input::Radio(rights(frame))),
    ]);
    fields.extend(period(frame));
    fields.push(words(frame, "purpose", "forms-purpose").hinted(frame, "forms-purpose-hint"));
    fields
}

fn alteration(frame: &Frame, given: Given) -> Vec<Field> {
    let mut choices = rights(frame);
    choices.push(Choice::new("none", frame.say("forms-right-none")));
    let mut fields = whose(frame, given);
    fields.extend([
        region(frame),
        registry(frame),
        Field::line(frame, "right", "forms-right-after").input(Input::Radio(choices)),
        Field::line(frame, "units", "forms-units").hinted(frame, "forms-units-hint").input(Input::Lines(3)).optional(),
    ]);
    fields.extend(period(frame));
    fields.push(words(frame, "reason", "forms-reason"));
    fields
}

fn whose(frame: &Frame, given: Given) -> Vec<Field> {
    let field = Field::line(frame, "user_name", "forms-whose").hinted(frame, "forms-whose-hint").optional();
    if given.account { Vec::new() } else { vec![field] }
}

/// One of the 21 regions.
pub(super) fn region(frame: &Frame) -> Field {
    let some = Region::ALL.iter().map(|region| Choice::new(region.as_str(), region.name()));
    let choices = std::iter::once(Choice::new("", frame.say("forms-choose"))).chain(some).collect();
    Field::line(frame, "region", "forms-region").input(Input::Select(choices))
}

fn registry(frame: &Frame) -> Field {
    Field::line(frame, "registry", "forms-registry").hinted(frame, "forms-registry-hint")
}

fn rights(frame: &Frame) -> Vec<Choice> {
    vec![
        Choice::new("read", frame.say("forms-right-read")),
        Choice::new("read_write", frame.say("forms-right-read-write")),
    ]
}

fn period(frame: &Frame) -> [Field; 2] {
    [
        Field::line(frame, "valid_from", "forms-valid-from").input(Input::Line("date")),
        Field::line(frame, "valid_to", "forms-valid-to")
            .hinted(frame, "forms-valid-to-hint")
            .input(Input::Line("date"))
            .optional(),
    ]
}

/// Some lines of one's own words.
pub(super) fn words(frame: &Frame, name: &'static str, key: &'static str) -> Field {
    Field::line(frame, name, key).input(Input::Lines(4))
}
