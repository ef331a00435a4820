#[allow(dead_code, reason = "other tests use more of it")]
mod cluster;
mod oidc;
mod passkeys;
mod siths;

use super::*;
use crate::accounts::{Account, NewGrant, State, Tries, UserName};
use crate::devices::{Device, Organisation, Why};
use crate::sessions::End;
use cluster::Cluster;
use contract::directory::{AccountStanding, Commission, Entry, Message, Session};
use contract::id::{HsaId, RegistryName, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Reason, Right};
use oidc::*;
use passkeys::*;
use siths::*;
use tempfile::TempDir;
use uuid::Uuid;

const NOW: Micros = 1_790_000_000_000_000;

/// On which database.
#[derive(Debug, Clone, Copy)]
enum On {
    Sqlite,
    Postgres,
}

/// A database of a test's own.
enum Bed {
    Sqlite(TempDir),
    Postgres(Cluster),
}

impl Bed {
    /// None where the database is not installed, which is said; in CI it has to be.
    fn new(on: On) -> Option<Self> {
        if let On::Sqlite = on {
            return Some(Self::Sqlite(tempfile::tempdir().expect("a directory")));
        }
        let cluster = Cluster::start();
        if cluster.is_none() {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is needed: `make test` installs it");
            eprintln!("skipped: PostgreSQL is not installed");
        }
        cluster.map(Self::Postgres)
    }

    fn place(&self) -> Place {
        match self {
            Self::Sqlite(dir) => Place::Sqlite(dir.path().join("a b?%.db")),
            Self::Postgres(cluster) => Place::Postgres(Server::parse(&cluster.url(), None).expect("an address")),
        }
    }

    async fn open(&self) -> Store {
        Store::open(&self.place()).await.expect("opens")
    }
}

fn account(number: u128, name: &str) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(number)),
        user_name: UserName::parse(name).expect("valid"),
        hsa: Some(organisation().hsa),
        name: "Anna Åkesson".to_owned(),
        title: "sjuksköterska".to_owned(),
        state: State::Active { since: NOW },
        tries: Tries::default(),
        last_login: None,
        created: NOW,
    }
}

fn organisation() -> Organisation {
    Organisation { hsa: HsaId::parse("SE2321000016-39KJ").expect("valid"), name: "Region".to_owned(), created: NOW }
}

fn device(number: u8) -> Device {
    Device {
        id: DeviceId::new(Uuid::from_u128(number.into())),
        organisation: organisation().hsa,
        name: "ward 3".to_owned(),
        serial: format!("{number:02x}"),
        fingerprint: CertFingerprint([number; 32]),
        not_before: NOW,
        not_after: NOW + 1_000,
        enrolled: NOW,
        enrolled_by: AccountId::NONE,
        revoked: None,
    }
}

fn session(number: u8, account: &Account, device: &Device) -> Session {
    Session {
        key: SessionKey([number; 32]),
        account: account.id,
        device: device.id,
        created: NOW,
        expires: NOW + 1_000_000_000,
        idle_s: 100,
        last_used: NOW,
        auth_method: AuthMethod::PasswordTotp,
        acr: String::new(),
        commission: Commission { name: "vård".to_owned(), ..Commission::default() },
        ended: None,
    }
}

async fn filled(bed: &Bed) -> (Store, Account, Device) {
    let store = bed.open().await;
    let (anna, ward) = (account(1, "anna"), device(1));
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.create_account(&anna).await.expect("creates");
    change.add_organisation(&organisation()).await.expect("adds");
    change.enrol_device(&ward).await.expect("enrols");
    change.open_session(&session(1, &anna, &ward)).await.expect("opens");
    change.commit().await.expect("commits");
    (store, anna, ward)
}

async fn entries(store: &Store) -> Vec<Entry> {
    store.snapshot(NOW).await.expect("reads").entries
}

