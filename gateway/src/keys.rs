//! This node's own keys: one seals its batches of records, one signs identity assertions to backends.
//!
//! Made once, at the first start or by `gateway keys`, under `<state_dir>/keys`, readable by the owner only. The public
//! halves lie beside them: `<state_dir>/jwks.json` (RFC 7517, RFC 8037) and `<state_dir>/seal.pub`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::seal::SealKey;
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
}

/// The node's keys.
pub struct NodeKeys {
    /// Signs seals.
    pub seal: SealKey,
    /// Signs assertions.
    pub assertion: AssertionKey,
}

impl NodeKeys {
    /// Reads the keys, and makes those that are missing.
    pub fn open(state_dir: &Path) -> Result<Self, KeysError> {
        let dir = state_dir.join("keys");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|source| KeysError::File { path: dir.clone(), source })?;
        let seal_path = dir.join("seal.key");
        let seal = SealKey::from_pkcs8(&key(&seal_path)?).map_err(|_| KeysError::Form(seal_path))?;
        publish(&state_dir.join("seal.pub"), hex::encode(seal.public()).as_bytes())?;
        let assertion_path = dir.join("assertion.key");
        let assertion = AssertionKey::new(&key(&assertion_path)?).ok_or(KeysError::Form(assertion_path))?;
        publish(&state_dir.join("jwks.json"), assertion.jwks.as_bytes())?;
        Ok(Self { seal, assertion })
    }
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
}

/// A key from its file, which is made if it is not there.
fn key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let fail = |source| KeysError::File { path: path.into(), source };
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => return Err(KeysError::Open(path.into())),
        Ok(_) => return fs::read(path).map(Zeroizing::new).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
    }
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeysError::Random)?;
    let temporary = path.with_extension("tmp");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(fail)?;
    file.write_all(made.as_ref()).and_then(|()| file.sync_all()).map_err(fail)?;
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

    #[test]
    fn keys_are_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = NodeKeys::open(dir.path()).expect("makes keys");
        let again = NodeKeys::open(dir.path()).expect("reads keys");
        assert_eq!(first.seal.public(), again.seal.public());
        assert_eq!(first.assertion.jwks(), again.assertion.jwks());
        let path = dir.path().join("keys/seal.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changes");
        assert!(matches!(NodeKeys::open(dir.path()), Err(KeysError::Open(named)) if named == path));
    }

    #[test]
    fn a_token_verifies_with_the_published_set() {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = NodeKeys::open(dir.path()).expect("makes keys");
        let token = keys.assertion.sign(&json!({ "aud": "sample", "exp": 4_000_000_000_u64 })).expect("signs");
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(keys.assertion.jwks()).expect("a key set");
        let key = jsonwebtoken::DecodingKey::from_jwk(set.keys.first().expect("a key")).expect("a public key");
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["sample"]);
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).expect("verifies").claims;
        assert_eq!(claims.get("aud"), Some(&json!("sample")));
    }
}
