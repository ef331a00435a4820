//! A text message of a WebSocket: read as the route says, and as text, for nobody says what a message is.

use super::scan::{Fault, Form, Hit, Scanner};
use crate::patient::Reading;
use contract::record::Reason;

/// Looks into one message.
pub(super) struct Message {
    text: Scanner,
    /// `None`: the route names no form, or this message does not have it.
    form: Option<Scanner>,
    /// Something was told.
    told: bool,
}

impl Message {
    /// What [`Message::new`] is given for messages of this form.
    pub(super) fn model(form: Form, reading: Reading) -> Option<Scanner> {
        (form != Form::Text).then(|| Scanner::new(form, reading))
    }

    /// One that begins.
    pub(super) fn new(model: Option<&Scanner>, reading: Reading) -> Self {
        Self { text: Scanner::of_characters(reading), form: model.map(Scanner::fresh), told: false }
    }

    /// Looks at the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        let before = hits.len();
        let read = self.form.as_mut().map_or(Ok(()), |form| form.push(bytes, hits));
        let read = self.or_text(read, hits);
        let read = self.text.push(bytes, hits).and(read);
        self.told |= hits.len() > before;
        read
    }

    /// It has ended.
    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        let before = hits.len();
        let read = self.form.as_mut().map_or(Ok(()), |form| form.finish(hits));
        let read = self.or_text(read, hits);
        let read = self.text.finish(hits).and(read);
        self.told |= hits.len() > before;
        read
    }

    /// It breaks off: tells what only its end would have told.
    pub(super) fn break_off(&mut self, hits: &mut Vec<Hit>) {
        let before = hits.len();
        self.form.iter_mut().for_each(|form| form.break_off(hits));
        self.told |= hits.len() > before;
    }

    /// Whether something was told of it.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// Whether it has something in it where somebody should be named, and names nobody. Asked at its end.
    pub(super) fn names_nobody(&self) -> bool {
        !self.told && self.form.as_ref().is_some_and(Scanner::names_nobody)
    }

    /// How many of its bytes may leave once the hits so far are recorded.
    pub(super) fn settled(&self) -> u64 {
        self.form.as_ref().map_or(u64::MAX, Scanner::settled).min(self.text.settled())
    }

    fn or_text(&mut self, read: Result<(), Fault>, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        if read == Err(Fault::Nameless) {
            // It is as its form says. As text it would pass without a name.
            return read;
        }
        if read.is_err() {
            self.form = None;
            hits.push(Hit::Unread { reason: Reason::PatientBody });
        }
        Ok(())
    }
}
