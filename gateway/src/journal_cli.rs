//! `gateway journal status|fsck|dump|resend`: looks at a journal on disk, with or without a gateway running on it.
//!
//! Nothing on the disk is changed and no lock is taken. While a gateway writes, the end of the log may look torn; that is said.
//! What is shown of a record names no patient: pseudonyms and kinds only. Sealed identities stay out altogether.

mod resend;

pub use resend::{ResendArgs, resend};

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use contract::identity::IdentityKind;
use contract::instant;
use contract::record::{AuthEvent, Disclosure, Intent, Marker, Outcome, PatientEntry};
use contract::wire::{Wire, WireError};
use serde_json::{Value, json};

use crate::journal::ledger::LedgerError;
use crate::journal::storage::{Disk, Storage};
use crate::journal::{self, Frame, FrameKind, Item, OpenError, Position, ReadError, Recovery};
use crate::keys::KeysError;
use crate::shipper::resend::{ResendError, Source};
use crate::shipper::{BookSeen, CarriedSeen, peek_book, peek_carried};

/// Looks at the journal.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to show.
    #[command(subcommand)]
    pub action: Action,
    /// How to show it.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What to show.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// How much is there, and how much of it is shipped
    Status,
    /// Reads everything, names what is damaged, and says what to do
    Fsck,
    /// Shows frames, without patient identities
    Dump {
        /// The first frame to show; without it, the oldest that is kept
        #[arg(long)]
        from: Option<u64>,
        /// The most frames to show
        #[arg(long, default_value_t = 1000)]
        limit: u64,
    },
    /// Sends to ClickHouse again what it had and has lost, as far back as the journal goes
    Resend(ResendArgs),
}

/// How to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs: one object, or for frames one object a line.
    Json,
}

/// Where the journal is.
#[derive(Debug, Clone)]
pub struct Places {
    /// The journal's directory.
    pub dir: PathBuf,
    /// The shipper's book.
    pub ledger: PathBuf,
}

/// Whether something needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong: exit code 0.
    Sound,
    /// Damage was found and named: exit code 1.
    Damaged,
}

