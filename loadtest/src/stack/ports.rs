//! Loopback ports of a stack: well-known ones for the demo, free ones for tests.

use super::loopback;
use crate::rng::Rng;
use std::net::TcpListener;

/// The ports of one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The gateway's, for browsers and programs.
    pub https: u16,
    /// The gateway's health and metrics.
    pub gateway_ops: u16,
    /// The sample registry.
    pub registry: u16,
    /// ClickHouse's HTTP interface.
    pub clickhouse: u16,
    /// The auditor's application, behind the gateway.
    pub auditor: u16,
    /// The auditor's health and metrics.
    pub auditor_ops: u16,
}

/// A port that is not the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// What listens there.
    pub what: &'static str,
    /// The usual port, which is taken.
    pub wanted: u16,
    /// The port used instead.
    pub chosen: u16,
}

/// No port is free where they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no free loopback port was found")]
pub struct NoPort;

impl Ports {
    /// The ports of the demo.
    pub const DEMO: Self =
        Self { https: 8443, gateway_ops: 9101, registry: 8081, clickhouse: 8123, auditor: 8082, auditor_ops: 9102 };

    /// The demo's ports, with a free one instead of each that is taken.
    pub fn demo() -> Result<(Self, Vec<Moved>), NoPort> {
        let mut search = Search::new();
        let mut moved = Vec::new();
        let mut choose = |what, wanted| {
            if is_free(wanted) {
                return Ok(wanted);
            }
            let chosen = search.next()?;
            moved.push(Moved { what, wanted, chosen });
            Ok(chosen)
        };
        let ports = Self {
            https: choose("the gateway", Self::DEMO.https)?,
            gateway_ops: choose("the gateway's metrics", Self::DEMO.gateway_ops)?,
            registry: choose("the sample registry", Self::DEMO.registry)?,
            clickhouse: choose("ClickHouse", Self::DEMO.clickhouse)?,
            auditor: choose("the auditor", Self::DEMO.auditor)?,
            auditor_ops: choose("the auditor's metrics", Self::DEMO.auditor_ops)?,
        };
        Ok((ports, moved))
    }

    /// Free ports.
    pub fn free() -> Result<Self, NoPort> {
        Self::found(&mut Search::new())
    }

    /// Free ports, and one more for a second registry.
    pub fn free_and_one() -> Result<(Self, u16), NoPort> {
        let mut search = Search::new();
        Ok((Self::found(&mut search)?, search.next()?))
    }

    /// Free ports for two of each.
    pub fn free_for_two() -> Result<(Self, Self), NoPort> {
        let mut search = Search::new();
        Ok((Self::found(&mut search)?, Self::found(&mut search)?))
    }

    fn found(search: &mut Search) -> Result<Self, NoPort> {
        Ok(Self {
            https: search.next()?,
            gateway_ops: search.next()?,
            registry: search.next()?,
            clickhouse: search.next()?,
            auditor: search.next()?,
            auditor_ops: search.next()?,
        })
    }
}

/// A free port of its own.
pub fn free_port() -> Result<u16, NoPort> {
    Search::new().next()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// Ports below those that the kernel gives to outgoing connections, so that none of these takes one in the time
/// between its choice and its use. Each search begins elsewhere, so that two at a time rarely meet.
struct Search {
    rng: Rng,
    taken: Vec<u16>,
}

const FIRST: u64 = 18_000;
const LAST: u64 = 31_999;
const TRIES: usize = 2000;

impl Search {
    fn new() -> Self {
        let now = crate::clock::now_micros().unsigned_abs();
        Self { rng: Rng::fork(now, u64::from(std::process::id())), taken: Vec::new() }
    }

    fn next(&mut self) -> Result<u16, NoPort> {
        for _ in 0..TRIES {
            let port = u16::try_from(self.rng.between(FIRST, LAST)).map_err(|_| NoPort)?;
            if !self.taken.contains(&port) && is_free(port) {
                self.taken.push(port);
                return Ok(port);
            }
        }
        Err(NoPort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_differ() {
        let ports = Ports::free().expect("there are free ports");
        let mut all =
            [ports.https, ports.gateway_ops, ports.registry, ports.clickhouse, ports.auditor, ports.auditor_ops];
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair.first() != pair.get(1)));
        assert!(all.iter().all(|port| is_free(*port)));
    }
}
