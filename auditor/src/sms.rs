//! Text messages: halves of credentials to mobile telephones, by an HTTP interface of 46elks' shape.
//!
//! What is due lies in the store ([`crate::store::Counter::due_messages`]); the [`Worker`] sends it while it holds the lease,
//! and the [`callback`] listener hears what became of it. A message is noted as tried before it is sent, so each goes out at
//! least once; twice only if an answer was lost, with the same words.

pub mod callback;
mod client;
mod text;
mod worker;

pub use client::{Client, SendError, SetupError};
pub use text::Texts;
pub use worker::{SmsMetrics, Worker};

#[cfg(test)]
mod tests;
