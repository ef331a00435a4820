//! The authority's key in a PKCS#11 token: a hardware security module, or SoftHSM.
//!
//! The key is made in the token and never leaves it; here it is named by its label, and the PIN comes from a file that nobody
//! but its owner reads. A session is opened when something is to be signed and closed behind it, so a token that was away is
//! used again when it is back; where a session does not open, the module is set up anew, once. A PIN that a token has
//! refused is not tried again until the file holds another: tokens lock themselves after a few wrong ones, and the sweeper would
//! try every few seconds.

use super::IssueError;
use crate::devices::TokenPlace;
use crate::pki::CaKey;
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use parking_lot::Mutex;
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Why the token's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The module is no PKCS#11 module, or does not start.
    #[error("the PKCS#11 module {module} cannot be used")]
    Module {
        /// Its file.
        module: String,
        /// What happened.
        #[source]
        source: Error,
    },
    /// None of the label, or several.
    #[error("there is not one token with the label {0:?}: is it plugged in, and is the label right?")]
    Token(String),
    /// The token has refused the PIN.
    #[error(
        "the token has refused the PIN in {0}: it is not tried again until that file holds another, for wrong PINs lock a token"
    )]
    Pin(String),
    /// One more wrong PIN, and it is locked; or it is.
    #[error("the token is locked, or will be after one more wrong PIN: unlock it with its own program first")]
    Locked,
    /// None of the label, or several.
    #[error("there is not one EC key with the label {0:?} in the token: `auditor device ca-init` makes one")]
    Key(String),
    /// Not made as it should be.
    #[error(
        "the key {0:?} can be taken out of the token, or is not on the curve P-256: make one with `auditor device ca-init`"
    )]
    Kind(String),
    /// There is one already.
    #[error("there is a key with the label {0:?} in the token already: choose another label")]
    Taken(String),
    /// The certificate is not that key's.
    #[error("the authority's certificate is not of the token's key")]
    Other,
    /// The token failed.
    #[error("the token does not answer as it should")]
    Failed(#[from] Error),
}

/// A token, as far as this program knows it.
pub struct Token {
    place: TokenPlace,
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    module: Option<Pkcs11>,
    /// A hash of the PIN that was refused.
    refused: Option<Vec<u8>>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({:?})", self.place)
    }
}

/// The curve P-256, as a key's parameters name it.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// A point on it, not compressed.
const POINT_BYTES: usize = 65;

impl Token {
    /// Nothing is opened yet.
    pub fn new(place: TokenPlace) -> Arc<Self> {
        Arc::new(Self { place, state: Mutex::default() })
    }

    /// The authority's key, for as long as it is held.
    pub fn key(&self) -> Result<CaKey, IssueError> {
        let key = self.with_session(false, |session| {
            let handle = one(session, &self.of_label(ObjectClass::PRIVATE_KEY), &self.place.key)?;
            let point = self.point(session)?;
            let said = session.get_attributes(handle, &[AttributeType::Extractable, AttributeType::Sensitive])?;
            // What a token does not say is not known to be so.
            if !said.contains(&Attribute::Extractable(false)) || !said.contains(&Attribute::Sensitive(true)) {
                return Err(TokenError::Kind(self.place.key.clone()));
            }
            Ok((handle, point))
        })?;
        let (session, (handle, point)) = key;
        Ok(CaKey::new(TokenKey { session: Mutex::new(session), handle, point }))
    }

    /// Makes the key in the token: nobody can take it out.
    pub fn make_key(&self, id: &[u8; 16]) -> Result<(), IssueError> {
        self.with_session(true, |session| {
            let label = self.place.key.clone().into_bytes();
            if !session.find_objects(&[Attribute::Label(label.clone())])?.is_empty() {
                return Err(TokenError::Taken(self.place.key.clone()));
            }
            let both = [Attribute::Token(true), Attribute::Label(label), Attribute::Id(id.to_vec())];
            let public = [Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(P256.to_vec())];
            let private = [
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
            ];
            let (public, private) = ([&both[..], &public].concat(), [&both[..], &private].concat());
            session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
            Ok(())
        })?;
        Ok(())
    }

