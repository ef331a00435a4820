//! Rows of ClickHouse, and how they follow from the journal's frames.
//!
//! [`Fold`] is a pure function of the frames, in order: the same frames give the same rows with the same ids and
//! in the same order, whoever folds them and whenever. A retried batch is therefore the same batch, to the byte.
//!
//! - An intent with its answer (a refused request) gives its rows at once.
//! - An intent waits for its outcome; the outcome gives one row per patient.
//! - An outcome «open» gives `begin` rows at once; the final outcome then gives `end` rows.
//! - A start of the gateway closes what was open before it: outcome `unknown`.

mod binary;
mod columns;
mod fold;
mod packed;
mod table;

pub use binary::{Column, Numbered, Record};
pub use columns::{AccessRow, AuthRow, KeyRow, SealKeyRow, SealRow};
pub use fold::{Carry, Fold, FrameError, Row, kinds};
pub use packed::Packed;
pub use table::{COLUMNS_OF, Mismatch, SETTINGS, Table};
