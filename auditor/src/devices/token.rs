//! Where the device authority's key is.

use std::path::PathBuf;

/// Where the device authority's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorityKey {
    /// In a file, PEM.
    File(PathBuf),
    /// In a PKCS#11 token.
    Token(TokenPlace),
}

/// A key in a PKCS#11 token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The token's PKCS#11 module: a library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The key's label.
    pub key: String,
    /// A file with the PIN of the token's user; nobody but its owner may read it.
    pub pin_file: PathBuf,
}
