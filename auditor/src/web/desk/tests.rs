//! The pages, asked for and filled in as a browser without scripts does it.

mod access;
mod appointments;
pub(super) mod browser;
mod forms;
mod languages;
mod typing;
