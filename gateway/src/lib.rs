//! The gateway: a reverse proxy that lets in who belongs and records every access to a patient's data before a byte of
//! it leaves.
//!
//! The modules read like the life of a request: [`listener`] and [`tls`] take a connection, [`hygiene`] refuses what
//! could mean two things, [`route`] finds what is asked, [`directory`] knows who asks, [`policy`] decides, [`patient`]
//! finds whom it is about, [`recorder`] and [`journal`] write it down, [`upstream`] reaches the registry, [`proxy`]
//! joins them, [`disclosure`] finds whom an answer names, [`shipper`] takes the records to ClickHouse, and [`witness`] keeps
//! copies of their seals elsewhere.

pub mod assertion;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
mod console;
pub mod directory;
pub mod disclosure;
pub mod discover;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod geo;
pub mod hygiene;
pub mod journal;
pub mod journal_cli;
pub mod keys;
pub mod listener;
pub mod ops;
pub mod patient;
pub mod policy;
pub mod problem;
pub mod proxy;
pub mod recorder;
pub mod route;
pub mod seal_key_cli;
pub mod serve;
pub mod shipper;
#[cfg(test)]
mod sim;
pub mod task;
pub mod tls;
pub mod upstream;
pub mod witness;
