//! The comparison: rows of ClickHouse, grouped by request, against the ledger. Pure: rows come in as an iterator's
//! items, the counts go out.

use super::ledger::{Asker, End, Entry, Expect, Patients, State, sorted};
use contract::pseudonym::PatientRef;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A row, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The request.
    pub request: Uuid,
    /// The patient's pseudonym.
    pub patient: PatientRef,
    /// Whether it was recorded as refused.
    pub denied: bool,
    /// The user's HSA-id.
    pub user: String,
    /// The device.
    pub device: Uuid,
}

/// What the comparison found. All but `disclosed`, `refused`, `aborted` and `lost_recorded` must be 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// (request, patient) pairs that were disclosed, wholly or in part.
    pub disclosed: u64,
    /// Of these, pairs without a row.
    pub missing: u64,
    /// Rows too many for a pair.
    pub doubled: u64,
    /// Rows of requests that were never sent, or of patients that a request did not name.
    pub surplus: u64,
    /// Rows that say «refused» of what was disclosed, or «allowed» of what was refused.
    pub wrong: u64,
    /// Rows that name another user or device than those that asked.
    pub misattributed: u64,
    /// Requests refused.
    pub refused: u64,
    /// Of these, requests that nothing records as refused.
    pub refused_missing: u64,
    /// Changing requests that reached the backend.
    pub changes: u64,
    /// Of these, requests without a row.
    pub changes_missing: u64,
    /// Exchanges that broke off after the answer's head had come.
    pub aborted: u64,
    /// Requests without an answer that have their row all the same.
    pub lost_recorded: u64,
    /// Findings in words, the first few.
    #[serde(skip)]
    pub examples: Vec<String>,
}

/// The comparison under way.
pub struct Comparison {
    state: State,
    patients: HashMap<PatientRef, u32>,
    changes: HashMap<Uuid, bool>,
    group: Vec<Row>,
    findings: Findings,
}

/// Whom a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    /// Nobody.
    Unidentified,
    /// A patient of the population.
    Known(u32),
    /// Somebody that the population does not have.
    Foreign,
}

const EXAMPLES_MAX: usize = 20;

impl Comparison {
    /// Begins. `patients` are the pseudonyms of the population in its order, `changes` the changing requests that
    /// reached the backend.
    pub fn new(state: State, patients: &[PatientRef], changes: impl IntoIterator<Item = Uuid>) -> Self {
        let patients = patients.iter().zip(0..).map(|(reference, index)| (*reference, index)).collect();
        let changes = changes.into_iter().map(|id| (id, false)).collect();
        Self { state, patients, changes, group: Vec::new(), findings: Findings::default() }
    }

    /// Takes the next row; rows come ordered by request.
    pub fn add(&mut self, row: Row) {
        if self.group.first().is_some_and(|first| first.request != row.request) {
            self.close_group();
        }
        self.group.push(row);
    }

    /// A request that is recorded as refused among the authentication events.
    pub fn add_refusal_event(&mut self, request: Uuid) {
        if let Some(entry) = self.state.entries.get(&request)
            && entry.end == End::Refused
        {
            self.findings.refused += 1;
            self.state.entries.remove(&request);
        }
    }

    /// All rows are in: what has none is missing.
    pub fn finish(mut self) -> Findings {
        self.close_group();
        let rest: Vec<(Uuid, Entry)> = self.state.entries.drain().collect();
        for (id, entry) in rest {
            match (&entry.end, &entry.expect) {
                (End::Unavailable, _) | (End::Complete, Expect::Nothing | Expect::Refusal) => {}
                (End::Aborted, Expect::Nothing | Expect::Refusal) => self.findings.aborted += 1,
                (End::Refused, _) => {
                    self.findings.refused += 1;
                    self.findings.refused_missing += 1;
                    self.example(format!("refused without a record: {id}"));
                }
                (
                    End::Complete | End::Aborted,
                    Expect::Patients(_) | Expect::Listed(_) | Expect::Heard(_) | Expect::Unidentified,
                ) => {
                    let pairs = pairs(&entry.expect);
                    self.findings.disclosed += pairs;
                    self.findings.missing += pairs;
                    self.findings.aborted += u64::from(entry.end == End::Aborted);
                    self.example(format!("disclosed without a record: {id} {:?}", entry.end));
                }
            }
        }
        self.findings.changes = self.changes.len() as u64;
        let unrecorded: Vec<Uuid> = self.changes.iter().filter(|(_, seen)| !**seen).map(|(id, _)| *id).collect();
        for id in unrecorded {
            self.findings.changes_missing += 1;
            self.example(format!("a change reached the backend without a record: {id}"));
        }
        self.findings
    }

    fn close_group(&mut self) {
        let rows = std::mem::take(&mut self.group);
        let Some(request) = rows.first().map(|row| row.request) else { return };
        if let Some(seen) = self.changes.get_mut(&request) {
            *seen = true;
        }
        match self.state.entries.remove(&request) {
            Some(entry) => self.judge(request, &entry, &rows),
            None => self.judge_unknown(request, &rows),
        }
    }

