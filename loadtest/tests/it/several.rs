//! Two gateways and two auditors over one PostgreSQL: what ends at one ends at all, and one of each may be gone.

use crate::shared::{LIMIT, Newcomer, Place, get, patient};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::{Connection, Device, Protocol, Target, plain, read_all};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The promise.
const WITHIN: Duration = Duration::from_secs(1);
/// Of each kind. More are measured with this variable.
const TRIALS: usize = 5;
const MORE: &str = "GRINDVAKT_TRIALS";

/// A client's connection to one of the gateways.
struct Side<'p> {
    target: Target,
    device: &'p Device,
    connection: Option<Connection>,
}

impl Side<'_> {
    /// The status of a request; none if the gateway does not talk to this device any more.
    async fn ask(&mut self, request: http::Request<loadtest::client::Body>) -> Option<StatusCode> {
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

fn sides<'p>(place: &Place, device: &'p Device) -> [Side<'p>; 2] {
    [place.stack.target(), place.stack.target_of_second().unwrap()].map(|target| Side {
        target,
        device,
        connection: None,
    })
}

fn path() -> String {
    format!("/api/patients/{}", patient(0).id.expose())
}

/// Somebody is let in at both gateways.
async fn is_let_in(sides: &mut [Side<'_>; 2], somebody: &Newcomer) {
    for side in sides {
        until("both gateways let them in", LIMIT, async || {
            match side.ask(get(&path(), Some(&somebody.session))).await {
                Some(StatusCode::OK) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

/// How long after now neither gateway lets them in any more.
async fn ended(sides: &mut [Side<'_>; 2], somebody: &Newcomer) -> Duration {
    let began = Instant::now();
    for side in sides {
        while side.ask(get(&path(), Some(&somebody.session))).await.is_some_and(|status| status == StatusCode::OK) {
            assert!(began.elapsed() < LIMIT, "they are still let in");
        }
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_ends_at_one_ends_at_all_within_a_second() {
    let Some(place) = Place::start_several().await else { return };
    let trials = std::env::var(MORE).map_or(TRIALS, |text| text.parse().unwrap());
    for ending in ["a lock", "a logout", "a revocation"] {
        let mut took = Vec::new();
        for number in 0..trials {
            let somebody = place.newcomer(&format!("{}{number}", ending.replace(' ', "-"))).await;
            let mut sides = sides(&place, &somebody.device);
            is_let_in(&mut sides, &somebody).await;
            match ending {
                "a lock" => drop(place.auditor(&["account", "lock", &somebody.user]).await),
                "a revocation" => drop(place.auditor(&["device", "revoke", &somebody.device_id]).await),
                _ => {
                    // At the first gateway, whichever auditor it asks.
                    let (name, value) = somebody.session.header();
                    let logout = http::Request::post("/auth/logout").header(name, value);
                    let status = sides[0].ask(logout.body(loadtest::client::empty()).unwrap()).await.unwrap();
                    assert!(status.is_success() || status.is_redirection(), "{status}");
                }
            }
            took.push(ended(&mut sides, &somebody).await);
        }
        took.sort();
        let most = took[trials * 99 / 100];
        println!("{ending}: {trials} trials, half within {:?}, 99 of 100 within {most:?}", took[trials / 2]);
        assert!(most <= WITHIN, "{ending}: {took:?}");
    }
}

/// A metric of a program's.
async fn metric(ops: SocketAddr, name: &str) -> Option<f64> {
    let (_, body) = plain::get(ops, "/metrics").await.ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?.to_owned();
    line.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_of_each_gone_work_goes_on() {
    let Some(mut place) = Place::start_several().await else { return };
    let somebody = place.newcomer("stays").await;
    let auditors = place.stack.auditors_ops();
    let mut sides = sides(&place, &somebody.device);
    is_let_in(&mut sides, &somebody).await;

    // The first auditor dies. Who was logged in goes on, at both gateways, and others can log in.
    let events = "SELECT count() AS count FROM auth_event FINAL WHERE kind = 'login'";
    place.stack.take_away(Component::Auditor);
    for side in &mut sides {
        assert_eq!(side.ask(get(&path(), Some(&somebody.session))).await, Some(StatusCode::OK));
    }
    until("the other does the scheduled work", LIMIT, async || match metric(auditors[1], "auditor_lease_held").await {
        Some(held) if held > 0.0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    until("the first gateway follows the second auditor", LIMIT, async || {
        match metric(place.stack.ops(), "directory_source").await {
            Some(source) if (source - 2.0).abs() < 0.1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let logins = place.rows(events).await[0]["count"].as_u64().unwrap();
    let device = place.stack.device("mottagning").unwrap();
    let anna = place.stack.log_in(&ANNA, &device).await.unwrap();
    until("the other ships events", LIMIT, async || match place.rows(events).await[0]["count"].as_u64().unwrap() {
        count if count > logins => Ok(()),
        count => Err(format!("{count} logins, {logins} before")),
    })
    .await;
    place.auditor(&["account", "lock", &somebody.user]).await;
    assert!(ended(&mut sides, &somebody).await < WITHIN * 5);

    // Then a gateway. The first auditor comes back, the second goes.
    place.stack.take_away(Component::Gateway);
    place.stack.restart(Component::Auditor).await.unwrap();
    place.stack.take_away(Component::SecondAuditor);
    let mut second = Side { target: place.stack.target_of_second().unwrap(), device: &device, connection: None };
    assert_eq!(second.ask(get(&path(), Some(&anna))).await, Some(StatusCode::OK));
    until("the second gateway follows the first auditor", LIMIT, async || {
        match metric(place.stack.second_ops().unwrap(), "directory_source").await {
            Some(source) if (source - 2.0).abs() < 0.1 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(second.ask(get(&path(), Some(&anna))).await, Some(StatusCode::OK));

    // Both gateways' records are whole, and so are the auditors' events, by whomever they were shipped.
    place.stack.restart(Component::Gateway).await.unwrap();
    until("all is sealed", LIMIT, async || {
        let report = place.auditor(&["verify"]).await;
        if report["intact"] == true && report["waiting"] == 0 { Ok(()) } else { Err(report.to_string()) }
    })
    .await;
}
