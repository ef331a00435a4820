//! The last directory on disk: so that a gateway that starts while the auditor is away serves who was let in before,
//! until the copy is stale.
//!
//! One file of feed lines, written whole to a temporary name, synced, renamed. It holds no secret, but it says who may
//! log in: its rights are the owner's only.

use super::Directory;
use contract::Micros;
use contract::directory::{Epoch, Message};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the copy and when the auditor was last heard.
pub fn save(directory: &Directory, path: &Path) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let mut out = BufWriter::new(file);
    let (epoch, at) = (directory.epoch(), directory.heard());
    let mut line = |message: &Message| -> io::Result<()> {
        serde_json::to_writer(&mut out, message)?;
        out.write_all(b"\n")
    };
    line(&Message::SnapshotBegin)?;
    for entry in directory.entries() {
        line(&Message::Change { epoch, at, entry })?;
    }
    line(&Message::SnapshotEnd { epoch })?;
    line(&Message::Heartbeat { epoch, at })?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads the copy, if there is one, as of the time it was heard. Gives that time.
pub fn load(directory: &Directory, path: &Path) -> io::Result<Option<Micros>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut messages = Vec::new();
    for line in BufReader::new(file).lines() {
        messages.push(serde_json::from_str::<Message>(&line?)?);
    }
    // The last line tells when the auditor was heard; without it the file was cut.
    let Some(Message::Heartbeat { at, .. }) = messages.last() else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before its last line"));
    };
    let at = *at;
    let mut seen = None;
    for message in messages {
        directory.take(message, at, &mut seen);
    }
    // The feed is asked for a snapshot, not for what came after: the file may be of another installation's past.
    directory.epoch.store(Epoch::default().0, std::sync::atomic::Ordering::Release);
    Ok(Some(at))
}