    fn judge(&mut self, request: Uuid, entry: &Entry, rows: &[Row]) {
        let denied = rows.iter().filter(|row| row.denied).count();
        let others = rows.iter().filter(|row| !is_of(row, &entry.asker)).count();
        if others > 0 {
            self.findings.misattributed += others as u64;
            self.example(format!("recorded of another user or device: {request}"));
        }
        match entry.end {
            End::Refused => {
                self.findings.refused += 1;
                if denied == 0 {
                    self.findings.refused_missing += 1;
                }
                if denied < rows.len() {
                    self.findings.wrong += 1;
                    self.example(format!("refused, but recorded as allowed: {request}"));
                }
                return;
            }
            // Nothing was disclosed; that it was asked for may be recorded, once.
            End::Unavailable => {}
            End::Complete | End::Aborted => {
                self.findings.disclosed += pairs(&entry.expect);
                self.findings.aborted += u64::from(entry.end == End::Aborted);
                if denied > 0 {
                    self.findings.wrong += 1;
                    self.example(format!("answered, but recorded as refused: {request}"));
                }
            }
        }
        let known = |patients: &Patients| patients.iter().map(|index| Who::Known(*index)).collect::<Vec<_>>();
        let expected: Vec<Who> = match &entry.expect {
            Expect::Patients(patients) => known(patients),
            Expect::Listed(patients) if !patients.is_empty() => known(patients),
            Expect::Heard(patients) => [known(patients), vec![Who::Unidentified]].concat(),
            Expect::Listed(_) | Expect::Unidentified | Expect::Nothing | Expect::Refusal => vec![Who::Unidentified],
        };
        let tells = matches!(entry.expect, Expect::Listed(_) | Expect::Heard(_));
        // Of an answer that broke off before it named anybody, whoever was to come may be on record, or nobody.
        let early = tells && entry.end == End::Aborted && expected == [Who::Unidentified];
        let optional =
            entry.end == End::Unavailable || early || matches!(entry.expect, Expect::Nothing | Expect::Refusal);
        for patient in &expected {
            let count = rows.iter().filter(|row| self.who(row.patient) == *patient).count() as u64;
            if count == 0 && !optional {
                self.findings.missing += 1;
                self.example(format!("disclosed without a record of this patient: {request}"));
            }
            if count > 1 {
                self.findings.doubled += count - 1;
                self.example(format!("recorded {count} times: {request}"));
            }
        }
        let unsaid: Vec<Who> =
            rows.iter().map(|row| self.who(row.patient)).filter(|who| !expected.contains(who)).collect();
        let mut foreign = unsaid.len();
        if tells && entry.end != End::Complete {
            // On record, and then the connection broke: nobody twice, and nobody whom this registry does not have.
            let distinct: HashSet<Who> = unsaid.iter().copied().filter(|who| *who != Who::Foreign).collect();
            foreign -= distinct.len();
        }
        if foreign > 0 {
            self.findings.surplus += foreign as u64;
            self.example(format!("rows of patients that the request did not name: {request}"));
        }
    }

    /// No answer with this id came: it must be one of the lost requests.
    fn judge_unknown(&mut self, request: Uuid, rows: &[Row]) {
        let mut patients = Patients::new();
        for row in rows {
            if let Who::Known(index) = self.who(row.patient) {
                patients.push(index);
            }
        }
        let named = patients.len();
        let mut patients = sorted(patients);
        patients.dedup();
        if patients.len() < named {
            self.findings.doubled += (named - patients.len()) as u64;
            self.example(format!("a lost request is recorded more than once: {request}"));
        }
        // A refused request's row may name a patient that the ledger, which expected a refusal, does not.
        let refused = rows.iter().all(|row| row.denied);
        let foreign = rows.iter().any(|row| self.who(row.patient) == Who::Foreign);
        if foreign {
            self.findings.surplus += rows.len() as u64;
            self.example(format!("rows of a patient that is not in the population: {request}"));
        } else if self.take_lost(&patients, rows)
            || self.take_lost_list(rows)
            || (refused && self.take_lost(&Patients::new(), rows))
        {
            self.findings.lost_recorded += 1;
        } else {
            self.findings.surplus += rows.len() as u64;
            self.example(format!("rows of a request that was never sent: {request}"));
        }
    }

    /// Takes one of the lost requests: of these patients, and of who the rows name.
    fn take_lost(&mut self, patients: &Patients, rows: &[Row]) -> bool {
        let Some(lost) = self.state.lost.get_mut(patients) else { return false };
        let found = lost.iter().position(|asker| rows.iter().all(|row| is_of(row, asker)));
        found.map(|position| lost.swap_remove(position)).is_some()
    }

    /// Takes one of the lost requests whose answers would have said who.
    fn take_lost_list(&mut self, rows: &[Row]) -> bool {
        let lost = &mut self.state.lost_lists;
        let found = lost.iter().position(|asker| rows.iter().all(|row| is_of(row, asker)));
        found.map(|position| lost.swap_remove(position)).is_some()
    }

    fn who(&self, patient: PatientRef) -> Who {
        if patient == PatientRef::NONE {
            return Who::Unidentified;
        }
        self.patients.get(&patient).map_or(Who::Foreign, |index| Who::Known(*index))
    }

    fn example(&mut self, text: String) {
        if self.findings.examples.len() < EXAMPLES_MAX {
            self.findings.examples.push(text);
        }
    }
}

fn is_of(row: &Row, asker: &Asker) -> bool {
    asker.is(&row.user, row.device)
}

fn pairs(expect: &Expect) -> u64 {
    match expect {
        Expect::Patients(patients) | Expect::Heard(patients) => patients.len() as u64,
        Expect::Listed(patients) => patients.len().max(1) as u64,
        Expect::Unidentified => 1,
        Expect::Nothing | Expect::Refusal => 0,
    }
}

impl Findings {
    /// Whether everything that was disclosed is recorded exactly once, and nothing else is.
    pub fn is_clean(&self) -> bool {
        let faults = [
            self.missing,
            self.doubled,
            self.surplus,
            self.wrong,
            self.misattributed,
            self.refused_missing,
            self.changes_missing,
        ];
        faults.iter().all(|n| *n == 0)
    }
}

#[cfg(test)]
mod tests;
