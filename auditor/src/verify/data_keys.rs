//! Whether the data keys are there under which patients' numbers stand in rows. Without its key nobody ever reads a number
//! again, and no seal speaks of the table of keys.
//!
//! Which keys are needed is taken from the rows as they are read, not from an answer of the database's. That a key is there
//! is all that is seen: whether it opens anything would take the auditor's own private key.

use super::finding::{Finding, Findings, Kind};
use super::{VerifyError, read};
use clickhouse::Client;
use contract::pseudonym::SealedIdentity;
use contract::row::AccessRow;
use contract::seal::Stream;
use std::collections::HashMap;
use uuid::Uuid;

/// Keys of one node that are looked for. A gateway makes one an hour and one at each start: this is more than a hundred years.
const KEYS_MAX: usize = 1 << 20;

/// The data keys that a node's rows need.
#[derive(Debug, Default)]
pub(super) struct DataKeys {
    /// Each with the lowest and the highest number of the rows under it.
    needed: HashMap<Uuid, (u64, u64)>,
    /// The lowest and the highest number of rows whose keys found no room.
    beyond: Option<(u64, u64)>,
}

impl DataKeys {
    /// A row that is there.
    pub(super) fn see(&mut self, row: &AccessRow) {
        if row.patient_key.is_nil() || row.patient_sealed == SealedIdentity::NONE.0 {
            return;
        }
        let room = self.needed.len() < KEYS_MAX;
        let numbers = match self.needed.get_mut(&row.patient_key) {
            Some(numbers) => numbers,
            None if room => self.needed.entry(row.patient_key).or_insert((row.seq, row.seq)),
            None => self.beyond.get_or_insert((row.seq, row.seq)),
        };
        *numbers = (numbers.0.min(row.seq), numbers.1.max(row.seq));
    }

    /// When all rows have been read: names the keys that are not there. A gateway sends a key before the first row under it.
    pub(super) async fn finish(
        mut self,
        client: &Client,
        node: &str,
        findings: &mut Findings,
    ) -> Result<(), VerifyError> {
        if !self.needed.is_empty() {
            read::data_keys(client, |key| {
                self.needed.remove(&key);
            })
            .await?;
        }
        self.note(node, findings);
        Ok(())
    }

    fn note(self, node: &str, findings: &mut Findings) {
        let mut missing: Vec<_> = self.needed.into_iter().map(|(key, numbers)| (numbers, key.to_string())).collect();
        missing.sort_unstable();
        let many = self.beyond.map(|numbers| (numbers, format!("(one of more than {KEYS_MAX})")));
        for ((first, last), key) in missing.into_iter().chain(many) {
            let finding = Finding::new(Kind::DataKeyMissing, node, Stream::Access, None, first, last);
            findings.note(Finding { key: Some(key), ..finding });
        }
    }
}
