//! Appointments through the store.

use super::entries;
use super::people::{by, office, person, sign, told};
use super::{Bed, NOW, On, run};
use crate::accounts::State;
use crate::duties::{Appointment, Given, Why};
use crate::forms::Denied;
use crate::store::{By, Store, StoreError};
use contract::directory::Entry;
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};
use sqlx::Row;
use sqlx::migrate::Migrator;

async fn roles(store: &Store, account: AccountId) -> Vec<String> {
    let entries = store.snapshot(NOW).await.expect("reads").entries;
    let found = entries.into_iter().find_map(|entry| match entry {
        Entry::Account(found) if found.id == account => Some(found.roles),
        _ => None,
    });
    let alone = store.directory_account(account, NOW).await.expect("reads").map(|account| account.roles);
    assert_eq!(found.clone().unwrap_or_default(), alone.unwrap_or_default());
    found.unwrap_or_default()
}

async fn appointments(store: &Store, of: AccountId, ended: bool) -> Vec<Given> {
    store.appointments(Some(of), ended, 99).await.expect("reads")
}

async fn they_are_given_and_ended_on_record(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    told(&store).await;
    let all = ["account_admin", "approver:12", "approver:13", "device_admin", "log_reviewer:SE2321000016-U001"];
    for text in all {
        let appointment: Appointment = text.parse().expect("an appointment");
        let mut change = store.change(NOW, By::program("cli user=root")).await.expect("begins");
        change.appoint(anna, &appointment, (NOW, None), Why::NewDuty).await.expect("appoints");
        let again = change.appoint(anna, &appointment, (NOW, None), Why::NewDuty).await;
        assert!(matches!(again, Err(StoreError::Taken("appointment"))), "{again:?}");
        change.commit().await.expect("commits");
    }
    let given = appointments(&store, anna, false).await;
    let mut texts: Vec<_> = given.iter().map(|given| given.appointment.to_string()).collect();
    texts.sort();
    assert_eq!(texts, all);
    assert_eq!(roles(&store, anna).await, ["account_admin", "approver", "device_admin", "log_reviewer"]);
    let first = given.iter().find(|given| given.appointment == Appointment::AccountAdmin).expect("there").id;
    let mut change = store.change(NOW + 1, By::program("cli user=root")).await.expect("begins");
    change.end_appointment(first, Why::Leaves).await.expect("ends");
    assert!(matches!(change.end_appointment(first, Why::Leaves).await, Err(StoreError::Absent(_))));
    change.commit().await.expect("commits");
    assert_eq!(roles(&store, anna).await, ["approver", "device_admin", "log_reviewer"]);
    assert_eq!(appointments(&store, anna, true).await.len(), 5);
    let events = told(&store).await;
    assert_eq!(events.iter().filter(|event| event.kind == AuthEventKind::AppointmentGiven).count(), 5);
    let last = events.last().expect("one");
    assert_eq!((last.kind, last.account, last.by), (AuthEventKind::AppointmentEnded, anna, AccountId::NONE));
    assert_eq!(&*last.detail, "cli user=root appointment=account_admin why=leaves");
}

async fn nobody_appoints_themselves_or_who_is_gone(bed: Bed) {
    let store = bed.open().await;
    let (anna, bertil) = (person(&store, 1, &["account_admin"]).await, person(&store, 2, &[]).await);
    let appointment = Appointment::LogAuditor;
    let mut change = store.change(NOW, by(anna)).await.expect("begins");
    let own = change.appoint(anna, &appointment, (NOW, None), Why::NewDuty).await;
    assert!(matches!(own, Err(StoreError::Denied(Denied::Own))));
    let short = change.appoint(bertil, &appointment, (NOW, Some(NOW)), Why::NewDuty).await;
    assert!(matches!(short, Err(StoreError::Incomplete(_))));
    change.appoint(bertil, &appointment, (NOW, None), Why::NewDuty).await.expect("appoints");
    let mut account = change.account(bertil).await.expect("is there");
    account.state = State::Deregistered { at: NOW };
    change.stop_account(&account, AuthEventKind::AccountClosed).await.expect("stops");
    let gone = change.appoint(bertil, &appointment, (NOW, None), Why::NewDuty).await;
    assert!(matches!(gone, Err(StoreError::Move(_))));
    change.commit().await.expect("commits");
    assert!(appointments(&store, bertil, false).await.is_empty());
    assert_eq!(appointments(&store, bertil, true).await.len(), 1);
    assert_eq!(entries(&store).await.len(), 1, "anna alone");
}

