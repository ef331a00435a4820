//! Everything the journal asks of the machine: files, directory, lock, clocks, a little randomness. The journal reaches
//! the outside only through these traits, so that a simulation (`sim`) can crash, tear, reorder, fail and fill up the
//! disk at every single operation.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file of the journal's. All methods take `&self`: readers and the committer share handles.
pub trait StorageFile: Send + Sync {
    /// Reads at an offset; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes at an offset, growing the file if need be.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// fdatasync: data and what is needed to read it back. After an error the pages written since the last success
    /// must be taken for lost: a second call may answer `Ok` without having written them.
    fn sync_data(&self) -> io::Result<()>;
    /// The file's size.
    fn size(&self) -> io::Result<u64>;
    /// Cuts the file.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Writes zeros up to `size` and syncs them, so that later writes change no metadata.
    fn zero_fill(&self, size: u64) -> io::Result<()>;
}

/// Keeps the lock while it lives.
pub trait StorageLock: Send + Sync {}

/// Files, directory and clocks.
pub trait Storage: Send + Sync {
    /// Makes the directory and its parents, readable by the owner alone.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on this file, or `None` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn StorageLock>>>;
    /// Names of the files in a directory, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens a file for reading alone.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;
    /// Renames, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; one that is there already stays.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the directory's own changes durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Wall clock, microseconds since 1970.
    fn now_us(&self) -> u64;
    /// A clock that never goes back.
    fn monotonic(&self) -> Duration;
    /// A number nobody outside can guess.
    fn salt(&self) -> u64;
}

/// The real disk.
#[derive(Debug)]
pub struct Disk {
    started: Instant,
}

impl Disk {
    /// The disk of this machine, ready to share.
    pub fn storage() -> Arc<dyn Storage> {
        Arc::new(Self { started: Instant::now() })
    }
}

impl Storage for Disk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // The new directory's own name must last as well; further parents are the operator's.
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn StorageLock>>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(DiskLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(path)?;
        Ok(Arc::new(DiskFile { file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(DiskFile { file: OpenOptions::new().read(true).write(true).open(path)? }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(DiskFile { file: File::open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::hard_link(from, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    #[allow(clippy::disallowed_methods, reason = "this trait is the journal's clock; tests put their own in its place")]
    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn salt(&self) -> u64 {
        // Keys from the operating system's generator, without a dependency for eight bytes per segment.
        RandomState::new().build_hasher().finish()
    }
}

#[derive(Debug)]
struct DiskLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl StorageLock for DiskLock {}

#[derive(Debug)]
struct DiskFile {
    file: File,
}

impl StorageFile for DiskFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn zero_fill(&self, size: u64) -> io::Result<()> {
        // Small portions, each synced: one large flush would hold up the commits of the live segment.
        const PORTION: usize = 1 << 20;
        let zeros = vec![0; PORTION.min(usize::try_from(size).unwrap_or(PORTION))];
        let mut offset = 0;
        while offset < size {
            let count = (size - offset).min(zeros.len() as u64);
            self.file.write_all_at(zeros.get(..count as usize).unwrap_or(&zeros), offset)?;
            self.file.sync_data()?;
            offset += count;
        }
        Ok(())
    }
}
