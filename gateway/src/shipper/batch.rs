//! A batch: rows with their numbers, and the seals over them. A pure function of rows, mark, time and key.

use contract::Micros;
use contract::id::NodeName;
use contract::row::{Numbered, Packed, SealRow};
use contract::seal::{Digits, Root, SealCopy, Stream, statement};

use super::book::{Mark, Opened, Portion, Progress};
use super::collect::Rows;
use super::history::{Past, Signer};
use super::sink::{Identity, Load, Question};

/// What is sent one after the other, in this order: keys before rows under them, seals after the rows they cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Keys,
    Rows(Stream),
    Seal(Stream),
}

/// A batch, ready to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: Rows,
    pub(super) opened: Opened,
    seals: Vec<SealRow>,
    mark: Mark,
}

impl Batch {
    /// Numbers the rows from the mark on and seals them. `end` is the frame that the batch stops before.
    pub(super) fn new(node: &NodeName, mark: &Mark, mut rows: Rows, end: u64, at: Micros, signer: Signer<'_>) -> Self {
        let mut seals = Vec::new();
        let access = seal(node, Stream::Access, &mark.access, &mut rows.access, at, signer, &mut seals);
        let auth = seal(node, Stream::Auth, &mark.auth, &mut rows.auth, at, signer, &mut seals);
        Self { rows, opened: Opened { end, at, access, auth }, seals, mark: *mark }
    }

    /// The parts that hold anything.
    pub(super) fn parts(&self) -> Vec<Part> {
        let streams = || [Stream::Access, Stream::Auth].into_iter().filter(|stream| self.opened.of(*stream).rows > 0);
        let keys = (!self.rows.keys.is_empty()).then_some(Part::Keys);
        keys.into_iter().chain(streams().map(Part::Rows)).chain(streams().map(Part::Seal)).collect()
    }

    /// What to send for a part.
    pub(super) fn load(&self, part: Part) -> Option<Load<'_>> {
        match part {
            Part::Keys => Some(Load::Keys(&self.rows.keys)),
            Part::Rows(Stream::Access) => Some(Load::Access(&self.rows.access)),
            Part::Rows(Stream::Auth) => Some(Load::Auth(&self.rows.auth)),
            Part::Seal(stream) => self.seals.iter().find(|seal| seal.stream == stream).map(Load::Seal),
        }
    }

    /// Copies of the seals for a witness, a line each.
    pub(super) fn copies(&self) -> Vec<u8> {
        self.seals.iter().filter_map(|seal| seal.copy().line()).flatten().collect()
    }

    /// What is noted of it.
    pub(super) fn past(&self) -> Past {
        Past::new(self.mark, self.opened, &self.seals)
    }

    /// What to ask before a part is sent again. Keys are sent without asking: each has its id, and the table keeps one.
    pub(super) fn question(&self, part: Part) -> Option<Question> {
        question(&self.mark, &self.opened, part)
    }

    /// What tells its rows of one table from all others, in their order.
    pub(super) fn identities(&self, stream: Stream) -> Vec<Identity> {
        let first = self.mark.of(stream).seq;
        match stream {
            Stream::Access => identities(&self.rows.access, first),
            Stream::Auth => identities(&self.rows.auth, first),
        }
    }

    /// The mark when all of it has arrived.
    pub(super) fn settled(&self, resume: u64) -> Mark {
        settled(&self.mark, &self.opened, resume)
    }
}

/// Numbered rows begin with their id.
fn identities<R: Numbered>(rows: &Packed<R>, first: u64) -> Vec<Identity> {
    let ids = rows.rows().map(|row| row.first_chunk::<16>().copied().unwrap_or_default());
    (first..).zip(ids).collect()
}

/// What to ask about a part of a batch, of which only the book's word may be left.
pub(super) fn question(mark: &Mark, opened: &Opened, part: Part) -> Option<Question> {
    match part {
        Part::Keys => None,
        Part::Rows(stream) => {
            let (progress, portion) = (mark.of(stream), opened.of(stream));
            Some(Question::Rows {
                stream,
                batch: progress.batch,
                first: progress.seq,
                last: progress.seq.saturating_add(portion.rows).saturating_sub(1),
                from: portion.from,
                to: portion.to,
            })
        }
        Part::Seal(stream) => Some(Question::Seal { stream, batch: mark.of(stream).batch, at: opened.at }),
    }
}

/// Copies of the seals of an open batch that cannot be formed again: what the book knows of them, which is enough to tell
/// them from others.
pub(super) fn copies_of(node: &NodeName, mark: &Mark, opened: &Opened) -> Vec<u8> {
    let copy = |stream| {
        let (progress, portion) = (mark.of(stream), opened.of(stream));
        let copy = SealCopy {
            v: SealCopy::VERSION,
            node: node.as_str().to_owned(),
            stream,
            batch: progress.batch,
            first: progress.seq,
            last: (progress.seq + portion.rows).saturating_sub(1),
            at: opened.at,
            previous: Digits(progress.previous),
            hash: Digits(portion.chain),
            root: None,
            key: None,
            signature: None,
        };
        (portion.rows > 0).then(|| copy.line()).flatten()
    };
    [Stream::Access, Stream::Auth].into_iter().filter_map(copy).flatten().collect()
}

/// The mark after an open batch whose rows and seals are there.
pub(super) fn settled(mark: &Mark, opened: &Opened, resume: u64) -> Mark {
    let after = |stream| {
        let (progress, portion): (&Progress, &Portion) = (mark.of(stream), opened.of(stream));
        if portion.rows == 0 {
            return *progress;
        }
        Progress {
            seq: progress.seq.saturating_add(portion.rows),
            batch: progress.batch.saturating_add(1),
            previous: portion.chain,
        }
    };
    Mark { acked: mark.acked, resume, end: opened.end, access: after(Stream::Access), auth: after(Stream::Auth) }
}

/// The mark after an open batch that is given up: its numbers are not used again, and the chain goes past it.
pub(super) fn given_up(mark: &Mark, opened: &Opened) -> Mark {
    let after =
        |stream| Progress { previous: mark.of(stream).previous, ..*settled(mark, opened, mark.resume).of(stream) };
    Mark { access: after(Stream::Access), auth: after(Stream::Auth), ..*mark }
}

/// Numbers the rows of one table and seals them.
fn seal<R: Numbered>(
    node: &NodeName,
    stream: Stream,
    progress: &Progress,
    rows: &mut Packed<R>,
    at: Micros,
    signer: Signer<'_>,
    seals: &mut Vec<SealRow>,
) -> Portion {
    let mut root = Root::default();
    let mut portion = Portion { rows: 0, chain: progress.previous, from: Micros::MAX, to: Micros::MIN };
    rows.numbered(progress.seq, progress.batch, |row, ts| {
        root.add(row);
        portion.rows += 1;
        portion.from = portion.from.min(ts);
        portion.to = portion.to.max(ts);
    });
    if portion.rows == 0 {
        return Portion { from: 0, to: 0, ..portion };
    }
    let statement = statement(node, stream, progress.batch, progress.seq, root, progress.previous, at);
    portion.chain = statement.chain();
    seals.push(signer.seal(statement));
    portion
}
