//! The data directory and the port file: what other processes see of this one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The data directory, held for this process alone. The kernel lets go of the lock when the process ends, however it
/// ends.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Why the data directory can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("{}: the data directory is in use by another process; stop it first, or give another --data", .0.display())]
    InUse(PathBuf),
    /// It can not be made, opened or locked.
    #[error("{}: the data directory can not be used", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// The port file can not be written.
    #[error("{}: the port file can not be written", .0.display())]
    PortFile(PathBuf, #[source] std::io::Error),
}

impl DataDirectory {
    /// Makes the directory if need be, readable by its owner alone, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Io(path.to_owned(), source);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        // The engine wants the absolute path, and always the same one.
        let path = path.canonicalize().map_err(wrong)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("grindvakt.lock"))
            .map_err(|source| Error::Io(path.clone(), source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
            Err(TryLockError::Error(source)) => Err(Error::Io(path, source)),
        }
    }

    /// Where the engine keeps its files.
    pub(crate) fn engine(&self) -> PathBuf {
        self.path.join("engine")
    }
}

/// Writes the port so that a reader sees either nothing or all of it.
pub(crate) fn write_port(path: &Path, port: u16) -> Result<(), Error> {
    let wrong = |source| Error::PortFile(path.to_owned(), source);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary).map_err(wrong)?;
    writeln!(file, "{port}").map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    std::fs::rename(&temporary, path).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::{DataDirectory, Error, write_port};

    #[test]
    fn a_directory_has_one_holder() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b");
        let first = DataDirectory::open(&path).expect("the first holder");
        assert!(matches!(DataDirectory::open(&path), Err(Error::InUse(_))));
        drop(first);
        assert!(DataDirectory::open(&path).is_ok());
    }

    #[test]
    fn the_port_is_written_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("port");
        write_port(&path, 1).expect("written");
        write_port(&path, 54321).expect("written again");
        assert_eq!(std::fs::read_to_string(&path).expect("the port"), "54321\n");
        assert_eq!(std::fs::read_dir(directory.path()).expect("a listing").count(), 1);
    }
}
