//! The pages, asked for and filled in as a browser without scripts does it.

mod access;
mod appointments;
mod browser;
mod emergency;
mod forms;
mod languages;
mod typing;
