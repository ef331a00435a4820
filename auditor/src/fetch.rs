//! `auditor fetch`: what is too large, or not ours, to ship: the embedded engine, the country data, and the script of lists.
//!
//! All are npm packages at a pinned version. `npm pack` downloads the tarball, so proxies, mirrors and certificates are
//! whatever the machine's npm is set up with. What arrives is believed only after its SHA-512 (the tarball) and SHA-256
//! (each file that is used) match the values written here.
//!
//! Invariants
//! - A directory in the cache is either whole and checked, or not there: it is filled beside and renamed.
//! - Two fetches at once do the work once: the second waits for the first's lock.
//! - A fetch that was killed leaves at most a temporary directory, which the next one removes.
//!
//! A stamp with size and time of each file stands for the checksum on later runs; `--verify` computes it again.

mod pack;
mod progress;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use self::progress::Progress;

/// Fetch the embedded ClickHouse engine, the country data and the script htmx, checked against pinned checksums.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to fetch.
    #[arg(value_enum, default_value_t = What::All)]
    pub what: What,
    /// Where to keep it [default: $XDG_CACHE_HOME/grindvakt or ~/.cache/grindvakt]
    #[arg(long, value_name = "DIR", env = "GRINDVAKT_CACHE")]
    pub cache: Option<PathBuf>,
    /// Check everything that is there already by its full checksum.
    #[arg(long)]
    pub verify: bool,
    /// Fetch nothing; only say where it is kept, a path a line, whether it is there or not.
    #[arg(long = "where", conflicts_with = "verify")]
    pub only_where: bool,
}

/// What can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The ClickHouse engine (180 MB to download, 570 MB on disk).
    Engine,
    /// Countries of IP addresses (8 MB; CC0).
    Countries,
    /// The script htmx, for lists that change in place (1 MB to unpack; 0BSD).
    Htmx,
    /// All of them.
    All,
}

impl What {
    fn packages(self) -> Vec<&'static Package> {
        match self {
            Self::Engine => vec![&ENGINE],
            Self::Countries => vec![&COUNTRIES],
            Self::Htmx => vec![&HTMX],
            Self::All => vec![&ENGINE, &COUNTRIES, &HTMX],
        }
    }
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No place for the cache.
    #[error("there is no home directory to keep the cache in; give --cache or set GRINDVAKT_CACHE")]
    NoCache,
    /// The engine is built for one platform.
    #[error("the embedded engine exists for Linux on x86-64 with glibc only; use a ClickHouse server instead")]
    Platform,
    /// npm or tar is not installed.
    #[error("{0} is needed for this and was not found; install it, or copy the cache directory from another machine")]
    Missing(&'static str),
    /// No way to the package registry.
    #[error("the package registry could not be reached ({0}); check the network, or npm's proxy settings")]
    Network(String),
    /// The registry does not have the pinned version.
    #[error("the package registry does not have {0}")]
    NoPackage(String),
    /// The disk is full.
    #[error("{}: there is no room left on the disk; some {needed} MB are needed", .0.display(), needed = .1)]
    NoRoom(PathBuf, u64),
    /// What arrived is not what was pinned.
    #[error("{0}: the checksum is wrong: expected {1}, got {2}; nothing was kept")]
    Checksum(String, String, String),
    /// npm or tar failed in another way.
    #[error("{0} failed: {1}")]
    Program(&'static str, String),
    /// A file in the cache.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
}

impl Error {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoCache | Self::Platform => 78,
            _ => 1,
        }
    }

    /// An I/O error, with a full disk told apart.
    fn io(path: &Path, package: &Package, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::StorageFull {
            Self::NoRoom(path.to_owned(), package.megabytes)
        } else {
            Self::Io(path.to_owned(), source)
        }
    }
}

/// A pinned package.
#[derive(Debug)]
struct Package {
    /// What a person calls it.
    title: &'static str,
    name: &'static str,
    version: &'static str,
    /// SHA-512 of the tarball, base64, as npm records it.
    integrity: &'static str,
    /// Name below the cache directory, before the version.
    directory: &'static str,
    file: PinnedFile,
    /// Needed on disk while it is unpacked.
    megabytes: u64,
}

/// The file of a package that is used.
#[derive(Debug)]
struct PinnedFile {
    name: &'static str,
    size: u64,
    sha256: &'static str,
}

static ENGINE: Package = Package {
    title: "ClickHouse engine",
    name: "@chdb/lib-linux-x64-gnu",
    version: "26.7.3-stable.1",
    integrity: "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
    directory: "engine",
    file: PinnedFile {
        name: "libchdb.so",
        size: 566_330_096,
        sha256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
    },
    megabytes: 800,
};

