//! What gateway and auditor must agree on: identifiers, the access record and its bytes, sealing of
//! patient identities, the directory feed, the way back after login, emergency access, and the ClickHouse schema.
//!
//! The gateway writes records, the auditor reads them, the load test counts them. This crate holds
//! no I/O, no clock and no randomness of its own: time and random bytes are arguments. It knows
//! nothing of runtimes, proxies or database clients.

pub mod directory;
pub mod emergency;
pub mod id;
pub mod identity;
pub mod instant;
pub mod pseudonym;
pub mod record;
pub mod row;
pub mod schema;
pub mod seal;
pub mod settings;
pub mod way_back;
pub mod wire;

/// Microseconds since the Unix epoch, UTC. The one unit of wall-clock time in records and messages.
pub type Micros = i64;

/// A short, shared, immutable text: cheap to clone into each record.
pub type Text = std::sync::Arc<str>;
