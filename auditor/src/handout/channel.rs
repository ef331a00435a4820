//! Channels, and which two of them may carry the halves.

use contract::Micros;
use contract::wire_enum;

wire_enum! {
    /// How a half reaches somebody. Not by e-mail, ever.
    pub enum Channel {
        /// A letter to the address at work.
        Letter = 1 => "letter",
        /// A text message to the mobile telephone.
        Sms = 2 => "sms",
        /// Read out, after a call to the number at work that the form has.
        Phone = 3 => "phone",
        /// A fax, where that is switched on.
        Fax = 4 => "fax",
    }
}

impl Channel {
    /// Whether it is on paper: printed, and days under way.
    pub const fn is_paper(self) -> bool {
        matches!(self, Self::Letter | Self::Fax)
    }
}

wire_enum! {
    /// Which half.
    pub enum Part {
        /// The enrolment id.
        Id = 1 => "id",
        /// The code.
        Code = 2 => "code",
    }
}

impl Part {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Id => Self::Code,
            Self::Code => Self::Id,
        }
    }
}

const HOUR: Micros = 3_600_000_000;

/// How long halves are good, and how often they may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// By SMS or telephone, from when it went out, in microseconds.
    pub quick_us: Micros,
    /// By letter or fax.
    pub paper_us: Micros,
    /// So many wrong codes make both halves void.
    pub tries_max: u32,
    /// Whether one administrator may see both halves in clear, as where there is but one.
    pub one_sees_both: bool,
    /// Whether fax may be used.
    pub fax: bool,
    /// Whether there is a provider of text messages.
    pub sms: bool,
    /// A text message leaves so long after the paper half has, so that it is still good when that arrives.
    pub sms_after_us: Micros,
    /// Who has shown both halves has so long to set credentials.
    pub open_us: Micros,
    /// A half that nobody has sent for so long is void.
    pub unsent_us: Micros,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            quick_us: 72 * HOUR,
            paper_us: 14 * 24 * HOUR,
            tries_max: 5,
            one_sees_both: false,
            fax: false,
            sms: true,
            sms_after_us: 48 * HOUR,
            open_us: HOUR / 2,
            unsent_us: 30 * 24 * HOUR,
        }
    }
}

impl Rule {
    /// How long a half is good that went out by this channel.
    pub const fn life(&self, channel: Channel) -> Micros {
        if channel.is_paper() { self.paper_us } else { self.quick_us }
    }
}

/// Why two channels cannot carry the halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// Both the same: one letter lost would be enough.
    #[error("the two halves go by two different channels")]
    Same,
    /// Two papers lie in the same tray.
    #[error("letter and fax lie in the same tray: one of the halves goes by SMS or telephone")]
    Papers,
    /// Not switched on.
    #[error("fax is not switched on here")]
    FaxOff,
    /// There is no provider.
    #[error("there is no provider of text messages here: take letter and telephone")]
    SmsOff,
}

/// Two channels that may carry the halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    id: Channel,
    code: Channel,
}

impl Pair {
    /// The channel of the enrolment id, and that of the code.
    pub fn new(id: Channel, code: Channel, rule: &Rule) -> Result<Self, PairError> {
        if (id == Channel::Fax || code == Channel::Fax) && !rule.fax {
            return Err(PairError::FaxOff);
        }
        if (id == Channel::Sms || code == Channel::Sms) && !rule.sms {
            return Err(PairError::SmsOff);
        }
        if id == code {
            return Err(PairError::Same);
        }
        if id.is_paper() && code.is_paper() {
            return Err(PairError::Papers);
        }
        Ok(Self { id, code })
    }

    /// A half's channel.
    pub const fn of(self, part: Part) -> Channel {
        match part {
            Part::Id => self.id,
            Part::Code => self.code,
        }
    }
}

/// Somebody says that they called the number of the form, and spoke to the person.
#[derive(Debug, Clone, Copy)]
pub struct CalledBack(());

impl CalledBack {
    /// None, if they do not.
    pub fn confirmed(ticked: bool) -> Option<Self> {
        ticked.then_some(Self(()))
    }
}
