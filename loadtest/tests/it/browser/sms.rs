//! A provider of text messages of 46elks' shape: it takes every message and writes it to a file, a line for each, as it was
//! sent: an encoded form.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Nobody who sends a message takes longer for it.
const WITHIN: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: u64 = 64 << 10;

pub(super) struct Provider {
    port: u16,
    dir: TempDir,
}

impl Provider {
    /// Listens here until the test's process ends.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let provider = Self { port, dir: tempfile::tempdir().unwrap() };
        let file = provider.file();
        File::create(&file).unwrap();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                take(&stream, number, &file).unwrap();
            }
        });
        provider
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where the messages are.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.path().join("messages")
    }
}

fn take(mut stream: &TcpStream, number: usize, file: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(WITHIN))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse::<u64>().unwrap_or(0).min(BODY_BYTES_MAX);
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let mut kept = OpenOptions::new().append(true).open(file)?;
    kept.write_all(&body)?;
    kept.write_all(b"\n")?;
    let told = serde_json::json!({ "id": format!("s{number}"), "status": "created" }).to_string();
    let length = told.len();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{told}")
}
