//! Pseudonyms and sealing: how a patient's identity rests on disk and in ClickHouse.
//!
//! - [`PatientRef`]: HMAC-SHA-256 under a key that gateways and auditor share, cut to 16 bytes. The same patient
//!   has the same ref, so rules and joins work; without the key nobody finds the patient.
//! - [`SealedIdentity`]: the identity under a data key (AES-256-GCM). A gateway makes a new data key each hour,
//!   keeps it in memory only, and seals it to the auditor's public key by HPKE (RFC 9180, X25519, HKDF-SHA-256,
//!   ChaCha20-Poly1305). A stolen disk or database opens nothing; only the auditor's private key does.
//!
//! A data key counts its nonces and never outlives its process, so no nonce repeats under one key.

use crate::id::DataKeyId;
use crate::identity::{IdentityKind, PatientId};
use crate::wire::{Blob, Input, Wire, WireError};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use hpke::{Deserializable, Kem as _, Serializable};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::{Zeroize, Zeroizing};

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

const HPKE_INFO: &[u8] = b"grindvakt data key v1";

/// Why sealing or opening failed. Says nothing of what was inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key does not have its form: 32 bytes, or 64 hexadecimal digits in a file.
    #[error("a key is not 32 bytes written as 64 hexadecimal digits")]
    Key,
    /// The bytes were not sealed under this key, or were changed.
    #[error("the sealed bytes do not open with this key")]
    Open,
    /// The key has sealed as often as it may; make a new one.
    #[error("the data key is used up")]
    UsedUp,
}

/// A patient's pseudonym: 16 bytes, equal for the same patient under the same pseudonym key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PatientRef(pub [u8; 16]);

impl PatientRef {
    /// The ref of «no patient found».
    pub const NONE: Self = Self([0; 16]);
}

impl std::fmt::Display for PatientRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for PatientRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PatientRef({self})")
    }
}

impl TryFrom<String> for PatientRef {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<PatientRef> for String {
    fn from(patient: PatientRef) -> Self {
        hex::encode(patient.0)
    }
}

impl Wire for PatientRef {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        <[u8; 16]>::decode(input).map(Self)
    }
}

/// The key of all pseudonyms of one installation. Gateways and auditor hold the same one.
pub struct PseudonymKey(hmac::Key);

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey(hidden)")
    }
}

impl PseudonymKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Reads the key file's text: 64 hexadecimal digits, white space around ignored.
    pub fn from_hex(text: &str) -> Result<Self, SealError> {
        Ok(Self::new(&*secret_from_hex(text)?))
    }

    /// The pseudonym of a patient.
    pub fn patient(&self, patient: &PatientId) -> PatientRef {
        self.tag(b"patient", &[patient.kind().tag()], patient.bytes())
    }

    /// The pseudonym of a search term (a name, a part of one), after [`normalise_term`].
    pub fn search_term(&self, term: &str) -> PatientRef {
        let normal = Zeroizing::new(normalise_term(term));
        self.tag(b"term", &[], normal.as_bytes())
    }

    /// The pseudonym of a user name that was tried at login and that no account has.
    pub fn user_name(&self, name: &str) -> PatientRef {
        let normal = Zeroizing::new(normalise_term(name));
        self.tag(b"user", &[], normal.as_bytes())
    }

    fn tag(&self, domain: &[u8], kind: &[u8], value: &[u8]) -> PatientRef {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(domain);
        context.update(&[0]);
        context.update(kind);
        context.update(value);
        let mut bytes = [0; 16];
        let tag = context.sign();
        for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        PatientRef(bytes)
    }
}

/// One form for terms that mean the same: lower case, single spaces, no white space around.
pub fn normalise_term(term: &str) -> String {
    let mut normal = String::with_capacity(term.len());
    for word in term.split_whitespace() {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.extend(word.chars().flat_map(char::to_lowercase));
    }
    normal
}

/// Reads 32 secret bytes from 64 hexadecimal digits.
pub fn secret_from_hex(text: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *secret).map_err(|_| SealError::Key)?;
    Ok(secret)
}

/// An identity sealed under a data key: nonce counter, ciphertext, tag. 37 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealedIdentity(pub [u8; SEALED_LENGTH]);

const PLAIN_LENGTH: usize = 13;
/// The length of a sealed identity: 8 bytes nonce counter, 13 bytes kind and identity, 16 bytes tag.
pub const SEALED_LENGTH: usize = 8 + PLAIN_LENGTH + 16;

impl SealedIdentity {
    /// What a record about no known patient holds.
    pub const NONE: Self = Self([0; SEALED_LENGTH]);
}

