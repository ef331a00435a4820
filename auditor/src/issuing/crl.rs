//! The certificate revocation list: signed anew when something was revoked or half of its time is over, kept in the store
//! for every auditor to serve, and written to a file.

use super::{Desk, IssueError};
use crate::pki::{Revoked, Updates};
use crate::store::{By, Crl, StoreError};
use contract::Micros;
use std::io::Write as _;
use std::path::Path;

/// How long a list is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrlRules {
    /// In microseconds.
    pub life_us: Micros,
}

impl Desk {
    /// Signs a new list if the one that there is tells something else than it should, or half of its time is over. The list
    /// that counts now.
    pub async fn mend_crl(&self, now: Micros, rules: CrlRules) -> Result<Crl, IssueError> {
        let stamp = self.store().crl_stamp(now).await?;
        if let Some(crl) = self.store().crl().await?.filter(|crl| !due(crl, &stamp, now)) {
            return Ok(crl);
        }
        let mut change = self.store().change(now, By::program("sweeper")).await?;
        let number = change.next_crl_number().await?;
        let ended = change.ended_certificates().await?;
        change.undo().await?;

        let revoked: Vec<Revoked> = ended.into_iter().map(|(serial, at, why)| Revoked { serial, at, why }).collect();
        let updates = Updates { this: now, next: now.saturating_add(rules.life_us) };
        let der = self.maker.run(move |maker| maker.crl(number, &revoked, updates)).await?;
        let crl = Crl { number, stamp, this_update: updates.this, next_update: updates.next, der };

        let mut change = self.store().change(now, By::program("sweeper")).await?;
        if change.next_crl_number().await? != number {
            // Somebody was faster. What theirs does not tell yet, the next round signs.
            change.undo().await?;
            return Ok(self.store().crl().await?.ok_or(StoreError::Damaged("revocation list"))?);
        }
        change.keep_crl(&crl).await?;
        change.commit().await?;
        Ok(crl)
    }
}

fn due(crl: &Crl, stamp: &str, now: Micros) -> bool {
    let half = crl.next_update.saturating_sub(crl.this_update) / 2;
    crl.stamp != stamp || now >= crl.this_update.saturating_add(half) || now < crl.this_update
}

/// Writes a list to a file, in place of the one that is there: who reads it finds the one or the other whole.
pub fn write_crl(path: &Path, crl: &Crl) -> Result<(), IssueError> {
    let draft = path.with_extension("new");
    let written = (|| {
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(&crl.der)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    })();
    written.map_err(|source| IssueError::File { path: path.to_owned(), source })
}
