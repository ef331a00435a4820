//! Downloading with `npm pack`, checking, unpacking with `tar`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use base64::Engine as _;

use super::progress::Progress;
use super::{Error, Package};

/// Downloads, checks and unpacks a package below `work`, and gives the directory that holds its file.
pub(super) fn fetch(package: &Package, work: &Path, progress: &mut Progress) -> Result<PathBuf, Error> {
    progress.step(&format!("downloading {} {}", package.name, package.version));
    let tarball = download(package, work)?;
    progress.step("checking the tarball");
    let found =
        digest(&tarball, Context::new(&SHA512), progress).map_err(|source| Error::io(&tarball, package, source))?;
    let found = base64::engine::general_purpose::STANDARD.encode(found);
    if found != package.integrity {
        return Err(Error::Checksum(
            format!("{} {}", package.name, package.version),
            format!("sha512-{}", package.integrity),
            format!("sha512-{found}"),
        ));
    }
    progress.step("unpacking");
    let member = format!("package/{}", package.file.name);
    // The archive's own times are all the same; with the present one the stamp tells one file from another.
    let unpack = Command::new("tar")
        .args(["--no-same-owner", "--touch", "-xzf"])
        .arg(&tarball)
        .arg("-C")
        .arg(work)
        .arg(&member)
        .stdin(Stdio::null())
        .output();
    let output = unpack.map_err(|source| missing("tar", source))?;
    if !output.status.success() {
        return Err(failure("tar", package, work, &String::from_utf8_lossy(&output.stderr)));
    }
    let path = work.join(&member);
    let size = std::fs::metadata(&path).map_err(|source| Error::io(&path, package, source))?.len();
    progress.step("checking the file");
    let found = sha256(&path, progress).map_err(|source| Error::io(&path, package, source))?;
    if size != package.file.size || found != package.file.sha256 {
        return Err(Error::Checksum(
            package.file.name.to_owned(),
            format!("sha256 {}", package.file.sha256),
            format!("sha256 {found}, {size} bytes"),
        ));
    }
    File::open(&path).and_then(|file| file.sync_all()).map_err(|source| Error::io(&path, package, source))?;
    Ok(work.join("package"))
}

fn download(package: &Package, work: &Path) -> Result<PathBuf, Error> {
    let specification = format!("{}@{}", package.name, package.version);
    let pack = Command::new("npm")
        .args([
            "pack",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--loglevel=error",
            "--pack-destination",
            ".",
        ])
        .arg(&specification)
        .current_dir(work)
        .stdin(Stdio::null())
        .output();
    let output = pack.map_err(|source| missing("npm", source))?;
    if !output.status.success() {
        return Err(failure("npm", package, work, &String::from_utf8_lossy(&output.stderr)));
    }
    let entries = std::fs::read_dir(work).map_err(|source| Error::io(work, package, source))?;
    let tarball = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    tarball.ok_or_else(|| Error::Program("npm", "it gave no tarball".to_owned()))
}

fn missing(program: &'static str, source: std::io::Error) -> Error {
    if source.kind() == std::io::ErrorKind::NotFound {
        Error::Missing(program)
    } else {
        Error::Io(PathBuf::from(program), source)
    }
}

/// What npm or tar means by its message.
fn failure(program: &'static str, package: &Package, work: &Path, message: &str) -> Error {
    const NETWORK: &[&str] = &[
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ERR_SOCKET_TIMEOUT",
        "UNABLE_TO_GET_ISSUER",
        "SELF_SIGNED_CERT",
        "E503",
        "E502",
    ];
    if let Some(code) = NETWORK.iter().find(|code| message.contains(**code)) {
        return Error::Network((*code).to_owned());
    }
    if message.contains("ENOSPC") || message.contains("No space left on device") {
        return Error::NoRoom(work.to_owned(), package.megabytes);
    }
    if message.contains("E404") || message.contains("ETARGET") {
        return Error::NoPackage(format!("{} {}", package.name, package.version));
    }
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).take(5).collect();
    Error::Program(program, lines.join("; "))
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn sha256(path: &Path, progress: &mut Progress) -> std::io::Result<String> {
    digest(path, Context::new(&SHA256), progress).map(hex::encode)
}

fn digest(path: &Path, mut context: Context, progress: &mut Progress) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    progress.length(file.metadata()?.len());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        context.update(data);
        progress.advance(count as u64);
    }
    Ok(context.finish().as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::{ENGINE, Error};
    use super::failure;
    use std::path::Path;

    #[test]
    fn messages_of_npm_and_tar_are_told_apart() {
        let failure = |message: &str| failure("npm", &ENGINE, Path::new("x"), message);
        assert!(matches!(failure("npm error code ENOTFOUND\nnpm error network request failed"), Error::Network(_)));
        assert!(matches!(failure("npm error code E404"), Error::NoPackage(_)));
        assert!(matches!(failure("tar: package/x: Cannot write: No space left on device"), Error::NoRoom(..)));
        assert!(matches!(failure("npm error something else"), Error::Program("npm", _)));
    }
}