/// Why nothing could be shown.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The journal could not be looked at.
    #[error("the journal cannot be looked at")]
    Open(#[from] OpenError),
    /// A segment could not be read.
    #[error("the journal cannot be read to its end")]
    Read(#[from] ReadError),
    /// The key for ClickHouse cannot be read.
    #[error("the key for ClickHouse")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Which seal key follows which cannot be read.
    #[error("the node's keys cannot be read")]
    Keys(#[from] KeysError),
    /// The answer could not be written.
    #[error("the answer cannot be written")]
    Write(#[from] io::Error),
    /// What was lost could not be sent again, or not all of it.
    #[error("it was broken off; what was sent until then has arrived, and the same command goes on from there")]
    Resend(#[from] ResendError),
}

/// Does what the arguments ask for, and writes the answer to `out`. `source` is asked for only if something is to be sent.
pub fn run(
    args: &Args,
    places: &Places,
    source: impl FnOnce() -> Result<Source, CliError>,
    out: &mut dyn Write,
) -> Result<Health, CliError> {
    let storage = Disk::storage();
    match &args.action {
        Action::Status => {
            let recovery = journal::inspect(&storage, &places.dir)?;
            let seen = (peek_book(&storage, &places.ledger), peek_carried(&storage, &places.dir));
            status(&recovery, seen, args.output, out)
        }
        Action::Fsck => fsck(&storage, places, args.output, out),
        Action::Dump { from, limit } => {
            let from = from.map_or(Position::OLDEST, Position::new);
            dump(&storage, &places.dir, from, *limit, args.output, out)
        }
        Action::Resend(which) => resend(which, args.output, &source()?, out),
    }
}

type Book = Result<Option<BookSeen>, LedgerError>;
type Carried = Result<CarriedSeen, LedgerError>;

fn status(
    recovery: &Recovery,
    (book, carried): (Book, Carried),
    output: Output,
    out: &mut dyn Write,
) -> Result<Health, CliError> {
    let mut findings = Vec::new();
    let seen = carried.as_ref().ok().cloned();
    let error = carried.as_ref().err().map(ToString::to_string);
    check_carried(book.as_ref().ok().and_then(Option::as_ref), carried, &mut findings);
    let book_error = book.as_ref().err().map(ToString::to_string).or(error);
    let (book, carried) = (book.unwrap_or_default(), seen);
    let shipped_below = book.as_ref().map_or(recovery.acked, |book| book.shipped_below.max(recovery.acked));
    let backlog = recovery.next.saturating_sub(shipped_below);
    let lost: u64 = recovery.gaps.iter().map(journal::Gap::frames).sum();
    let damaged = lost > 0 || book_error.is_some() || findings.iter().any(|finding| finding.damage);
    if output == Output::Json {
        let value = json!({
            "segments": recovery.segments, "bytes": recovery.bytes, "next": recovery.next, "acked": recovery.acked,
            "shipped_below": shipped_below, "backlog_frames": backlog, "lost_frames": lost,
            "torn_bytes": recovery.torn_bytes, "carried_over": carried, "ledger": book, "ledger_error": book_error,
        });
        writeln!(out, "{value}")?;
    } else {
        let mut line = |name: &str, value: &dyn std::fmt::Display| writeln!(out, "{name:<28}{value}");
        line("segments", &recovery.segments)?;
        line("bytes", &recovery.bytes)?;
        line("next frame", &recovery.next)?;
        line("acknowledged below", &recovery.acked)?;
        line("shipped below", &shipped_below)?;
        line("backlog, frames", &backlog)?;
        line("lost frames", &lost)?;
        if let Some(CarriedSeen::Carried { exchanges, below, .. }) = &carried {
            line("exchanges carried over", &format!("{exchanges}, begun below frame {below}"))?;
        }
        match (&book, &book_error) {
            (_, Some(error)) => line("ledger", error)?,
            (Some(book), None) => {
                line("ledger of node", &book.node)?;
                line("access_log rows, batches", &format!("{}, {}", book.access_rows, book.access_batches))?;
                line("auth_event rows, batches", &format!("{}, {}", book.auth_rows, book.auth_batches))?;
                line("rows in the open batch", &book.open_batch_rows.unwrap_or(0))?;
            }
            (None, None) => line("ledger", &"none: nothing was ever shipped")?,
        }
        if damaged {
            writeln!(out, "There is damage: run `gateway journal fsck`.")?;
        }
    }
    Ok(if damaged { Health::Damaged } else { Health::Sound })
}

/// Something that fsck has to say.
struct Finding {
    damage: bool,
    what: String,
    meaning: &'static str,
    todo: &'static str,
}

fn fsck(storage: &Arc<dyn Storage>, places: &Places, output: Output, out: &mut dyn Write) -> Result<Health, CliError> {
    let mut findings = Vec::new();
    let mut frames = 0_u64;
    match journal::inspect(storage, &places.dir) {
        Ok(recovery) => {
            frames = read_all(storage, &places.dir, &recovery, &mut findings)?;
            let book = peek_book(storage, &places.ledger);
            check_carried(
                book.as_ref().ok().and_then(Option::as_ref),
                peek_carried(storage, &places.dir),
                &mut findings,
            );
            check_book(&recovery, book, &mut findings);
        }
        Err(error) => findings.push(unusable(&error)),
    }
    let kept = storage.list(&places.dir).unwrap_or_default();
    for name in kept.iter().filter(|name| name.ends_with(".quarantined")) {
        findings.push(Finding {
            damage: false,
            what: format!("{name} is kept"),
            meaning: "a gateway found damage in this segment and kept a copy that is never deleted",
            todo: "hand it to whoever looks into the loss; delete it when that is closed",
        });
    }
    let damaged = findings.iter().any(|finding| finding.damage);
    if output == Output::Json {
        let findings: Vec<Value> = findings
            .iter()
            .map(|f| json!({ "damage": f.damage, "what": f.what, "meaning": f.meaning, "todo": f.todo }))
            .collect();
        writeln!(out, "{}", json!({ "sound": !damaged, "frames": frames, "findings": findings }))?;
    } else {
        for finding in &findings {
            writeln!(out, "{}: {}", if finding.damage { "DAMAGE" } else { "note" }, finding.what)?;
            writeln!(out, "  what it means: {}", finding.meaning)?;
            writeln!(out, "  what to do:    {}", finding.todo)?;
        }
        let verdict = if damaged { "there is damage" } else { "the journal is sound" };
        writeln!(out, "{frames} frames read: {verdict}")?;
    }
    Ok(if damaged { Health::Damaged } else { Health::Sound })
}

/// Decodes every frame that is kept. Returns how many there are.
fn read_all(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    recovery: &Recovery,
    findings: &mut Vec<Finding>,
) -> Result<u64, CliError> {
    let mut frames = 0;
    let mut undecodable: Option<(u64, u64, u64)> = None;
    let mut reader = journal::offline_reader(storage, dir, Position::OLDEST)?;
    while let Some(item) = reader.next()? {
        match item {
            Item::Frame(frame) => {
                frames += 1;
                if Record::decode(&frame).is_err() {
                    let sequence = frame.position.sequence();
                    let (first, _, count) = undecodable.unwrap_or((sequence, sequence, 0));
                    undecodable = Some((first, sequence, count + 1));
                }
            }
            Item::Gap(gap) => findings.push(gap_finding(&gap, recovery.acked)),
        }
    }
    if let Some((first, last, count)) = undecodable {
        findings.push(Finding {
            damage: last >= recovery.acked,
            what: format!("{count} frames between {first} and {last} are whole, but cannot be decoded"),
            meaning: "they were written by a later version; this one ships everything else and leaves them out",
            todo: "stop the gateway and start the later version before the frames are acknowledged and deleted",
        });
    }
    if recovery.torn_bytes > 0 {
        findings.push(Finding {
            damage: false,
            what: format!("{} bytes at the end are torn", recovery.torn_bytes),
            meaning: "they were being written when the gateway ended, or are being written now; nobody had a receipt for \
                      them, so nothing left the gateway that depends on them",
            todo: "nothing: the next start cuts them off",
        });
    }
    Ok(frames)
}

fn gap_finding(gap: &journal::Gap, acked: u64) -> Finding {
    let what = format!("frames {} to {} ({}) cannot be read", gap.first, gap.last, gap.frames());
    if gap.last.sequence() < acked {
        return Finding {
            damage: false,
            what,
            meaning: "they were acknowledged before: ClickHouse has their rows, unless the shipper has met the same damage; then \
                      auth_event has an event journal_gap with these numbers instead",
            todo: "check the disk: it has lost data that had been written; ask for the event: SELECT * FROM event WHERE kind = \
                   'journal_gap'",
        };
    }
    Finding {
        damage: true,
        what,
        meaning: "they had been committed and not all of them were shipped: accesses to patient data may be without a row",
        todo: "copy the whole directory before anything else, the *.quarantined files too; check the disk and replace \
               it; report the loss to the data protection officer. The gateway starts all the same, ships what follows, \
               and counts the loss in audit_journal_lost_frames_total",
    }
}

fn check_book(recovery: &Recovery, book: Book, findings: &mut Vec<Finding>) {
    let finding = |what: String, meaning, todo| Finding { damage: true, what, meaning, todo };
    match book {
        Err(error) => findings.push(finding(
            error.to_string(),
            "the shipper does not know which row and batch numbers come next, so the gateway does not start",
            "put the file back from a copy of the same journal; without one, keep the directory, give the node a new \
             name and a new directory, and ask for help with what was not shipped",
        )),
        Ok(None) if recovery.acked > 1 => findings.push(finding(
            "the shipper's ledger is missing, or of a later version, though frames were shipped".to_owned(),
            "row numbers would be given twice, so the gateway does not start",
            "put the file back, or start the later version",
        )),
        Ok(Some(book)) if book.resume < recovery.acked => findings.push(finding(
            format!("the shipper's ledger ends at frame {}, the ack mark is at {}", book.resume, recovery.acked),
            "ledger and journal are not of the same time: one of them was replaced, so the gateway does not start",
            "put back the one that was replaced",
        )),
        Ok(_) => {}
    }
}

fn check_carried(book: Option<&BookSeen>, carried: Carried, findings: &mut Vec<Finding>) {
    let mut finding = |damage, what: String, meaning, todo| findings.push(Finding { damage, what, meaning, todo });
    let anew = "put carried.ledger back from a copy of the same journal; without one, keep what is there elsewhere and leave an \
                empty file in its place: then exchanges that were open for long get no row of their end";
    let stops = "it is not known which exchanges were open for long, so the gateway does not start";
    match carried {
        Err(error) => finding(true, error.to_string(), stops, anew),
        // Without a book nobody knows whether there has to be one.
        Ok(CarriedSeen::Missing) if book.is_some_and(|book| book.carried.is_some()) => {
            finding(true, "carried.ledger is missing".to_owned(), stops, anew);
        }
        Ok(CarriedSeen::Unknown) => {
            finding(true, "carried.ledger is of a later version, or damaged".to_owned(), stops, anew);
        }
        Ok(CarriedSeen::Carried { node, at, .. })
            if book.is_some_and(|book| node != book.node || book.carried.is_some_and(|carried| at < carried)) =>
        {
            finding(
                true,
                "carried.ledger is another node's, or older than the shipper's ledger".to_owned(),
                stops,
                anew,
            );
        }
        Ok(CarriedSeen::Nothing) if book.is_some_and(|book| book.carried.is_some_and(|carried| carried > 0)) => {
            finding(true, "carried.ledger is older than the shipper's ledger".to_owned(), stops, anew);
        }
        Ok(CarriedSeen::Emptied) => finding(
            false,
            "carried.ledger is empty".to_owned(),
            "the next start begins it anew: exchanges that were open for long get no row of their end",
            "nothing, if that is what is wanted",
        ),
        Ok(_) => {}
    }
}

/// Journals that cannot be read at all.
fn unusable(error: &OpenError) -> Finding {
    let (meaning, todo) = match error {
        OpenError::Newer { .. } => ("a later version wrote it", "start that version"),
        OpenError::Ledger(_) => (
            "it is not known how far the journal was shipped, so the gateway does not start",
            "put acked.ledger back from a copy of the same journal",
        ),
        OpenError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            ("there is no journal here", "check journal.dir in the settings, and that the disk is mounted")
        }
        _ => ("the disk or the rights of the files are at fault", "check both, then run this again"),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Finding { damage: true, what: format!("{error}{cause}"), meaning, todo }
}

fn dump(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    from: Position,
    limit: u64,
    output: Output,
    out: &mut dyn Write,
) -> Result<Health, CliError> {
    let mut reader = journal::offline_reader(storage, dir, from)?;
    let mut health = Health::Sound;
    for _ in 0..limit {
        let value = match reader.next()? {
            None => break,
            Some(Item::Gap(gap)) => {
                health = Health::Damaged;
                json!({ "sequence": gap.first.sequence(), "kind": "gap", "last": gap.last.sequence() })
            }
            Some(Item::Frame(frame)) => {
                let mut value = Record::decode(&frame).map_or_else(
                    |error| json!({ "undecodable": error.to_string(), "bytes": frame.payload.len() }),
                    |record| record.show(),
                );
                if let Value::Object(fields) = &mut value {
                    fields.insert("sequence".into(), frame.position.sequence().into());
                    fields.insert("kind".into(), frame.kind.name().into());
                }
                value
            }
        };
        if output == Output::Json {
            writeln!(out, "{value}")?;
        } else {
            writeln!(out, "{}", as_line(&value))?;
        }
    }
    Ok(health)
}

/// `12  intent  at=… request=…`
fn as_line(value: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let field = |name: &str| value.get(name).map(plain).unwrap_or_default();
    let mut line = format!("{:>12}  {:<10}", field("sequence"), field("kind"));
    for (name, value) in value.as_object().into_iter().flatten() {
        if name != "sequence" && name != "kind" {
            line.extend([" ", name, "=", &plain(value)]);
        }
    }
    line
}

/// A frame's payload, decoded.
enum Record {
    Intent(Box<Intent>),
    Disclosure(Box<Disclosure>),
    Outcome(Outcome),
    AuthEvent(Box<AuthEvent>),
    Marker(Marker),
}

impl Record {
    fn decode(frame: &Frame) -> Result<Self, WireError> {
        let bytes = &frame.payload;
        match frame.kind {
            FrameKind::Intent => Intent::from_bytes(bytes).map(|intent| Self::Intent(Box::new(intent))),
            FrameKind::Outcome => Outcome::from_bytes(bytes).map(Self::Outcome),
            FrameKind::AuthEvent => AuthEvent::from_bytes(bytes).map(|event| Self::AuthEvent(Box::new(event))),
            FrameKind::Marker => Marker::from_bytes(bytes).map(Self::Marker),
            FrameKind::Disclosure => Disclosure::from_bytes(bytes).map(|told| Self::Disclosure(Box::new(told))),
        }
    }

    /// What may be shown: no name, no identity, sealed or not, no address.
    fn show(&self) -> Value {
        match self {
            Self::Intent(intent) => {
                let asked = &intent.asked;
                let patients: Vec<Value> = intent.patients.iter().map(show_patient).collect();
                json!({
                    "at": instant::text(asked.at), "request": asked.request.to_string(), "registry": asked.registry.as_ref(),
                    "route": asked.route.as_ref(), "method": asked.method.as_ref(),
                    "activity": asked.activity.as_str(), "decision": asked.decision.as_str(),
                    "reason": asked.reason.as_str(), "account": intent.actor.account.to_string(),
                    "device": intent.actor.device.to_string(), "key": intent.key.to_string(), "patients": patients,
                    "terms": intent.terms.len(), "answered": intent.answered.map(|outcome| outcome.status),
                })
            }
            Self::Disclosure(disclosure) => json!({
                "at": instant::text(disclosure.at), "request": disclosure.request.to_string(), "status": disclosure.status,
                "bytes": disclosure.bytes, "key": disclosure.key.to_string(),
                "patients": disclosure.patients.iter().map(show_patient).collect::<Vec<_>>(),
            }),
            Self::Outcome(outcome) => json!({
                "at": instant::text(outcome.at), "request": outcome.request.to_string(), "status": outcome.status,
                "bytes": outcome.bytes, "duration_us": outcome.duration_us, "outcome": outcome.kind.as_str(),
            }),
            Self::AuthEvent(event) => json!({
                "at": instant::text(event.at), "id": event.id.to_string(), "event": event.kind.as_str(),
                "reason": event.reason.as_str(), "account": event.account.to_string(), "by": event.by.to_string(),
                "device": event.device.to_string(), "method": event.auth_method.as_str(), "count": event.count,
            }),
            Self::Marker(Marker::Started { at }) => json!({ "at": instant::text(*at), "marker": "started" }),
            Self::Marker(Marker::DataKey { at, key }) => {
                json!({ "at": instant::text(*at), "marker": "data_key", "key": key.id.to_string() })
            }
            Self::Marker(Marker::Stopped { at }) => json!({ "at": instant::text(*at), "marker": "stopped" }),
        }
    }
}

fn show_patient(patient: &PatientEntry) -> Value {
    let kind = IdentityKind::from_tag(patient.kind).map_or("unidentified", IdentityKind::as_str);
    json!({
        "ref": hex::encode(patient.reference.0), "kind": kind,
        "source": patient.source.as_str(), "position": patient.position, "problem": patient.problem.as_str(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Config, Journal};
    use crate::shipper::tests::frames::{Frames, Kind};
    use contract::record::OutcomeKind;

    /// A journal with a frame of each kind, in a directory of its own.
    fn written() -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let metrics = journal::Metrics::new(&prometheus::Registry::new()).unwrap();
        let (journal, _) = Journal::open(Config::new(dir.path(), [1; 16]), Disk::storage(), metrics).unwrap();
        let mut frames = Frames::default();
        let outcome = Kind::Outcome(OutcomeKind::Complete);
        for kind in [Kind::Started, Kind::Key, Kind::Intent(2), outcome, Kind::Auth, Kind::Garbage] {
            let (kind, payload) = frames.make(kind);
            journal.append_lazy(kind, |out| out.extend_from_slice(&payload)).unwrap();
        }
        journal.close();
        let places = Places { dir: dir.path().to_owned(), ledger: dir.path().join("shipper.ledger") };
        (dir, places)
    }

    fn show(places: &Places, action: Action, output: Output) -> (Health, String) {
        let mut out = Vec::new();
        let health = run(&Args { action, output }, places, || unreachable!("nothing is sent"), &mut out).unwrap();
        (health, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_dump_shows_every_frame_and_names_nobody() {
        let (_dir, places) = written();
        for output in [Output::Table, Output::Json] {
            let (health, text) = show(&places, Action::Dump { from: None, limit: 99 }, output);
            assert_eq!((health, text.lines().count()), (Health::Sound, 6), "{text}");
            assert!(text.contains("personnummer") && text.contains(&"01".repeat(16)), "{text}");
            assert!(!text.contains("5a5a") && !text.contains("Anna"), "{text}");
        }
        let (_, text) = show(&places, Action::Dump { from: Some(4), limit: 1 }, Output::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["sequence"], &value["kind"], &value["status"]), (&json!(4), &json!("outcome"), &json!(200)));
    }

    #[test]
    fn status_counts_what_is_not_shipped() {
        let (_dir, places) = written();
        let (health, text) = show(&places, Action::Status, Output::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(health, Health::Sound);
        assert_eq!((&value["next"], &value["backlog_frames"], &value["ledger"]), (&json!(7), &json!(6), &Value::Null));
        assert!(show(&places, Action::Status, Output::Table).1.contains("nothing was ever shipped"));
    }

    #[test]
    fn fsck_names_damage_and_says_what_to_do() {
        let (dir, places) = written();
        let (health, text) = show(&places, Action::Fsck, Output::Table);
        // The frame of a later version would be left out.
        assert_eq!(health, Health::Damaged);
        assert!(text.contains("cannot be decoded") && text.contains("later version"), "{text}");
        std::fs::write(&places.ledger, [0; 8192]).unwrap();
        let (health, text) = show(&places, Action::Fsck, Output::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((health, &value["sound"], &value["frames"]), (Health::Damaged, &json!(false), &json!(6)));
        assert!(text.contains("neither of its two records is whole"), "{text}");
        assert!(show(&places, Action::Status, Output::Json).1.contains("ledger_error"));
        drop(dir);
        let (health, text) = show(&places, Action::Fsck, Output::Table);
        assert_eq!(health, Health::Damaged);
        assert!(text.contains("there is no journal here"), "{text}");
    }
}
