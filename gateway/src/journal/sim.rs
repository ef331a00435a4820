//! A disk in memory that fails in every way a disk can. Tests and simulations drive the journal on it.
//!
//! It keeps two states: what a reader sees now, and what would be left after a power cut. In between lie the unsynced
//! operations, of which a power cut keeps any part: each write whole, in sectors, in bytes or not at all, in any order;
//! each change of the directory or not. A failed sync drops the unsynced writes for good while readers still see them,
//! as Linux does. All chances come from one seed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::storage::{Storage, StorageFile, StorageLock};

/// What the disk may do. Chances are in 1/1000.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// After so many operations nothing works any more, until `power_cut` or `kill`.
    pub crash_after: Option<u64>,
    /// A sync fails.
    pub sync_fails: u64,
    /// A write fails, perhaps half done.
    pub write_fails: u64,
    /// Creating, renaming or removing fails.
    pub name_fails: u64,
    /// Size of the disk.
    pub capacity_bytes: u64,
}

impl Faults {
    /// A disk that does as it is told.
    pub const NONE: Self =
        Self { crash_after: None, sync_fails: 0, write_fails: 0, name_fails: 0, capacity_bytes: u64::MAX };
}

/// The disk. Clones share it.
#[derive(Clone)]
pub struct SimStorage {
    disk: Arc<Mutex<SimDisk>>,
}

struct SimDisk {
    random: u64,
    faults: Faults,
    operations: u64,
    /// Grows with each crash: handles from before it are dead.
    life: u64,
    files: Vec<SimFileData>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    locked: bool,
    now: Duration,
}

#[derive(Default)]
struct SimFileData {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl SimStorage {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let disk = SimDisk {
            random: seed,
            faults: Faults::NONE,
            operations: 0,
            life: 0,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            locked: false,
            now: Duration::ZERO,
        };
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The disk as the journal sees it.
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// Sets what may go wrong from now on; `crash_after` counts from here.
    pub fn set_faults(&self, faults: Faults) {
        let mut disk = self.disk.lock();
        disk.faults = faults;
        disk.operations = 0;
    }

    /// Whether it has crashed.
    pub fn crashed(&self) -> bool {
        self.disk.lock().is_dead()
    }

    /// The power goes: of what was not synced, any part is lost. Handles from before are dead.
    pub fn power_cut(&self) {
        let mut disk = self.disk.lock();
        disk.restart();
        disk.lose_unsynced();
    }

    /// The process is killed: the page cache survives.
    pub fn kill(&self) {
        self.disk.lock().restart();
    }

    /// Lets the monotonic clock go on.
    pub fn advance(&self, time: Duration) {
        self.disk.lock().now += time;
    }

    /// What all files take.
    pub fn used_bytes(&self) -> u64 {
        self.disk.lock().used_bytes()
    }

    /// Files in the directory now.
    pub fn names(&self) -> Vec<PathBuf> {
        self.disk.lock().names.keys().cloned().collect()
    }

    /// Changes bytes behind everybody's back, now and durably, as a decaying disk does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.disk.lock();
        if let Some(&index) = disk.names.get(path)
            && let Some(file) = disk.files.get_mut(index)
        {
            change(&mut file.seen);
            file.durable.clone_from(&file.seen);
            file.unsynced.clear();
        }
    }

    /// A random number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.disk.lock().below(bound)
    }
}

impl SimDisk {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    fn chance(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.below(1000) < thousandths
    }

    fn is_dead(&self) -> bool {
        self.faults.crash_after.is_some_and(|after| self.operations > after)
    }

    fn restart(&mut self) {
        self.life += 1;
        self.locked = false;
        self.faults = Faults::NONE;
        self.operations = 0;
    }

    fn operate(&mut self, life: u64) -> io::Result<()> {
        if life != self.life {
            return Err(crashed());
        }
        self.operations += 1;
        if self.is_dead() { Err(crashed()) } else { Ok(()) }
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|&index| self.files.get(index)).map(|file| file.seen.len() as u64).sum()
    }

    fn file(&mut self, index: usize) -> io::Result<&mut SimFileData> {
        self.files.get_mut(index).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lose_unsynced(&mut self) {
        for change in std::mem::take(&mut self.name_changes) {
            if self.below(2) == 0 {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        for index in 0..self.files.len() {
            let Some(file) = self.files.get_mut(index) else { continue };
            let mut durable = std::mem::take(&mut file.durable);
            for change in std::mem::take(&mut file.unsynced) {
                for part in self.tear(change) {
                    part.apply(&mut durable);
                }
            }
            if let Some(file) = self.files.get_mut(index) {
                file.seen.clone_from(&durable);
                file.durable = durable;
            }
        }
    }

    /// The parts of an unsynced change that reach the disk.
    fn tear(&mut self, change: Change) -> Vec<Change> {
        let Change::Write(offset, data) = change else {
            return if self.below(2) == 0 { vec![change] } else { Vec::new() };
        };
        let piece = match self.below(4) {
            0 => return Vec::new(),
            1 => return vec![Change::Write(offset, data)],
            2 => 512,
            _ => self.below(64) as usize + 1,
        };
        // Cuts lie at multiples of the piece from the file's start, as sectors do; zeros in a large fill are not worth
        // a decision each.
        let piece = if data.len() > 64 * piece { 4096 } else { piece };
        let mut parts = Vec::new();
        let mut start = 0;
        while let Some(rest) = data.get(start..).filter(|rest| !rest.is_empty()) {
            let length = (piece - (offset + start) % piece).min(rest.len());
            if self.below(2) == 0 {
                parts.push(Change::Write(offset + start, rest.get(..length).unwrap_or_default().to_vec()));
            }
            start += length;
        }
        parts
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let end = offset + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*offset..end) {
                    place.copy_from_slice(data);
                }
            }
            Self::Truncate(size) => content.resize(*size, 0),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, index) => {
                names.insert(path.clone(), *index);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, index) => {
                names.remove(from);
                names.insert(to.clone(), *index);
            }
        }
    }
}

