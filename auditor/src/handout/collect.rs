//! What showing the halves leads to. Facts in, decision out; the answer to the person is the same for every refusal.

use super::Rule;
use crate::accounts::{self, InvalidMove};
use contract::Micros;
use contract::record::Reason;
use contract::wire_enum;

wire_enum! {
    /// What halves are for.
    pub enum Purpose {
        /// The account's first credentials.
        First = 1 => "first",
        /// A new second factor for an account in use. The old one ends when they are collected.
        Reset = 2 => "reset",
    }
}

impl Purpose {
    /// What they would be for, to an account in this state.
    pub fn of(state: accounts::State) -> Result<Self, InvalidMove> {
        match state {
            accounts::State::Created { .. }
            | accounts::State::HandedOut { .. }
            | accounts::State::Locked { unused: true, .. } => Ok(Self::First),
            accounts::State::Active { .. } | accounts::State::Locked { unused: false, .. } => Ok(Self::Reset),
            other => Err(InvalidMove { from: other.parts().0, action: "get new credentials" }),
        }
    }

    /// The account's state once they are collected: in use. Who has both halves has been called or written to: a lock by
    /// wrong attempts ends. One by somebody has ended the halves before.
    pub fn collected(self, state: accounts::State, now: Micros) -> Result<accounts::State, InvalidMove> {
        let state = match state.at(now) {
            locked @ accounts::State::Locked { .. } => locked.unlock(now)?,
            other => other,
        };
        match (self, state) {
            (Self::First, state) => state.activate(now),
            (Self::Reset, active @ accounts::State::Active { .. }) => Ok(active),
            (Self::Reset, other) => Err(InvalidMove { from: other.parts().0, action: "get a new second factor" }),
        }
    }
}

wire_enum! {
    /// What has become of a handout.
    pub enum State {
        /// It can be collected, once both halves are out.
        Open = 1 => "open",
        /// It was collected.
        Collected = 2 => "collected",
        /// Tried too often.
        Spent = 3 => "spent",
        /// Another took its place.
        Replaced = 4 => "replaced",
        /// Its time was over, or its account's; or somebody has locked or blocked that.
        Expired = 5 => "expired",
    }
}

/// A handout, as far as a decision needs it.
#[derive(Debug, Clone, Copy)]
pub struct Met {
    /// What has become of it.
    pub state: State,
    /// Until when each half is good; none: it has not gone out.
    pub until: [Option<Micros>; 2],
    /// Wrong codes so far.
    pub tries: u32,
}

/// Proof that both halves were shown. Only [`Met::judge`] makes one.
#[derive(Debug)]
pub struct Both(());

/// The decision.
#[derive(Debug)]
pub enum Shown {
    /// Both fit.
    Fits(Both),
    /// Refused.
    Refused {
        /// Why, for the record.
        reason: Reason,
        /// Wrong codes now.
        tries: u32,
        /// What becomes of the handout.
        state: State,
    },
}

impl Met {
    /// Decides on one try. `right`: whether the code is this handout's.
    pub fn judge(self, right: bool, rule: &Rule, now: Micros) -> Shown {
        let refused = |reason, tries, state| Shown::Refused { reason, tries, state };
        match self.state {
            State::Open => {}
            State::Expired => return refused(Reason::CodeExpired, self.tries, self.state),
            _ => return refused(Reason::CodeSpent, self.tries, self.state),
        }
        if self.until.iter().flatten().any(|until| *until <= now) {
            return refused(Reason::CodeExpired, self.tries, State::Expired);
        }
        let tries = self.tries.saturating_add(1);
        if right && self.until.iter().all(Option::is_some) {
            return Shown::Fits(Both(()));
        }
        if tries >= rule.tries_max {
            return refused(Reason::CodeSpent, tries, State::Spent);
        }
        refused(Reason::CodeUnknown, tries, State::Open)
    }
}
