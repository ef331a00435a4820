//! The key that seals this node's batches, and how another takes its place.
//!
//! Files, of which the first two are readable by the owner only:
//! ```text
//! keys/seal.key        the key that signs
//! keys/seal.next.key   the key that will: made by `gateway seal-key rotate`
//! seal.handovers       each hand-over so far, signed by the key before: a line of JSON each
//! ```
//! A prepared key changes nothing. When the gateway starts, and no batch is on its way, the present key signs which key
//! follows it and from which batches on; once that line is durable the new key signs, and the old one is destroyed.
//!
//! # Invariants
//! 1. Which key signs is decided by the last line of `seal.handovers`. It is replaced as a whole, so a process that dies at
//!    any point leaves the old key or the new one in force, and the one in force is on the disk.
//! 2. A key hands over once: what is not durable was never sent, and what is durable is never said again in other words.
//! 3. No seal is signed by a key before the hand-over to it is durable.

use super::{KeysError, generate};
use crate::journal::storage::{Storage, StorageFile};
use contract::Micros;
use contract::id::NodeName;
use contract::seal::{Edge, SealKey, SignedHandOver};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The seal keys of one node.
pub struct SealKeys {
    storage: Arc<dyn Storage>,
    places: Places,
    node: NodeName,
    current: SealKey,
    next: Option<SealKey>,
    history: Vec<SignedHandOver>,
}

/// What is there, for those who only look.
#[derive(Debug)]
pub struct Seen {
    /// The key that signs.
    pub current: [u8; 32],
    /// The key that waits to take over.
    pub next: Option<[u8; 32]>,
    /// Each hand-over, oldest first.
    pub history: Vec<SignedHandOver>,
}

impl Seen {
    /// The key with which all began: from it the hand-overs lead to the present one.
    pub fn root(&self) -> [u8; 32] {
        root(&self.history, self.current)
    }
}

#[derive(Debug, Clone)]
struct Places {
    dir: PathBuf,
    current: PathBuf,
    next: PathBuf,
    history: PathBuf,
}

impl Places {
    fn new(state_dir: &Path) -> Self {
        let dir = state_dir.join("keys");
        Self {
            current: dir.join("seal.key"),
            next: dir.join("seal.next.key"),
            history: state_dir.join("seal.handovers"),
            dir,
        }
    }
}

impl SealKeys {
    /// Reads the keys under this folder, makes the first one, and brings a hand-over to its end that was cut short. The
    /// folder `keys` in it must be there.
    pub fn open(storage: &Arc<dyn Storage>, state_dir: &Path, node: &NodeName) -> Result<Self, KeysError> {
        let places = Places::new(state_dir);
        let history = read_history(&**storage, &places.history, node)?;
        if history.is_empty() {
            make(&**storage, &places.dir, &places.current)?;
        }
        // What a process that was killed has left is seen, and may not be on the disk yet: nothing rests on it before.
        for dir in [state_dir, &places.dir] {
            storage.sync_dir(dir).map_err(|source| KeysError::File { path: dir.into(), source })?;
        }
        let next = read_key(&**storage, &places.next)?;
        let current = read_key(&**storage, &places.current)?;
        let (current, next, finish) = in_force(&places, &history, current, next)?;
        let keys = Self { storage: Arc::clone(storage), places, node: node.clone(), current, next, history };
        if finish {
            keys.destroy_old()?;
        }
        Ok(keys)
    }

    /// Looks without changing anything. `None` if there is no key yet.
    pub fn look(storage: &Arc<dyn Storage>, state_dir: &Path, node: &NodeName) -> Result<Option<Seen>, KeysError> {
        let places = Places::new(state_dir);
        let history = read_history(&**storage, &places.history, node)?;
        let next = read_key(&**storage, &places.next)?;
        let current = read_key(&**storage, &places.current)?;
        if current.is_none() && history.is_empty() {
            return Ok(None);
        }
        let (current, next, _) = in_force(&places, &history, current, next)?;
        Ok(Some(Seen { current: current.public(), next: next.map(|key| key.public()), history }))
    }

    /// Makes the key that is to follow, and says its public half; false if one was waiting already.
    pub fn prepare(storage: &Arc<dyn Storage>, state_dir: &Path) -> Result<([u8; 32], bool), KeysError> {
        let places = Places::new(state_dir);
        let made = make(&**storage, &places.dir, &places.next)?;
        let key = read_key(&**storage, &places.next)?.ok_or(KeysError::Form(places.next))?;
        Ok((key.public(), made))
    }

    /// The key that signs.
    pub fn current(&self) -> &SealKey {
        &self.current
    }

    /// Each hand-over, oldest first.
    pub fn history(&self) -> &[SignedHandOver] {
        &self.history
    }

    /// The key with which all began.
    pub fn root(&self) -> [u8; 32] {
        root(&self.history, self.current.public())
    }

    /// Whether a key waits to take over.
    pub fn waits(&self) -> bool {
        self.next.is_some()
    }

