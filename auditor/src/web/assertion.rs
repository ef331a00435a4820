//! What gateways sign: the assertion of who sends a request, on which device, and tickets for emergency access.
//!
//! Keys come from the gateways' JWK sets, read again when the files change. Only EdDSA is accepted; the audience
//! must be this application, and an assertion that lives longer than a minute is none.

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use contract::directory::{ASSERTION_HEADER, Assertion};
use contract::emergency::{self, Ticket};
use contract::id::RegistryName;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Longest life of an assertion, in seconds.
const LIFE_MAX: u64 = 60;
/// How far the clocks may be apart, in seconds.
const LEEWAY: u64 = 5;
const HEADER_BYTES_MAX: usize = 4 << 10;
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// No header, or more than one.
    #[error("there is not exactly one assertion")]
    Absent,
    /// The key is not known.
    #[error("the assertion names no key that is known")]
    Key,
    /// Signature, audience or time is wrong.
    #[error("the assertion is not valid")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// It lives longer than it may.
    #[error("the assertion lives longer than {LIFE_MAX} s")]
    Life,
    /// It is signed, and something else.
    #[error("the token is of another type")]
    Type,
}

impl AssertionError {
    /// Whether it was good once, and its time is over.
    pub fn is_expired(&self) -> bool {
        use jsonwebtoken::errors::ErrorKind;
        matches!(self, Self::Invalid(error) if matches!(error.kind(), ErrorKind::ExpiredSignature))
    }
}

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// It is no JWK set.
    #[error("the file is no JWK set")]
    Form(#[source] serde_json::Error),
    /// It is larger than a JWK set is.
    #[error("the file is larger than {FILE_BYTES_MAX} bytes")]
    Size,
}

/// Verifies assertions.
pub struct Verifier {
    files: Vec<PathBuf>,
    validation: Validation,
    /// Of tickets.
    ticket: Validation,
    keys: ArcSwap<Keys>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({} keys)", self.keys.load().by_id.len())
    }
}

/// A file's age and size: it has changed when one of them has.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Default)]
struct Keys {
    stamps: Vec<Stamp>,
    by_id: HashMap<String, DecodingKey>,
}

impl Verifier {
    /// A verifier for the audience `registry`, with no keys until [`Self::reload`].
    pub fn new(files: Vec<PathBuf>, registry: &RegistryName) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[registry.as_str()]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        validation.leeway = LEEWAY;
        let mut ticket = validation.clone();
        ticket.set_audience(&[emergency::AUDIENCE]);
        ticket.set_required_spec_claims(&["exp", "aud"]);
        Self { files, validation, ticket, keys: ArcSwap::default() }
    }

    /// How many keys are known.
    pub fn keys(&self) -> usize {
        self.keys.load().by_id.len()
    }

    /// Reads the key files if one has changed. Returns what is wrong with which: a wrong file's keys are dropped.
    pub fn reload(&self) -> Vec<(PathBuf, KeyFileError)> {
        let stamps: Vec<Stamp> = self.files.iter().map(|file| stamp(file)).collect();
        if stamps == self.keys.load().stamps {
            return Vec::new();
        }
        let mut by_id = HashMap::new();
        let mut problems = Vec::new();
        for file in &self.files {
            match read_keys(file) {
                Ok(keys) => by_id.extend(keys),
                Err(error) => problems.push((file.clone(), error)),
            }
        }
        self.keys.store(Keys { stamps, by_id }.into());
        problems
    }

    /// The assertion of a request.
    pub fn verify(&self, headers: &HeaderMap) -> Result<Assertion, AssertionError> {
        let mut values = headers.get_all(ASSERTION_HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(AssertionError::Absent) };
        let token =
            value.to_str().ok().filter(|token| token.len() <= HEADER_BYTES_MAX).ok_or(AssertionError::Absent)?;
        let (assertion, _): (Assertion, _) = self.signed(token, &self.validation)?;
        if assertion.exp.saturating_sub(assertion.iat) > LIFE_MAX {
            return Err(AssertionError::Life);
        }
        Ok(assertion)
    }

    /// A ticket for emergency access. Whose it is, and whether it was used, is for the caller to see.
    pub fn ticket(&self, token: &str) -> Result<Ticket, AssertionError> {
        if token.is_empty() || token.len() > emergency::TICKET_BYTES_MAX {
            return Err(AssertionError::Absent);
        }
        let (ticket, kind): (Ticket, _) = self.signed(token, &self.ticket)?;
        if kind.as_deref() != Some(emergency::TYPE) {
            return Err(AssertionError::Type);
        }
        if ticket.exp.saturating_sub(ticket.iat) > emergency::TICKET_LIFE_S {
            return Err(AssertionError::Life);
        }
        Ok(ticket)
    }

    /// What a gateway has signed, and of which type it is.
    fn signed<T: DeserializeOwned>(
        &self,
        token: &str,
        validation: &Validation,
    ) -> Result<(T, Option<String>), AssertionError> {
        let id = decode_header(token).map_err(AssertionError::Invalid)?.kid.ok_or(AssertionError::Key)?;
        let keys = self.keys.load();
        let key = keys.by_id.get(&id).ok_or(AssertionError::Key)?;
        let read = decode(token, key, validation).map_err(AssertionError::Invalid)?;
        Ok((read.claims, read.header.typ))
    }
}

fn stamp(file: &Path) -> Stamp {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read_keys(file: &Path) -> Result<Vec<(String, DecodingKey)>, KeyFileError> {
    let meta = std::fs::metadata(file).map_err(KeyFileError::Read)?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(KeyFileError::Size);
    }
    let text = std::fs::read(file).map_err(KeyFileError::Read)?;
    let set: JwkSet = serde_json::from_slice(&text).map_err(KeyFileError::Form)?;
    Ok(set
        .keys
        .iter()
        .filter_map(|key| match &key.algorithm {
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?))
            }
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests;
