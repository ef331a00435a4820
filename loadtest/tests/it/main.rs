//! Integration tests: the real program, free ports, certificates made at test time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod auditor_away;
mod backend;
mod bad_input;
mod bare;
mod browser;
mod certificates;
mod config;
mod confusion;
mod edges;
mod emergency;
mod examples;
mod grafana;
mod instructions;
mod journal_stall;
mod journal_trouble;
mod messages;
mod pki;
mod revocation;
mod rude;
mod seals;
mod several;
mod shared;
mod sockets;
mod somebody;
mod tap;
mod terms;
mod trials;
mod upstreams;
mod whole;
mod wire;

use loadtest::stack::process::{Keeper, Plan, Process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Starts a sample registry and gives its address.
async fn registry(keeper: &Keeper, dir: &Path, name: &'static str, arguments: &[&str]) -> (Process, SocketAddr) {
    let ready_file = dir.join(format!("{name}.ready"));
    let mut all = vec!["backend".to_owned(), "--port-file".to_owned(), ready_file.to_str().unwrap().to_owned()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let plan = Plan { name, program: program(), arguments: all, log: dir.join(format!("{name}.log")), ready_file };
    let mut process = Process::start(keeper, plan).unwrap();
    let address = process.ready(Duration::from_secs(20)).await.unwrap().trim().parse().unwrap();
    (process, address)
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_loadtest"))
}
