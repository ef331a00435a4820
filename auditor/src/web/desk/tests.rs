//! The pages, asked for and filled in as a browser without scripts does it.

mod access;
mod accounts;
mod appointments;
pub(super) mod browser;
mod devices;
mod emergency;
mod forms;
mod handouts;
mod imports;
mod languages;
mod lists;
mod typing;
