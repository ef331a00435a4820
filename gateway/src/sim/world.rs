//! What outlives the process: disk, database, auditor, clock, and the truth about all of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contract::id::{AccountId, CertFingerprint, DeviceId, RequestId};
use contract::pseudonym::PatientRef;
use contract::record::{AuthEvent, AuthEventKind, AuthMethod, Origin, Reason};
use contract::settings::Document;
use contract::{Micros, Text};
use http::Method;
use prometheus::Registry as Prometheus;
use uuid::Uuid;

use super::auditor::Auditor;
use super::disk::set_others;
use super::life::Life;
use super::people::{Patients, auditor_keys};
use super::truth::Truth;
use super::{Coverage, TURNS_MAX};
use crate::journal;
use crate::journal::sim::{Faults, SimStorage};
use crate::route::{Registry, Route, Routes};
use crate::shipper::tests::database::Database;
use crate::{directory, recorder};

/// What a thread makes once, for all its seeds.
#[derive(Clone)]
pub(super) struct Metrics {
    pub(super) journal: journal::Metrics,
    pub(super) recorder: recorder::Metrics,
    pub(super) directory: directory::Metrics,
    patients: Rc<Patients>,
    routes: Rc<Routes>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let registry = Prometheus::new();
        Self {
            journal: journal::Metrics::new(&registry).unwrap(),
            recorder: recorder::Metrics::register(&registry).unwrap(),
            directory: directory::Metrics::register(&registry).unwrap(),
            patients: Rc::new(Patients::new()),
            routes: Rc::new(Routes::read(&Document::parse("routes.toml", ROUTES, [])).expect("a good file")),
        }
    }
}

/// A world.
pub(super) struct World {
    seed: u64,
    pub(super) sim: SimStorage,
    pub(super) config: journal::Config,
    pub(super) rows_max: usize,
    pub(super) database: Database,
    pub(super) auditor: RefCell<Auditor>,
    pub(super) truth: RefCell<Truth>,
    pub(super) patients: Rc<Patients>,
    pub(super) metrics: Metrics,
    /// What journals had not taken when this world began: the metrics are those of many.
    pub(super) refused_before: u64,
    requests: Cell<u64>,
    /// The disk may refuse, at present.
    faulty: Cell<bool>,
    turns_left: Cell<u64>,
    calm: Cell<bool>,
    coverage: RefCell<Coverage>,
    trace: Option<RefCell<Vec<String>>>,
    loud: Cell<bool>,
}

impl World {
    pub(super) fn new(seed: u64, turns: u64, traced: bool, metrics: &Metrics) -> Rc<Self> {
        let sim = SimStorage::new(seed);
        let tight = sim.below(4) == 0;
        let config = journal::Config {
            segment_bytes: 16 << 10,
            pending_bytes_max: [4 << 10, 5 << 10, 64 << 10, 1 << 20][sim.below(4) as usize],
            budget_bytes: if tight { 128 << 10 } else { 4 << 20 },
            high_water_bytes: if tight { 64 << 10 } else { 2 << 20 },
            grace_s: sim.below(2) * 10,
            ..journal::Config::new(DISK, [9; 16])
        };
        Rc::new(Self {
            seed,
            config,
            rows_max: 1 + sim.below(40) as usize,
            database: Database::default(),
            auditor: RefCell::new(Auditor::new(&sim)),
            truth: RefCell::default(),
            patients: Rc::clone(&metrics.patients),
            metrics: metrics.clone(),
            refused_before: metrics.recorder.failures.get(),
            requests: Cell::default(),
            faulty: Cell::default(),
            turns_left: Cell::new(turns.min(TURNS_MAX)),
            calm: Cell::default(),
            coverage: RefCell::default(),
            trace: traced.then(RefCell::default),
            loud: Cell::new(traced),
            sim,
        })
    }

    /// All lives, and what is left of them. Gives what happened.
    pub(super) fn run(self: &Rc<Self>) -> Coverage {
        // A world that failed on this thread before has left its own.
        set_others(None);
        self.trace(|| format!("seed {}", self.seed));
        for _ in 0..=self.sim.below(4) {
            self.live();
        }
        self.finish();
        let truth = self.truth.borrow();
        truth.compare(&self.database, &auditor_keys().0, &self.patients);
        self.cover("released", truth.released() as u64);
        self.coverage.take()
    }

    /// One life, mostly with a violent end.
    fn live(self: &Rc<Self>) {
        if let Some(life) = self.troubled_life(true) {
            life.go_on(50 + self.sim.below(600));
            self.go_down();
            life.end();
        } else {
            self.go_down();
        }
    }

    /// The beginning of a life in which things go wrong.
    fn troubled_life(self: &Rc<Self>, ends: bool) -> Option<Rc<Life>> {
        let below = |bound| self.sim.below(bound);
        let mut faults = Faults { crash_after: (ends && below(4) > 0).then(|| below(600)), ..Faults::NONE };
        match below(5) {
            0 => faults.sync_fails = 60,
            1 => (faults.sync_fails, faults.write_fails, faults.name_fails) = (30, 30, 20),
            2 => faults.capacity_bytes = (40 << 10) + below(100 << 10),
            _ => {}
        }
        self.faulty.set(faults.sync_fails > 0 || faults.capacity_bytes < u64::MAX);
        self.database.set_odds([0, 100, 300, 700][below(4) as usize]);
        self.sim.set_faults(faults);
        self.trace(|| format!("a life begins: {faults:?}"));
        Life::begin(self)
    }

