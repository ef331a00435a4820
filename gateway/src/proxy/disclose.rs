//! Whom an answer discloses: found in it as it passes, and recorded before that part of it leaves.

use super::Proxy;
use super::context::{Context, Stage};
use super::exchange::Broken;
use crate::clock;
use crate::disclosure::scan::{Hit, Scanner};
use crate::disclosure::{Inspector, Ready, Seen, Unscannable};
use crate::discover::Glance;
use crate::patient::{self, Reading, Said};
use crate::recorder::{Ahead, Recorder};
use crate::route::InResponse;
use bytes::Bytes;
use contract::id::{DataKeyId, RequestId};
use contract::identity::Series;
use contract::pseudonym::DataKey;
use contract::record::{DISCLOSED_MAX, Disclosure, PatientEntry, Reason, Source};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use smallvec::SmallVec;
use std::sync::Arc;

/// After how many steps of looking others have their turn. Each takes half a millisecond at most.
const STEPS: usize = 2;
/// After how many hits they have it: each costs a pseudonym, and new ones a seal.
const HITS: usize = 256;
/// After how many new patients they are recorded, though the piece has not been looked at to its end. Should it turn out
/// then that it cannot be, they are recorded for nothing; but what is kept is bounded.
const ENTRIES_MAX: usize = 4096;

/// The look into an answer on a marked route.
pub(super) struct Look {
    /// `None`: there is no body, or what is left of it passes unscanned.
    inspector: Option<Inspector>,
    seen: Seen,
    /// The answer's status, for records.
    status: u16,
    /// What cannot be looked into passes.
    passes_unscanned: bool,
    reading: Reading,
    /// Who was found and is not written yet: with what follows at once, so that all wait for one sync.
    unwritten: SmallVec<[Found; 1]>,
    /// A data key, for what names nobody.
    key: DataKeyId,
}

/// What a record tells of the exchange.
#[derive(Debug, Clone, Copy)]
struct About {
    request: RequestId,
    /// Of the body, that have left.
    bytes: u64,
    disclosing: bool,
}

impl About {
    fn of(context: &Context) -> Self {
        Self { request: context.request, bytes: context.bytes, disclosing: context.disclosing() }
    }
}

/// What is to be recorded before anything leaves.
struct Found {
    /// One for all of them: there may be another in a moment.
    key: Arc<DataKey>,
    entries: Vec<PatientEntry>,
    /// Others, written already.
    ahead: Option<Ahead>,
    /// The answer names more than it may.
    too_many: bool,
}

impl Proxy {
    /// Begins to look into an answer with this head, if its route is marked. Whom the head names is recorded.
    pub(super) async fn begin_look(
        &self,
        context: &mut Context,
        status: StatusCode,
        headers: &HeaderMap,
        has_body: bool,
    ) -> Result<(), Broken> {
        let Stage::Admitted(admitted) = &context.stage else { return Ok(()) };
        let reading = Reading { year: clock::year_of(context.at), series: Series::default() };
        let Some(how) = admitted.route.patients.in_response() else {
            if self.parts.finder.is_some() && has_body && !self.is_auditor(admitted) {
                context.glance = Glance::new(admitted.route.id, &admitted.named, headers, reading).map(Box::new);
            }
            return Ok(());
        };
        let mut look = Box::new(Look {
            inspector: None,
            seen: Seen::new(&admitted.named, self.parts.limits.response_patients_max),
            status: status.as_u16(),
            passes_unscanned: how.passes_unscanned,
            reading,
            unwritten: SmallVec::new(),
            key: self.parts.sealer.key().id(),
        });
        let mut cause = None;
        if is_part(status, headers) {
            cause = Some(Unscannable::Part);
        } else if status == StatusCode::SWITCHING_PROTOCOLS {
            look.inspector = Some(Inspector::of_socket(how, reading));
        } else if has_body {
            match Inspector::of_answer(how, status, headers, reading) {
                Ok(inspector) => look.inspector = Some(inspector),
                Err(unscannable) => cause = Some(unscannable),
            }
        }
        let (mut hits, mut found) = (Vec::new(), self.nobody());
        headers_name(how, headers, reading, &mut hits);
        let about = About::of(context);
        self.take(about, &mut look, &mut hits, &mut found).await?;
        let noted = self.record(about, &mut look, found, cause);
        context.look = Some(look);
        if noted.is_err() {
            // Nothing follows that it could wait for together with.
            self.recorded(context).await?;
        }
        noted.map(drop)
    }

