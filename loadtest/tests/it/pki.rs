//! Certificates for one test: an authority, a server named localhost, a client.

pub(crate) use loadtest::stack::pki::Files;
use std::path::Path;

/// Makes them in a folder.
pub(crate) fn make(dir: &Path) -> Files {
    Files::make(dir, "localhost").unwrap()
}
