//! The tree of a document: values with the line they stand on.

use super::Override;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// On this line, from 1.
    File(u32),
    /// In this environment variable.
    Variable(String),
}

/// A value and where it was set.
#[derive(Debug)]
pub struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value of TOML; dates have no use in settings and stay text.
#[derive(Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
}

impl Value {
    /// What kind of value this is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Parses a text; all syntax errors at once, with their lines.
pub(super) fn parse(text: &str) -> (Node, Vec<(u32, String)>) {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .into_iter()
        .map(|error| (error.span().map_or(1, |span| lines.of(span.start)), error.message().trim().to_owned()))
        .collect();
    (Node { value: convert_table(table.into_inner(), &lines), place: Place::File(1) }, errors)
}

/// Sets the value that an override names, making the tables on the way.
pub(super) fn lay_over(root: &mut Node, over: &Override) {
    let place = Place::Variable(over.name.clone());
    let mut node = root;
    for key in &over.path {
        if !matches!(node.value, Value::Table(_)) {
            node.value = Value::Table(BTreeMap::new());
        }
        let Value::Table(table) = &mut node.value else { return };
        node = table
            .entry(key.clone())
            .or_insert_with(|| Node { value: Value::Table(BTreeMap::new()), place: place.clone() });
    }
    // A value that reads as TOML is that, anything else is text: so texts need no quotes.
    let quoted = format!("v = {}", over.value);
    let (parsed, errors) = parse(&quoted);
    let value = match parsed.value {
        Value::Table(mut table) if errors.is_empty() && table.len() == 1 => table.remove("v").map(|node| node.value),
        _ => None,
    };
    *node = Node { value: value.unwrap_or_else(|| Value::Text(over.value.clone())), place };
}

fn convert_table(table: DeTable<'_>, lines: &Lines) -> Value {
    Value::Table(
        table
            .into_iter()
            .map(|(key, value)| {
                let key_line = lines.of(key.span().start);
                let is_table = matches!(value.get_ref(), DeValue::Table(_));
                let mut node = convert(value, lines);
                if !is_table {
                    node.place = Place::File(key_line);
                }
                (key.into_inner().into_owned(), node)
            })
            .collect(),
    )
}

fn convert(value: Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let place = Place::File(lines.of(value.span().start));
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => {
            let digits: String = integer.as_str().chars().filter(|c| *c != '_').collect();
            match i64::from_str_radix(&digits, integer.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Text(integer.as_str().to_owned()),
            }
        }
        DeValue::Float(float) => match float.as_str().replace('_', "").parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Text(float.as_str().to_owned()),
        },
        DeValue::Boolean(truth) => Value::Bool(truth),
        DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| convert(item, lines)).collect()),
        DeValue::Table(table) => convert_table(table, lines),
    };
    Node { value, place }
}

/// From byte offsets to line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    fn of(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|newline| *newline < offset) + 1).unwrap_or(u32::MAX)
    }
}
