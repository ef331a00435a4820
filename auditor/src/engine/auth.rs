//! Who may ask the engine what: the key file, and the comparison of keys.
//!
//! A line of the file is `user:key:role`; blank lines and lines that begin with `#` are skipped. Keys are kept and
//! compared as SHA-256 digests, in constant time and over all users, so that neither a key's bytes nor the list of
//! users can be guessed from timing.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use http::HeaderMap;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything the server lets anyone do.
    Admin,
    /// Read every table, and insert rows that the request itself carries.
    Insert,
    /// Read every table and view: the engine has no rights that could keep a reader to the views.
    Read,
}

/// Why the key file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("{0}: the key file could not be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// A line that is not `user:key:role`.
    #[error("{0}: line {1}: expected user:key:role, with role admin, insert or read")]
    Line(PathBuf, usize),
    /// A key that could be guessed.
    #[error("{0}: line {1}: the key is shorter than {KEY_MIN} characters")]
    Short(PathBuf, usize),
    /// No user.
    #[error("{0}: the key file names no user")]
    Empty(PathBuf),
}

/// The users of the server.
pub(crate) struct Users {
    users: Vec<User>,
}

struct User {
    name: [u8; 32],
    key: [u8; 32],
    role: Role,
}

/// The shortest key: 128 bits in hexadecimal would be 32, but a person may choose one for a trial.
const KEY_MIN: usize = 16;

impl Users {
    /// Reads the key file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read(path.to_owned(), source))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut users = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || Error::Line(path.to_owned(), index + 1);
            let (name, rest) = line.split_once(':').ok_or_else(wrong)?;
            let (key, role) = rest.rsplit_once(':').ok_or_else(wrong)?;
            let role = match role {
                "admin" => Role::Admin,
                "insert" => Role::Insert,
                "read" => Role::Read,
                _ => return Err(wrong()),
            };
            if name.is_empty() {
                return Err(wrong());
            }
            if key.len() < KEY_MIN {
                return Err(Error::Short(path.to_owned(), index + 1));
            }
            users.push(User { name: hash(name.as_bytes()), key: hash(key.as_bytes()), role });
        }
        if users.is_empty() {
            return Err(Error::Empty(path.to_owned()));
        }
        Ok(Self { users })
    }

    /// The role of whoever sent these headers, by `X-ClickHouse-User` and `X-ClickHouse-Key` or by Basic authentication.
    pub(crate) fn role(&self, headers: &HeaderMap) -> Option<Role> {
        let (name, key) = credentials(headers)?;
        let (name, key) = (hash(&name), hash(&key));
        // The place of the matching user, counted from one; zero for nobody. Every user is compared.
        let mut found = 0_u32;
        for (place, user) in (1_u32..).zip(&self.users) {
            let same: Choice = user.name.ct_eq(&name) & user.key.ct_eq(&key);
            found.conditional_assign(&place, same);
        }
        let index = usize::try_from(found).ok()?.checked_sub(1)?;
        self.users.get(index).map(|user| user.role)
    }
}

fn credentials(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    if let Some(key) = headers.get("x-clickhouse-key") {
        let name = headers.get("x-clickhouse-user").map_or(&b"default"[..], |name| name.as_bytes());
        return Some((name.to_vec(), key.as_bytes().to_vec()));
    }
    let value = headers.get(http::header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = (value.get(..6)?, value.get(6..)?);
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (name, key) = decoded.split_at(colon);
    Some((name.to_vec(), key.get(1..)?.to_vec()))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // A SHA-256 digest has 32 bytes.
    out.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::{Error, Role, Users};
    use http::{HeaderMap, HeaderValue};
    use std::path::Path;

    const FILE: &str =
        "# keys\n\nadmin:0123456789abcdef:admin\ngateway:with:colon:89abcdef:insert\nlook:fedcba9876543210:read\n";

    fn role(pairs: &[(&'static str, &str)]) -> Option<Role> {
        let users = Users::parse(FILE, Path::new("keys")).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).ok()?);
        }
        users.role(&headers)
    }

    #[test]
    fn headers_and_basic_are_understood() {
        assert_eq!(
            role(&[("x-clickhouse-user", "admin"), ("x-clickhouse-key", "0123456789abcdef")]),
            Some(Role::Admin)
        );
        assert_eq!(
            role(&[("x-clickhouse-user", "gateway"), ("x-clickhouse-key", "with:colon:89abcdef")]),
            Some(Role::Insert)
        );
        assert_eq!(role(&[("authorization", "Basic bG9vazpmZWRjYmE5ODc2NTQzMjEw")]), Some(Role::Read));
    }

    #[test]
    fn wrong_credentials_are_nobody() {
        assert_eq!(role(&[]), None);
        assert_eq!(role(&[("x-clickhouse-key", "0123456789abcdef")]), None);
        assert_eq!(role(&[("x-clickhouse-user", "look"), ("x-clickhouse-key", "0123456789abcdef")]), None);
        assert_eq!(role(&[("x-clickhouse-user", "admin"), ("x-clickhouse-key", "0123456789abcde")]), None);
        assert_eq!(role(&[("authorization", "Basic !!!")]), None);
        assert_eq!(role(&[("authorization", "Bearer x")]), None);
    }

    #[test]
    fn bad_key_files_are_refused_with_their_line() {
        let parse = |text: &str| Users::parse(text, Path::new("keys")).err();
        assert!(matches!(parse("a:0123456789abcdef:root"), Some(Error::Line(_, 1))));
        assert!(matches!(parse("\nplain"), Some(Error::Line(_, 2))));
        assert!(matches!(parse("a:short:read"), Some(Error::Short(_, 1))));
        assert!(matches!(parse("# none\n"), Some(Error::Empty(_))));
    }
}