    fn go_down(&self) {
        let kill = self.sim.below(3) == 0;
        self.trace(|| (if kill { "killed" } else { "power cut" }).into());
        self.cover(if kill { "kills" } else { "power cuts" }, 1);
        if kill { self.sim.kill() } else { self.sim.power_cut() }
    }

    /// In the last life, or in the middle of it, things stop going wrong, and everything ends.
    fn finish(self: &Rc<Self>) {
        let mut life = None;
        if self.sim.below(2) == 0 {
            life = self.troubled_life(false);
            if let Some(life) = &life {
                life.go_on(50 + self.sim.below(600));
            }
            // It may have gone down in the middle of an insert, or never have come so far as to take requests.
            if life.as_ref().is_none_or(|life| life.is_down() || !life.has_started()) {
                self.go_down();
                life.take().into_iter().for_each(Life::end);
            }
        }
        self.trace(|| "nothing goes wrong any more".into());
        self.calm();
        let life = life.unwrap_or_else(|| Life::begin(self).expect("the disk is sound"));
        life.close();
        self.turns_left.set(u64::MAX);
        for left in (0..10_000).rev() {
            assert!(
                left > 0,
                "it never ends: durable below {}, acknowledged below {}, {:?}",
                life.journal.durable_end(),
                life.journal.acked(),
                life.journal.state()
            );
            life.go_on(20);
            if life.is_drained() {
                break;
            }
        }
        life.end();
    }

    /// Nothing goes wrong any more.
    fn calm(&self) {
        self.calm.set(true);
        self.faulty.set(false);
        self.sim.set_faults(Faults::NONE);
        self.database.set_down(false);
        self.database.set_odds(0);
        self.database.land(&self.sim, true);
    }

    /// Whether nothing goes wrong any more.
    pub(super) fn is_calm(&self) -> bool {
        self.calm.get()
    }

    /// Whether what the disk was asked may have failed.
    pub(super) fn disk_fails(&self) -> bool {
        self.faulty.get() || self.sim.crashed()
    }

    /// The database goes away, comes back, or stores what was on its way.
    pub(super) fn meddle(&self) {
        if self.calm.get() {
            return;
        }
        match self.sim.below(6) {
            0 => self.database.set_down(true),
            1 | 2 => self.database.set_down(false),
            _ => self.database.land(&self.sim, false),
        }
    }

    /// Counts a turn. False: the run was to end here.
    pub(super) fn may_go_on(&self) -> bool {
        let left = self.turns_left.get();
        self.turns_left.set(left.saturating_sub(1));
        left > 0
    }

    /// The clock that never goes back.
    pub(super) fn clock(&self) -> Duration {
        self.sim.storage().monotonic()
    }

    /// The wall clock.
    pub(super) fn now(&self) -> Micros {
        NEW_YEAR + Micros::try_from(self.clock().as_micros()).unwrap()
    }

    /// The next request's id.
    pub(super) fn new_request(&self) -> RequestId {
        self.requests.set(self.requests.get() + 1);
        RequestId::new(Uuid::from_u128(u128::from(self.requests.get()) << 64))
    }

    /// The one route, and its registry.
    pub(super) fn route(&self) -> (Arc<Route>, Arc<Registry>) {
        let matched = self.metrics.routes.find("reg.example", &Method::GET, b"/data").expect("a route");
        (Arc::clone(matched.route), Arc::clone(matched.registry))
    }

    /// An event that is recorded for itself.
    pub(super) fn event(&self) -> AuthEvent {
        AuthEvent {
            at: self.now(),
            id: self.new_request(),
            kind: AuthEventKind::HandshakeRefused,
            reason: Reason::DeviceUnknown,
            account: AccountId::NONE,
            by: AccountId::NONE,
            user_name: PatientRef::NONE,
            device: DeviceId::NONE,
            device_cert: CertFingerprint::NONE,
            device_org: Text::from(""),
            origin: Origin::UNKNOWN,
            auth_method: AuthMethod::None,
            session: 0,
            count: 1,
            detail: Text::from(""),
        }
    }

    /// Notes that something happened, so many times.
    pub(super) fn cover(&self, what: &'static str, count: u64) {
        *self.coverage.borrow_mut().entry(what).or_default() += count;
    }

    /// Tells what happens, if somebody wants to know.
    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        let Some(trace) = &self.trace else { return };
        let line = format!("{:>9.3} s  {}", self.clock().as_secs_f64(), what());
        if self.loud.get() {
            eprintln!("{line}");
        }
        trace.borrow_mut().push(line);
    }

    /// The trace is kept, not printed.
    pub(super) fn quiet(&self) {
        self.loud.set(false);
    }

    /// The trace.
    pub(super) fn told(&self) -> Vec<String> {
        self.trace.as_ref().map(RefCell::take).unwrap_or_default()
    }
}

const DISK: &str = "/journal";
/// 2026-01-01.
const NEW_YEAR: Micros = 1_767_225_600_000_000;

const ROUTES: &str = r#"
[[registry]]
name = "reg"
hosts = ["reg.example"]
peers = ["127.0.0.1:1"]
[[route]]
name = "data"
registry = "reg"
methods = ["GET", "POST"]
path = "/data"
resource = "x"
patient = { in = "none" }
"#;
