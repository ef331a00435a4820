//! The auditor as its users and the gateways meet it: the real program, on free ports, with keys made for the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    clippy::format_push_string,
    clippy::missing_panics_doc,
    reason = "a test stops where it finds a fault"
)]

mod admin;
#[path = "../../src/store/tests/cluster.rs"]
mod cluster;
mod commands;
mod directory;
mod engine;
mod enrolment;
mod handout;
mod installation;
mod login;
mod oidc;
mod openapi;
mod outbox;
mod procedure;
mod settings;
mod several;
mod started;
mod verify;
