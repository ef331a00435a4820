//! Ids of access records, derived from the request's id.

use super::RequestId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of one access record: (request, patient, phase). A UUID that sorts by time like its request's.
///
/// It is derived, not drawn: forming the rows of a journal range again gives the same ids, which is what lets
/// ClickHouse absorb a batch that was sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(Uuid);

impl RecordId {
    /// The record of the patient at `index` (0-based, in the order disclosed) of `request`. `end` marks the
    /// second record of a long exchange.
    pub fn derive(request: RequestId, index: u32, end: bool) -> Self {
        let mut bytes = request.uuid().into_bytes();
        let (_, tail) = bytes.split_at_mut(12);
        let mut low = [0; 4];
        low.copy_from_slice(tail);
        // Two requests share the upper 96 bits with probability 2^-42 within one millisecond.
        let mixed = u32::from_be_bytes(low) ^ (index & 0x7fff_ffff) ^ (u32::from(end) << 31);
        tail.copy_from_slice(&mixed.to_be_bytes());
        Self(Uuid::from_bytes(bytes))
    }

    /// Wraps an id read from a row.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The id as a UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl crate::wire::Wire for RecordId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(input: &mut crate::wire::Input<'_>) -> Result<Self, crate::wire::WireError> {
        Uuid::decode(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn distinct_within_a_request_and_the_first_is_the_request() {
        let request = RequestId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_dead_beef));
        assert_eq!(RecordId::derive(request, 0, false).uuid(), request.uuid());
        let ids: HashSet<_> =
            (0..5000).flat_map(|i| [RecordId::derive(request, i, false), RecordId::derive(request, i, true)]).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
