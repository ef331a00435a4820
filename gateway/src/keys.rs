//! This node's own keys: one seals its batches of records, one signs identity assertions to backends.
//!
//! Made once, at the first start or by `gateway keys`, under `<state_dir>/keys`, readable by the owner only. The public
//! halves lie beside them: `<state_dir>/jwks.json` (RFC 7517, RFC 8037) and `<state_dir>/seal.pub`, which holds the first
//! seal key: from it the hand-overs lead to the present one.

mod seal;

pub use seal::{SealKeys, Seen};

use crate::journal::storage::Disk;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::id::NodeName;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why the keys are of no use: each names the file.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no Ed25519 key in PKCS#8 form.
    #[error("{0} holds no Ed25519 key (PKCS#8)")]
    Form(PathBuf),
    /// Others than the owner can read a key.
    #[error("{0} can be read by others than its owner; give it mode 0600")]
    Open(PathBuf),
    /// No randomness.
    #[error("no key could be made")]
    Random,
    /// The hand-overs are not those of this node's keys.
    #[error("{0} is damaged, or another node's: put back the one that belongs to this node")]
    History(PathBuf),
    /// The key in force is not there.
    #[error(
        "{key} is not the key that {history} ends with: put that key back. If it is lost, move {history} away: then the key \
         that is there signs, nobody vouches for it, and the auditor needs a [[seal_key]] for it"
    )]
    NotTheLast {
        /// The key's file.
        key: PathBuf,
        /// The hand-overs' file.
        history: PathBuf,
    },
    /// More hand-overs than are kept.
    #[error("{0} holds as many hand-overs as it may")]
    TooMany(PathBuf),
}

/// The node's keys.
pub struct NodeKeys {
    /// Sign seals, one after the other.
    pub seal: SealKeys,
    /// Signs assertions.
    pub assertion: AssertionKey,
}

impl NodeKeys {
    /// Reads the keys, and makes those that are missing.
    pub fn open(state_dir: &Path, node: &NodeName) -> Result<Self, KeysError> {
        let dir = folder(state_dir)?;
        ["seal.key", "seal.next.key"].iter().try_for_each(|name| private(&dir.join(name)))?;
        let seal = SealKeys::open(&Disk::storage(), state_dir, node)?;
        publish(&state_dir.join("seal.pub"), hex::encode(seal.root()).as_bytes())?;
        let assertion_path = dir.join("assertion.key");
        let assertion = AssertionKey::new(&key(&assertion_path)?).ok_or(KeysError::Form(assertion_path))?;
        publish(&state_dir.join("jwks.json"), assertion.jwks.as_bytes())?;
        Ok(Self { seal, assertion })
    }
}

/// The seal keys under this folder, without changing anything. `None` if there are none yet.
pub fn look_at_seal_keys(state_dir: &Path, node: &NodeName) -> Result<Option<Seen>, KeysError> {
    SealKeys::look(&Disk::storage(), state_dir, node)
}

/// Makes the seal key that takes over at the gateway's next start, and says its public half; false if one was waiting
/// already.
pub fn prepare_seal_key(state_dir: &Path) -> Result<([u8; 32], bool), KeysError> {
    folder(state_dir)?;
    SealKeys::prepare(&Disk::storage(), state_dir)
}

fn folder(state_dir: &Path) -> Result<PathBuf, KeysError> {
    let dir = state_dir.join("keys");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.map(|()| dir.clone()).map_err(|source| KeysError::File { path: dir, source })
}

/// The key that signs assertions, and its public half as a key set.
pub struct AssertionKey {
    key: EncodingKey,
    header: Header,
    jwks: String,
}

impl AssertionKey {
    fn new(pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?;
        let public = pair.public_key().as_ref();
        // RFC 7638 asks for a hash over the JWK; any stable name does for a key set of our own.
        let id = hex::encode(blake3::hash(public).as_bytes().get(..8)?);
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": id, "x": URL_SAFE_NO_PAD.encode(public),
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(id);
        Some(Self { key: EncodingKey::from_ed_der(pkcs8), header, jwks: json!({ "keys": [jwk] }).to_string() })
    }

    /// The key set that backends verify with.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A signed token of these claims.
    pub fn sign(&self, claims: &impl serde::Serialize) -> Option<String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).ok()
    }

    /// A signed token of another type than an assertion (`typ`).
    pub fn sign_as(&self, kind: &str, claims: &impl serde::Serialize) -> Option<String> {
        let header = Header { typ: Some(kind.to_owned()), ..self.header.clone() };
        jsonwebtoken::encode(&header, claims, &self.key).ok()
    }
}

/// Whether only its owner can read a key, if it is there.
fn private(path: &Path) -> Result<(), KeysError> {
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Err(KeysError::Open(path.into())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KeysError::File { path: path.into(), source: error })
        }
        _ => Ok(()),
    }
}

/// A new Ed25519 key, PKCS#8.
fn generate() -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeysError::Random)?;
    Ok(Zeroizing::new(made.as_ref().to_vec()))
}

/// A key from its file, which is made if it is not there.
fn key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    private(path)?;
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map(Zeroizing::new).map_err(fail),
    }
    let made = generate()?;
    let temporary = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(fail)?;
    file.write_all(&made).and_then(|()| file.sync_all()).map_err(fail)?;
    // Linking fails if another process was first: then its key is the key.
    match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
        _ => {}
    }
    fs::remove_file(&temporary).map_err(fail)?;
    fs::read(path).map(Zeroizing::new).map_err(fail)
}

fn publish(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes).map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeName {
        NodeName::parse("gw1").expect("a name")
    }

    #[test]
    fn keys_are_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = NodeKeys::open(dir.path(), &node()).expect("makes keys");
        let again = NodeKeys::open(dir.path(), &node()).expect("reads keys");
        assert_eq!(first.seal.current().public(), again.seal.current().public());
        assert_eq!(first.assertion.jwks(), again.assertion.jwks());
        let path = dir.path().join("keys/seal.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changes");
        assert!(matches!(NodeKeys::open(dir.path(), &node()), Err(KeysError::Open(named)) if named == path));
    }

    #[test]
    fn the_published_seal_key_stays_the_first_one() {
        use contract::seal::Edge;
        let dir = tempfile::tempdir().expect("a folder");
        let first = NodeKeys::open(dir.path(), &node()).expect("makes keys").seal.current().public();
        assert!(prepare_seal_key(dir.path()).expect("makes a key").1);
        let mut keys = NodeKeys::open(dir.path(), &node()).expect("reads keys");
        let edge = Edge { batch: 1, previous: [0; 32] };
        assert!(keys.seal.hand_over(edge, edge, 5).expect("hands over"));
        let keys = NodeKeys::open(dir.path(), &node()).expect("reads keys");
        assert!(keys.seal.current().public() != first);
        assert_eq!(fs::read_to_string(dir.path().join("seal.pub")).expect("reads"), hex::encode(first));
        for name in ["keys/seal.key", "seal.handovers"] {
            let mode = fs::metadata(dir.path().join(name)).expect("is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }

    #[test]
    fn a_token_verifies_with_the_published_set() {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = NodeKeys::open(dir.path(), &node()).expect("makes keys");
        let token = keys.assertion.sign(&json!({ "aud": "sample", "exp": 4_000_000_000_u64 })).expect("signs");
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(keys.assertion.jwks()).expect("a key set");
        let key = jsonwebtoken::DecodingKey::from_jwk(set.keys.first().expect("a key")).expect("a public key");
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["sample"]);
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).expect("verifies").claims;
        assert_eq!(claims.get("aud"), Some(&json!("sample")));
    }
}
