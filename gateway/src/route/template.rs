//! Path templates, and where their parameters stand in a path.

use std::fmt;
use std::str::FromStr;

/// The most parameters in a template.
pub const PARAMS_MAX: usize = 8;
/// The most segments in a template.
pub(super) const SEGMENTS_MAX: usize = 32;

/// A path template: `/patients/{patient}`, `/static/{*rest}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: contract::Text,
    segments: Vec<Segment>,
    names: Vec<Box<str>>,
}

/// A segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// These bytes.
    Literal(Box<[u8]>),
    /// Any one segment that is not empty.
    Parameter,
    /// Whatever is left, also nothing.
    Rest,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No `/` first.
    #[error("a path begins with '/'")]
    Relative,
    /// Braces that are not `{name}` or `{*name}` as a whole segment.
    #[error("a parameter is a whole segment, {{name}} or {{*name}}, its name of lower-case letters, digits and '_'")]
    Parameter,
    /// `{*rest}` not last.
    #[error("{{*rest}} may only stand last")]
    RestInside,
    /// A name twice.
    #[error("two parameters have the same name")]
    Twice,
    /// A literal that no request can have.
    #[error("no request can have such a path: {0}")]
    Literal(crate::hygiene::PathFault),
    /// Too much of it.
    #[error("a path has at most {SEGMENTS_MAX} segments and {PARAMS_MAX} parameters")]
    Long,
}

impl Template {
    /// The text, for records: never a path that was asked for.
    pub fn text(&self) -> contract::Text {
        contract::Text::clone(&self.text)
    }

    /// The position of a parameter.
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known.as_ref() == name)
    }

    /// The parameters' names, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether this template ends in `{*rest}` and paths of `other` could begin like it.
    pub(super) fn stands_above(&self, other: &Self) -> bool {
        let Some((Segment::Rest, prefix)) = self.segments.split_last() else { return false };
        other.segments.len() >= prefix.len()
            && prefix.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(a), Segment::Literal(b)) => a.eq_ignore_ascii_case(b),
                _ => true,
            })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Template {
    type Err = TemplateError;
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let inner = text.strip_prefix('/').ok_or(TemplateError::Relative)?;
        let mut template = Self { text: text.into(), segments: Vec::new(), names: Vec::new() };
        for segment in inner.split('/') {
            if template.segments.last() == Some(&Segment::Rest) {
                return Err(TemplateError::RestInside);
            }
            template.push(segment)?;
        }
        // Each literal is checked as part of a whole path, so that `//` and dot segments are seen.
        let sample = template.sample();
        crate::hygiene::check_path(&sample).map_err(TemplateError::Literal)?;
        if template.segments.len() > SEGMENTS_MAX || template.names.len() > PARAMS_MAX {
            return Err(TemplateError::Long);
        }
        Ok(template)
    }
}

impl Template {
    fn push(&mut self, segment: &str) -> Result<(), TemplateError> {
        if !segment.contains(['{', '}']) {
            self.segments.push(Segment::Literal(segment.as_bytes().into()));
            return Ok(());
        }
        let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')).ok_or(TemplateError::Parameter)?;
        let (name, kind) = match inner.strip_prefix('*') {
            Some(name) => (name, Segment::Rest),
            None => (inner, Segment::Parameter),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(TemplateError::Parameter);
        }
        if self.parameter(name).is_some() {
            return Err(TemplateError::Twice);
        }
        self.names.push(name.into());
        self.segments.push(kind);
        Ok(())
    }

    /// A path that this template matches.
    fn sample(&self) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.text.len());
        for segment in &self.segments {
            path.push(b'/');
            match segment {
                Segment::Literal(bytes) => path.extend_from_slice(bytes),
                Segment::Parameter | Segment::Rest => path.push(b'x'),
            }
        }
        path
    }
}

/// Where a template's parameters stand in the path that was matched. Holds no bytes of the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Params {
    spans: [(u32, u32); PARAMS_MAX],
    count: usize,
}

impl Params {
    /// The raw bytes of the parameter at this position in the template. `path` must be the one that was matched.
    pub fn get<'p>(&self, index: usize, path: &'p [u8]) -> Option<&'p [u8]> {
        let (start, end) = *self.spans.get(..self.count)?.get(index)?;
        path.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, start: usize, end: usize) {
        if let (Some(slot), Ok(start), Ok(end)) =
            (self.spans.get_mut(self.count), u32::try_from(start), u32::try_from(end))
        {
            *slot = (start, end);
            self.count += 1;
        }
    }

    pub(super) fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }
}
