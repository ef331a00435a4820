//! The auditor away: who is known goes on, who is not is asked to wait and not to log in again.

use crate::shared::{Newcomer, Place, get, patient};
use crate::whole::until;
use http::{Request, StatusCode};
use loadtest::client::{Protocol, empty};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Stops a process where it is, until this is dropped.
struct Paused(u32);

fn signal(name: &str, process: u32) -> bool {
    Command::new("kill").args([name, &process.to_string()]).status().is_ok_and(|status| status.success())
}

impl Paused {
    fn new(process: u32) -> Self {
        assert!(signal("-STOP", process));
        Self(process)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It may have been killed meanwhile.
        let _went_on = signal("-CONT", self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_yet_is_told_to_wait_and_who_is_known_goes_on() {
    let place = Place::start().await;
    let device = place.stack.device("mottagning").unwrap();
    let session = place.stack.log_in(&ANNA, &device).await.unwrap();
    let path = format!("/api/patients/{}", patient(0).id.expose());
    let known = async || {
        let (status, _) = place.ask(&device, Protocol::Http1, get(&path, Some(&session))).await.unwrap();
        assert_eq!(status, StatusCode::OK);
    };
    let stranger = async || {
        let request = Request::get(&path).header("authorization", format!("Bearer {}", "A".repeat(43)));
        place.ask(&device, Protocol::Http1, request.body(empty()).unwrap()).await.unwrap().0
    };
    known().await;
    assert_eq!(stranger().await, StatusCode::UNAUTHORIZED);
    let paused = Paused::new(place.stack.process_id(Component::Auditor).unwrap());
    assert_eq!(stranger().await, StatusCode::SERVICE_UNAVAILABLE);
    known().await;
    drop(paused);
    assert_eq!(stranger().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_away_stays_so_when_the_gateway_is_killed_and_no_auditor_answers() {
    let mut place = Place::start().await;
    let (stays, goes) = (place.newcomer("stannar").await, place.newcomer("avslutar").await);
    let path = format!("/api/patients/{}", patient(0).id.expose());
    let lets_in = async |place: &Place, somebody: &Newcomer| {
        let asked = place.ask(&somebody.device, Protocol::Http1, get(&path, Some(&somebody.session))).await;
        match asked {
            Ok((StatusCode::OK, _)) => true,
            // In an old TLS session. A device that is not known is answered otherwise.
            Ok((StatusCode::FORBIDDEN, body)) if String::from_utf8_lossy(&body).contains("device_revoked") => false,
            // In a new one: the alert may come before or after what was sent.
            Err(_) => false,
            other => panic!("{other:?}"),
        }
    };
    place.auditor(&["device", "revoke", &goes.device_id]).await;
    until(
        "the gateway knows it",
        LIMIT,
        async || {
            if lets_in(&place, &goes).await { Err("let in".to_owned()) } else { Ok(()) }
        },
    )
    .await;
    place.stack.take_away(Component::Auditor);
    place.stack.restart(Component::Gateway).await.unwrap();
    assert!(!lets_in(&place, &goes).await);
    assert!(lets_in(&place, &stays).await, "what was given just before is not forgotten either");
}