    /// Hands over to the key that waits, if one does, from these edges on. No batch may be on its way that the old key has
    /// sealed. After an error nothing may be signed until a repeated call has succeeded: the hand-over may be in force.
    pub fn hand_over(&mut self, access: Edge, auth: Edge, at: Micros) -> Result<bool, KeysError> {
        let Some(next) = &self.next else { return Ok(false) };
        if self.history.len() >= HAND_OVERS_MAX {
            return Err(KeysError::TooMany(self.places.history.clone()));
        }
        let signed = SignedHandOver::new(&self.node, &self.current, next.public(), access, auth, at);
        let lines = lines(self.history.iter().chain([&signed])).ok_or(KeysError::Random)?;
        replace(&*self.storage, &self.places.history, &lines)
            .map_err(|source| KeysError::File { path: self.places.history.clone(), source })?;
        // From here on it is in force, whatever happens to the files of the keys.
        self.history.push(signed);
        if let Some(next) = self.next.take() {
            self.current = next;
        }
        if let Err(error) = self.destroy_old() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the seal key that was handed over could not be removed; the next start does it"
            );
        }
        Ok(true)
    }

    /// The new key takes the old one's file.
    fn destroy_old(&self) -> Result<(), KeysError> {
        let fail = |source| KeysError::File { path: self.places.current.clone(), source };
        match self.storage.rename(&self.places.next, &self.places.current) {
            // Another process was first: the name is there no more because its work is done.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(fail)?,
        }
        self.storage.sync_dir(&self.places.dir).map_err(fail)
    }
}

fn root(history: &[SignedHandOver], current: [u8; 32]) -> [u8; 32] {
    history.first().map_or(current, |first| first.said.old)
}

/// Which of two keys signs, which waits, and whether the one that signs still lies in the other's place.
fn in_force(
    places: &Places,
    history: &[SignedHandOver],
    current: Option<SealKey>,
    next: Option<SealKey>,
) -> Result<(SealKey, Option<SealKey>, bool), KeysError> {
    let is = |key: &Option<SealKey>, wanted: [u8; 32]| key.as_ref().is_some_and(|key| key.public() == wanted);
    match (history.last(), current, next) {
        (None, Some(current), next) => Ok((current, next, false)),
        (Some(last), _, Some(next)) if next.public() == last.said.new => Ok((next, None, true)),
        (Some(last), current, next) if is(&current, last.said.new) => {
            current.map(|current| (current, next, false)).ok_or_else(|| KeysError::Form(places.current.clone()))
        }
        (None, None, _) => Err(KeysError::Form(places.current.clone())),
        (Some(_), _, _) => Err(KeysError::NotTheLast { key: places.current.clone(), history: places.history.clone() }),
    }
}

/// Makes a key in a file that is not there yet. False if it is.
fn make(storage: &dyn Storage, dir: &Path, path: &Path) -> Result<bool, KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    if present(storage, path).map_err(fail)? {
        return Ok(false);
    }
    let made = generate()?;
    // A name of its own: two processes that make a key at once must not write into each other's file.
    let temporary = path.with_extension(format!("{:016x}.tmp", storage.salt()));
    let file = storage.create(&temporary).map_err(fail)?;
    let written = file.write_at(0, &made).and_then(|()| file.sync_data());
    // A name that is there stays: then another process was first, and its key is the key.
    let linked = written.and_then(|()| storage.link(&temporary, path));
    let removed = storage.remove(&temporary);
    linked.and(removed).and_then(|()| storage.sync_dir(dir)).map_err(fail)?;
    Ok(true)
}

fn read_key(storage: &dyn Storage, path: &Path) -> Result<Option<SealKey>, KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    let Some(bytes) = read(storage, path, KEY_BYTES_MAX).map_err(fail)? else { return Ok(None) };
    SealKey::from_pkcs8(&bytes).map(Some).map_err(|_| KeysError::Form(path.into()))
}

fn read_history(storage: &dyn Storage, path: &Path, node: &NodeName) -> Result<Vec<SignedHandOver>, KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    let bytes = read(storage, path, HISTORY_BYTES_MAX).map_err(fail)?.unwrap_or_default();
    let mut history: Vec<SignedHandOver> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let signed: Option<SignedHandOver> = serde_json::from_slice(line).ok();
        let follows = |signed: &SignedHandOver| {
            let after = history.last().is_none_or(|before| before.said.new == signed.said.old);
            after && signed.said.node == node.as_str() && signed.holds()
        };
        history.push(signed.filter(follows).ok_or_else(|| KeysError::History(path.into()))?);
    }
    Ok(history)
}

fn lines<'a>(history: impl Iterator<Item = &'a SignedHandOver>) -> Option<Vec<u8>> {
    let mut lines = Vec::new();
    for signed in history {
        lines.extend(serde_json::to_vec(signed).ok()?);
        lines.push(b'\n');
    }
    Some(lines)
}

/// Replaces a file as a whole, durably.
fn replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = storage.create(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync_data()?;
    storage.rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |dir| storage.sync_dir(dir))
}

fn present(storage: &dyn Storage, path: &Path) -> io::Result<bool> {
    match storage.open_read(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(storage: &dyn Storage, path: &Path, most: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file: Arc<dyn StorageFile> = match storage.open_read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.size()?;
    if size > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any such file is"));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or(0)]);
    let count = file.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    Ok(Some(bytes))
}

/// One a day for a quarter of a century.
const HAND_OVERS_MAX: usize = 10_000;
const HISTORY_BYTES_MAX: u64 = 16 << 20;
const KEY_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests;
