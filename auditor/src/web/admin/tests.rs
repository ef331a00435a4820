//! The interface through its router, with a store of its own.

mod accounts;
mod appointments;
mod bad_input;
pub(in crate::web) mod bed;
mod described;
mod devices;
mod handouts;
mod lists;
mod procedure;
mod roles;
mod step_up;
