//! The simulated disk, at which nobody is alone: whenever something is written or synced, others of the process go on,
//! before and after, as threads do.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::sim::SimStorage;
use crate::journal::storage::{Storage, StorageFile, StorageLock};

thread_local! {
    /// What goes on while the disk works: a storage is shared between threads, and so cannot hold it.
    static OTHERS: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Sets who goes on while the disk works.
pub(super) fn set_others(others: Option<Rc<dyn Fn()>>) {
    OTHERS.set(others);
}

fn others_go_on() {
    let others = OTHERS.with_borrow(Clone::clone);
    if let Some(others) = others {
        others();
    }
}

/// A disk that takes its time.
pub(super) struct SlowDisk(Arc<dyn Storage>);

struct SlowFile(Arc<dyn StorageFile>);

impl SlowDisk {
    pub(super) fn storage(sim: &SimStorage) -> Arc<dyn Storage> {
        Arc::new(Self(sim.storage()))
    }
}

/// An operation, with others before and after.
fn slowly<T>(operation: impl FnOnce() -> T) -> T {
    others_go_on();
    let done = operation();
    others_go_on();
    done
}

fn slow_file(file: io::Result<Arc<dyn StorageFile>>) -> io::Result<Arc<dyn StorageFile>> {
    Ok(Arc::new(SlowFile(file?)))
}

impl Storage for SlowDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn StorageLock>>> {
        self.0.lock(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        slow_file(self.0.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        slow_file(self.0.open(path))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        slow_file(self.0.open_read(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        slowly(|| self.0.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        slowly(|| self.0.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        slowly(|| self.0.sync_dir(dir))
    }

    fn now_us(&self) -> u64 {
        self.0.now_us()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn salt(&self) -> u64 {
        self.0.salt()
    }
}

impl StorageFile for SlowFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        slowly(|| self.0.write_at(offset, data))
    }

    fn sync_data(&self) -> io::Result<()> {
        slowly(|| self.0.sync_data())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.0.truncate(size)
    }

    fn zero_fill(&self, size: u64) -> io::Result<()> {
        slowly(|| self.0.zero_fill(size))
    }
}
