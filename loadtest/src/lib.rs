//! The load test: a sample registry, the whole stack on one machine, a check that every answer has its record, and
//! benches.
//!
//! - [`backend`]: «Exempelregistret», a registry of synthetic patients to stand behind the gateway.
//! - [`stack`]: starts, watches, kills and restarts sample registry, ClickHouse, auditor and gateway.
//! - [`client`]: an HTTP client with a device certificate and a personal login.
//! - [`verify`]: mixed traffic, then a comparison of what was answered with what ClickHouse holds.
//! - [`run`]: the demo of `make run`.
//! - [`bench`], [`bare`]: what a request costs the gateway, next to a proxy that records nothing.
//!
//! Load goes to loopback only, is bounded in count and time, and stops by itself.

pub mod backend;
pub mod bare;
pub mod bench;
pub mod client;
pub mod clock;
pub mod console;
pub mod patients;
pub mod rng;
pub mod run;
pub mod stack;
pub mod verify;