impl Wire for SealedIdentity {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        <[u8; SEALED_LENGTH]>::decode(input).map(Self)
    }
}

/// A gateway's data key: seals identities for about an hour.
pub struct DataKey {
    id: DataKeyId,
    key: LessSafeKey,
    sealed: AtomicU64,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({}, hidden)", self.id)
    }
}

impl DataKey {
    /// A key may seal 2^32 identities: far below AES-GCM's bound (NIST SP 800-38D, 8.3) for counted nonces.
    const SEALS_MAX: u64 = 1 << 32;

    /// Makes a key of 32 random bytes, and the same key sealed to the auditor's public key.
    pub fn make(
        id: DataKeyId,
        secret: &Zeroizing<[u8; 32]>,
        auditor: &AuditorPublicKey,
    ) -> Result<(Self, WrappedKey), SealError> {
        let (encapsulated, ciphertext) = hpke::single_shot_seal::<Aead, Kdf, Kem>(
            &hpke::OpModeS::Base,
            &auditor.0,
            HPKE_INFO,
            secret.as_slice(),
            id.uuid().as_bytes(),
        )
        .map_err(|_| SealError::Key)?;
        let mut wrapped = encapsulated.to_bytes().to_vec();
        wrapped.extend_from_slice(&ciphertext);
        Ok((Self::from_secret(id, secret)?, WrappedKey { id, wrapped: Blob(wrapped) }))
    }

    fn from_secret(id: DataKeyId, secret: &Zeroizing<[u8; 32]>) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(|_| SealError::Key)?;
        Ok(Self { id, key: LessSafeKey::new(key), sealed: AtomicU64::new(0) })
    }

    /// The key's id, which each record sealed under it names.
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// Seals a patient's identity, bound to the patient's ref.
    pub fn seal(&self, patient: &PatientId, reference: PatientRef) -> Result<SealedIdentity, SealError> {
        let count = self.sealed.fetch_add(1, Ordering::Relaxed);
        if count >= Self::SEALS_MAX {
            return Err(SealError::UsedUp);
        }
        let mut plain = Zeroizing::new([0; PLAIN_LENGTH]);
        let (kind, characters) = plain.split_at_mut(1);
        kind.copy_from_slice(&[patient.kind().tag()]);
        characters.copy_from_slice(patient.bytes());
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(count), Aad::from(aad(self.id, reference)), plain.as_mut_slice())
            .map_err(|_| SealError::Key)?;
        let mut sealed = [0; SEALED_LENGTH];
        let (head, tail) = sealed.split_at_mut(8);
        head.copy_from_slice(&count.to_le_bytes());
        let (middle, end) = tail.split_at_mut(PLAIN_LENGTH);
        middle.copy_from_slice(plain.as_slice());
        end.copy_from_slice(tag.as_ref());
        Ok(SealedIdentity(sealed))
    }

    /// Opens a sealed identity. Only the auditor has keys to open with; each opening is itself an audited access.
    pub fn open(&self, sealed: &SealedIdentity, reference: PatientRef) -> Result<PatientId, SealError> {
        let (head, tail) = sealed.0.split_at(8);
        let count = u64::from_le_bytes(head.try_into().map_err(|_| SealError::Open)?);
        let mut bytes = Zeroizing::new(tail.to_vec());
        let plain = self
            .key
            .open_in_place(nonce(count), Aad::from(aad(self.id, reference)), &mut bytes)
            .map_err(|_| SealError::Open)?;
        let (kind, characters) = plain.split_first().ok_or(SealError::Open)?;
        let kind = IdentityKind::from_tag(*kind).ok_or(SealError::Open)?;
        PatientId::restore(kind, characters).ok_or(SealError::Open)
    }
}

fn nonce(count: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.split_at_mut(8).0.copy_from_slice(&count.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn aad(key: DataKeyId, reference: PatientRef) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (head, tail) = bytes.split_at_mut(16);
    head.copy_from_slice(key.uuid().as_bytes());
    tail.copy_from_slice(&reference.0);
    bytes
}

crate::wire_struct! {
    /// A data key sealed to the auditor: written to the journal before the first record sealed under it, and
    /// kept in ClickHouse's `data_key` table. Destroying it makes its identities unreadable for ever.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct WrappedKey {
        /// Which key.
        pub id: DataKeyId,
        /// HPKE's encapsulated key (32 bytes), then the ciphertext.
        pub wrapped: Blob,
    }
}

/// The auditor's public key: gateways seal data keys to it.
#[derive(Clone)]
pub struct AuditorPublicKey(<Kem as hpke::Kem>::PublicKey);

