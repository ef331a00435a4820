//! People, forms, and who does what with them, for the tests of the account procedure.

use super::NOW;
use crate::accounts::{Account, NewGrant, State, Tries, UserName};
use crate::clock::DAY;
use crate::duties::{Region, Why};
use crate::forms::{Alteration, Application, Content, Denied, Deregistration, Form, Fresh, Move, Person, Signature};
use crate::sealing::FieldKey;
use crate::store::{By, Heading, Office, Store, StoreError};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::identity::{Year, parse};
use contract::record::{AuthEvent, AuthMethod, Right};
use std::sync::Arc;
use uuid::Uuid;

pub(super) const LIFE: Micros = 30 * DAY;

pub(super) fn hsa(number: u128) -> HsaId {
    HsaId::parse(&format!("SE2321000016-P{number:05}")).expect("valid")
}

pub(super) fn registry() -> RegistryName {
    RegistryName::parse("fotled").expect("valid")
}

pub(super) fn id(number: u128) -> AccountId {
    AccountId::new(Uuid::from_u128(number))
}

/// Somebody who does something, on a device.
pub(super) fn by(account: AccountId) -> By {
    By { account, device: contract::id::DeviceId::new(Uuid::from_u128(1)), ..By::program("app") }
}

pub(super) fn sign(account: AccountId, at: Micros) -> Signature {
    Fresh::after_check(account, at, AuthMethod::Passkey).sign(at, 1).expect("fresh")
}

pub(super) fn office(store: &Store) -> Office {
    Office::new(store.clone(), Arc::new(FieldKey::new(&[7; 32])), LIFE)
}

/// Makes an active account, appointed to this.
pub(super) async fn person(store: &Store, number: u128, appointments: &[&str]) -> AccountId {
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let account = Account {
        id: id(number),
        user_name: UserName::parse(&format!("user{number}")).expect("valid"),
        hsa: Some(hsa(number)),
        name: format!("Person {number}"),
        title: String::new(),
        state: State::Active { since: NOW },
        tries: Tries::default(),
        last_login: None,
        created: NOW,
    };
    change.create_account(&account).await.expect("creates");
    for text in appointments {
        let appointment = text.parse().expect("an appointment");
        change.appoint(account.id, &appointment, (NOW, None), Why::NewDuty).await.expect("appoints");
    }
    change.commit().await.expect("commits");
    account.id
}

/// A region vouches for an account that has a right.
pub(super) async fn vouched(store: &Store, account: AccountId, region: Region, right: Option<Right>) {
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.confirm(account, region, AuthMethod::None).await.expect("confirms");
    if let Some(right) = right {
        let grant = NewGrant { registry: registry(), right, units: Vec::new(), valid_from: NOW, valid_to: None };
        change.give_grant(account, &grant).await.expect("gives");
    }
    change.commit().await.expect("commits");
}

pub(super) fn grant(right: Right) -> Grant {
    Grant { registry: registry(), right, units: Vec::new(), valid_from: NOW, valid_to: None }
}

pub(super) const NAME: &str = "Anna Åkesson";
pub(super) const NUMBER: &str = "191212121212";
pub(super) const STREET: &str = "Barngatan 4";
pub(super) const KNOWN: &str = "Kollega sedan 2019";

pub(super) fn application() -> Form {
    let content = Application {
        name: NAME.to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), hsa(900)),
        address: vec![STREET.to_owned(), "221 00 Lund".to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: Some("070-000 00 00".to_owned()),
        email: None,
        right: Right::Read,
        valid_from: NOW,
        valid_to: Some(NOW + 400 * DAY),
        purpose: "Registrering".to_owned(),
    };
    let number = Some(parse(NUMBER, Year(2026)).expect("valid"));
    Form {
        subject: Person { account: None, hsa: Some(hsa(1)), number },
        region: Region::Skane,
        registry: registry(),
        content: Content::Application(content),
    }
}

pub(super) fn about(account: AccountId, content: Content) -> Form {
    let subject = Person { account: Some(account), hsa: None, number: None };
    Form { subject, region: Region::Skane, registry: registry(), content }
}

pub(super) fn change_to(account: AccountId, right: Option<Right>) -> Form {
    let rights = right.map(grant).into_iter().collect();
    about(account, Content::Alteration(Alteration { account, rights, reason: "Nya uppgifter".to_owned() }))
}

pub(super) fn end_of(account: AccountId) -> Form {
    about(account, Content::Deregistration(Deregistration { account, reason: "Slutar".to_owned() }))
}

/// What was told since the last time.
pub(super) async fn told(store: &Store) -> Vec<AuthEvent> {
    let Some(batch) = store.batch(10_000).await.expect("reads") else { return Vec::new() };
    store.batch_arrived(batch.number, &[0; 32]).await.expect("writes");
    batch.events.into_iter().map(|(_, event)| event).collect()
}

pub(super) struct Desk {
    pub(super) office: Office,
    pub(super) approver: AccountId,
    pub(super) holder: AccountId,
    pub(super) admin: AccountId,
}

pub(super) async fn desk(store: &Store) -> Desk {
    let approver = person(store, 102, &["approver:12"]).await;
    let holder = person(store, 103, &["registry_holder:fotled"]).await;
    let admin = person(store, 104, &["account_admin"]).await;
    Desk { office: office(store), approver, holder, admin }
}

impl Desk {
    pub(super) async fn make(&self, form: &Heading, who: AccountId, wanted: Move) -> Result<Heading, StoreError> {
        let user_name = UserName::parse("anna").expect("valid");
        let seen = (form.id, form.version);
        self.office.make(NOW + 1, by(who), seen, wanted, Some(sign(who, NOW + 1)), Some(&user_name)).await
    }

    pub(super) async fn applied(&self) -> Heading {
        let nobody = AccountId::NONE;
        let draft = self.office.begin(NOW, by(nobody), application()).await.expect("begins");
        let seen = (draft.id, draft.version);
        self.office.make(NOW, by(nobody), seen, Move::SubmitWithoutAccount, None, None).await.expect("submits")
    }

    /// On the executor's desk.
    pub(super) async fn forwarded(&self, form: &Heading) -> Heading {
        let form = self.make(form, self.approver, Move::Approve(KNOWN.to_owned())).await.expect("approves");
        self.make(&form, self.holder, Move::Forward).await.expect("forwards")
    }
}

/// From now on two accounts are of one person, by their HSA-id.
pub(super) async fn same_person(store: &Store, first: AccountId, second: AccountId) {
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    sqlx::query("UPDATE account SET hsa = (SELECT hsa FROM account WHERE id = $1) WHERE id = $2")
        .bind(first.to_string())
        .bind(second.to_string())
        .execute(&mut *change.tx)
        .await
        .expect("updates");
    change.commit().await.expect("commits");
}

pub(super) fn denied(result: Result<Heading, StoreError>) -> Denied {
    match result {
        Err(StoreError::Denied(denied)) => denied,
        other => panic!("{other:?}"),
    }
}
