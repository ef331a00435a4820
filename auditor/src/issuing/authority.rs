//! Where the device authority's certificate and key are.

use super::{IssueError, Token, TokenError};
use crate::devices::AuthorityKey;
use crate::pki::Authority;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where the authority's certificate and key are.
#[derive(Debug, Clone)]
pub enum AuthorityPlace {
    /// In files.
    Files(AuthorityFiles),
    /// The certificate in a file, the key in a token.
    Token {
        /// The certificate, PEM.
        cert: PathBuf,
        /// The token.
        token: Arc<Token>,
    },
}

impl AuthorityPlace {
    /// By the settings.
    pub fn new(cert: PathBuf, key: &AuthorityKey) -> Self {
        match key {
            AuthorityKey::File(key) => Self::Files(AuthorityFiles { cert, key: key.clone() }),
            AuthorityKey::Token(place) => Self::Token { cert, token: Token::new(place.clone()) },
        }
    }

    /// The authority, to sign with.
    pub fn open(&self) -> Result<Authority, IssueError> {
        match self {
            Self::Files(files) => files.open(),
            Self::Token { cert, token } => {
                let (cert, key) = (read(cert)?, token.key()?);
                if !key.is_of(&cert)? {
                    return Err(TokenError::Other.into());
                }
                Ok(Authority::with_key(&cert, key)?)
            }
        }
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> Result<String, IssueError> {
        let (Self::Files(AuthorityFiles { cert, .. }) | Self::Token { cert, .. }) = self;
        Ok(read(cert)?.to_string())
    }
}

impl From<AuthorityFiles> for AuthorityPlace {
    fn from(files: AuthorityFiles) -> Self {
        Self::Files(files)
    }
}

/// Files with both.
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
