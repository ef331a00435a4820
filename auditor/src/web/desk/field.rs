//! Fields of a page's form, with what is wrong beside each, and the summary above them.

use crate::web::language::Language;
use std::borrow::Cow;

type Words = Cow<'static, str>;

/// A field, as a page shows it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its id in the page.
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) label: Words,
    pub(super) hint: Option<Words>,
    /// What is typed in it.
    pub(super) value: String,
    /// What is wrong with that.
    pub(super) wrong: Option<String>,
    pub(super) input: Input,
    /// What a browser may fill in by itself.
    pub(super) autocomplete: &'static str,
    pub(super) optional: bool,
}

/// What one types or chooses in.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// One line, by its HTML type.
    Line(&'static str),
    /// Some lines.
    Lines(u8),
    /// One of a list.
    Select(Vec<Choice>),
    /// One of a few.
    Radio(Vec<Choice>),
    /// A file, of these kinds. What was chosen cannot be shown again.
    File(&'static str),
    /// A box to mark, and what that says.
    Mark(Words),
}

/// Something to choose.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: Words,
    pub(super) chosen: bool,
}

/// What is wrong, for the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The field's name; none: it is about the whole.
    pub(super) field: Option<String>,
    pub(super) text: String,
}

/// A line of the summary.
#[derive(Debug)]
pub(super) struct Told {
    /// Where it leads: a field's id.
    pub(super) to: Option<String>,
    pub(super) text: String,
}

impl Field {
    /// A line to type in.
    pub(super) fn line(speaks: impl Into<Language>, name: &'static str, key: &'static str) -> Self {
        Self {
            id: name.to_owned(),
            name,
            label: speaks.into().say(key),
            hint: None,
            value: String::new(),
            wrong: None,
            input: Input::Line("text"),
            autocomplete: "off",
            optional: false,
        }
    }

    pub(super) fn hinted(mut self, speaks: impl Into<Language>, key: &'static str) -> Self {
        self.hint = Some(speaks.into().say(key));
        self
    }

    pub(super) fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    pub(super) fn filled_by(mut self, autocomplete: &'static str) -> Self {
        self.autocomplete = autocomplete;
        self
    }

    /// It may be left out, and says so.
    pub(super) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// What stands above it.
    pub(super) fn title(&self, speaks: impl Into<Language>) -> Words {
        if self.optional {
            return speaks.into().say_of("forms-optional", "label", self.label.as_ref()).into();
        }
        self.label.clone()
    }

    /// With what was typed, and what is wrong with it.
    pub(super) fn with(mut self, value: &str, wrong: &[Wrong]) -> Self {
        value.clone_into(&mut self.value);
        if let Input::Select(choices) | Input::Radio(choices) = &mut self.input {
            for choice in choices {
                choice.chosen = choice.value == value;
            }
        }
        let mine = wrong.iter().find(|wrong| wrong.field.as_deref() == Some(self.name));
        self.wrong = mine.map(|wrong| wrong.text.clone());
        self
    }

    /// One of several fields of a name in a page.
    pub(super) fn within(mut self, part: &str) -> Self {
        self.id = format!("{part}-{}", self.name);
        self
    }

    /// What describes it, for who does not see the page.
    pub(super) fn described(&self) -> String {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.id));
        let wrong = self.wrong.as_ref().map(|_| format!("{}-wrong", self.id));
        hint.into_iter().chain(wrong).collect::<Vec<_>>().join(" ")
    }
}

impl Choice {
    pub(super) fn new(value: impl Into<String>, label: impl Into<Words>) -> Self {
        Self { value: value.into(), label: label.into(), chosen: false }
    }
}

/// The summary of what is wrong, with links to the fields that the page has.
pub(super) fn summary(wrong: &[Wrong], fields: &[Field]) -> Vec<Told> {
    let told = wrong.iter().map(|wrong| {
        let field = fields.iter().find(|field| wrong.field.as_deref() == Some(field.name));
        Told { to: field.map(|field| field.id.clone()), text: wrong.text.clone() }
    });
    told.collect()
}