    /// Writes whom was found so far, and waits until that is durable.
    pub(super) async fn recorded(&self, context: &mut Context) -> Result<(), Broken> {
        let about = About::of(context);
        let Some(look) = &mut context.look else { return Ok(()) };
        let mut all = std::mem::take(&mut look.unwritten);
        let mut ahead = all.iter_mut().fold(None, |ahead, found| found.ahead.take().or(ahead));
        let mut frames: Vec<(DataKeyId, &[PatientEntry])> = Vec::new();
        for found in &all {
            frames.extend(found.entries.chunks(DISCLOSED_MAX).map(|some| (found.key.id(), some)));
        }
        let Some(((key, entries), before)) = frames.split_last() else {
            return if ahead.is_some() { Err(not_recorded()) } else { Ok(()) };
        };
        // What is written before the last is durable with it, and must not begin a sync that the last then waits for, too.
        for (key, entries) in before {
            let written = self.parts.recorder.disclose_ahead(&look.disclosure(about, *key, entries), ahead);
            ahead = Some(written.map_err(|_| not_recorded())?);
        }
        let written = self.parts.recorder.disclose(&look.disclosure(about, *key, entries), ahead);
        written.map_err(|_| not_recorded())?.durable().await.map(drop).map_err(|_| not_recorded())
    }

    /// Looks at the next piece of an answer. Gives what may leave now: those who are in it have their records.
    pub(super) async fn look(&self, context: &mut Context, piece: Bytes, last: bool) -> Result<Ready, Broken> {
        let about = About::of(context);
        let Some(look) = context.look.as_deref_mut() else { return Ok(SmallVec::from_elem(piece, 1)) };
        if look.inspector.is_none() {
            return Ok(SmallVec::from_elem(piece, 1));
        }
        let (mut hits, mut found) = (Vec::new(), self.nobody());
        let (mut ready, mut cause) = (Ready::new(), None);
        let (mut left, mut passed, mut steps) = (&*piece, piece.is_empty(), 0_usize);
        while !passed && cause.is_none() && !found.too_many {
            let Some(inspector) = &mut look.inspector else { break };
            match inspector.step(&mut left, &mut hits) {
                Ok(true) => {
                    steps += 1;
                    if steps.is_multiple_of(STEPS) {
                        tokio::task::yield_now().await;
                    }
                }
                Ok(false) => {
                    ready = inspector.passed(piece.clone());
                    passed = true;
                }
                Err(unscannable) => cause = Some(unscannable),
            }
            self.take(about, look, &mut hits, &mut found).await?;
        }
        if last
            && passed
            && !found.too_many
            && let Some(inspector) = &mut look.inspector
        {
            match inspector.finish(&mut hits) {
                Ok(rest) => ready.extend(rest),
                Err(unscannable) => cause = Some(unscannable),
            }
            self.take(about, look, &mut hits, &mut found).await?;
        }
        let waiting = self.record(about, look, found, cause);
        self.recorded(context).await?;
        if let Some(waiting) = waiting? {
            ready.extend(waiting);
            if !passed {
                ready.push(piece);
            }
        }
        Ok(ready)
    }

    /// Looks at what HTTP/2 brings behind a body.
    pub(super) async fn look_at_trailers(&self, context: &mut Context, trailers: &HeaderMap) -> Result<(), Broken> {
        let about = About::of(context);
        let (Some(look), Stage::Admitted(admitted)) = (context.look.as_deref_mut(), &context.stage) else {
            return Ok(());
        };
        let Some(how) = admitted.route.patients.in_response() else { return Ok(()) };
        let (mut hits, mut found) = (Vec::new(), self.nobody());
        headers_name(how, trailers, look.reading, &mut hits);
        self.take(about, look, &mut hits, &mut found).await?;
        self.record(about, look, found, None)?;
        self.recorded(context).await
    }

