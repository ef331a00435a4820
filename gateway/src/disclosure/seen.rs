//! Who has been found in an exchange already: each patient is recorded once.

use contract::pseudonym::PatientRef;
use contract::record::Reason;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The patients of one exchange, by their pseudonyms: 32 bytes each, about.
pub struct Seen {
    refs: HashSet<PatientRef, BuildHasherDefault<OfRef>>,
    /// What could not be read, each reason once.
    problems: Vec<Reason>,
    max: usize,
}

/// More patients than one answer may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Seen {
    /// With those whom the request names, who have their record. At most `max` more.
    pub fn new(named: &[PatientRef], max: usize) -> Self {
        let refs: HashSet<_, _> = named.iter().copied().collect();
        Self { max: max.saturating_add(refs.len()), refs, problems: Vec::new() }
    }

    /// Whether this patient is new.
    pub fn patient(&mut self, reference: PatientRef) -> Result<bool, TooMany> {
        if self.refs.len() >= self.max && !self.refs.contains(&reference) {
            return Err(TooMany);
        }
        Ok(self.refs.insert(reference))
    }

    /// Whether this problem is new.
    pub fn problem(&mut self, reason: Reason) -> bool {
        let new = !self.problems.contains(&reason);
        if new {
            self.problems.push(reason);
        }
        new
    }

    /// Whether there was anything at all.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty() && self.problems.is_empty()
    }
}

/// A pseudonym is as good as random under a key that nobody outside has, and is its own hash.
#[derive(Default)]
struct OfRef(u64);

impl Hasher for OfRef {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks_exact(8) {
            self.0 ^= word.try_into().map_or(0, u64::from_le_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_patient_and_each_problem_is_new_once_and_patients_are_bounded() {
        let reference = |i: u8| PatientRef([i; 16]);
        let mut seen = Seen::new(&[reference(1)], 2);
        assert!(!seen.is_empty());
        assert_eq!([1, 2, 2, 3, 1].map(|i| seen.patient(reference(i))), [false, true, false, true, false].map(Ok));
        assert_eq!((seen.patient(reference(4)), seen.patient(reference(2))), (Err(TooMany), Ok(false)));
        assert!(seen.problem(Reason::PatientForm) && !seen.problem(Reason::PatientForm));
        assert!(Seen::new(&[], 1).is_empty());
    }
}
