//! Login with a SITHS card, which is a TLS client certificate of other authorities than devices have.
//!
//! - The gateway's listener asks for the device's certificate, and a browser shows one a connection. So the card is shown to a
//!   listener of this program's own ([`listener`]), at a name or port of its own, and what was seen there is handed over by a
//!   code: random, kept as a hash, good once, for a minute ([`CODE_LIFE`]).
//! - A login begins on the main host, on an enrolled device: a random value in a cookie, and, of it and the device's certificate,
//!   a keyed hash, the state, which goes along to the card's listener and is kept with the code. A code leads in only where
//!   cookie and device give its state: neither does a code that was got elsewhere lead a browser into another's session, nor is
//!   one of use that was seen on its way. The code stands in an address as those of OpenID Connect do (RFC 6749, 4.1.2): a form
//!   in its place would be posted from another site, and browsers keep the cookie back then.
//! - All that is refused is recorded: here, and there by [`CardRefusals`], which counts floods instead of writing each.

mod back;
mod begun;
mod listener;
mod refusals;
mod start;
#[cfg(test)]
mod tests;

pub(super) use back::come_back;
pub(super) use listener::router;
pub use refusals::{CardMetrics, CardRefusals};
pub(super) use start::start;

use crate::accounts::siths::Policy;
use crate::clock::SECOND;
use crate::config;
use contract::Micros;
use std::sync::Arc;

/// How long a code is good.
const CODE_LIFE: Micros = 60 * SECOND;

/// What logins with cards need to know.
#[derive(Debug)]
pub(super) struct Cards {
    /// Where cards are shown: `https://NAME:PORT`.
    origin: String,
    policies: Vec<Policy>,
    refusals: Arc<CardRefusals>,
}

impl Cards {
    pub(super) fn new(settings: &config::Siths, refusals: Arc<CardRefusals>) -> Self {
        Self { origin: settings.origin.to_string(), policies: settings.policies.clone(), refusals }
    }
}

/// What is kept of a code.
fn hash(code: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, code.as_bytes()).as_ref());
    hash
}
