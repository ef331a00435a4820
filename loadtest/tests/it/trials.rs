//! What is taken away at one is gone at all: a lock, a logout, the revocation of a device, with two gateways and two auditors
//! over PostgreSQL, and with one of each over SQLite.
//!
//! How long that takes is told, by the time from the beginning of what takes it away, and by that from its end: the command's
//! return, or the answer to the logout. With a number of trials it is a measurement, and held against the promise:
//! `GRINDVAKT_TRIALS=1000`, and `GRINDVAKT_PROGRAMS=$PWD/target/release` for the programs as they are shipped.
#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use crate::shared::{Enrolled, LIMIT, Newcomer, Place, builder, get, patient};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::{Body, Connection, Device, Protocol, Target, empty, read_all};
use std::time::{Duration, Instant};

/// The promise, of 99 in 100.
const WITHIN: Duration = Duration::from_secs(1);
/// Of each kind, if nothing else is said: too few to hold times against.
const TRIALS: usize = 3;
const MORE: &str = "GRINDVAKT_TRIALS";
/// After so many it is told how far it is.
const TOLD: usize = 10;

/// A client's connection to one of the gateways.
pub(crate) struct Side<'p> {
    target: Target,
    device: &'p Device,
    connection: Option<Connection>,
}

impl<'p> Side<'p> {
    pub(crate) fn new(target: Target, device: &'p Device) -> Self {
        Self { target, device, connection: None }
    }

    /// The status of a request; none if the gateway does not talk to this device any more.
    pub(crate) async fn ask(&mut self, request: http::Request<Body>) -> Option<StatusCode> {
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            self.connection = Connection::open(&self.target, self.device, Protocol::Http1).await.ok();
        }
        let response = self.connection.as_mut()?.send(request, LIMIT).await;
        let Ok(response) = response else {
            self.connection = None;
            return None;
        };
        let status = response.status();
        if read_all(response, 1 << 20).await.is_err() {
            self.connection = None;
        }
        Some(status)
    }
}

/// One connection to each gateway.
pub(crate) fn sides<'p>(place: &Place, device: &'p Device) -> Vec<Side<'p>> {
    let targets = [Some(place.stack.target()), place.stack.target_of_second().ok()];
    targets.into_iter().flatten().map(|target| Side::new(target, device)).collect()
}

pub(crate) fn path() -> String {
    format!("/api/patients/{}", patient(0).id.expose())
}

/// Somebody is let in at each gateway.
pub(crate) async fn is_let_in(sides: &mut [Side<'_>], somebody: &Newcomer) {
    for side in sides {
        until("every gateway lets them in", LIMIT, async || {
            match side.ask(get(&path(), Some(&somebody.session))).await {
                Some(StatusCode::OK) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

/// Waits until no gateway lets them in any more.
pub(crate) async fn ended(sides: &mut [Side<'_>], somebody: &Newcomer) {
    let began = Instant::now();
    for side in sides {
        while side.ask(get(&path(), Some(&somebody.session))).await == Some(StatusCode::OK) {
            assert!(began.elapsed() < LIMIT, "they are still let in");
        }
    }
}

/// What takes a right away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Lock,
    Logout,
    Revocation,
}

/// How long trials of a kind took.
#[derive(Default)]
struct Times {
    /// From the beginning of what took the right away.
    whole: Vec<Duration>,
    /// From its end.
    after: Vec<Duration>,
}

/// Half of them, 99 of 100, and all took no longer than this.
fn quantiles(times: &[Duration]) -> [Duration; 3] {
    let mut times = times.to_vec();
    times.sort_unstable();
    let last = times.len() - 1;
    [times[times.len() / 2], times[(times.len() * 99).div_ceil(100) - 1], times[last]]
}

/// Gives somebody a right, takes it away, and sees it gone.
async fn trial(place: &Place, ending: Ending, name: &str, ward: &Enrolled, times: &mut Times) {
    let somebody = match ending {
        Ending::Revocation => place.newcomer(name).await,
        Ending::Lock | Ending::Logout => place.newcomer_on(name, ward).await,
    };
    let mut sides = sides(place, &somebody.device);
    is_let_in(&mut sides, &somebody).await;
    let begun = Instant::now();
    match ending {
        Ending::Lock => drop(place.auditor(&["account", "lock", &somebody.user]).await),
        Ending::Revocation => drop(place.auditor(&["device", "revoke", &somebody.device_id]).await),
        Ending::Logout => {
            // At the first gateway, whichever auditor it asks.
            let logout = builder("POST", "/auth/logout", Some(&somebody.session)).body(empty()).unwrap();
            let status = sides[0].ask(logout).await.unwrap();
            assert!(status.is_success() || status.is_redirection(), "{status}");
        }
    }
    let returned = Instant::now();
    ended(&mut sides, &somebody).await;
    times.whole.push(begun.elapsed());
    times.after.push(returned.elapsed());
}

async fn measure(place: &Place, what: &str) {
    let wanted = std::env::var(MORE).ok().map(|text| text.parse::<usize>().unwrap());
    let trials = wanted.unwrap_or(TRIALS);
    let kinds = [Ending::Lock, Ending::Logout, Ending::Revocation];
    let mut all = kinds.map(|kind| (kind, Times::default()));
    let ward = place.enrolled("trial-ward").await;
    for number in 1..=trials {
        for (kind, times) in &mut all {
            trial(place, *kind, &format!("{kind:?}{number}").to_lowercase(), &ward, times).await;
        }
        if number % TOLD == 0 || number == trials {
            for (kind, times) in &all {
                let [[half, most, max], [half_after, most_after, max_after]] =
                    [&times.whole, &times.after].map(|t| quantiles(t));
                println!(
                    "{what}: {kind:?}: {number} trials: p50 {half:.1?}, p99 {most:.1?}, max {max:.1?}; \
                     from its end p50 {half_after:.1?}, p99 {most_after:.1?}, max {max_after:.1?}"
                );
            }
        }
    }
    if wanted.is_some() {
        for (kind, times) in &all {
            let [_, most, _] = quantiles(&times.after);
            assert!(most <= WITHIN, "{what}: {kind:?}: {most:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_ends_at_all() {
    let Some(place) = Place::start_several().await else { return };
    measure(&place, "two gateways and two auditors over PostgreSQL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_auditor_over_sqlite_ends_at_its_gateway() {
    let place = Place::start().await;
    measure(&place, "a gateway and an auditor over SQLite").await;
}
