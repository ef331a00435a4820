//! What time does in the account procedure: appointments begin and end, accounts end with an employment, forms lapse, regions are reminded to confirm their
//! accounts, and accounts that are not confirmed rest.

use super::AT_ONCE;
use super::each::{Due, each};
use crate::clock::{self, DAY};
use crate::config::Accounts;
use crate::store::{Change, Store, StoreError, Vouched};
use contract::Micros;
use contract::id::{AccountId, AppointmentId, FormId};

/// One round. None of its parts holds up another.
///
/// # Errors
/// The first, after all parts were tried.
pub(super) async fn sweep(store: &Store, times: Accounts, now: Micros) -> Result<(), StoreError> {
    let left_since = now.saturating_sub(Micros::from(times.request_life_days) * DAY);
    let notice = times.confirmed_before(now);
    let review = times.review;
    let overdue = clock::months_before(now.saturating_sub(Micros::from(review.grace_days) * DAY), review.months);
    let parts = [
        all(store, now, store.appointments_due(now, AT_ONCE).await, Item::Appointment).await,
        all(store, now, store.employment_over(now, AT_ONCE).await, Item::Employment).await,
        all(store, now, store.forms_left(left_since, AT_ONCE).await, |form| Item::Form(form, left_since)).await,
        all(store, now, store.to_remind(notice, AT_ONCE).await, |of| Item::Reminder(of, notice)).await,
        all(store, now, store.unconfirmed(overdue, AT_ONCE).await, |account| Item::Unconfirmed(account, overdue)).await,
    ];
    parts.into_iter().collect()
}

async fn all<T>(
    store: &Store,
    now: Micros,
    found: Result<Vec<T>, StoreError>,
    item: impl Fn(T) -> Item,
) -> Result<(), StoreError> {
    each(store, now, found?.into_iter().map(item).collect()).await.map(drop)
}

/// What time does to one.
#[derive(Clone, Copy)]
enum Item {
    /// An appointment begins or ends.
    Appointment(AppointmentId),
    /// An account ends with the employment.
    Employment(AccountId),
    /// A form that nobody has touched since then lapses.
    Form(FormId, Micros),
    /// A region is reminded to confirm an account that was confirmed before then.
    Reminder(Vouched, Micros),
    /// An account that was last confirmed before then rests.
    Unconfirmed(AccountId, Micros),
}

impl Due for Item {
    async fn done(self, change: &mut Change) -> Result<u64, StoreError> {
        match self {
            Self::Appointment(id) => change.appointment_by_time(id).await.map(drop),
            Self::Employment(id) => change.close_by_employment(id).await.map(drop),
            Self::Form(id, left_since) => change.lapse_form(id, left_since).await.map(drop),
            Self::Reminder(of, notice) => change.remind(of.account, of.region, notice).await.map(drop),
            Self::Unconfirmed(id, overdue) => change.rest_unconfirmed(id, overdue).await.map(drop),
        }?;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Account, Review, State, Tries, UserName};
    use crate::duties::{Appointment, Region, Why};
    use crate::forms::{Alteration, Content, Form, Person, State as Stage};
    use crate::sealing::FieldKey;
    use crate::store::{By, Office, Place, Wanted};
    use contract::id::{AccountId, RegistryName};
    use contract::record::{AuthEventKind, AuthMethod, Reason};
    use std::sync::Arc;
    use uuid::Uuid;

    /// A year and a half, a day at a time: what comes, and when.
    #[tokio::test]
    async fn time_goes_by() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&Place::Sqlite(dir.path().join("a.db"))).await.expect("opens");
        let start = contract::instant::parse("2026-01-15T08:00:00Z").expect("a time");
        let times = Accounts {
            dormant_months: 9,
            lapse_months: 3,
            request_life_days: 30,
            review: Review { months: 12, notice_days: 30, grace_days: 30 },
        };
        let anna = AccountId::new(Uuid::from_u128(1));
        let account = Account {
            id: anna,
            user_name: UserName::parse("anna").expect("a name"),
            hsa: contract::id::HsaId::parse("SE2321000016-P001").ok(),
            name: "Test Testsson".to_owned(),
            title: String::new(),
            state: State::Active { since: start },
            tries: Tries::default(),
            last_login: None,
            created: start,
        };
        let mut change = store.change(start, By::program("test")).await.expect("begins");
        change.create_account(&account).await.expect("creates");
        change.confirm(anna, Region::Skane, AuthMethod::None).await.expect("confirms");
        let (from, to) = (start + 10 * DAY, Some(start + 20 * DAY));
        change.appoint(anna, &Appointment::HelpDesk, (from, to), Why::NewDuty).await.expect("appoints");
        change.commit().await.expect("commits");
        let office = Office::new(store.clone(), Arc::new(FieldKey::new(&[7; 32])), 30 * DAY);
        let form = Form {
            subject: Person { account: Some(anna), hsa: None, number: None },
            region: Region::Skane,
            registry: RegistryName::parse("fotled").expect("a name"),
            content: Content::Alteration(Alteration { account: anna, rights: vec![], reason: "Nytt".to_owned() }),
        };
        office.begin(start, By::program("test"), form).await.expect("begins");
        let first = store.batch(100).await.expect("reads").expect("events wait");
        store.batch_arrived(first.number, &[0; 32]).await.expect("writes");

        let mut roles = Vec::new();
        for day in 0..540 {
            let now = start + day * DAY;
            sweep(&store, times, now).await.expect("sweeps");
            let entry = store.directory_account(anna, now).await.expect("reads").expect("is there");
            if !entry.roles.is_empty() {
                roles.push(day);
            }
        }
        assert_eq!((roles.first(), roles.last()), (Some(&10), Some(&19)));
        let events = store.batch(100).await.expect("reads").expect("events wait").events;
        let days: Vec<_> = events.iter().map(|(_, e)| ((e.at - start) / DAY, e.kind, e.reason)).collect();
        assert_eq!(
            days,
            [
                (20, AuthEventKind::AppointmentEnded, Reason::Expired),
                (30, AuthEventKind::FormLapsed, Reason::NoAction),
                // 2027-01-15 is day 365.
                (335, AuthEventKind::ReviewDue, Reason::None),
                (395, AuthEventKind::AccountChanged, Reason::Unconfirmed),
            ]
        );
        let lapsed = Wanted { state: Some(Stage::Lapsed), ..Wanted::default() };
        assert_eq!(store.forms(&lapsed, 9).await.expect("reads").len(), 1);
        let state = store.account(anna).await.expect("reads").expect("is there").state;
        assert_eq!(state, State::Dormant { since: start + 395 * DAY });
    }
}
