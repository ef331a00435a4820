//! What was told last, so that a page full of one patient is not a flood of hits.

use super::Hit;
use contract::identity::PatientId;
use contract::record::Reason;

/// How many patients are remembered. A repeat after more than these is told again.
const RECENT: usize = 4;

/// Where hits go.
#[derive(Debug, Default)]
pub(super) struct Hits {
    recent: [Option<PatientId>; RECENT],
    next: usize,
    reasons: Vec<Reason>,
    count: u32,
}

impl Hits {
    /// Tells a patient, unless it was one of the last told.
    pub(super) fn patient(&mut self, id: PatientId, position: u32, hits: &mut Vec<Hit>) {
        if self.recent.iter().flatten().any(|recent| *recent == id) {
            return;
        }
        if let Some(place) = self.recent.get_mut(self.next) {
            *place = Some(id.clone());
        }
        self.next = (self.next + 1) % RECENT;
        self.count = self.count.saturating_add(1);
        hits.push(Hit::Patient { id, position });
    }

    /// Tells what cannot be read, once for each reason.
    pub(super) fn unread(&mut self, reason: Reason, hits: &mut Vec<Hit>) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
            hits.push(Hit::Unread { reason });
        }
    }

    /// Whether anybody was told, be it readable or not.
    pub(super) fn any(&self) -> bool {
        self.count > 0 || !self.reasons.is_empty()
    }

    /// How many patients were told.
    pub(super) fn count(&self) -> u32 {
        self.count
    }
}