async fn what_goes_in_comes_out(bed: Bed) {
    let (store, anna, ward) = filled(&bed).await;
    assert_eq!(store.account(anna.id).await.expect("reads"), Some(anna.clone()));
    assert_eq!(store.account_by_name(&anna.user_name).await.expect("reads"), Some(anna.clone()));
    assert_eq!(store.device(ward.id).await.expect("reads"), Some(ward.clone()));
    assert_eq!(store.live_session(SessionKey([1; 32]), NOW).await.expect("reads"), Some(session(1, &anna, &ward)));
    assert_eq!(store.organisations().await.expect("reads"), [organisation()]);
    assert_eq!(entries(&store).await.len(), 3);
}

async fn state_directory_and_event_are_one_or_nothing(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let (epoch, waiting) = (store.epoch().await.expect("reads"), store.waiting().await.expect("reads"));
    assert_eq!(waiting.events, 4);
    let mut change = store.change(NOW + 1, By::program("test")).await.expect("begins");
    let closed = Account { state: State::Deregistered { at: NOW + 1 }, ..anna.clone() };
    change.stop_account(&closed, AuthEventKind::AccountClosed).await.expect("stops");
    drop(change);
    assert_eq!(store.account(anna.id).await.expect("reads"), Some(anna.clone()));
    assert_eq!((store.epoch().await.expect("reads"), store.waiting().await.expect("reads")), (epoch, waiting));

    let mut change = store.change(NOW + 1, By::program("test")).await.expect("begins");
    change.stop_account(&closed, AuthEventKind::AccountClosed).await.expect("stops");
    change.commit().await.expect("commits");
    let changes = store.changes_after(epoch, 10).await.expect("reads");
    assert!(
        matches!(&changes[..], [(_, Message::Change { entry: Entry::Account(a), .. }), (_, Message::Change { entry: Entry::Session(s), .. })]
        if a.standing == AccountStanding::Closed && s.ended == Some(NOW + 1)),
        "{changes:?}"
    );
    assert_eq!(store.waiting().await.expect("reads").events, waiting.events + 2);
    assert_eq!(entries(&store).await.len(), 1, "only the device is left");
}

