//! The interface through its router, with a store of its own.

mod accounts;
mod appointments;
mod bad_input;
mod bed;
mod described;
mod handouts;
mod lists;
mod procedure;
mod roles;
mod step_up;