/// The auditor's private key: opens data keys, and with them identities.
pub struct AuditorPrivateKey(<Kem as hpke::Kem>::PrivateKey);

impl std::fmt::Debug for AuditorPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Debug for AuditorPrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditorPrivateKey(hidden)")
    }
}

impl AuditorPublicKey {
    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, SealError> {
        let bytes = secret_from_hex(text)?;
        <Kem as hpke::Kem>::PublicKey::from_bytes(bytes.as_slice()).map(Self).map_err(|_| SealError::Key)
    }

    /// The key as 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.to_bytes())
    }
}

impl AuditorPrivateKey {
    /// Derives the key pair from 32 secret random bytes (RFC 9180, 7.1.3).
    pub fn derive(secret: &Zeroizing<[u8; 32]>) -> (Self, AuditorPublicKey) {
        let (private, public) = Kem::derive_keypair(secret.as_slice());
        (Self(private), AuditorPublicKey(public))
    }

    /// Opens a data key.
    pub fn unwrap_key(&self, key: &WrappedKey) -> Result<DataKey, SealError> {
        let (encapsulated, ciphertext) = key.wrapped.0.split_at_checked(32).ok_or(SealError::Open)?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| SealError::Open)?;
        let mut plain = hpke::single_shot_open::<Aead, Kdf, Kem>(
            &hpke::OpModeR::Base,
            &self.0,
            &encapsulated,
            HPKE_INFO,
            ciphertext,
            key.id.uuid().as_bytes(),
        )
        .map_err(|_| SealError::Open)?;
        let mut secret = Zeroizing::new([0; 32]);
        let fits = plain.len() == secret.len();
        if fits {
            secret.copy_from_slice(&plain);
        }
        plain.zeroize();
        if fits { DataKey::from_secret(key.id, &secret) } else { Err(SealError::Open) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Year, parse};
    use uuid::Uuid;

    fn patient(text: &str) -> PatientId {
        parse(text, Year(2026)).expect("a valid test number")
    }

    fn keys() -> (DataKey, WrappedKey, AuditorPrivateKey) {
        let (private, public) = AuditorPrivateKey::derive(&Zeroizing::new([7; 32]));
        let id = DataKeyId::new(Uuid::from_u128(5));
        let (key, wrapped) = DataKey::make(id, &Zeroizing::new([9; 32]), &public).expect("makes");
        (key, wrapped, private)
    }

    #[test]
    fn only_the_auditor_opens_what_a_gateway_sealed() {
        let (key, wrapped, private) = keys();
        let refs = PseudonymKey::new(&[1; 32]);
        let who = patient("191212121212");
        let reference = refs.patient(&who);
        let first = key.seal(&who, reference).expect("seals");
        let second = key.seal(&who, reference).expect("seals");
        assert_ne!(first, second, "equal identities must not look equal");
        let opener = private.unwrap_key(&wrapped).expect("opens");
        assert_eq!(opener.open(&first, reference).expect("opens").expose(), "191212121212");

        let mut changed = first;
        changed.0[10] ^= 1;
        assert_eq!(opener.open(&changed, reference).err(), Some(SealError::Open));
        assert_eq!(opener.open(&first, PatientRef([3; 16])).err(), Some(SealError::Open), "bound to its ref");
        let (stranger, _) = AuditorPrivateKey::derive(&Zeroizing::new([8; 32]));
        assert!(matches!(stranger.unwrap_key(&wrapped), Err(SealError::Open)));
    }

    #[test]
    fn a_ref_is_the_same_for_the_same_patient_and_key_only() {
        let key = PseudonymKey::new(&[1; 32]);
        assert_eq!(key.patient(&patient("191212121212")), key.patient(&patient("121212+1212")));
        assert_ne!(key.patient(&patient("191212121212")), key.patient(&patient("201212121212")));
        assert_ne!(
            key.patient(&patient("191212121212")),
            PseudonymKey::new(&[2; 32]).patient(&patient("191212121212"))
        );
        assert_eq!(key.search_term("  Anna   ÅKESSON "), key.search_term("anna åkesson"));
        assert_ne!(key.search_term("anna"), key.user_name("anna"));
    }

    #[test]
    fn keys_read_and_hide() {
        let (_, public) = AuditorPrivateKey::derive(&Zeroizing::new([7; 32]));
        assert_eq!(AuditorPublicKey::from_hex(&public.to_hex()).map(|k| k.to_hex()), Ok(public.to_hex()));
        assert!(matches!(PseudonymKey::from_hex("12"), Err(SealError::Key)));
        assert_eq!(format!("{:?}", PseudonymKey::new(&[1; 32])), "PseudonymKey(hidden)");
    }
}