async fn epochs_grow_also_when_the_clock_goes_back(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let mut last = store.epoch().await.expect("reads");
    assert!(last.0 >= NOW.unsigned_abs());
    for at in [NOW - 1_000_000, NOW, NOW, NOW + 5_000_000] {
        let mut change = store.change(at, By::program("test")).await.expect("begins");
        change.move_account(&anna, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
        change.commit().await.expect("commits");
        let epoch = store.epoch().await.expect("reads");
        assert!(epoch > last, "{epoch:?} after {last:?}");
        last = epoch;
    }
}

async fn a_user_name_is_free_again_when_its_account_is_closed(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let taken = change.create_account(&account(2, "anna")).await.expect_err("taken");
    assert_eq!(taken.to_string(), "the user name is taken already");
    drop(change);
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change
        .stop_account(&Account { state: State::Lapsed { at: NOW }, ..anna }, AuthEventKind::AccountClosed)
        .await
        .expect("stops");
    change.create_account(&account(2, "anna")).await.expect("free again");
    change.commit().await.expect("commits");
}

async fn grants_are_given_changed_and_taken(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let registry = RegistryName::parse("journal").expect("valid");
    let mut grant = NewGrant {
        registry: registry.clone(),
        right: Right::Read,
        units: vec![organisation().hsa],
        valid_from: NOW,
        valid_to: Some(NOW + 9),
    };
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.give_grant(anna.id, &grant).await.expect("gives");
    grant.right = Right::ReadWrite;
    change.give_grant(anna.id, &grant).await.expect("changes");
    change.commit().await.expect("commits");
    let grants = store.grants(anna.id).await.expect("reads");
    assert_eq!(
        grants.iter().map(|g| (g.right, g.units.len(), g.valid_to)).collect::<Vec<_>>(),
        [(Right::ReadWrite, 1, Some(NOW + 9))]
    );
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.take_grant(anna.id, &registry).await.expect("takes");
    assert!(matches!(change.take_grant(anna.id, &registry).await, Err(StoreError::Absent("grant"))));
    change.commit().await.expect("commits");
    assert!(store.grants(anna.id).await.expect("reads").is_empty());
}

fn acts_from(unit: &str) -> Commission {
    Commission {
        hsa: None,
        name: "Läkare på mottagningen".to_owned(),
        purpose: "Vård och behandling".to_owned(),
        care_provider: Some(organisation().hsa),
        care_unit: Some(HsaId::parse(unit).expect("valid")),
        care_unit_name: "Mottagningen".to_owned(),
    }
}

async fn another_commission_ends_the_sessions_and_the_same_one_does_not(bed: Bed) {
    let (store, anna, ward) = filled(&bed).await;
    assert_eq!(store.commission(anna.id).await.expect("reads"), None);
    let (one, two) = (acts_from("SE2321000016-U001"), acts_from("SE2321000016-U002"));
    for (number, new, changed) in
        [(2, Some(&one), true), (3, Some(&one), false), (4, Some(&two), true), (5, None, true)]
    {
        let mut change = store.change(NOW, By::program("test")).await.expect("begins");
        change.open_session(&session(number, &anna, &ward)).await.expect("opens");
        let waiting = store.waiting().await.expect("reads").events;
        assert_eq!(change.set_commission(anna.id, new).await.expect("sets"), changed, "{new:?}");
        change.commit().await.expect("commits");
        assert_eq!(store.commission(anna.id).await.expect("reads").as_ref(), new);
        assert_eq!(store.commissions().await.expect("reads").get(&anna.id), new);
        let live = store.live_session(SessionKey([number; 32]), NOW).await.expect("reads");
        assert_eq!(live.is_none(), changed, "{new:?}");
        let told = store.waiting().await.expect("reads").events > waiting + 1;
        assert_eq!(told, changed, "besides the login there is an event when something was changed: {new:?}");
    }
}

async fn a_commission_has_its_unit_and_provider_and_a_closed_account_gets_none(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let whole = acts_from("SE2321000016-U001");
    for part in [Commission { care_unit: None, ..whole.clone() }, Commission { care_provider: None, ..whole.clone() }] {
        let mut change = store.change(NOW, By::program("test")).await.expect("begins");
        assert!(matches!(change.set_commission(anna.id, Some(&part)).await, Err(StoreError::Incomplete(_))));
    }
    assert_eq!(store.commission(anna.id).await.expect("reads"), None);
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let closed = Account { state: State::Deregistered { at: NOW }, ..anna.clone() };
    change.stop_account(&closed, AuthEventKind::AccountClosed).await.expect("stops");
    assert!(matches!(change.set_commission(anna.id, Some(&whole)).await, Err(StoreError::Move(_))));
}

async fn a_step_is_used_once(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    assert!(change.use_step(anna.id, 7).await.expect("writes"));
    assert!(!change.use_step(anna.id, 7).await.expect("writes"));
    assert!(!change.use_step(anna.id, 6).await.expect("writes"));
    assert!(change.use_step(anna.id, 8).await.expect("writes"));
    change.commit().await.expect("commits");
    assert_eq!(store.credential(anna.id).await.expect("reads").totp_step, 8);
}

async fn use_is_noted_at_once_and_told_now_and_then(bed: Bed) {
    let (store, _, _) = filled(&bed).await;
    let key = SessionKey([1; 32]);
    let epoch = store.epoch().await.expect("reads");
    for (used, told) in [(10, 0), (24, 0), (25, 1), (20, 1), (49, 1), (50, 2)] {
        let mut change = store.change(NOW + 60_000_000, By::program("test")).await.expect("begins");
        change.use_session(key, NOW + used * 1_000_000).await.expect("writes");
        change.commit().await.expect("commits");
        assert_eq!(store.changes_after(epoch, 10).await.expect("reads").len(), told, "used at {used} s");
    }
    let live = store.live_session(key, NOW + 60_000_000).await.expect("reads").expect("is live");
    assert_eq!(live.last_used, NOW + 50_000_000);
}

async fn sessions_that_are_over_are_found_and_ended_once(bed: Bed) {
    let (store, _, _) = filled(&bed).await;
    let key = SessionKey([1; 32]);
    let idle = NOW + 100_000_000;
    assert!(store.sessions_over(idle - 1, 0, 9).await.expect("reads").is_empty());
    assert!(store.sessions_over(idle, 5, 9).await.expect("reads").is_empty(), "a report may be under way");
    assert_eq!(store.sessions_over(idle + 5, 5, 9).await.expect("reads"), [key]);
    let mut change = store.change(idle + 4, By::program("test")).await.expect("begins");
    assert!(!change.end_session_if_over(key, 5).await.expect("writes"));
    drop(change);
    let mut change = store.change(idle + 5, By::program("test")).await.expect("begins");
    assert!(change.end_session_if_over(key, 5).await.expect("writes"));
    assert!(!change.end_session(key, End::Logout).await.expect("writes"));
    change.commit().await.expect("commits");
    assert_eq!(store.live_session(key, NOW).await.expect("reads"), None);
    assert_eq!(store.sessions_live().await.expect("reads"), 0);
}

async fn a_device_needs_its_organisation_and_is_revoked_once(bed: Bed) {
    let (store, _, ward) = filled(&bed).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let foreign = Device { organisation: HsaId::parse("SE2321000016-0000").expect("valid"), ..device(2) };
    assert!(matches!(change.enrol_device(&foreign).await, Err(StoreError::Absent("organisation"))));
    assert!(matches!(change.add_organisation(&organisation()).await, Err(StoreError::Taken(_))));
    drop(change);
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.revoke_device(ward.id, Why::Lost).await.expect("revokes");
    assert!(matches!(change.revoke_device(ward.id, Why::Lost).await, Err(StoreError::Revoked(_))));
    change.commit().await.expect("commits");
    let shown = entries(&store).await;
    assert!(
        shown.iter().any(|e| matches!(e, Entry::Device(d) if d.revoked == Some(NOW))),
        "so that a refusal can tell why"
    );
    assert!(store.snapshot(NOW + 1_000).await.expect("reads").entries.iter().all(|e| !matches!(e, Entry::Device(_))));
}

async fn a_batch_stays_the_same_until_it_has_arrived(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let first = store.batch(2).await.expect("reads").expect("events wait");
    assert_eq!((first.number, first.events.iter().map(|(n, _)| *n).collect::<Vec<_>>()), (1, vec![1, 2]));
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.move_account(&anna, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
    change.commit().await.expect("commits");
    assert_eq!(store.batch(100).await.expect("reads").as_ref(), Some(&first));
    store.batch_arrived(1, &[9; 32]).await.expect("writes");
    let second = store.batch(100).await.expect("reads").expect("events wait");
    assert_eq!((second.number, second.previous, second.events.len()), (2, [9; 32], 3));
    assert_eq!(second.events.first().map(|(n, _)| *n), Some(3));
    store.batch_arrived(2, &[8; 32]).await.expect("writes");
    assert_eq!(store.batch(100).await.expect("reads"), None);
    assert_eq!(store.waiting().await.expect("reads"), Waiting::default());
}

async fn history_is_forgotten_but_not_its_end(bed: Bed) {
    let (store, _, _) = filled(&bed).await;
    let head = store.epoch().await.expect("reads");
    assert_eq!(store.forget(NOW, 1).await.expect("runs"), 0, "nothing is old");
    assert_eq!(store.forget(NOW + 1, 1).await.expect("runs"), 2);
    let left = store.changes_after(Epoch(0), 10).await.expect("reads");
    assert_eq!(left.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [head]);
    assert_eq!(store.epoch().await.expect("reads"), head);
}

async fn another_process_is_noticed(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let mut watch = store.watch().await.expect("watches");
    let other = bed.open().await;
    let mut change = other.change(NOW, By::program("test")).await.expect("begins");
    change.move_account(&anna, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
    change.commit().await.expect("commits");
    while !watch.next().await.expect("looks") {}
    assert!(!watch.next().await.expect("looks"), "nothing is new any more");
}

async fn who_is_idle_is_found(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let made = |number, name, state, last_login| Account { state, last_login, ..account(number, name) };
    let old = NOW - 100;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    for one in [
        made(2, "unused", State::Active { since: old }, None),
        made(3, "used", State::Active { since: old }, Some(NOW)),
        made(4, "forgotten", State::HandedOut { at: old }, None),
        made(5, "resting", State::Dormant { since: old }, None),
        made(6, "guessed", State::Locked { since: NOW, until: None, unused: false, held: old }, None),
        made(7, "guessed-too", State::Locked { since: NOW, until: Some(NOW + 1), unused: true, held: old }, None),
    ] {
        change.create_account(&one).await.expect("creates");
        change.store_tries(&one).await.expect("stores");
    }
    change.commit().await.expect("commits");
    let found = |mut ids: Vec<AccountId>| {
        ids.sort_unstable_by_key(ToString::to_string);
        ids
    };
    let ids = |numbers: &[u128]| -> Vec<AccountId> {
        numbers.iter().map(|number| AccountId::new(Uuid::from_u128(*number))).collect()
    };
    assert_eq!(vec![anna.id], ids(&[1]));
    assert_eq!(found(store.idle(NOW, NOW, 9).await.expect("reads")), ids(&[2, 4, 6, 7]));
    assert_eq!(found(store.idle(NOW, old, 9).await.expect("reads")), ids(&[2, 6]));
    assert_eq!(found(store.idle(old, NOW, 9).await.expect("reads")), ids(&[4, 7]));
    assert_eq!(found(store.idle(NOW + 1, NOW + 1, 9).await.expect("reads")), ids(&[1, 2, 3, 4, 6, 7]));
}

#[tokio::test]
async fn a_server_that_was_away_is_followed_again() {
    let Some(Bed::Postgres(mut cluster)) = Bed::new(On::Postgres) else { return };
    let place = Place::Postgres(Server::parse(&cluster.url(), None).expect("an address"));
    let store = Store::open(&place).await.expect("opens");
    let mut watch = store.watch().await.expect("watches");
    assert!(!watch.next().await.expect("looks"));
    cluster.stop();
    watch.next().await.expect_err("nobody answers");
    store.ping().await.expect_err("nobody answers");
    cluster.go_on();
    assert!(watch.next().await.expect("looks"), "who could not look may have missed something");
    assert!(!watch.next().await.expect("looks"));
    store.ping().await.expect("answers");
}

/// Each test, on each database.
macro_rules! on_both {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $name() { super::run(super::On::Sqlite, super::$name).await; })*
        }
        mod on_postgres {
            $(#[tokio::test] async fn $name() { super::run(super::On::Postgres, super::$name).await; })*
        }
    };
}

mod people;
// After the macro, which they use.
mod appointments;
mod damaged;
mod devices;
mod effects;
mod emergencies;
mod filed;
mod handouts;
mod imports;
mod newcomers;
mod procedure;
mod queue;
mod random_moves;
mod reviews;

async fn run<T: Future<Output = ()>>(on: On, test: impl FnOnce(Bed) -> T) {
    if let Some(bed) = Bed::new(on) {
        test(bed).await;
    }
}

on_both![
    what_goes_in_comes_out,
    state_directory_and_event_are_one_or_nothing,
    epochs_grow_also_when_the_clock_goes_back,
    a_user_name_is_free_again_when_its_account_is_closed,
    grants_are_given_changed_and_taken,
    another_commission_ends_the_sessions_and_the_same_one_does_not,
    a_commission_has_its_unit_and_provider_and_a_closed_account_gets_none,
    a_step_is_used_once,
    use_is_noted_at_once_and_told_now_and_then,
    sessions_that_are_over_are_found_and_ended_once,
    a_device_needs_its_organisation_and_is_revoked_once,
    a_batch_stays_the_same_until_it_has_arrived,
    history_is_forgotten_but_not_its_end,
    another_process_is_noticed,
    who_is_idle_is_found,
    a_passkey_is_found_used_renamed_and_removed,
    a_providers_session_ends_those_that_rest_on_it,
    a_logout_is_remembered_for_logins_under_way,
    an_account_is_found_by_its_hsa_id,
    a_question_is_answered_once,
    a_cards_code_is_good_once_for_its_login_and_for_a_while,
    of_an_accounts_sessions_one_may_stay,
];