fn crashed() -> io::Error {
    io::Error::other("the simulated machine is down")
}

fn refused() -> io::Error {
    io::Error::other("simulated input/output error")
}

/// A handle; dead after a crash.
struct SimFile {
    disk: Arc<Mutex<SimDisk>>,
    index: usize,
    life: u64,
}

struct SimLock {
    disk: Arc<Mutex<SimDisk>>,
    life: u64,
}

impl StorageLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.life == self.life {
            disk.locked = false;
        }
    }
}

impl SimStorage {
    fn handle(&self, index: usize, life: u64) -> Arc<dyn StorageFile> {
        Arc::new(SimFile { disk: Arc::clone(&self.disk), index, life })
    }

    fn find(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        disk.operate(life)?;
        let index = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(index, life))
    }

    fn change_name(&self, make: impl FnOnce(&SimDisk) -> io::Result<NameChange>) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        disk.operate(life)?;
        let odds = disk.faults.name_fails;
        if disk.chance(odds) {
            return Err(refused());
        }
        let change = make(&disk)?;
        change.apply(&mut disk.names);
        disk.name_changes.push(change);
        Ok(())
    }
}

impl Storage for SimStorage {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn StorageLock>>> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        disk.operate(life)?;
        if std::mem::replace(&mut disk.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock { disk: Arc::clone(&self.disk), life })))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        disk.operate(life)?;
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let index = self.disk.lock().files.len();
        self.change_name(|_| Ok(NameChange::Set(path.to_owned(), index)))?;
        let mut disk = self.disk.lock();
        disk.files.push(SimFileData::default());
        let life = disk.life;
        Ok(self.handle(index, life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.find(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.find(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change_name(|disk| {
            let index = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            Ok(NameChange::Rename(from.to_owned(), to.to_owned(), index))
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change_name(|disk| {
            let index = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            Ok(NameChange::Set(to.to_owned(), *disk.names.get(to).unwrap_or(&index)))
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change_name(|disk| {
            disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(NameChange::Remove(path.to_owned()))
        })
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let life = disk.life;
        disk.operate(life)?;
        let changes = std::mem::take(&mut disk.name_changes);
        let odds = disk.faults.sync_fails;
        if disk.chance(odds) {
            // Changes of names are journalled: they reach the disk later, or with a crash not at all.
            disk.name_changes = changes;
            return Err(refused());
        }
        for change in changes {
            change.apply(&mut disk.durable_names);
        }
        Ok(())
    }

    fn now_us(&self) -> u64 {
        self.disk.lock().now.as_micros() as u64
    }

    fn monotonic(&self) -> Duration {
        self.disk.lock().now
    }

    fn salt(&self) -> u64 {
        self.disk.lock().next()
    }
}

impl SimFile {
    /// Writes unless there is no room, the disk refuses, or the machine goes down in the middle.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if self.life != disk.life {
            return Err(crashed());
        }
        let alive = disk.operate(self.life);
        let odds = disk.faults.write_fails;
        let mut result = Ok(());
        let mut length = data.len();
        if alive.is_err() || disk.chance(odds) {
            length = disk.below(length as u64 + 1) as usize;
            result = alive.and(Err(refused()));
        }
        let size = disk.file(self.index)?.seen.len() as u64;
        let free = disk.faults.capacity_bytes.saturating_sub(disk.used_bytes());
        let room = (size + free).saturating_sub(offset);
        if length as u64 > room {
            length = room as usize;
            result = Err(io::ErrorKind::StorageFull.into());
        }
        if length > 0 && disk.operations <= disk.faults.crash_after.map_or(u64::MAX, |after| after + 1) {
            let change = Change::Write(offset as usize, data.get(..length).unwrap_or_default().to_vec());
            let file = disk.file(self.index)?;
            change.apply(&mut file.seen);
            file.unsynced.push(change);
        }
        result
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        disk.operate(self.life)?;
        let rest = disk.file(self.index)?.seen.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..count), rest.get(..count)) {
            out.copy_from_slice(rest);
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.operate(self.life)?;
        let odds = disk.faults.sync_fails;
        let fails = disk.chance(odds);
        let unsynced = std::mem::take(&mut disk.file(self.index)?.unsynced);
        let mut durable = std::mem::take(&mut disk.file(self.index)?.durable);
        for change in unsynced {
            if fails {
                // Some of it may have arrived; none of it will be tried again.
                for part in disk.tear(change) {
                    part.apply(&mut durable);
                }
            } else {
                change.apply(&mut durable);
            }
        }
        disk.file(self.index)?.durable = durable;
        if fails { Err(refused()) } else { Ok(()) }
    }

    fn size(&self) -> io::Result<u64> {
        let mut disk = self.disk.lock();
        if self.life != disk.life {
            return Err(crashed());
        }
        Ok(disk.file(self.index)?.seen.len() as u64)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.operate(self.life)?;
        let change = Change::Truncate(size as usize);
        let file = disk.file(self.index)?;
        change.apply(&mut file.seen);
        file.unsynced.push(change);
        Ok(())
    }

    fn zero_fill(&self, size: u64) -> io::Result<()> {
        self.write(0, &vec![0; size as usize])?;
        self.sync_data()
    }
}
