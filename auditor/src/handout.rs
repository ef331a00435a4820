//! Credentials handed out: two halves by two different channels, the enrolment id and the code. Who has both collects: sets
//! a password and a second factor of their own.
//!
//! Pure. There is no channel by e-mail, and no way to configure one. Addresses and numbers are those of the executed
//! application ([`Delivery`]); nobody types them anew.

mod channel;
mod collect;
mod delivery;
mod secret;
mod stage;

pub use channel::{CalledBack, Channel, Pair, PairError, Part, Rule};
pub use collect::{Both, Met, Purpose, Shown, State};
pub use delivery::{Delivery, Mobile, Unreachable};
pub use secret::{Code, EnrolmentId, HandoutKey, Spoken};
pub use stage::{Stage, WrongStage};

#[cfg(test)]
mod tests;
