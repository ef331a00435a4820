//! The data key of the hour: seals patients' identities, and is itself known to the auditor only.
//!
//! A new key is made at the start and each hour after. Its wrapped form is in the journal before any record sealed
//! under it, because both go through the same log in this order. The key lives in memory only and is wiped with it.

use super::{RecordError, Recorder};
use arc_swap::ArcSwap;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use contract::Micros;
use contract::id::DataKeyId;
use contract::pseudonym::{AuditorPublicKey, DataKey, PseudonymKey, SealError};
use contract::record::Marker;
use std::sync::Arc;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long a data key is used, in microseconds.
pub const KEY_LIFE: Micros = 3_600_000_000;

/// Why there is no data key.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// No randomness.
    #[error("no data key could be made")]
    Random,
    /// The auditor's public key does not work.
    #[error("the data key could not be sealed to the auditor")]
    Seal(#[from] SealError),
    /// The key could not be recorded.
    #[error("the data key could not be recorded")]
    Record(#[from] RecordError),
}

/// Holds the pseudonym key and the present data key.
pub struct Sealer {
    pseudonyms: PseudonymKey,
    auditor: AuditorPublicKey,
    recorder: Recorder,
    key: ArcSwap<DataKey>,
}

impl Sealer {
    /// Makes the first data key and waits until its wrapped form is durable.
    pub async fn start(
        pseudonyms: PseudonymKey,
        auditor: AuditorPublicKey,
        recorder: Recorder,
        now: Micros,
    ) -> Result<Self, SealerError> {
        let key = Self::make(&auditor, &recorder, now).await?;
        Ok(Self { pseudonyms, auditor, recorder, key: ArcSwap::from_pointee(key) })
    }

    /// The pseudonym key.
    pub fn pseudonyms(&self) -> &PseudonymKey {
        &self.pseudonyms
    }

    /// The present data key.
    pub fn key(&self) -> arc_swap::Guard<Arc<DataKey>> {
        self.key.load()
    }

    /// Replaces the data key. The old one goes on being used until the new one is durable.
    pub async fn renew(&self, now: Micros) -> Result<(), SealerError> {
        self.key.store(Arc::new(Self::make(&self.auditor, &self.recorder, now).await?));
        Ok(())
    }

    async fn make(auditor: &AuditorPublicKey, recorder: &Recorder, now: Micros) -> Result<DataKey, SealerError> {
        let mut secret = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(secret.as_mut_slice()).map_err(|_| SealerError::Random)?;
        let (key, wrapped) = DataKey::make(DataKeyId::new(Uuid::now_v7()), &secret, auditor)?;
        recorder.marker(&Marker::DataKey { at: now, key: wrapped })?.durable().await?;
        Ok(key)
    }
}
