//! The way back: from the blocking thread that runs a statement to the connection's task.
//!
//! An answer is held back until [`HELD_BACK`] bytes are there, or until it ends: so small answers have a length and their
//! true counts, and an error among the first rows is still an HTTP error. Beyond that it is streamed. An error in the
//! middle of a stream is sent the way ClickHouse does since 25.11: a tagged block at the very end that clients know
//! by `X-ClickHouse-Exception-Tag`; then the connection is broken off, so that a client that does not know the tag
//! can not take the answer for a whole one either.
//!
//! Memory: [`HELD_BACK`] plus [`BLOCKS`] blocks of the engine (some 64 k rows each) for each running statement.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use super::codec::{Coding, Writer};
use super::error::ServerError;
use super::ffi::Counts;

/// What is kept back before the first byte is sent, as on a ClickHouse server.
const HELD_BACK: usize = 1 << 20;
/// Blocks that may wait between the engine and the connection.
const BLOCKS: usize = 4;
/// A client that does not read for so long is given up.
const STALLED: Duration = Duration::from_mins(5);
/// Answers shorter than this are not worth packing.
const PACK_MIN: usize = 1024;

/// Status and headers of an answer, and its body.
pub(crate) struct Answer {
    pub(crate) result: Result<Success, ServerError>,
    pub(crate) body: AnswerBody,
}

/// What the headers of a good answer tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Success {
    /// The format of the answer; none for statements that have none.
    pub(crate) format: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) elapsed: Duration,
    /// The coding that was applied.
    pub(crate) coding: Option<&'static str>,
    /// The mark of an error in the middle of the body.
    pub(crate) tag: Option<String>,
}

/// Where a statement writes its answer.
pub(crate) struct Output {
    head: Option<oneshot::Sender<Answer>>,
    sender: Option<mpsc::Sender<Result<Bytes, Broken>>>,
    writer: Option<Writer>,
    held: Vec<u8>,
    coding: Coding,
    tag: String,
    success: Success,
    started: std::time::Instant,
    runtime: tokio::runtime::Handle,
}

/// The client is no longer there.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the client went away before the end of the answer")]
pub(crate) struct Gone;

/// The body ends in the middle, on purpose.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the statement failed after a part of its answer was sent")]
pub(crate) struct Broken;

impl Output {
    pub(crate) fn new(head: oneshot::Sender<Answer>, tag: String, runtime: tokio::runtime::Handle) -> Self {
        Self {
            head: Some(head),
            sender: None,
            writer: None,
            held: Vec::new(),
            coding: Coding::Plain,
            tag,
            success: Success::default(),
            started: std::time::Instant::now(),
            runtime,
        }
    }

    /// Says how the answer is packed and in which format it is. Before the first byte.
    pub(crate) fn describe(&mut self, coding: Coding, format: Option<String>) {
        self.coding = coding;
        self.success.format = format;
    }

    /// Adds to what the summary tells.
    pub(crate) fn count(&mut self, counts: Counts) {
        let sum = &mut self.success.counts;
        sum.result_rows += counts.result_rows;
        sum.result_bytes += counts.result_bytes;
        sum.read_rows += counts.read_rows;
        sum.read_bytes += counts.read_bytes;
        sum.written_rows += counts.written_rows;
        sum.written_bytes += counts.written_bytes;
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> Counts {
        self.success.counts
    }

    /// Appends to the answer.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Gone> {
        if self.sender.is_none() && self.held.len() + data.len() <= HELD_BACK {
            self.held.extend_from_slice(data);
            return Ok(());
        }
        if self.sender.is_none() {
            self.start()?;
        }
        self.pack(data)
    }

    fn start(&mut self) -> Result<(), Gone> {
        let (sender, receiver) = mpsc::channel(BLOCKS);
        self.writer = Some(Writer::new(self.coding).map_err(|_| Gone)?);
        self.success.coding = self.coding.name();
        self.success.tag = Some(self.tag.clone());
        self.success.elapsed = self.started.elapsed();
        let answer = Answer { result: Ok(self.success.clone()), body: AnswerBody::stream(receiver) };
        self.head.take().ok_or(Gone)?.send(answer).map_err(|_| Gone)?;
        self.sender = Some(sender);
        let held = std::mem::take(&mut self.held);
        self.pack(&held)
    }

