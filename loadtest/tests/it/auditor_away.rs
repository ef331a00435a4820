//! The auditor away: who is known goes on, who is not is asked to wait and not to log in again.

use crate::shared::{Place, get, patient};
use http::{Request, StatusCode};
use loadtest::client::{Protocol, empty};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use std::process::Command;

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
