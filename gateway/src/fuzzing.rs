//! What is private and read from outside all the same, for `fuzz/` alone: with the feature `fuzzing`.

pub use crate::journal::fuzzing as journal;
pub use crate::proxy::fuzzing as proxy;