    /// Does something in a new session of the token's user, and gives the session along.
    fn with_session<T>(
        &self,
        write: bool,
        work: impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<(Session, T), IssueError> {
        let pin = self.pin()?;
        let mut known = self.state.lock();
        let opened = match self.open(&mut known, &pin, write) {
            // A module that has lost its token may know it again when it is set up anew. A PIN is not among these.
            Err(TokenError::Failed(_) | TokenError::Token(_)) => {
                if let Some(module) = known.module.take() {
                    let _lost_anyway = module.finalize();
                }
                self.open(&mut known, &pin, write)?
            }
            opened => opened?,
        };
        let done = work(&opened)?;
        Ok((opened, done))
    }

    fn open(&self, known: &mut Known, pin: &str, write: bool) -> Result<Session, TokenError> {
        let hash = digest(&SHA256, pin.as_bytes()).as_ref().to_vec();
        if known.refused.as_ref() == Some(&hash) {
            return Err(TokenError::Pin(self.place.pin_file.display().to_string()));
        }
        let module = if let Some(module) = &known.module {
            module.clone()
        } else {
            let module = self.load()?;
            known.module.insert(module).clone()
        };
        let slot = self.slot(&module)?;
        let session = if write { module.open_rw_session(slot)? } else { module.open_ro_session(slot)? };
        match session.login(UserType::User, Some(&AuthPin::from(pin))) {
            // All sessions of a program are logged in together.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                known.refused = Some(hash);
                return Err(TokenError::Pin(self.place.pin_file.display().to_string()));
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => return Err(TokenError::Locked),
            Err(error) => return Err(error.into()),
        }
        known.refused = None;
        Ok(session)
    }

    fn load(&self) -> Result<Pkcs11, TokenError> {
        let failed = |source| TokenError::Module { module: self.place.module.display().to_string(), source };
        let module = Pkcs11::new(&self.place.module).map_err(failed)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
            Err(error) => Err(failed(error)),
        }
    }

    /// The one token of the label that may be tried.
    fn slot(&self, module: &Pkcs11) -> Result<Slot, TokenError> {
        let mut found = Vec::new();
        for slot in module.get_slots_with_initialized_token()? {
            let token = module.get_token_info(slot)?;
            if token.label() == self.place.token {
                found.push((slot, token));
            }
        }
        let one = found.pop().filter(|_| found.is_empty());
        let (slot, token) = one.ok_or_else(|| TokenError::Token(self.place.token.clone()))?;
        if token.user_pin_locked() || token.user_pin_final_try() {
            return Err(TokenError::Locked);
        }
        Ok(slot)
    }

    fn pin(&self) -> Result<Zeroizing<String>, IssueError> {
        let path = &self.place.pin_file;
        let failed = |source| IssueError::File { path: path.clone(), source };
        if std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(IssueError::Readable { path: path.clone() });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
        Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn of_label(&self, class: ObjectClass) -> [Attribute; 3] {
        let label = Attribute::Label(self.place.key.clone().into_bytes());
        [Attribute::Class(class), Attribute::KeyType(KeyType::EC), label]
    }

    /// The public key's point. Most tokens wrap it into an octet string, as the standard says since 2.20; some do not.
    fn point(&self, session: &Session) -> Result<Vec<u8>, TokenError> {
        let handle = one(session, &self.of_label(ObjectClass::PUBLIC_KEY), &self.place.key)?;
        let mut point = None;
        let mut curve = false;
        for attribute in session.get_attributes(handle, &[AttributeType::EcPoint, AttributeType::EcParams])? {
            match attribute {
                Attribute::EcPoint(bytes) => {
                    point = bytes
                        .strip_prefix(&[0x04, 0x41])
                        .filter(|point| point.len() == POINT_BYTES)
                        .map(<[u8]>::to_vec);
                    point = point.or(Some(bytes)).filter(|point| point.len() == POINT_BYTES);
                }
                Attribute::EcParams(params) => curve = params == P256,
                _ => {}
            }
        }
        point.filter(|_| curve).ok_or_else(|| TokenError::Kind(self.place.key.clone()))
    }
}

fn one(session: &Session, template: &[Attribute], label: &str) -> Result<ObjectHandle, TokenError> {
    match session.find_objects(template)?.as_slice() {
        [handle] => Ok(*handle),
        _ => Err(TokenError::Key(label.to_owned())),
    }
}

/// The key, in a session that ends with it.
struct TokenKey {
    session: Mutex<Session>,
    handle: ObjectHandle,
    point: Vec<u8>,
}

impl PublicKeyData for TokenKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for TokenKey {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        // Hashed here: not every token can do both.
        let hash = digest(&SHA256, text);
        let signed = self.session.lock().sign(&Mechanism::Ecdsa, self.handle, hash.as_ref());
        let signature = signed.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the token has not signed");
            rcgen::Error::RemoteKeyError
        })?;
        der(&signature).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// A signature as X.509 has it (RFC 3279, 2.2.3), from the two numbers that a token gives.
fn der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let content = [integer(r), integer(s)].concat();
    let length = u8::try_from(content.len()).ok()?;
    Some([&[0x30, length][..], &content].concat())
}

/// A positive number: without zeros before it, but for one where it would be negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let digits = bytes.get(start..).unwrap_or_default();
    let zero = digits.first().is_some_and(|first| first & 0x80 != 0);
    let length = u8::try_from(digits.len() + usize::from(zero)).unwrap_or(u8::MAX);
    let mut integer = vec![0x02, length];
    integer.extend(zero.then_some(0));
    integer.extend_from_slice(digits);
    integer
}

#[cfg(test)]
mod tests;