    /// Glances at a piece of an answer that nobody has marked.
    pub(super) async fn glance(&self, context: &mut Context, mut piece: &[u8]) {
        let Some(glance) = &mut context.glance else { return };
        let mut steps = 0_usize;
        while glance.step(&mut piece, self.parts.sealer.pseudonyms()) {
            steps += 1;
            if steps.is_multiple_of(STEPS) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Counts an answer that was to name patients and did not, once it has passed.
    pub(super) fn end_look(&self, context: &Context) {
        if context.look.as_ref().is_some_and(|look| look.seen.is_empty()) {
            self.parts.recorder.disclosed_none();
        }
    }

    /// Counts an answer that was not to name patients and did, as far as it has passed: streams of events end by being
    /// left.
    pub(super) fn end_glance(&self, context: &mut Context) {
        if let (Some(glance), Some(finder)) = (context.glance.take(), &self.parts.finder) {
            let (route, patients) = glance.end(self.parts.sealer.pseudonyms());
            finder.count(route, patients);
        }
    }

    /// Notes whom was found, to be written. With a cause for which the answer cannot be looked into, it is refused; or it
    /// passes and is recorded as that: then what had been kept back is given. Nothing of it may leave before
    /// [`Self::recorded`].
    fn record(
        &self,
        about: About,
        look: &mut Look,
        mut found: Found,
        cause: Option<Unscannable>,
    ) -> Result<Option<Ready>, Broken> {
        let cause = if found.too_many { Some(Unscannable::TooMany) } else { cause };
        if let Some(cause) = cause {
            if !look.passes_unscanned && !about.disclosing {
                // Nothing of it leaves.
                found.entries.clear();
                found.ahead = None;
                look.unwritten.clear();
            }
            let reason = if look.passes_unscanned { Reason::Unscanned } else { Reason::Unscannable };
            self.parts.metrics.not_looked_into(cause, look.passes_unscanned);
            tracing::warn!(request = %about.request, cause = cause.as_str(), passes = look.passes_unscanned, "an answer on a marked route cannot be looked into");
            if look.seen.problem(reason) {
                found.entries.push(PatientEntry::unidentified(Source::Response, reason));
            }
        }
        look.unwritten.push(found);
        let Some(_) = cause else { return Ok(None) };
        if !look.passes_unscanned {
            let reason = Reason::Unscannable;
            return Err(Broken::own(reason, crate::problem::status(reason)));
        }
        Ok(look.inspector.take().map(|mut inspector| inspector.give_up()))
    }

    fn nobody(&self) -> Found {
        Found { key: Arc::clone(&self.parts.sealer.key()), entries: Vec::new(), ahead: None, too_many: false }
    }

    /// Takes the hits of a step: who is new is sealed, and is to be recorded.
    async fn take(&self, about: About, look: &mut Look, hits: &mut Vec<Hit>, found: &mut Found) -> Result<(), Broken> {
        let pseudonyms = self.parts.sealer.pseudonyms();
        for (index, hit) in hits.drain(..).enumerate() {
            if index % HITS == HITS - 1 {
                tokio::task::yield_now().await;
            }
            match hit {
                Hit::Patient { id, position } => {
                    let reference = pseudonyms.patient(&id);
                    match look.seen.patient(reference) {
                        Ok(false) => {}
                        Ok(true) => found.entries.push(PatientEntry {
                            reference,
                            kind: id.kind().tag(),
                            sealed: found.key.seal(&id, reference).map_err(|_| not_recorded())?,
                            source: Source::Response,
                            position,
                            problem: Reason::None,
                        }),
                        Err(_) => {
                            found.too_many = true;
                            return Ok(());
                        }
                    }
                }
                Hit::Unread { reason } if look.seen.problem(reason) => {
                    found.entries.push(PatientEntry::unidentified(Source::Response, reason));
                }
                Hit::Unread { .. } => {}
            }
            if found.entries.len() >= ENTRIES_MAX {
                // One stays, to be waited for with all before it.
                let rest = found.entries.split_off(found.entries.len() - 1);
                for some in found.entries.chunks(DISCLOSED_MAX) {
                    let disclosure = look.disclosure(about, found.key.id(), some);
                    let written = self.parts.recorder.disclose_ahead(&disclosure, found.ahead.take());
                    found.ahead = Some(written.map_err(|_| not_recorded())?);
                }
                found.entries = rest;
            }
        }
        Ok(())
    }
}

impl Look {
    fn disclosure(&self, about: About, key: DataKeyId, patients: &[PatientEntry]) -> Disclosure {
        Disclosure {
            request: about.request,
            at: clock::now(),
            status: self.status,
            bytes: about.bytes,
            key,
            patients: SmallVec::from_slice(patients),
        }
    }

    /// An answer of which something has left breaks off: writes what only its end would have told. Nothing more leaves,
    /// whether it can be written or not.
    pub(super) fn break_off(&mut self, recorder: &Recorder, request: RequestId, bytes: u64) {
        let mut hits = Vec::new();
        if let Some(inspector) = &mut self.inspector {
            inspector.break_off(&mut hits);
        }
        let mut entries = Vec::new();
        for hit in hits {
            // It names nobody.
            if let Hit::Unread { reason } = hit
                && self.seen.problem(reason)
            {
                entries.push(PatientEntry::unidentified(Source::Response, reason));
            }
        }
        if !entries.is_empty() {
            let about = About { request, bytes, disclosing: true };
            let _either = recorder.disclose(&self.disclosure(about, self.key, &entries), None);
        }
    }
}

/// Whether it is a part of an answer: one that may begin in the midst of an identity, or say only what has changed. None
/// was asked for. A range of items is what lists call a page: whole in itself.
fn is_part(status: StatusCode, headers: &HeaderMap) -> bool {
    let of_bytes = |range: &HeaderValue| {
        range.as_bytes().trim_ascii_start().get(..5).is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes"))
    };
    matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED)
        || status.is_success() && headers.get_all(header::CONTENT_RANGE).iter().any(of_bytes)
}

/// Headers that hold numbers and times, and never a patient's identity.
const OF_NOBODY: [header::HeaderName; 5] =
    [header::CONTENT_LENGTH, header::AGE, header::DATE, header::LAST_MODIFIED, header::EXPIRES];
/// No identity has fewer.
const DIGITS_MIN: usize = 8;

/// Whom headers name: those that are said to, and any other by its text.
fn headers_name(how: &InResponse, headers: &HeaderMap, reading: Reading, hits: &mut Vec<Hit>) {
    for value in how.headers.iter().flat_map(|name| headers.get_all(name)) {
        header_names(value.as_bytes(), reading, hits);
    }
    let others = headers.iter().filter(|(name, _)| !how.headers.contains(name) && !OF_NOBODY.contains(name));
    for (_, value) in others {
        text_names(value.as_bytes(), reading, hits);
    }
}

/// Whom any text names.
fn text_names(text: &[u8], reading: Reading, hits: &mut Vec<Hit>) {
    if text.iter().filter(|byte| byte.is_ascii_digit()).count() < DIGITS_MIN {
        return;
    }
    let mut scanner = Scanner::of_characters(reading);
    // It has no faults.
    let _none = scanner.push(text, hits).and_then(|()| scanner.finish(hits));
}

/// Whom a header's value names.
fn header_names(value: &[u8], reading: Reading, hits: &mut Vec<Hit>) {
    let mut unread = |reason| hits.push(Hit::Unread { reason });
    let Ok(text) = std::str::from_utf8(value) else { return unread(Reason::PatientForm) };
    patient::identities(text, reading, &mut |said| {
        hits.push(match said {
            Said::Patient(id) => Hit::Patient { id, position: 0 },
            Said::Logical { reason, .. } | Said::Unread { reason, .. } => Hit::Unread { reason },
        });
    });
}

fn not_recorded() -> Broken {
    let reason = Reason::JournalUnavailable;
    Broken::own(reason, crate::problem::status(reason))
}
