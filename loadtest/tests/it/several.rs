//! Two gateways and two auditors over one PostgreSQL: one of each may be gone.

use crate::shared::{LIMIT, Place, get};
use crate::trials::{Side, ended, is_let_in, path, sides};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::plain;
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use std::net::SocketAddr;

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
    ended(&mut sides, &somebody).await;

    // Then a gateway. The first auditor comes back, the second goes.
    place.stack.take_away(Component::Gateway);
    place.stack.restart(Component::Auditor).await.unwrap();
    place.stack.take_away(Component::SecondAuditor);
    let mut second = Side::new(place.stack.target_of_second().unwrap(), &device);
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
