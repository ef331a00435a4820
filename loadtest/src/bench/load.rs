//! A closed loop of connections: each sends its next request when the last answer is whole.

use super::histogram::Histogram;
use crate::client::{ClientError, Connection, Device, Protocol, Target, empty};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What to send, and how.
#[derive(Clone)]
pub struct Load {
    /// Where to.
    pub target: Target,
    /// As which device.
    pub device: Device,
    /// Over which protocol.
    pub protocol: Protocol,
    /// How many connections.
    pub connections: usize,
    /// The paths, in turn.
    pub paths: Arc<Vec<String>>,
    /// Headers of each request.
    pub headers: HeaderMap,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Answers with status 200.
    pub answers: u64,
    /// All others, and broken exchanges.
    pub errors: u64,
    /// For how long.
    pub seconds: f64,
    /// Latencies of the answers.
    pub latency: Histogram,
}

impl Load {
    /// Opens the connections.
    pub async fn connect(&self) -> Result<Vec<Connection>, ClientError> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(&self.target, &self.device, self.protocol).await?);
        }
        Ok(connections)
    }

    /// Sends on open connections for the given time, and gives them back for the next round.
    pub async fn drive(&self, connections: Vec<Connection>, duration: Duration) -> (Figures, Vec<Connection>) {
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for (number, connection) in connections.into_iter().enumerate() {
            let load = self.clone();
            workers.spawn(async move { load.work(connection, number, start + duration).await });
        }
        let (mut figures, mut open) = (Figures::default(), Vec::new());
        while let Some(done) = workers.join_next().await {
            let Ok((part, connection)) = done else {
                figures.errors += 1;
                continue;
            };
            figures.answers += part.answers;
            figures.errors += part.errors;
            figures.latency.merge(&part.latency);
            open.extend(connection);
        }
        figures.seconds = start.elapsed().as_secs_f64();
        (figures, open)
    }

    async fn work(&self, mut connection: Connection, number: usize, end: Instant) -> (Figures, Option<Connection>) {
        let mut figures = Figures::default();
        let mut paths = self.paths.iter().cycle().skip(number * 7);
        while Instant::now() < end {
            let before = Instant::now();
            match self.exchange(&mut connection, paths.next().map_or("/", String::as_str)).await {
                Ok(200) => {
                    figures.answers += 1;
                    figures.latency.add(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                Ok(_) => figures.errors += 1,
                Err(_) => {
                    figures.errors += 1;
                    match Connection::open(&self.target, &self.device, self.protocol).await {
                        Ok(again) => connection = again,
                        Err(_) => return (figures, None),
                    }
                }
            }
        }
        (figures, Some(connection))
    }

    async fn exchange(&self, connection: &mut Connection, path: &str) -> Result<u16, ClientError> {
        let mut request = Request::get(path).body(empty()).map_err(|error| ClientError::Answer(error.to_string()))?;
        request.headers_mut().clone_from(&self.headers);
        let response = connection.send(request, TIMEOUT).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(status)
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