    fn pack(&mut self, data: &[u8]) -> Result<(), Gone> {
        let Some(writer) = &mut self.writer else {
            return Err(Gone);
        };
        let packed = writer.write(data).map_err(|_| Gone)?;
        self.send(Ok(packed.into()))
    }

    fn send(&self, item: Result<Bytes, Broken>) -> Result<(), Gone> {
        if item.as_ref().is_ok_and(Bytes::is_empty) {
            return Ok(());
        }
        let Some(sender) = &self.sender else {
            return Err(Gone);
        };
        let sent = async { tokio::time::timeout(STALLED, sender.send(item)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Ends the answer well.
    pub(crate) fn finish(mut self) -> Result<(), Gone> {
        if let Some(writer) = self.writer.take() {
            let rest = writer.finish().map_err(|_| Gone)?;
            return self.send(Ok(rest.into()));
        }
        let mut body = std::mem::take(&mut self.held);
        // ClickHouse's blocks are not marked by a header: whoever asked for them gets them, whatever the length.
        let coding = if body.len() < PACK_MIN && self.coding != Coding::Blocks { Coding::Plain } else { self.coding };
        if coding != Coding::Plain {
            let mut writer = Writer::new(coding).map_err(|_| Gone)?;
            let mut packed = writer.write(&body).map_err(|_| Gone)?;
            packed.extend(writer.finish().map_err(|_| Gone)?);
            body = packed;
        }
        self.success.coding = coding.name();
        self.success.elapsed = self.started.elapsed();
        let answer = Answer { result: Ok(std::mem::take(&mut self.success)), body: AnswerBody::whole(body) };
        self.head.take().ok_or(Gone)?.send(answer).map_err(|_| Gone)
    }

    /// Ends the answer badly.
    pub(crate) fn fail(mut self, error: ServerError) -> Result<(), Gone> {
        let Some(mut writer) = self.writer.take() else {
            let body = AnswerBody::whole(format!("{}\n", error.message()).into_bytes());
            return self.head.take().ok_or(Gone)?.send(Answer { result: Err(error), body }).map_err(|_| Gone);
        };
        let message: String = error.message().chars().take(8000).chain(std::iter::once('\n')).collect();
        let tail = format!(
            "\r\n__exception__\r\n{tag}\r\n{message}{length} {tag}\r\n__exception__\r\n",
            tag = self.tag,
            length = message.len()
        );
        // The rows first, so that the tail stands in a block of its own.
        let rows = writer.flush().map_err(|_| Gone)?;
        self.send(Ok(rows.into()))?;
        let mut last = writer.write(tail.as_bytes()).map_err(|_| Gone)?;
        last.extend(writer.flush().map_err(|_| Gone)?);
        self.send(Ok(last.into()))?;
        self.send(Err(Broken))
    }
}

/// The body of an answer.
pub(crate) struct AnswerBody {
    whole: Option<Bytes>,
    parts: Option<mpsc::Receiver<Result<Bytes, Broken>>>,
    /// An error that waits one round, so that the bytes before it are written first.
    broken: Option<Broken>,
}

impl AnswerBody {
    pub(crate) fn whole(body: Vec<u8>) -> Self {
        Self { whole: Some(body.into()).filter(|body: &Bytes| !body.is_empty()), parts: None, broken: None }
    }

    fn stream(parts: mpsc::Receiver<Result<Bytes, Broken>>) -> Self {
        Self { whole: None, parts: Some(parts), broken: None }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        if let Some(whole) = self.whole.take() {
            return Poll::Ready(Some(Ok(Frame::data(whole))));
        }
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(None);
        };
        match parts.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(Err(broken))) => {
                self.broken = Some(broken);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_none() && self.parts.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.whole, &self.parts) {
            (Some(whole), _) => SizeHint::with_exact(whole.len() as u64),
            (None, None) => SizeHint::with_exact(0),
            (None, Some(_)) => SizeHint::default(),
        }
    }
}
