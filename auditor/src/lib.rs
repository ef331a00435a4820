//! The auditor: accounts, devices, login, the directory for gateways, and the audit data's schema and engine.
//!
//! `web, job -> store -> accounts, devices, sessions`: the domain modules are pure and know neither database nor
//! web; the store knows no web.

pub mod accounts;
pub mod breached;
pub mod cli;
pub mod clock;
pub mod config;
pub mod devices;
pub mod duties;
pub mod emergencies;
pub mod engine;
pub mod enrol;
pub mod feed;
pub mod fetch;
pub mod forms;
pub mod handout;
pub mod imports;
pub mod init;
pub mod internal;
pub mod issuing;
pub mod lease;
pub mod letter;
pub mod migrate;
pub mod net;
pub mod ops;
pub mod outbox;
pub mod pki;
pub mod provider;
pub mod random;
pub mod sealing;
pub mod serve;
pub mod sessions;
pub mod sms;
pub mod store;
pub mod sweep;
pub mod verify;
pub mod web;
