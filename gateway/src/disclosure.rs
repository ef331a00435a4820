//! Patients that a response discloses: found in its body as it streams, so that their records are on stable storage
//! before a byte about them leaves.

pub mod scan;
