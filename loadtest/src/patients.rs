//! Synthetic patients: formally valid personnummer and names that nobody bears, the same list for the same seed.
//!
//! Serial numbers are 980 to 999, the range that is customary for test numbers. No two patients of a list share a
//! number.

use crate::rng::Rng;
use contract::identity::{PatientId, luhn_holds, parse};
use std::collections::HashSet;

/// The seed and number of patients of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    /// The seed.
    pub seed: u64,
    /// How many patients; at most [`PATIENTS_MAX`].
    pub count: u32,
}

/// The largest list.
pub const PATIENTS_MAX: u32 = 200_000;

/// The seed that the demo and the tests use.
pub const SEED: u64 = 42;

/// A care unit of the sample registry: HSA-id and name. The organisation number of zeros belongs to nobody.
pub const UNITS: [(&str, &str); 4] = [
    ("SE0000000000-E001", "Exempelmottagningen Norr"),
    ("SE0000000000-E002", "Exempelmottagningen Söder"),
    ("SE0000000000-E003", "Exempelsjukhuset, avdelning 12"),
    ("SE0000000000-E004", "Exempelvårdcentralen"),
];

/// The care provider of the sample registry.
pub const CARE_PROVIDER: &str = "SE0000000000-E000";

/// A synthetic patient.
#[derive(Debug, Clone)]
pub struct Patient {
    /// Position in the list.
    pub index: u32,
    /// The personnummer, valid in form.
    pub id: PatientId,
    /// The name.
    pub name: String,
    /// Index into [`UNITS`].
    pub unit: usize,
    /// The registry's entries.
    pub visits: Vec<Visit>,
}

/// One visit as the registry has it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Visit {
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// What was examined.
    pub examination: &'static str,
    /// The result.
    pub result: String,
}

impl Population {
    /// The list.
    pub fn patients(self) -> Vec<Patient> {
        let count = self.count.min(PATIENTS_MAX);
        let mut taken = HashSet::with_capacity(count as usize);
        let mut rng = Rng::new(self.seed);
        let mut patients = Vec::with_capacity(count as usize);
        while patients.len() < count as usize {
            let text = personnummer(&mut rng);
            // The years drawn are past ones, so any present year gives the same reading.
            let Ok(id) = parse(&text, contract::identity::Year(2026)) else { continue };
            if taken.insert(text) {
                let index = u32::try_from(patients.len()).unwrap_or(u32::MAX);
                patients.push(patient(self.seed, index, id));
            }
        }
        patients
    }
}

fn personnummer(rng: &mut Rng) -> String {
    let (year, month, day) = (rng.between(1930, 2019), rng.between(1, 12), rng.between(1, 28));
    let head = format!("{year:04}{month:02}{day:02}{:03}", rng.between(980, 999));
    let fits = |check: &u8| {
        let digits: Vec<u8> = head.bytes().skip(2).map(|b| b - b'0').chain([*check]).collect();
        luhn_holds(digits.into_iter())
    };
    let check = (0..10).find(fits).unwrap_or(0);
    format!("{head}{check}")
}

fn patient(seed: u64, index: u32, id: PatientId) -> Patient {
    let mut rng = Rng::fork(seed, u64::from(index));
    let first = rng.pick(&FIRST_NAMES).copied().unwrap_or_default();
    let last = rng.pick(&LAST_NAMES).copied().unwrap_or_default();
    let unit = usize::try_from(rng.below(UNITS.len() as u64)).unwrap_or(0);
    let visits = (0..rng.between(1, 4)).map(|_| visit(&mut rng)).collect();
    Patient { index, id, name: format!("{first} {last}"), unit, visits }
}

fn visit(rng: &mut Rng) -> Visit {
    let date = format!("{:04}-{:02}-{:02}", rng.between(2020, 2025), rng.between(1, 12), rng.between(1, 28));
    let (examination, low, high, suffix) = *rng.pick(&EXAMINATIONS).unwrap_or(&("Kontroll", 0, 0, ""));
    Visit { date, examination, result: format!("{}{suffix}", rng.between(low, high)) }
}

const FIRST_NAMES: [&str; 12] = [
    "Testa", "Prova", "Exempla", "Demo", "Låtsas", "Påhitta", "Attrappa", "Modella", "Mallis", "Syntea", "Fiktiva",
    "Övning",
];
const LAST_NAMES: [&str; 12] = [
    "Testsson",
    "Exempelsson",
    "Provström",
    "Låtsasberg",
    "Påhittsson",
    "Demoqvist",
    "Attrappgren",
    "Mallander",
    "Fiktivsson",
    "Övningsdal",
    "Syntetlund",
    "Platshållare",
];
const EXAMINATIONS: [(&str, u64, u64, &str); 5] = [
    ("Höft, rörelseomfång", 20, 60, " grader"),
    ("Rygg, skoliosmätning", 0, 40, " grader"),
    ("Gångförmåga, nivå", 1, 5, ""),
    ("Smärtskattning", 0, 10, " av 10"),
    ("Längd", 90, 195, " cm"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_distinct_valid_patients() {
        let list = |seed| Population { seed, count: 500 }.patients();
        let ids = |list: &[Patient]| list.iter().map(|p| p.id.expose().to_owned()).collect::<Vec<_>>();
        let (one, two, other) = (list(7), list(7), list(8));
        assert_eq!(ids(&one), ids(&two));
        assert_ne!(ids(&one), ids(&other));
        assert_eq!(ids(&one).iter().collect::<HashSet<_>>().len(), 500);
        assert!(one.iter().zip(&two).all(|(a, b)| a.name == b.name && a.unit == b.unit));
    }

    #[test]
    fn a_shorter_list_is_the_start_of_a_longer_one() {
        let long = Population { seed: 1, count: 50 }.patients();
        let short = Population { seed: 1, count: 5 }.patients();
        assert!(short.iter().zip(&long).all(|(a, b)| a.id == b.id && a.name == b.name));
    }

    #[test]
    fn units_are_valid_hsa_ids() {
        assert!(UNITS.iter().all(|(hsa, _)| contract::id::HsaId::parse(hsa).is_ok()));
        assert!(contract::id::HsaId::parse(CARE_PROVIDER).is_ok());
    }
}
