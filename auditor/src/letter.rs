//! A half of somebody's credentials as a letter: one page of A4, PDF, with the address where the window of a Swedish envelope
//! is (C5 or E65, window to the right).

mod encoding;
mod page;
mod words;

use crate::config::Handout;
use crate::store::Printed;
use contract::Micros;
use page::{Face, Page};
use words::{Words, wrapped};

/// Millimetres from the left edge: of the sender and the text, and of the address.
const TEXT_X: f32 = 25.0;
const ADDRESS_X: f32 = 112.0;
/// Millimetres from the top edge: baselines of first lines.
const SENDER_Y: f32 = 20.0;
const ADDRESS_Y: f32 = 52.0;
const TEXT_Y: f32 = 105.0;
const LINE: f32 = 5.5;
/// The address' lines are closer, so that eight of them fit into a window of 35 mm.
const ADDRESS_LINE: f32 = 4.4;
const SIZE: f32 = 11.0;
const HALF_SIZE: f32 = 22.0;
/// A line of text has at most so many characters.
const COLUMNS: usize = 78;

/// What all letters have.
#[derive(Debug)]
pub struct Letter<'a> {
    settings: &'a Handout,
    help: &'a str,
    title: &'a str,
    now: Micros,
}

impl<'a> Letter<'a> {
    /// Letters written `now`. `help`: whom the person turns to. `title`: the installation's name.
    pub fn new(settings: &'a Handout, help: &'a str, title: &'a str, now: Micros) -> Self {
        Self { settings, help, title, now }
    }

    /// The letter with a half.
    pub fn pdf(&self, printed: &Printed) -> Vec<u8> {
        let words = Words { english: self.settings.english, part: printed.part, purpose: printed.purpose };
        let mut page = Page::new();
        let sender = if self.settings.sender.is_empty() { &[self.title.to_owned()][..] } else { &self.settings.sender };
        let mut y = SENDER_Y;
        for line in sender {
            page.line((TEXT_X, y), (Face::Plain, SIZE), line);
            y += LINE;
        }
        page.line((ADDRESS_X, SENDER_Y), (Face::Plain, SIZE), &words::local_date(self.now));
        let to = &printed.delivery;
        let mut y = ADDRESS_Y;
        for line in [&to.name, &to.unit].into_iter().chain(&to.address) {
            page.line((ADDRESS_X, y), (Face::Plain, SIZE), line);
            y += ADDRESS_LINE;
        }
        let mut y = TEXT_Y;
        page.line((TEXT_X, y), (Face::Bold, SIZE + 3.0), &words.heading(self.title));
        y += 2.0 * LINE;
        for line in wrapped(&words.before(), COLUMNS) {
            page.line((TEXT_X, y), (Face::Plain, SIZE), &line);
            y += LINE;
        }
        y += 1.5 * LINE;
        page.line((TEXT_X, y), (Face::Fixed, HALF_SIZE), &printed.clear);
        y += 2.5 * LINE;
        let days = self.settings.rule.paper_us / crate::clock::DAY;
        for paragraph in words.after(days, &self.settings.address, self.help) {
            for line in wrapped(&paragraph, COLUMNS) {
                page.line((TEXT_X, y), (Face::Plain, SIZE), &line);
                y += LINE;
            }
            y += LINE / 2.0;
        }
        page.pdf(words.language(), &words.heading(self.title))
    }
}

#[cfg(test)]
mod tests;
