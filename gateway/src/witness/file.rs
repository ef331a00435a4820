//! A witness that is a file: lines are appended and synced, and nothing that is in it is ever changed.
//!
//! It is opened anew each time, so that it may be moved away or lie on a disk that comes and goes.

use super::spool::Chunk;
use super::{SendError, Witness};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(super) struct FileWitness {
    path: PathBuf,
}

impl FileWitness {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Witness for FileWitness {
    async fn take(&mut self, chunk: &Chunk) -> (u64, Result<(), SendError>) {
        let path = self.path.clone();
        let bytes: Vec<u8> =
            chunk.lines().filter(|(_, copy)| copy.is_some()).flat_map(|(line, _)| line).copied().collect();
        let taken = chunk.bytes.len() as u64;
        match tokio::task::spawn_blocking(move || append(&path, &bytes)).await {
            Ok(Ok(())) => (taken, Ok(())),
            Ok(Err(error)) => (0, Err(SendError::File(error))),
            Err(_) => (0, Err(SendError::Ended)),
        }
    }
}

fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let existed = path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let size = file.metadata()?.len();
    let mut last = [0];
    // A crash may have left a part of a line: it stays, and the next line begins on its own.
    if size > 0 && (file.read_at(&mut last, size - 1)? == 0 || last != *b"\n") {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    file.sync_data()?;
    if !existed && let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}
