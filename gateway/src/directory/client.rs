//! The connection to the auditor: the feed, questions for sessions, reports of use.
//!
//! One task follows the feed. Whenever it breaks or falls silent, it is followed from the next of the auditors that
//! share one database, with growing pauses when all of them have failed. Questions go over connections of their own,
//! one at a time per session: many requests with the same unknown cookie make one question. It goes to the auditor that
//! is followed, and to the others when that one does not answer.

mod sources;
mod transport;

use super::disk::Kept;
use super::{Directory, Seen};
use crate::clock;
use crate::config::InternalAddress;
use bytes::{Buf, Bytes, BytesMut};
use contract::directory::{Account, Epoch, LINE_BYTES_MAX, Message, SessionAnswer, SessionQuestion, SessionsUsed};
use contract::id::SessionKey;
use dashmap::DashMap;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use sources::{Outcome, Sources, Tries};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OnceCell, Semaphore, watch};
use tokio::time::{Instant, timeout};
pub use transport::{Transport, TransportError};

/// The feed is silent for so long: it is dead, for a heartbeat comes each second.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The longest an answer to a question may take, whoever gives it.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Bytes of an answer at the most.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long an answer waits for the feed to reach it.
const FEED_WAIT_MAX: Duration = Duration::from_secs(1);
/// Questions under way at the most.
const QUESTIONS_MAX: usize = 64;
/// A copy that could not be written is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the use of sessions and devices is reported, and noted in the copy that the auditor was heard.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Why an auditor did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("no connection to the auditor")]
    Transport(#[from] TransportError),
    /// The exchange broke.
    #[error("the exchange with the auditor broke")]
    Http(#[from] hyper::Error),
    /// A request could not be formed.
    #[error("a request to the auditor could not be formed")]
    Request(#[from] http::Error),
    /// The auditor refused.
    #[error("the auditor answered with status {0}")]
    Status(u16),
    /// The answer is not what it should be.
    #[error("the auditor's answer cannot be read")]
    Answer(#[from] serde_json::Error),
    /// The answer, or a line of it, is too long.
    #[error("the auditor's answer is too long")]
    Long,
    /// No answer in time.
    #[error("the auditor does not answer")]
    Silent,
    /// The feed ended.
    #[error("the auditor ended the feed")]
    Ended,
    /// The feed is of an older state than the copy.
    #[error("the auditor tells of an older state than another has told")]
    Behind,
}

impl ClientError {
    /// Whether another auditor may answer what this one did not.
    fn is_of_one_auditor(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Http(_) | Self::Silent | Self::Status(500..))
    }
}

/// What came of a question for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The copy has it now.
    Known,
    /// There is no such session.
    Unknown,
    /// The auditor did not say.
    Unanswered,
}

/// The connection to the auditor.
pub struct Client {
    directory: Arc<Directory>,
    sources: Sources,
    disk: Arc<Kept>,
    /// A snapshot was taken: what it leaves out, no added line tells.
    whole: Notify,
    asking: DashMap<SessionKey, Arc<OnceCell<Asked>>>,
    places: Semaphore,
}

impl Client {
    /// Prepares a client; nothing is connected yet.
    pub fn new(directory: Arc<Directory>, addresses: &[InternalAddress], disk: Kept) -> Result<Self, TransportError> {
        Ok(Self {
            directory,
            sources: Sources::new(addresses)?,
            disk: Arc::new(disk),
            whole: Notify::new(),
            asking: DashMap::new(),
            places: Semaphore::new(QUESTIONS_MAX),
        })
    }

    /// Follows the feed, of one auditor after another, until told to stop.
    pub async fn follow(&self, mut stop: watch::Receiver<bool>) {
        let mut tries = Tries::new(self.sources.count());
        loop {
            let (index, auditor) = self.sources.followed();
            let heard = self.directory.heard();
            let result = tokio::select! {
                result = self.feed(index, auditor, tries.may_go_back(Instant::now())) => result,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            self.directory.metrics.followed(None);
            let mut outcome = if self.directory.heard() == heard { Outcome::Failed } else { Outcome::Followed };
            if let Err(error) = result {
                self.directory.metrics.failures.inc();
                tracing::warn!(%auditor, error = &error as &dyn std::error::Error, "the directory feed broke; connecting again");
                if matches!(error, ClientError::Behind) {
                    outcome = Outcome::Behind;
                }
            }
            self.sources.turn();
            let pause = tries.after(outcome, Instant::now());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reports the use of sessions and devices, now and then, until told to stop; and once more then.
    pub async fn report(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(REPORT_EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let report = SessionsUsed {
                used: self.directory.unreported(10_000),
                devices: self.directory.unreported_devices(10_000),
            };
            if !(report.used.is_empty() && report.devices.is_empty())
                && let Err(error) = self.post("/internal/v1/activity", &report).await
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the use of sessions and devices could not be reported"
                );
            }
            if stopping {
                return;
            }
        }
    }

    /// Keeps the copy on disk until told to stop; and once more then. What is added to it is brought to stable storage at
    /// once; now and then it is written whole, or it is noted that the auditor was heard.
    pub async fn keep(&self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.directory.changes();
        let mut turn = tokio::time::interval(REPORT_EVERY);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut behind, mut heard) = (false, self.directory.heard());
        // What a snapshot left out still stands in a file from before it: that file is not said to be of now.
        let mut saved = self.directory.snapshots();
        loop {
            let (disk, directory) = (Arc::clone(&self.disk), Arc::clone(&self.directory));
            let mut stopping = false;
            let whole = tokio::select! {
                // If it could not be added, at once; and then not at each change.
                _ = changes.changed() => !behind && disk.wants_whole(),
                () = self.whole.notified() => true,
                _ = turn.tick() => {
                    // In this order: the snapshot that was heard then has been counted.
                    let at = self.directory.heard();
                    let whole = behind || disk.wants_whole() || self.directory.snapshots() != saved;
                    if !whole && at != std::mem::replace(&mut heard, at) {
                        self.add(&Message::Heartbeat { epoch: self.directory.epoch(), at });
                    }
                    whole
                }
                _ = stop.wait_for(|stop| *stop) => {
                    stopping = true;
                    true
                }
            };
            let snapshots = self.directory.snapshots();
            let work = move || if whole { disk.save(&directory) } else { disk.sync() };
            match tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into())) {
                Ok(()) if whole => (behind, saved) = (false, snapshots),
                Ok(()) => {}
                Err(error) => {
                    // Written whole as soon as may be.
                    behind = true;
                    turn.reset_after(AGAIN_AFTER);
                    tracing::warn!(error = &error as &dyn std::error::Error, "the directory could not be kept on disk");
                }
            }
            if stopping {
                return;
            }
        }
    }

    fn add(&self, message: &Message) {
        if let Err(error) = self.disk.add(message) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a change could not be added to the directory on disk"
            );
        }
    }

    /// Asks the auditor for a session that the copy does not have.
    pub async fn ask(&self, key: SessionKey) -> Asked {
        let cell = Arc::clone(&self.asking.entry(key).or_default());
        let asked = *cell.get_or_init(|| self.question(key)).await;
        self.asking.remove_if(&key, |_, present| Arc::ptr_eq(present, &cell));
        asked
    }

    async fn question(&self, key: SessionKey) -> Asked {
        // A flood of made-up cookies must not become a flood at the auditor: no place, no answer.
        let Ok(_place) = self.places.try_acquire() else { return Asked::Unanswered };
        self.directory.metrics.questions.inc();
        let snapshots = self.directory.snapshots();
        match self.post("/internal/v1/session", &SessionQuestion { key }).await {
            Ok(body) => match serde_json::from_slice::<SessionAnswer>(&body) {
                Ok(SessionAnswer { session: Some(session), account, epoch }) => {
                    if !self.agrees(account.as_ref(), epoch).await {
                        return Asked::Unanswered;
                    }
                    if self.directory.learn(snapshots, session, account) { Asked::Known } else { Asked::Unanswered }
                }
                Ok(_) => Asked::Unknown,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the auditor's answer cannot be read");
                    Asked::Unanswered
                }
            },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the auditor could not be asked for a session"
                );
                Asked::Unanswered
            }
        }
    }

    /// Waits for what the feed is about to tell of an account that the answer, of `epoch`, knows otherwise: who logs in for
    /// the first time has a session and an active account in one change, and must not be refused by the account as it was.
    async fn agrees(&self, answered: Option<&Account>, epoch: Epoch) -> bool {
        let Some(answered) = answered else { return true };
        let mut changes = self.directory.changes();
        let known = || self.directory.account(answered.id);
        let settled = |_: &u64| self.directory.epoch() >= epoch || known().is_none_or(|known| *known == *answered);
        matches!(timeout(FEED_WAIT_MAX, changes.wait_for(settled)).await, Ok(Ok(_)))
    }

    async fn feed(&self, index: usize, auditor: &Transport, may_go_back: bool) -> Result<(), ClientError> {
        let path = format!("/internal/v1/directory?after={}", self.directory.epoch().0);
        let mut connection = auditor.connect().await?;
        let request = auditor.request("GET", &path).body(Full::default())?;
        let response =
            timeout(ANSWER_MAX, connection.send_request(request)).await.map_err(|_| ClientError::Silent)??;
        if !response.status().is_success() {
            return Err(ClientError::Status(response.status().as_u16()));
        }
        self.directory.metrics.followed(Some(index));
        self.directory.metrics.connects.inc();
        let mut body = response.into_body();
        let mut seen = None;
        let result = self.read(&mut body, &mut seen, may_go_back).await;
        if seen.is_some() {
            // What came of a snapshot that broke off is in force, and was not added.
            self.whole.notify_one();
        }
        result
    }

    async fn read(&self, body: &mut Incoming, seen: &mut Option<Seen>, may_go_back: bool) -> Result<(), ClientError> {
        let mut buffer = BytesMut::new();
        loop {
            let frame = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| ClientError::Silent)?;
            let Some(frame) = frame else { return Err(ClientError::Ended) };
            let Ok(data) = frame?.into_data() else { continue };
            buffer.extend_from_slice(&data);
            while let Some(end) = memchr::memchr(b'\n', &buffer) {
                let line = buffer.split_to(end);
                buffer.advance(1);
                let message: Message = serde_json::from_slice(&line)?;
                // An auditor that has not caught up would give back for a while what was revoked.
                if !may_go_back && state(&message).is_some_and(|state| state < self.directory.epoch()) {
                    return Err(ClientError::Behind);
                }
                let snapshot_ended = matches!(message, Message::SnapshotEnd { .. });
                // Within a snapshot nothing is added: what it tells is in the file that is written after it.
                let added = (seen.is_none() && matches!(message, Message::Change { .. })).then(|| message.clone());
                self.directory.take(message, clock::now(), seen);
                if let Some(added) = added {
                    self.add(&added);
                }
                if snapshot_ended {
                    self.whole.notify_one();
                }
            }
            if buffer.len() > LINE_BYTES_MAX {
                return Err(ClientError::Long);
            }
        }
    }

    async fn post(&self, path: &str, message: &impl serde::Serialize) -> Result<Bytes, ClientError> {
        let body = Bytes::from(serde_json::to_vec(message)?);
        let deadline = Instant::now() + ANSWER_MAX;
        for (left, auditor) in self.sources.in_turn() {
            // One that hangs must not take the others' time, too.
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            let answer = timeout(share, exchange(auditor, path, body.clone())).await;
            let error = match answer.unwrap_or(Err(ClientError::Silent)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.directory.metrics.failures.inc();
            if left == 1 || !error.is_of_one_auditor() {
                return Err(error);
            }
            tracing::warn!(%auditor, error = &error as &dyn std::error::Error, "an auditor did not answer; the next one is asked");
        }
        Err(ClientError::Silent)
    }
}

async fn exchange(auditor: &Transport, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
    let mut connection = auditor.connect().await?;
    let request = auditor.request("POST", path).header("content-type", "application/json").body(Full::new(body))?;
    let response = connection.send_request(request).await?;
    if !response.status().is_success() {
        return Err(ClientError::Status(response.status().as_u16()));
    }
    let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    // What is no break of the connection is the limit.
    let whole = limited.map_err(|error| error.downcast::<hyper::Error>().map_or(ClientError::Long, |e| (*e).into()))?;
    Ok(whole.to_bytes())
}

/// The state of the directory that a line of the feed belongs to.
fn state(message: &Message) -> Option<Epoch> {
    match message {
        Message::SnapshotBegin => None,
        Message::Change { epoch, .. } | Message::SnapshotEnd { epoch } | Message::Heartbeat { epoch, .. } => {
            Some(*epoch)
        }
    }
}

#[cfg(test)]
mod tests;
