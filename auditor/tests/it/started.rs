//! The real ClickHouse engine for one test. Needs `auditor fetch engine` to have run once.

use crate::installation::{Installation, Request, Response};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};

/// An engine that runs.
pub struct Engine {
    process: Child,
    pub address: String,
    password: String,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Engine {
    pub fn start(place: &Installation, listen: &str) -> Self {
        let path = |name: &str| place.path(name).display().to_string();
        let mut process = place
            .command(&[
                "clickhouse",
                "--data",
                &path("state/clickhouse"),
                "--key-file",
                &path("secrets/clickhouse.keys"),
                "--listen",
                listen,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(" answers at http://") {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "the engine did not start: run `auditor fetch engine`");
        }
        let address = line.trim().rsplit("http://").next().unwrap().to_owned();
        let password =
            std::fs::read_to_string(place.path("secrets/clickhouse-auditor.password")).unwrap().trim().to_owned();
        Self { process, address, password }
    }

    /// The rows of a query.
    pub fn ask(&self, sql: &str) -> Vec<Value> {
        let body = format!("{sql} FORMAT JSONEachRow");
        self.send(&body)
            .body
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Runs a statement.
    pub fn run(&self, sql: &str) {
        self.send(sql);
    }

    fn send(&self, body: &str) -> Response {
        let answer = Request::post(
            "/?mutations_sync=1&database=grindvakt&output_format_json_quote_64bit_integers=0",
            "text/plain",
            body,
        )
        .header("x-clickhouse-user", "auditor")
        .header("x-clickhouse-key", &self.password)
        .send(TcpStream::connect(&self.address).unwrap());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }
}