async fn an_administrator_appoints_others(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let admin = person(&store, 1, &["account_admin"]).await;
    let approver = person(&store, 2, &["approver:12", "registry_holder:fotled"]).await;
    let anna = person(&store, 3, &[]).await;
    told(&store).await;
    let appoint = |who: AccountId, whom: AccountId| {
        let office = &office;
        async move {
            let signature = sign(who, NOW);
            office.appoint(NOW, by(who), &signature, whom, &Appointment::HelpDesk, (NOW, None)).await
        }
    };
    assert!(matches!(appoint(approver, anna).await, Err(StoreError::Denied(Denied::NotAppointed))));
    assert!(matches!(appoint(admin, admin).await, Err(StoreError::Denied(Denied::Own))));
    let given = appoint(admin, anna).await.expect("appoints");
    let end = |who: AccountId| {
        let office = &office;
        async move { office.end_appointment(NOW, by(who), &sign(who, NOW), given, Why::Mistake).await }
    };
    assert!(matches!(end(anna).await, Err(StoreError::Denied(Denied::NotAppointed))));
    assert_eq!(end(admin).await.expect("ends").ended_by, Some(admin));
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|event| (event.kind, event.by)).collect::<Vec<_>>(),
        [
            (AuthEventKind::MoveDenied, approver),
            (AuthEventKind::MoveDenied, admin),
            (AuthEventKind::AppointmentGiven, admin),
            (AuthEventKind::MoveDenied, anna),
            (AuthEventKind::AppointmentEnded, admin),
        ]
    );
}

async fn they_begin_and_end_by_time(bed: Bed) {
    let store = bed.open().await;
    let anna = person(&store, 1, &[]).await;
    let mut change = store.change(NOW - 9, By::program("test")).await.expect("begins");
    change.appoint(anna, &Appointment::HelpDesk, (NOW, Some(NOW + 10)), Why::NewDuty).await.expect("appoints");
    change.commit().await.expect("commits");
    told(&store).await;
    let epoch = store.epoch().await.expect("reads");
    assert!(store.appointments_due(NOW - 1, 9).await.expect("reads").is_empty());
    for (at, told_of) in [(NOW, 1), (NOW + 10, 2)] {
        let due = store.appointments_due(at, 9).await.expect("reads");
        assert_eq!(due.len(), 1);
        for first in [true, false] {
            let mut change = store.change(at, By::program("test")).await.expect("begins");
            let id = *due.first().expect("one");
            assert_eq!(change.appointment_by_time(id).await.expect("looks"), first);
            change.commit().await.expect("commits");
        }
        assert!(store.appointments_due(at, 9).await.expect("reads").is_empty());
        assert_eq!(store.changes_after(epoch, 9).await.expect("reads").len(), told_of);
    }
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|event| (event.kind, event.reason)).collect::<Vec<_>>(),
        [(AuthEventKind::AppointmentEnded, Reason::Expired)]
    );
}

/// A database from before appointments: roles without a reach become appointments, others have to be given anew.
async fn roles_of_before_become_appointments(bed: Bed) {
    let place = bed.place();
    let engine = place.engine();
    let all = engine.migrations();
    let procedure = all.iter().find(|step| step.description == "procedure").expect("is there").version;
    let before = all.iter().filter(|step| step.version < procedure).cloned().collect();
    let before = Migrator::with_migrations(before);
    sqlx::any::install_default_drivers();
    let pool = sqlx::any::AnyPoolOptions::new().connect_with(place.options().expect("options")).await.expect("opens");
    before.run(&pool).await.expect("runs");
    for (number, name, roles, state) in [
        (1, "anna", r#"["account_admin","reviewer"]"#, "active"),
        (2, "bertil", r#"["supervisor"]"#, "active"),
        (3, "cecilia", "[]", "active"),
        (4, "david", r#"["account_admin"]"#, "deregistered"),
    ] {
        sqlx::query(
            "INSERT INTO account (id, user_name, name, title, roles, state, state_at, created) \
             VALUES ($1, $2, '', '', $3, $4, 1, 1)",
        )
        .bind(super::people::id(number).to_string())
        .bind(name)
        .bind(roles)
        .bind(state)
        .execute(&pool)
        .await
        .expect("writes");
    }
    pool.close().await;
    let store = Store::open(&place).await.expect("opens");
    let mut given: Vec<_> = store.appointments(None, true, 99).await.expect("reads");
    given.sort_by_key(|given| given.account.to_string());
    assert_eq!(
        given.iter().map(|given| (given.account, given.appointment.clone())).collect::<Vec<_>>(),
        [(super::people::id(1), Appointment::AccountAdmin), (super::people::id(2), Appointment::LogAuditor),]
    );
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.end_appointment(given.first().expect("one").id, Why::Leaves).await.expect("found by its id");
    let left = sqlx::query("SELECT COUNT(*) AS left_over FROM appointment WHERE ended IS NULL")
        .fetch_one(&mut *change.tx)
        .await
        .expect("reads");
    assert_eq!(left.get::<i64, _>("left_over"), 1);
}

on_both![
    they_are_given_and_ended_on_record,
    nobody_appoints_themselves_or_who_is_gone,
    an_administrator_appoints_others,
    they_begin_and_end_by_time,
    roles_of_before_become_appointments,
];
