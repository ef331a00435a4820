//! Discover mode: which routes disclose patients without being marked.
//!
//! Every text answer on a route that is not marked, and every one that does not say what it is, is looked at as it passes,
//! for personnummer and samordningsnummer that the request does not name. Nothing is held back and nobody is recorded: what is kept is how many, by route, in a file
//! beside the node's keys. `gateway discover` shows it, with what the routes should say. When the mode is off, nothing of
//! this runs.

mod glance;
mod report;

pub(crate) use glance::Glance;
pub(crate) use report::show;

use crate::route::{RouteId, Routes};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What was seen on one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Text answers looked at.
    pub answers: u64,
    /// Of these, answers that disclosed patients whom the request did not name.
    pub disclosing: u64,
    /// How many patients, each once per answer.
    pub patients: u64,
    /// Of the answers that disclosed patients, those that were FHIR's JSON.
    #[serde(default)]
    pub fhir: u64,
}

/// What was seen of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// Its bytes are a text's.
    pub is_text: bool,
    /// How many patients it disclosed.
    pub patients: u64,
    /// It is FHIR's JSON.
    pub fhir: bool,
}

/// What was seen since a time, by the route's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When the first answer was looked at, in microseconds since the Unix epoch.
    pub since: contract::Micros,
    /// By the route's name.
    pub routes: BTreeMap<String, Count>,
}

impl Seen {
    /// What the file has; nothing if there is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

/// Where a node keeps it.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("discovered.json")
}

/// Counts while the gateway runs.
pub struct Finder {
    path: PathBuf,
    names: Vec<String>,
    state: Mutex<State>,
}

struct State {
    seen: Seen,
    changed: bool,
}

impl Finder {
    /// Goes on from what the last run has counted.
    pub fn open(state_dir: &Path, routes: &Routes, now: contract::Micros) -> io::Result<Self> {
        let path = path(state_dir);
        let mut seen = Seen::read(&path)?;
        if seen.since == 0 {
            seen.since = now;
        }
        let names = routes.routes().iter().map(|route| route.name.as_str().to_owned()).collect();
        Ok(Self { path, names, state: Mutex::new(State { seen, changed: true }) })
    }

    /// An answer has passed.
    pub fn count(&self, route: RouteId, glimpse: Glimpse) {
        let Glimpse { is_text, patients, fhir } = glimpse;
        if !is_text && patients == 0 {
            return;
        }
        let Some(name) = self.names.get(route.index()) else { return };
        let mut state = self.state.lock();
        state.changed = true;
        if !state.seen.routes.contains_key(name) {
            state.seen.routes.insert(name.clone(), Count::default());
        }
        if let Some(count) = state.seen.routes.get_mut(name) {
            count.answers += 1;
            count.disclosing += u64::from(patients > 0);
            count.patients += patients;
            count.fhir += u64::from(patients > 0 && fhir);
        }
    }

    /// Writes what has changed. To be called now and then.
    pub fn save(&self) -> io::Result<()> {
        let bytes = {
            let mut state = self.state.lock();
            if !std::mem::take(&mut state.changed) {
                return Ok(());
            }
            serde_json::to_vec_pretty(&state.seen)?
        };
        let temporary = self.path.with_extension("tmp");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)
    }
}

#[cfg(test)]
mod tests;
