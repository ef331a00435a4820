//! The last directory on disk: so that a gateway that starts while the auditor is away serves who was let in before,
//! until the copy is stale.
//!
//! One file of feed lines. It is written whole to a temporary name, synced and renamed; each change is added behind that
//! as it comes: what was taken away stays taken away, though the gateway is killed the next moment. A file to which a change
//! cannot be added, since the disk is full or broken, is removed until it can be written whole again. The file holds no
//! secret, but it says who may log in: its rights are the owner's only.

use super::Directory;
use contract::Micros;
use contract::directory::{Epoch, Message};
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Behind a file so many bytes are added at the most, before it is written anew.
const ADDED_BYTES_MAX: usize = 4 << 20;

/// The copy that is kept: one file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    /// What is added to. None: this run has not written the file yet, or could not add to it.
    file: Option<Arc<File>>,
    /// Bytes added since the file was written whole.
    added: usize,
    /// What was added while the next one is being written.
    meanwhile: Option<Vec<u8>>,
}

impl Kept {
    /// At this place; nothing is written yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, log: Mutex::default() }
    }

    /// Reads the copy, if there is one, as of the time it was heard. Gives that time.
    pub fn load(&self, directory: &Directory) -> io::Result<Option<Micros>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut file, mut line) = (BufReader::new(file), Vec::new());
        let (mut messages, mut heard, mut whole) = (Vec::new(), None, false);
        while file.read_until(b'\n', &mut line)? > 0 {
            if line.last() != Some(&b'\n') {
                // It was being added when the gateway ended.
                break;
            }
            let message = serde_json::from_slice::<Message>(&line)?;
            match &message {
                Message::SnapshotEnd { .. } => whole = true,
                Message::Heartbeat { at, .. } if whole => heard = Some(*at),
                _ => {}
            }
            messages.push(message);
            line.clear();
        }
        let Some(at) = heard else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before it is whole"));
        };
        let mut seen = None;
        for message in messages {
            directory.take(message, at, &mut seen);
        }
        // The feed is asked for a snapshot, not for what came after: the file may be of another installation's past.
        directory.epoch.store(Epoch::default().0, std::sync::atomic::Ordering::Release);
        Ok(Some(at))
    }

    /// Writes everything, and when the auditor was last heard. What is added meanwhile is in it, too. One call at a time.
    pub fn save(&self, directory: &Directory) -> io::Result<()> {
        self.log.lock().meanwhile = Some(Vec::new());
        let written = self.written(directory).and_then(|file| self.renamed(file));
        self.log.lock().meanwhile = None;
        written?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn temporary(&self) -> PathBuf {
        self.path.with_extension("tmp")
    }

    fn written(&self, directory: &Directory) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.temporary())?;
        // Also of one that was left there by somebody else.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
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
        Ok(file)
    }

    fn renamed(&self, mut file: File) -> io::Result<()> {
        let mut log = self.log.lock();
        let meanwhile =
            log.meanwhile.take().ok_or_else(|| io::Error::other("too much changed while it was written"))?;
        file.write_all(&meanwhile)?;
        fs::rename(self.temporary(), &self.path)?;
        *log = Log { file: Some(Arc::new(file)), added: meanwhile.len(), meanwhile: None };
        Ok(())
    }

    /// Adds a line of the feed that is in force: of a process that is killed after this it is there, of a machine that
    /// loses its power once it is [synced](Self::sync). A file to which a change
    /// cannot be added, or of before the first [`save`](Self::save), is removed.
    pub fn add(&self, message: &Message) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut log = self.log.lock();
        if let Some(meanwhile) = &mut log.meanwhile {
            meanwhile.extend_from_slice(&line);
            if meanwhile.len() > ADDED_BYTES_MAX {
                // A disk that hangs must not fill the memory: this file is given up, and written again.
                log.meanwhile = None;
            }
        }
        let is_change = matches!(message, Message::Change { .. });
        let Some(mut file) = log.file.as_deref() else {
            if is_change {
                // One that is there is of before this change.
                self.withdraw();
            }
            return Ok(());
        };
        let added = file.write_all(&line);
        if added.is_ok() {
            log.added = log.added.saturating_add(line.len());
            return added;
        }
        // Half a line may stand there: nothing may follow it.
        log.file = None;
        if is_change {
            self.withdraw();
        }
        added
    }

    /// Waits until what was added is on stable storage.
    pub fn sync(&self) -> io::Result<()> {
        let file = self.log.lock().file.clone();
        let synced = file.map_or(Ok(()), |file| file.sync_data());
        if synced.is_err() {
            // What was lost so is not told again by the next call: the file is written anew.
            self.log.lock().file = None;
            self.withdraw();
        }
        synced
    }

    /// Takes away a file that lacks a change: rather none is let in by it than somebody who was shut out. That needs no room.
    fn withdraw(&self) {
        let removed = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            removed => removed.and_then(|()| self.sync_folder()),
        };
        if let Err(error) = removed {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the directory on disk lacks what was taken away since, and cannot be removed"
            );
        }
    }

    /// Whether it is to be written whole, because nothing can be added to it, or much has been.
    pub fn wants_whole(&self) -> bool {
        let log = self.log.lock();
        log.file.is_none() || log.added > ADDED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Metrics;
    use contract::directory::Entry;
    use std::time::Duration;

    fn directory() -> Directory {
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("registers");
        Directory::new(Duration::from_mins(15), metrics)
    }

    fn change() -> Message {
        let entry = Entry::Session(crate::directory::tests::session(1));
        Message::Change { epoch: Epoch(2), at: 8, entry }
    }

    #[test]
    fn a_file_that_lacks_a_change_lets_nobody_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = Kept::new(dir.path().join("directory.ndjson"));
        let directory = directory();
        // Every write to it fails as on a disk without room.
        let full = || Some(Arc::new(OpenOptions::new().write(true).open("/dev/full").expect("opens")));
        kept.save(&directory).expect("saves");
        kept.log.lock().file = full();
        let heartbeat = Message::Heartbeat { epoch: Epoch(1), at: 7 };
        assert!(kept.add(&heartbeat).is_err());
        assert!(kept.path.exists(), "of then it is whole");
        kept.log.lock().file = full();
        let change = change();
        assert!(kept.add(&change).is_err());
        assert!(!kept.path.exists() && kept.wants_whole());
        assert_eq!(kept.load(&directory).expect("no file is no error"), None);

        kept.save(&directory).expect("saves, now that there is room");
        assert!(kept.path.exists() && !kept.wants_whole());
    }

    #[test]
    fn a_file_to_which_nothing_can_be_added_does_not_outlive_a_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = Kept::new(dir.path().join("directory.ndjson"));
        let directory = directory();
        kept.save(&directory).expect("saves");
        // The disk is full when it is noted that the auditor was heard, and stays so.
        kept.log.lock().file = Some(Arc::new(OpenOptions::new().write(true).open("/dev/full").expect("opens")));
        assert!(kept.add(&Message::Heartbeat { epoch: Epoch(1), at: 7 }).is_err());
        fs::create_dir(kept.temporary()).expect("no room for another");
        let change = change();
        let added = kept.add(&change);
        assert!(kept.save(&directory).is_err());
        assert!(!kept.path.exists(), "it lacks a change, and adding it gave {added:?}");
    }

    #[test]
    fn a_file_of_the_run_before_does_not_outlive_a_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("directory.ndjson");
        let directory = directory();
        Kept::new(path.clone()).save(&directory).expect("saves");
        // This run cannot write it: the disk is full.
        let kept = Kept::new(path.clone());
        fs::create_dir(kept.temporary()).expect("no room for another");
        assert!(kept.save(&directory).is_err());
        drop(kept.add(&change()));
        assert!(!path.exists(), "it lacks a change");
    }
}