static COUNTRIES: Package = Package {
    title: "country data",
    name: "@ip-location-db/geo-whois-asn-country-mmdb",
    version: "2.3.2026061719",
    integrity: "xemBDNQl4mCYDuVbqe3jKGKsVDykZGkfvebhtOh/3VGLadq8vsp7t7ontpMUt3hH7sAGT0eLDyJ99SV+0waxZg==",
    directory: "countries",
    file: PinnedFile {
        name: "geo-whois-asn-country.mmdb",
        size: 7_841_291,
        sha256: "c5f7c0e9bd6a6ccb5a2e9634764544a0d08bd0bd8788b8aedfac87bea184c652",
    },
    megabytes: 25,
};

static HTMX: Package = Package {
    title: "htmx",
    name: "htmx.org",
    version: "2.0.11",
    integrity: "Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
    directory: "htmx",
    file: PinnedFile {
        name: "dist/htmx.min.js",
        size: 52_182,
        sha256: "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    },
    megabytes: 2,
};

impl Package {
    fn directory(&self, cache: &Path) -> PathBuf {
        cache.join(format!("{}-{}", self.directory, self.version))
    }

    fn path(&self, cache: &Path) -> PathBuf {
        self.directory(cache).join(self.file.name)
    }
}

/// Fetches what was asked for, and says where it is.
pub fn run(args: &Args) -> Result<(), Error> {
    let cache = cache_directory(args.cache.as_deref())?;
    let packages = args.what.packages();
    let engine = matches!(args.what, What::Engine | What::All);
    if engine && !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Err(Error::Platform);
    }
    for package in packages {
        let mut progress = Progress::new(package.title);
        fetch(package, &cache, args.verify, &mut progress)?;
        progress.done(&package.path(&cache).display().to_string());
    }
    Ok(())
}

/// Where `auditor fetch` puts the engine's library; whether it is there is for the caller to see.
pub fn engine_path(cache: Option<&Path>) -> Result<PathBuf, Error> {
    Ok(ENGINE.path(&cache_directory(cache)?))
}

/// Checks that a text is htmx as it is pinned; if not, tells the SHA-256 that it should have, in hexadecimal.
pub fn check_htmx(text: &str) -> Result<(), &'static str> {
    let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    if hex::encode(found) == HTMX.file.sha256 { Ok(()) } else { Err(HTMX.file.sha256) }
}

/// Where it is kept what was asked for; whether it is there is for the caller to see.
pub fn places(args: &Args) -> Result<Vec<PathBuf>, Error> {
    let cache = cache_directory(args.cache.as_deref())?;
    Ok(args.what.packages().iter().map(|package| package.path(&cache)).collect())
}

/// The cache: as given, else `GRINDVAKT_CACHE`, else the user's cache directory.
fn cache_directory(given: Option<&Path>) -> Result<PathBuf, Error> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given
        .map(Path::to_owned)
        .or_else(|| variable("GRINDVAKT_CACHE"))
        .or_else(|| variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("grindvakt")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/grindvakt")))
        .ok_or(Error::NoCache)
}

fn fetch(package: &Package, cache: &Path, verify: bool, progress: &mut Progress) -> Result<(), Error> {
    std::fs::create_dir_all(cache).map_err(|source| Error::io(cache, package, source))?;
    if !verify && stamp_matches(package, cache) {
        return Ok(());
    }
    let _lock = lock(package, cache, progress)?;
    // Another fetch may have done it while this one waited.
    if !verify && stamp_matches(package, cache) {
        return Ok(());
    }
    remove_leftovers(cache);
    let path = package.path(cache);
    if path.exists() {
        let found = pack::sha256(&path, progress).map_err(|source| Error::io(&path, package, source))?;
        if found == package.file.sha256 {
            return write_stamp(package, &package.directory(cache));
        }
        progress.say("what is in the cache has a wrong checksum and is fetched again");
    }
    let work = tempdir(package, cache)?;
    let result = pack::fetch(package, &work.0, progress).and_then(|unpacked| {
        write_stamp(package, &unpacked)?;
        let target = package.directory(cache);
        if target.exists() {
            let old = work.0.join("old");
            std::fs::rename(&target, &old).map_err(|source| Error::io(&target, package, source))?;
        }
        std::fs::rename(&unpacked, &target).map_err(|source| Error::io(&target, package, source))?;
        File::open(cache).and_then(|directory| directory.sync_all()).map_err(|source| Error::io(cache, package, source))
    });
    drop(work);
    result
}

