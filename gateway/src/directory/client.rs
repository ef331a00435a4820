//! The connection to the auditor: the feed, questions for sessions, reports of use.
//!
//! One task follows the feed and connects again, with growing pauses, whenever it breaks or falls silent. Questions
//! go over connections of their own, one at a time per session: many requests with the same unknown cookie make one
//! question.

mod transport;

use super::{Directory, disk};
use crate::clock;
use crate::config::InternalAddress;
use bytes::{Buf, BytesMut};
use contract::directory::{LINE_BYTES_MAX, Message, SessionAnswer, SessionQuestion, SessionsUsed};
use contract::id::SessionKey;
use dashmap::DashMap;
use http_body_util::{BodyExt, Full, Limited};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, watch};
pub use transport::{Transport, TransportError};

/// The feed is silent for so long: it is dead, for a heartbeat comes each second.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The longest an answer to a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Bytes of an answer at the most.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Questions under way at the most.
const QUESTIONS_MAX: usize = 64;
/// How often the use of sessions is reported and the copy saved.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Why the auditor did not answer.
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
    transport: Transport,
    disk: PathBuf,
    asking: DashMap<SessionKey, Arc<OnceCell<Asked>>>,
    places: Semaphore,
}

impl Client {
    /// Prepares a client; nothing is connected yet.
    pub fn new(directory: Arc<Directory>, address: &InternalAddress, disk: PathBuf) -> Result<Self, TransportError> {
        Ok(Self {
            directory,
            transport: Transport::new(address)?,
            disk,
            asking: DashMap::new(),
            places: Semaphore::new(QUESTIONS_MAX),
        })
    }

    /// Follows the feed until told to stop.
    pub async fn follow(&self, mut stop: watch::Receiver<bool>) {
        let mut pause = Duration::from_millis(50);
        loop {
            let connected = self.directory.metrics.connects.get();
            tokio::select! {
                result = self.feed() => if let Err(error) = result {
                    self.directory.metrics.failures.inc();
                    tracing::warn!(error = &error as &dyn std::error::Error, "the directory feed broke; connecting again");
                },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let had_connection = self.directory.metrics.connects.get() > connected;
            pause = if had_connection { Duration::from_millis(50) } else { (pause * 2).min(Duration::from_secs(2)) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reports the use of sessions and saves the copy, now and then, until told to stop; and once more then.
    pub async fn report(&self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.directory.changes();
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(REPORT_EVERY) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let used = self.directory.unreported(10_000);
            if !used.is_empty()
                && let Err(error) = self.post("/internal/v1/activity", &SessionsUsed { used }).await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "the use of sessions could not be reported");
            }
            if changes.has_changed().unwrap_or(false) || stopping {
                changes.mark_unchanged();
                self.save();
            }
            if stopping {
                return;
            }
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
                Ok(SessionAnswer { session: Some(session), account }) => {
                    if self.directory.learn(snapshots, session, account) { Asked::Known } else { Asked::Unanswered }
                }
                Ok(_) => Asked::Unknown,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the auditor's answer cannot be read");
                    Asked::Unanswered
                }
            },
            Err(error) => {
                self.directory.metrics.failures.inc();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the auditor could not be asked for a session"
                );
                Asked::Unanswered
            }
        }
    }

    fn save(&self) {
        if let Err(error) = disk::save(&self.directory, &self.disk) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the directory could not be kept on disk");
        }
    }

    async fn feed(&self) -> Result<(), ClientError> {
        let path = format!("/internal/v1/directory?after={}", self.directory.epoch().0);
        let mut connection = self.transport.connect().await?;
        let request = self.transport.request("GET", &path).body(Full::default())?;
        let response = tokio::time::timeout(ANSWER_MAX, connection.send_request(request))
            .await
            .map_err(|_| ClientError::Silent)??;
        if !response.status().is_success() {
            return Err(ClientError::Status(response.status().as_u16()));
        }
        self.directory.metrics.connects.inc();
        let mut body = response.into_body();
        let mut buffer = BytesMut::new();
        let mut seen = None;
        let mut saved = false;
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await.map_err(|_| ClientError::Silent)?;
            let Some(frame) = frame else { return Err(ClientError::Ended) };
            let Ok(data) = frame?.into_data() else { continue };
            buffer.extend_from_slice(&data);
            while let Some(end) = memchr::memchr(b'\n', &buffer) {
                let line = buffer.split_to(end);
                buffer.advance(1);
                let message: Message = serde_json::from_slice(&line)?;
                let snapshot_ended = matches!(message, Message::SnapshotEnd { .. });
                self.directory.take(message, clock::now(), &mut seen);
                if snapshot_ended && !saved {
                    saved = true;
                    self.save();
                }
            }
            if buffer.len() > LINE_BYTES_MAX {
                return Err(ClientError::Long);
            }
        }
    }

    async fn post(&self, path: &str, message: &impl serde::Serialize) -> Result<bytes::Bytes, ClientError> {
        let body = Full::new(bytes::Bytes::from(serde_json::to_vec(message)?));
        let exchange = async {
            let mut connection = self.transport.connect().await?;
            let request = self.transport.request("POST", path).header("content-type", "application/json").body(body)?;
            let response = connection.send_request(request).await?;
            if !response.status().is_success() {
                return Err(ClientError::Status(response.status().as_u16()));
            }
            let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            Ok(limited.collect().await.map_err(|_| ClientError::Long)?.to_bytes())
        };
        tokio::time::timeout(ANSWER_MAX, exchange).await.map_err(|_| ClientError::Silent)?
    }
}
