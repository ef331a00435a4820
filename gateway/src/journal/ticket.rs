//! Waiting for the disk: tickets, the receipts they turn into, and how a thousand waiters are woken cheaply.
//!
//! A waker called from the committer's own thread goes through the runtime's shared queue and may cost a futex call
//! each; that, not the disk, was measured as the main cost of a commit. So the waiters of one batch form a `Group`, and a
//! finished group is handed as a whole to one small task on the runtime, which wakes them from a worker thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::frame::Position;

/// Up to so many waiters are woken straight from the committer: the detour by the task would cost more.
const WAKE_DIRECT_MAX: usize = 4;

/// Proof that a frame is on stable storage. Only the journal makes one, and only after the sync returned.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a receipt is what allows data to leave"]
pub struct Receipt {
    position: Position,
}

impl Receipt {
    /// The frame this receipt is for.
    pub fn position(&self) -> Position {
        self.position
    }
}

/// Why a ticket got no receipt. The frame may still become durable later: then something is recorded that was not
/// answered, which does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The disk did not answer in time.
    #[error("the journal was not written in time")]
    Timeout,
    /// The journal was closed before the frame was written.
    #[error("the journal is closed")]
    Closed,
}

/// How far the journal has come.
pub(super) struct Progress {
    /// Last durable sequence.
    durable: AtomicU64,
    hub: Arc<Hub>,
}

impl Progress {
    pub(super) fn new(durable: u64) -> Arc<Self> {
        Arc::new(Self { durable: AtomicU64::new(durable), hub: Arc::default() })
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Only the committer calls this, and only after a sync.
    pub(super) fn set_durable(&self, sequence: u64) {
        self.durable.store(sequence, Ordering::Release);
    }
}

/// Those who wait for the same batch.
pub(super) struct Group {
    progress: Arc<Progress>,
    waiters: Mutex<Waiters>,
}

enum Waiters {
    Open(Vec<Waker>),
    Closed(Result<(), CommitError>),
}

impl Group {
    pub(super) fn new(progress: &Arc<Progress>) -> Arc<Self> {
        Arc::new(Self { progress: Arc::clone(progress), waiters: Mutex::new(Waiters::Open(Vec::new())) })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*self.waiters.lock(), Waiters::Open(_))
    }

    /// Tells all who wait how it went. Says whether this call was the one that closed the group.
    pub(super) fn close(&self, result: Result<(), CommitError>) -> bool {
        let waiters = {
            let mut waiters = self.waiters.lock();
            match std::mem::replace(&mut *waiters, Waiters::Closed(result)) {
                Waiters::Open(wakers) => wakers,
                closed @ Waiters::Closed(_) => {
                    *waiters = closed;
                    return false;
                }
            }
        };
        self.progress.hub.wake(waiters);
        true
    }
}

/// A frame on its way to the disk. Await it for the receipt; dropping it is allowed, the frame is written all the same.
#[must_use = "nothing is proven before the ticket has become a receipt"]
pub struct Ticket {
    group: Arc<Group>,
    sequence: u64,
    slot: Option<usize>,
    taken: bool,
}

impl Ticket {
    pub(super) fn new(group: Arc<Group>, sequence: u64) -> Self {
        Self { group, sequence, slot: None, taken: false }
    }

    /// The frame's position, durable or not.
    pub fn position(&self) -> Position {
        Position::new(self.sequence)
    }

    /// Whether the frame is on stable storage by now.
    pub fn is_durable(&self) -> bool {
        self.group.progress.durable() >= self.sequence
    }

    /// The receipt if the frame is durable already, else the ticket back.
    pub fn try_receipt(self) -> Result<Receipt, Self> {
        if self.is_durable() && !self.taken { Ok(Receipt { position: self.position() }) } else { Err(self) }
    }

    fn outcome(&mut self, result: Result<(), CommitError>) -> Poll<Result<Receipt, CommitError>> {
        self.taken = true;
        // Durable beats a time-out that came first: the proof is what counts.
        if self.is_durable() {
            return Poll::Ready(Ok(Receipt { position: self.position() }));
        }
        Poll::Ready(Err(result.err().unwrap_or(CommitError::Closed)))
    }
}

impl Future for Ticket {
    type Output = Result<Receipt, CommitError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.taken {
            return Poll::Pending;
        }
        if this.is_durable() {
            return this.outcome(Ok(()));
        }
        this.group.progress.hub.ensure_task();
        let result = match &mut *this.group.waiters.lock() {
            Waiters::Closed(result) => *result,
            Waiters::Open(wakers) => {
                if let Some(waker) = this.slot.and_then(|slot| wakers.get_mut(slot)) {
                    waker.clone_from(context.waker());
                } else {
                    this.slot = Some(wakers.len());
                    wakers.push(context.waker().clone());
                }
                return Poll::Pending;
            }
        };
        this.outcome(result)
    }
}

/// Wakes finished groups from a task on the runtime.
#[derive(Default)]
struct Hub {
    has_task: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    wakers: Vec<Waker>,
    task: Option<Waker>,
}

impl Hub {
    /// Starts the task on the runtime of the first ticket that is polled; again, should that runtime have ended.
    fn ensure_task(self: &Arc<Self>) {
        if self.has_task.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.has_task.swap(true, Ordering::AcqRel)
        {
            runtime.spawn(WakerTask { hub: Arc::downgrade(self) });
        }
    }

    fn wake(&self, mut waiters: Vec<Waker>) {
        if waiters.len() > WAKE_DIRECT_MAX && self.has_task.load(Ordering::Acquire) {
            let mut queue = self.queue.lock();
            // Under the lock the task cannot end unseen: it clears the flag and drains the queue under it as well.
            if self.has_task.load(Ordering::Acquire) {
                if queue.wakers.is_empty() {
                    std::mem::swap(&mut queue.wakers, &mut waiters);
                } else {
                    queue.wakers.append(&mut waiters);
                }
                let task = queue.task.take();
                drop(queue);
                if let Some(task) = task {
                    task.wake();
                }
                return;
            }
        }
        waiters.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Lets the task see that there is nothing left to do.
        if let Some(task) = self.queue.get_mut().task.take() {
            task.wake();
        }
    }
}

struct WakerTask {
    hub: std::sync::Weak<Hub>,
}

impl Future for WakerTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(hub) = self.hub.upgrade() else {
            return Poll::Ready(());
        };
        let wakers = {
            let mut queue = hub.queue.lock();
            queue.task = Some(context.waker().clone());
            std::mem::take(&mut queue.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for WakerTask {
    fn drop(&mut self) {
        // The runtime ends. Nobody may be left waiting in the queue.
        if let Some(hub) = self.hub.upgrade() {
            let wakers = {
                let mut queue = hub.queue.lock();
                queue.task = None;
                // Within the lock: a next task may start only when this one's traces are gone.
                hub.has_task.store(false, Ordering::Release);
                std::mem::take(&mut queue.wakers)
            };
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}