/// One fetch at a time in a cache. The kernel frees the lock of a process that dies.
fn lock(package: &Package, cache: &Path, progress: &mut Progress) -> Result<File, Error> {
    let path = cache.join("fetch.lock");
    let wrong = |source| Error::io(&path, package, source);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.step("waiting for another fetch");
            file.lock().map_err(wrong)?;
        }
        Err(TryLockError::Error(source)) => return Err(wrong(source)),
    }
    Ok(file)
}

const LEFTOVER: &str = "fetching-";

/// What a killed fetch left. Only under the lock: nobody else is at work.
fn remove_leftovers(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A directory that goes away with its value; in the cache, so that a rename out of it is atomic.
struct WorkDirectory(PathBuf);

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempdir(package: &Package, cache: &Path) -> Result<WorkDirectory, Error> {
    let path = cache.join(format!("{LEFTOVER}{}", std::process::id()));
    std::fs::create_dir(&path).map_err(|source| Error::io(&path, package, source))?;
    // npm runs in this directory and writes below it.
    let path = path.canonicalize().map_err(|source| Error::io(&path, package, source))?;
    Ok(WorkDirectory(path))
}

/// What the stamp holds for the file as it is now.
fn stamp(package: &Package, directory: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(directory.join(package.file.name))?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?;
    Ok(format!("{} {} {}\n", package.file.sha256, metadata.len(), changed.as_nanos()))
}

fn stamp_matches(package: &Package, cache: &Path) -> bool {
    let directory = package.directory(cache);
    let Ok(recorded) = std::fs::read_to_string(directory.join("checked")) else {
        return false;
    };
    stamp(package, &directory).is_ok_and(|now| now == recorded)
}

fn write_stamp(package: &Package, directory: &Path) -> Result<(), Error> {
    let wrong = |source| Error::io(directory, package, source);
    let text = stamp(package, directory).map_err(wrong)?;
    let temporary = directory.join("checked.tmp");
    std::fs::write(&temporary, text).map_err(wrong)?;
    std::fs::rename(&temporary, directory.join("checked")).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::{
        COUNTRIES, Error, HTMX, Package, PinnedFile, Progress, What, cache_directory, check_htmx, fetch, stamp_matches,
        write_stamp,
    };
    use std::path::Path;

    static TINY: Package = Package {
        title: "tiny",
        name: "tiny",
        version: "1",
        integrity: "",
        directory: "tiny",
        // SHA-256 of "abc"
        file: PinnedFile {
            name: "file",
            size: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
        megabytes: 1,
    };

    fn cached(content: &str) -> tempfile::TempDir {
        let cache = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(TINY.directory(cache.path())).expect("made");
        std::fs::write(TINY.path(cache.path()), content).expect("written");
        cache
    }

    #[test]
    fn a_file_with_the_right_checksum_gets_a_stamp_and_is_not_fetched() {
        let cache = cached("abc");
        assert!(!stamp_matches(&TINY, cache.path()));
        fetch(&TINY, cache.path(), false, &mut Progress::silent()).expect("nothing to fetch");
        assert!(stamp_matches(&TINY, cache.path()));
        fetch(&TINY, cache.path(), true, &mut Progress::silent()).expect("verified");
    }

    #[test]
    fn a_changed_file_loses_its_stamp() {
        let cache = cached("abc");
        write_stamp(&TINY, &TINY.directory(cache.path())).expect("a stamp");
        std::fs::write(TINY.path(cache.path()), "abcd").expect("changed");
        assert!(!stamp_matches(&TINY, cache.path()));
    }

    #[test]
    fn leftovers_of_a_killed_fetch_are_removed() {
        let cache = cached("abc");
        let leftover = cache.path().join("fetching-1");
        std::fs::create_dir(&leftover).expect("made");
        fetch(&TINY, cache.path(), false, &mut Progress::silent()).expect("nothing to fetch");
        assert!(!leftover.exists());
    }

    #[test]
    fn the_cache_given_wins() {
        assert_eq!(cache_directory(Some(Path::new("/x"))).ok().as_deref(), Some(Path::new("/x")));
        assert!(COUNTRIES.path(Path::new("/x")).starts_with("/x/countries-2.3.2026061719"));
        assert_eq!(Error::NoCache.exit_code(), 78);
    }

    #[test]
    fn the_script_is_fetched_alone_or_with_the_rest_and_is_known_by_its_checksum() {
        let names = |what: What| what.packages().iter().map(|package| package.name).collect::<Vec<_>>();
        assert_eq!(names(What::Htmx), ["htmx.org"]);
        assert_eq!(names(What::All).len(), 3);
        assert!(HTMX.path(Path::new("/x")).ends_with("htmx-2.0.11/dist/htmx.min.js"));
        assert_eq!(check_htmx("alert(1)"), Err(HTMX.file.sha256));
    }
}
