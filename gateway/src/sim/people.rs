//! Patients, all of them invented, and the keys under which they are recorded.

use contract::identity::{PatientId, Year, parse};
use contract::pseudonym::{AuditorPrivateKey, AuditorPublicKey, PatientRef, PseudonymKey};
use zeroize::Zeroizing;

/// More than wait for the end of their exchange in a fold's memory.
pub(super) const PATIENTS: usize = 300;

/// Patients.
pub(super) struct Patients {
    all: Vec<(PatientId, PatientRef)>,
    pseudonyms: PseudonymKey,
}

impl Patients {
    pub(super) fn new() -> Self {
        let pseudonyms = pseudonym_key();
        let numbers =
            (0..).filter_map(|number: u64| parse(&format!("19{:010}", 8_001_010_000 + number), Year(2026)).ok());
        let with_ref = |id: PatientId| {
            let reference = pseudonyms.patient(&id);
            (id, reference)
        };
        let all = numbers.take(PATIENTS).map(with_ref).collect();
        Self { all, pseudonyms }
    }

    /// A patient by number.
    pub(super) fn get(&self, number: usize) -> &(PatientId, PatientRef) {
        &self.all[number % PATIENTS]
    }

    /// A patient's pseudonym.
    pub(super) fn reference(&self, id: &PatientId) -> PatientRef {
        self.pseudonyms.patient(id)
    }
}

/// The pseudonym key, the same in all lives.
pub(super) fn pseudonym_key() -> PseudonymKey {
    PseudonymKey::new(&[3; 32])
}

/// The auditor's key pair.
pub(super) fn auditor_keys() -> (AuditorPrivateKey, AuditorPublicKey) {
    AuditorPrivateKey::derive(&Zeroizing::new([5; 32]))
}
