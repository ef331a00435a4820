//! Pages that are made of parts: what something is, tables, and what can be done with it. Lists and things alike, so that
//! they look and work alike.

use super::day::Shown;
use super::field::{Field, Input, Told};
use super::said::Row;
use crate::web::page::{Frame, page_of_list};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use std::borrow::Cow;

type Words = Cow<'static, str>;

/// A page of parts, each of which may be left out.
#[derive(Debug, Template)]
#[template(path = "admin/leaf.html")]
pub(super) struct Leaf {
    frame: Frame,
    heading: Words,
    /// What was just done.
    pub(super) done: Option<Words>,
    /// What is wrong.
    pub(super) told: Vec<Told>,
    pub(super) state: Option<Words>,
    /// What needs attention.
    pub(super) notices: Vec<Words>,
    pub(super) intro: Vec<Words>,
    pub(super) links: Vec<Go>,
    filter: Option<Filter>,
    pub(super) rows: Vec<Row>,
    pub(super) files: Vec<File>,
    pub(super) tables: Vec<Table>,
    pub(super) offers: Vec<Offer>,
    /// Why nothing can be done although it is the member's duty.
    pub(super) why_not: Option<Words>,
}

/// A link.
#[derive(Debug)]
pub(super) struct Go {
    pub(super) to: String,
    pub(super) text: Words,
    /// It leads to what is shown.
    pub(super) here: bool,
}

/// A file that is in the page itself: it is nowhere else. A browser keeps it under its name.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: Words,
    pub(super) kind: &'static str,
    /// In base64.
    pub(super) content: String,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({}, content hidden)", self.name)
    }
}

/// What a list shows, to be chosen.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) to: String,
    /// What is chosen belongs into no address.
    pub(super) post: bool,
    pub(super) fields: Vec<Field>,
}

/// A move, as a form of the page.
#[derive(Debug)]
pub(super) struct Offer {
    /// Its id in the page.
    pub(super) name: String,
    pub(super) to: String,
    pub(super) heading: Words,
    pub(super) intro: Words,
    /// What goes with it unseen.
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    /// Not what one usually does here.
    pub(super) second: bool,
    /// A file can go with it.
    pub(super) files: bool,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) id: String,
    pub(super) heading: Words,
    pub(super) head: Vec<Words>,
    /// Lines, whose first cells name them.
    pub(super) lines: Vec<Vec<Cell>>,
    /// What is said, and what to do, if there are none.
    pub(super) none: Words,
    pub(super) next: Option<Next>,
    /// Where it begins, if this is not there.
    pub(super) first: Option<String>,
}

/// Where the next page is.
#[derive(Debug)]
pub(super) enum Next {
    Get(String),
    /// What leads there belongs into no address.
    Post(String, Vec<(&'static str, String)>),
}

/// A cell of a table.
#[derive(Debug)]
pub(super) struct Cell {
    text: Words,
    what: What,
}

#[derive(Debug)]
enum What {
    Text,
    Link(String),
    Time(String),
    Button(Button),
}

/// A form of one button.
#[derive(Debug)]
pub(super) struct Button {
    pub(super) to: String,
    pub(super) hidden: Vec<(&'static str, String)>,
    /// What it does to what, for who does not see the line.
    pub(super) of: String,
}

impl Leaf {
    /// A page with nothing below its heading.
    pub(super) fn new(frame: Frame, heading: impl Into<Words>) -> Self {
        Self {
            frame,
            heading: heading.into(),
            done: None,
            told: Vec::new(),
            state: None,
            notices: Vec::new(),
            intro: Vec::new(),
            links: Vec::new(),
            filter: None,
            rows: Vec::new(),
            files: Vec::new(),
            tables: Vec::new(),
            offers: Vec::new(),
            why_not: None,
        }
    }

    /// With its first table as a list that this chooses.
    pub(super) fn with_list(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// How many lines of its list are shown.
    fn found(&self) -> String {
        let (lines, more) = self.tables.first().map_or((0, false), |table| (table.lines.len(), table.next.is_some()));
        self.frame.found(lines, more)
    }

    /// The page.
    pub(super) fn page(mut self, status: StatusCode) -> Response {
        if self.filter.is_some() {
            self.frame = self.frame.of_list(!self.told.is_empty());
        }
        page_of_list(status, &self.frame, &self)
    }
}

impl Go {
    pub(super) fn to(to: impl Into<String>, text: impl Into<Words>) -> Self {
        Self { to: to.into(), text: text.into(), here: false }
    }
}

impl Table {
    /// A table without lines.
    pub(super) fn new(frame: &Frame, id: &str, [heading, none]: [&'static str; 2], head: &[&'static str]) -> Self {
        Self {
            id: id.to_owned(),
            heading: frame.say(heading),
            head: head.iter().map(|key| frame.say(key)).collect(),
            lines: Vec::new(),
            none: frame.say(none),
            next: None,
            first: None,
        }
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<Words>) -> Self {
        Self { text: text.into(), what: What::Text }
    }

    pub(super) fn link(to: impl Into<String>, text: impl Into<Words>) -> Self {
        Self { text: text.into(), what: What::Link(to.into()) }
    }

    /// A time; none: these words.
    pub(super) fn time(at: Option<Micros>, none: Words) -> Self {
        match at.map(Shown::minute) {
            Some(shown) => Self { text: shown.text.into(), what: What::Time(shown.exact) },
            None => Self::text(none),
        }
    }

    pub(super) fn button(text: Words, button: Button) -> Self {
        Self { text, what: What::Button(button) }
    }
}

/// A line of what something is.
pub(super) fn row(frame: &Frame, key: &'static str, text: impl Into<String>) -> Row {
    Row { label: frame.say(key), text: text.into() }
}

/// A time in words, if there is one.
pub(super) fn time(frame: &Frame, at: Option<Micros>, none: &'static str) -> String {
    at.map_or_else(|| frame.say(none).into_owned(), |at| Shown::minute(at).text)
}

/// What is chosen of a list, by its address.
pub(super) type Chosen = [(String, String)];

/// One choice; empty: none.
pub(super) fn get<'c>(chosen: &'c Chosen, name: &str) -> &'c str {
    chosen.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// The address of a list with these of the choices, from a place on.
pub(super) fn address(list: &str, names: &[&str], chosen: &Chosen, cursor: &str) -> String {
    let mut to = list.to_owned();
    for name in names {
        kept(&mut to, name, get(chosen, name));
    }
    kept(&mut to, "cursor", cursor);
    to
}

/// A choice of an address, kept in another: letters that need no escaping, or nothing.
pub(super) fn kept(to: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let sign = if to.contains('?') { '&' } else { '?' };
        to.push(sign);
        to.extend([name, "=", &value.to_string()]);
    }
}
