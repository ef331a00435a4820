//! Where a half is on its way. Each move says where it may come from; nothing goes back.

use super::{CalledBack, Channel};
use contract::wire_enum;

wire_enum! {
    /// Where a half is.
    pub enum Stage {
        /// It waits: to be printed, to be read out, or for the paper half to leave first.
        Waiting = 1 => "waiting",
        /// It is on paper, and not posted yet.
        Printed = 2 => "printed",
        /// It waits to be taken by the provider of text messages.
        Queued = 3 => "queued",
        /// The provider has taken it.
        Sent = 4 => "sent",
        /// It could not be delivered: it goes by another channel, or anew.
        Failed = 5 => "failed",
        /// The provider says that it has arrived.
        Delivered = 6 => "delivered",
        /// Posted, faxed or read out.
        Gone = 7 => "gone",
    }
}

/// A move that is not one of this half, where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a half that goes by {channel} and is {from} cannot {action}")]
pub struct WrongStage {
    /// How it goes.
    pub channel: Channel,
    /// Where it is.
    pub from: Stage,
    /// What was to be done.
    pub action: &'static str,
}

impl Stage {
    /// Where a half begins that goes by `channel` while the other goes by `other`.
    pub const fn first(channel: Channel, other: Channel) -> Self {
        match channel {
            Channel::Sms if !other.is_paper() => Self::Queued,
            _ => Self::Waiting,
        }
    }

    /// Whether it has left.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::Gone)
    }

    /// Whether its clear text is needed no more.
    pub const fn is_over(self) -> bool {
        self.is_out() || matches!(self, Self::Failed)
    }

    /// It is printed, maybe again.
    pub fn print(self, channel: Channel) -> Result<Self, WrongStage> {
        match self {
            Self::Waiting | Self::Printed if channel.is_paper() => Ok(Self::Printed),
            from => Err(WrongStage { channel, from, action: "be printed" }),
        }
    }

    /// What was printed is in the post, or went by fax.
    pub fn post(self, channel: Channel) -> Result<Self, WrongStage> {
        match self {
            Self::Printed if channel.is_paper() => Ok(Self::Gone),
            from => Err(WrongStage { channel, from, action: "be posted" }),
        }
    }

    /// It is read out to somebody who was called.
    pub fn read_out(self, channel: Channel, _: CalledBack) -> Result<Self, WrongStage> {
        match (self, channel) {
            (Self::Waiting, Channel::Phone) => Ok(Self::Gone),
            (from, channel) => Err(WrongStage { channel, from, action: "be read out" }),
        }
    }

    /// The paper half has left: its turn has come.
    #[must_use]
    pub const fn after_paper(self, channel: Channel) -> Self {
        match (self, channel) {
            (Self::Waiting, Channel::Sms) => Self::Queued,
            (other, _) => other,
        }
    }

    /// What the provider says of a message. Words that come late or twice change nothing.
    #[must_use]
    pub const fn told(self, word: Self) -> Self {
        match (self, word) {
            (Self::Queued, Self::Sent | Self::Failed | Self::Delivered)
            | (Self::Sent, Self::Failed | Self::Delivered)
            // What had seemed lost has arrived.
            | (Self::Failed, Self::Delivered) => word,
            (same, _) => same,
        }
    }

    /// Whether the half may go by another channel instead.
    pub fn rerouted(self, channel: Channel) -> Result<(), WrongStage> {
        match self {
            Self::Waiting | Self::Printed | Self::Queued | Self::Failed => Ok(()),
            from => Err(WrongStage { channel, from, action: "go by another channel" }),
        }
    }
}
