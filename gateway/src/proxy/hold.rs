//! The hold: nothing is forwarded, and nothing leaves, before its record is durable.
//!
//! The types keep the order. A [`Hold`] comes from [`Hold::of`] only, which for a request that changes data waits for
//! the receipt before there is a hold at all, and so before there is an admitted request that could be forwarded. For
//! a read it keeps the pending record, and [`Hold::release`] waits for it before the response's first byte.

use crate::policy::Permit;
use crate::recorder::{Durable, Pending, RecordError};

/// What the record of an admitted request stands at.
pub(crate) struct Hold(State);

enum State {
    /// No patient data: there is no record.
    Unrecorded,
    /// Written, and not yet known to be durable: the response waits.
    Pending(Pending),
    /// Somebody waits for it, or did when the exchange ended.
    Waiting,
    /// Durable: the response may leave.
    Durable { _proof: Durable },
    /// It could not be made durable: nothing may leave.
    Failed(RecordError),
}

impl Hold {
    /// The hold of a request on a route without patient data.
    pub(crate) fn unrecorded() -> Self {
        Self(State::Unrecorded)
    }

    /// The hold of a recorded request. One that changes data, or that opens a stream which may, waits here.
    pub(crate) async fn of(permit: &Permit, pending: Pending, opens_stream: bool) -> Result<Self, RecordError> {
        if permit.changes() || opens_stream {
            return Ok(Self(State::Durable { _proof: pending.durable().await? }));
        }
        Ok(Self(State::Pending(pending)))
    }

    /// Waits until the response may leave.
    pub(crate) async fn release(&mut self) -> Result<(), RecordError> {
        match std::mem::replace(&mut self.0, State::Waiting) {
            State::Pending(pending) => {
                // Should this future be dropped while it waits, nothing has left; the record has, and needs its outcome.
                self.0 = match pending.durable().await {
                    Ok(proof) => State::Durable { _proof: proof },
                    Err(error) => State::Failed(error),
                };
            }
            other => self.0 = other,
        }
        match &self.0 {
            State::Failed(error) => Err(*error),
            State::Unrecorded | State::Durable { .. } => Ok(()),
            // Given up once before: nothing says that it is durable.
            State::Pending(_) | State::Waiting => Err(RecordError::Left),
        }
    }

    /// Whether there is a record, which then needs an outcome.
    pub(crate) fn is_recorded(&self) -> bool {
        !matches!(self.0, State::Unrecorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::stalled;
    use std::time::Duration;

    #[tokio::test]
    async fn who_leaves_while_waiting_leaves_a_record_that_needs_an_outcome() {
        let (_dir, recorder) = stalled();
        let mut hold = Hold(State::Pending(recorder.started(1).expect("there is room")));
        let waited = tokio::time::timeout(Duration::from_millis(20), hold.release()).await;
        assert!(waited.is_err());
        assert!(hold.is_recorded());
        assert_eq!(hold.release().await, Err(RecordError::Left), "nothing says that it is durable");
    }
}
