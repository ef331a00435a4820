//! The device authority's files.

use super::IssueError;
use crate::pki::Authority;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the authority's certificate and key are.
#[derive(Debug, Clone)]
pub struct AuthorityFiles {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// The key, PEM; nobody but its owner may read it.
    pub key: PathBuf,
}

impl AuthorityFiles {
    /// Reads both.
    pub fn open(&self) -> Result<Authority, IssueError> {
        let failed = |source| IssueError::File { path: self.key.clone(), source };
        let mode = std::fs::metadata(&self.key).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(IssueError::Readable { path: self.key.clone() });
        }
        Ok(Authority::from_pem(&read(&self.cert)?, &read(&self.key)?)?)
    }

    /// Reads the certificate.
    pub fn certificate(&self) -> Result<String, IssueError> {
        Ok(read(&self.cert)?.to_string())
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, IssueError> {
    let failed = |source| IssueError::File { path: path.to_owned(), source };
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().expect("a directory");
        let made = crate::pki::authority("Test", &[1; 16], 1_790_000_000_000_000, 30).expect("makes");
        let files = AuthorityFiles { cert: dir.path().join("ca.pem"), key: dir.path().join("ca.key") };
        assert!(matches!(files.open(), Err(IssueError::File { .. })));
        std::fs::write(&files.cert, &made.cert_pem).expect("writes");
        std::fs::write(&files.key, made.key_pem.as_bytes()).expect("writes");
        for (mode, fits) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o660, false)] {
            std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(mode)).expect("sets");
            match files.open() {
                Ok(_) => assert!(fits, "{mode:o}"),
                Err(error) => assert!(!fits && error.to_string().contains("chmod 600"), "{mode:o} {error}"),
            }
        }
    }
}
