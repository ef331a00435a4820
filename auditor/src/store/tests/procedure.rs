//! The three forms through the store.

use super::{Bed, NOW, On, run};
use crate::accounts::{Account, NewGrant, State, Tries, UserName};
use crate::clock::DAY;
use crate::duties::{Region, Why};
use crate::forms::{
    Alteration, Application, Content, Denied, Deregistration, Form, Fresh, Move, Person, Signature, WrongState,
};
use crate::forms::{Did, State as Stage};
use crate::sealing::FieldKey;
use crate::store::{By, Filed, Heading, Office, Store, StoreError, Wanted};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, FormId, HsaId, RegistryName};
use contract::identity::{Year, parse};
use contract::record::{AuthEvent, AuthEventKind, AuthMethod, Reason, Right};
use sqlx::Row;
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

const NAME: &str = "Anna Åkesson";
const NUMBER: &str = "191212121212";
const STREET: &str = "Barngatan 4";
const KNOWN: &str = "Kollega sedan 2019";

fn application() -> Form {
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

struct Desk {
    office: Office,
    approver: AccountId,
    holder: AccountId,
    admin: AccountId,
}

async fn desk(store: &Store) -> Desk {
    let approver = person(store, 102, &["approver:12"]).await;
    let holder = person(store, 103, &["registry_holder:fotled"]).await;
    let admin = person(store, 104, &["account_admin"]).await;
    Desk { office: office(store), approver, holder, admin }
}

impl Desk {
    async fn make(&self, form: &Heading, who: AccountId, wanted: Move) -> Result<Heading, StoreError> {
        let user_name = UserName::parse("anna").expect("valid");
        let seen = (form.id, form.version);
        self.office.make(NOW + 1, by(who), seen, wanted, Some(sign(who, NOW + 1)), Some(&user_name)).await
    }

    async fn applied(&self) -> Heading {
        let nobody = AccountId::NONE;
        let draft = self.office.begin(NOW, by(nobody), application()).await.expect("begins");
        let seen = (draft.id, draft.version);
        self.office.make(NOW, by(nobody), seen, Move::SubmitWithoutAccount, None, None).await.expect("submits")
    }

    /// On the executor's desk.
    async fn forwarded(&self, form: &Heading) -> Heading {
        let form = self.make(form, self.approver, Move::Approve(KNOWN.to_owned())).await.expect("approves");
        self.make(&form, self.holder, Move::Forward).await.expect("forwards")
    }
}

fn denied(result: Result<Heading, StoreError>) -> Denied {
    match result {
        Err(StoreError::Denied(denied)) => denied,
        other => panic!("{other:?}"),
    }
}

async fn an_application_makes_an_account_when_it_is_executed(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    told(&store).await;
    let form = desk.forwarded(&desk.applied().await).await;
    assert_eq!(store.account_by_name(&UserName::parse("anna").expect("valid")).await.expect("reads"), None);
    let form = desk.make(&form, desk.admin, Move::Execute).await.expect("executes");
    assert_eq!((form.state, form.version), (Stage::Executed, 5));
    let account = form.account.expect("is made");
    let made = store.account(account).await.expect("reads").expect("is there");
    assert_eq!((made.state, made.hsa, made.name.as_str()), (State::Created { at: NOW + 1 }, Some(hsa(1)), NAME));
    let right = Grant { valid_to: Some(NOW + 400 * DAY), ..grant(Right::Read) };
    assert_eq!(store.grants(account).await.expect("reads"), [right]);
    let regions = store.regions(account).await.expect("reads");
    assert_eq!(
        regions.iter().map(|v| (v.region, v.confirmed_by)).collect::<Vec<_>>(),
        [(Region::Skane, desk.approver)]
    );

    let events = told(&store).await;
    let seen: Vec<_> = events.iter().map(|e| (e.kind, e.by, e.auth_method)).collect();
    let passkey = AuthMethod::Passkey;
    assert_eq!(
        seen,
        [
            (AuthEventKind::FormSubmitted, AccountId::NONE, AuthMethod::None),
            (AuthEventKind::FormApproved, desk.approver, passkey),
            (AuthEventKind::FormForwarded, desk.holder, passkey),
            (AuthEventKind::AccountCreated, desk.admin, AuthMethod::None),
            (AuthEventKind::GrantChanged, desk.admin, AuthMethod::None),
            (AuthEventKind::FormExecuted, desk.admin, passkey),
        ]
    );
    assert!(events.iter().skip(3).all(|event| event.account == account));
    for event in &events {
        for secret in [NAME, NUMBER, STREET, KNOWN] {
            assert!(!event.detail.contains(secret), "{}", event.detail);
        }
    }

    let Filed { stored, steps, .. } = desk.office.read(form.id).await.expect("reads");
    let Content::Application(said) = &stored.form().content else { panic!("an application") };
    assert_eq!((said.name.as_str(), said.address.len()), (NAME, 2));
    assert_eq!(
        steps.iter().map(|step| step.did).collect::<Vec<_>>(),
        [Did::Submitted, Did::Approved, Did::Forwarded, Did::Executed]
    );
    assert_eq!(steps.get(1).and_then(|step| step.words.as_deref()), Some(KNOWN));
    // Seen from the command line or a queue: no words.
    let (heading, outside) = store.form(form.id).await.expect("reads").expect("is there");
    assert_eq!(heading, form);
    assert!(outside.iter().all(|step| step.words.is_none()));
    assert!(told(&store).await.is_empty(), "reading for one's work is no event");
    desk.office.reveal(NOW + 2, by(desk.admin), form.id).await.expect("reads");
    assert_eq!(told(&store).await.iter().map(|e| e.kind).collect::<Vec<_>>(), [AuthEventKind::FormRevealed]);

    // The same person does not get another account.
    let again = desk.forwarded(&desk.applied().await).await;
    assert!(matches!(desk.make(&again, desk.admin, Move::Execute).await, Err(StoreError::Taken("HSA-id"))));
}

async fn who_may_not_is_refused_and_on_record(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let everything = ["approver:12", "registry_holder:fotled", "account_admin"];
    let anna = person(&store, 1, &everything).await;
    let all = person(&store, 105, &everything).await;
    let elsewhere = person(&store, 106, &["approver:13", "registry_holder:annat"]).await;
    vouched(&store, anna, Region::Skane, None).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::Read))).await.expect("begins");
    assert_eq!(denied(desk.make(&draft, all, Move::Submit).await), Denied::NotYours);
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    told(&store).await;

    let approve = || Move::Approve(KNOWN.to_owned());
    assert_eq!(denied(desk.make(&form, anna, approve()).await), Denied::Own);
    assert_eq!(denied(desk.make(&form, elsewhere, approve()).await), Denied::NotAppointed);
    assert_eq!(denied(desk.make(&form, desk.holder, approve()).await), Denied::NotAppointed);
    let seen = (form.id, form.version);
    let another = Some(sign(desk.approver, NOW + 1));
    let forged = desk.office.make(NOW + 1, by(all), seen, approve(), another, None).await;
    assert_eq!(denied(forged), Denied::OtherSignature);
    let unsigned = desk.office.make(NOW + 1, by(desk.approver), seen, approve(), None, None).await;
    assert_eq!(denied(unsigned), Denied::NotYours);
    let events = told(&store).await;
    assert!(events.iter().all(|event| event.kind == AuthEventKind::MoveDenied && event.account == anna));
    assert_eq!(
        events.iter().map(|event| (event.by, event.reason)).collect::<Vec<_>>(),
        [
            (anna, Reason::Own),
            (elsewhere, Reason::NotAppointed),
            (desk.holder, Reason::NotAppointed),
            (all, Reason::OtherSignature),
            (desk.approver, Reason::NotTheirs),
        ]
    );

    // All three duties in one hand are good for one step of a form.
    let form = desk.make(&form, all, approve()).await.expect("approves");
    assert_eq!(denied(desk.make(&form, all, Move::Forward).await), Denied::Again);
    assert_eq!(denied(desk.make(&form, elsewhere, Move::Forward).await), Denied::NotAppointed);
    let form = desk.make(&form, desk.holder, Move::Forward).await.expect("forwards");
    for (who, why) in [
        (all, Denied::Again),
        (anna, Denied::Own),
        (desk.holder, Denied::NotAppointed),
        (desk.approver, Denied::NotAppointed),
    ] {
        assert_eq!(denied(desk.make(&form, who, Move::Execute).await), why);
    }
    assert!(store.grants(anna).await.expect("reads").is_empty());
    assert!(desk.make(&form, desk.admin, Move::Execute).await.is_ok());
    assert_eq!(store.grants(anna).await.expect("reads"), [grant(Right::Read)]);

    // An appointment that has ended is none, and neither has one who is not in use.
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::ReadWrite))).await.expect("begins");
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let given = store.appointments(Some(desk.approver), false, 9).await.expect("reads");
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.end_appointment(given.first().expect("one").id, Why::Leaves).await.expect("ends");
    let mut dormant = change.account(all).await.expect("is there");
    dormant.state = State::Dormant { since: NOW };
    change.move_account(&dormant, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
    change.commit().await.expect("commits");
    assert_eq!(denied(desk.make(&form, desk.approver, approve()).await), Denied::NotAppointed);
    assert!(matches!(desk.make(&form, all, approve()).await, Err(StoreError::Move(_))));
}

async fn a_move_on_what_has_changed_does_nothing(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let second = person(&store, 107, &["account_admin"]).await;
    let form = desk.forwarded(&desk.applied().await).await;
    desk.make(&form, desk.admin, Move::Execute).await.expect("executes");
    told(&store).await;
    assert!(matches!(desk.make(&form, second, Move::Execute).await, Err(StoreError::Raced("form"))));
    let now = Heading { version: form.version + 1, ..form.clone() };
    let state = Stage::Executed;
    assert!(matches!(
        desk.make(&now, second, Move::Execute).await,
        Err(StoreError::State(WrongState { state: found, .. })) if found == state
    ));
    assert!(told(&store).await.is_empty(), "nothing has happened");
    assert_eq!(store.accounts(9).await.expect("reads").len(), 5);

    // Two at the same time: one of them.
    let other = desk.forwarded(&desk.applied().await).await;
    let refuse = || desk.make(&other, desk.approver, Move::Refuse("Okänd".to_owned()));
    assert!(matches!(refuse().await, Err(StoreError::State(_))), "it is past the approver");
    let anna = person(&store, 50, &[]).await;
    vouched(&store, anna, Region::Skane, Some(Right::ReadWrite)).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::Read))).await.expect("begins");
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let (approve, refuse) = (Move::Approve(KNOWN.to_owned()), Move::Refuse("Okänd".to_owned()));
    let both = tokio::join!(desk.make(&form, desk.approver, approve), desk.make(&form, desk.approver, refuse));
    assert_eq!(u8::from(both.0.is_ok()) + u8::from(both.1.is_ok()), 1, "{both:?}");
}

async fn what_takes_away_takes_at_once(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let anna = person(&store, 1, &["log_auditor"]).await;
    vouched(&store, anna, Region::Skane, Some(Right::ReadWrite)).await;
    let submitted = |form: Form| {
        let desk = &desk;
        async move {
            let draft = desk.office.begin(NOW, by(anna), form).await.expect("begins");
            desk.make(&draft, anna, Move::Submit).await.expect("submits")
        }
    };
    let rights = || async { store.grants(anna).await.expect("reads") };
    let narrower = submitted(change_to(anna, Some(Right::Read))).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    // It is refused: what was given up stays so, until somebody is asked for it.
    desk.make(&narrower, desk.approver, Move::Refuse("Kontakta kliniken".to_owned())).await.expect("refuses");
    assert_eq!(rights().await, [grant(Right::Read)]);
    let wider = submitted(change_to(anna, Some(Right::ReadWrite))).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    let wider = desk.forwarded(&wider).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    desk.make(&wider, desk.admin, Move::Execute).await.expect("executes");
    assert_eq!(rights().await, [grant(Right::ReadWrite)]);
    submitted(change_to(anna, None)).await;
    assert!(rights().await.is_empty());

    told(&store).await;
    let end = submitted(end_of(anna)).await;
    let account = store.account(anna).await.expect("reads").expect("is there");
    assert_eq!(account.state, State::Deregistered { at: NOW + 1 });
    assert!(store.appointments(Some(anna), false, 9).await.expect("reads").is_empty());
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|event| (event.kind, event.reason)).collect::<Vec<_>>(),
        [
            (AuthEventKind::AppointmentEnded, Reason::AccountClosed),
            (AuthEventKind::AccountClosed, Reason::ByForm),
            (AuthEventKind::FormSubmitted, Reason::None),
        ]
    );
    // The paper follows, also when it was sent back once: who hands it in again is another.
    let back = desk.make(&end, desk.approver, Move::SendBack("Datum saknas".to_owned())).await.expect("sends back");
    let mended = desk.office.mend(NOW + 1, by(desk.admin), (back.id, back.version), end_of(anna)).await;
    assert_eq!(denied(mended), Denied::NotYours);
    let again = desk.make(&back, desk.admin, Move::SubmitForAnother).await.expect("submits");
    let again = desk.forwarded(&again).await;
    let second = person(&store, 108, &["account_admin"]).await;
    desk.make(&again, second, Move::Execute).await.expect("executes");
}

/// A form says a region and a registry, but nobody reaches an account by saying one that is not its own.
async fn for_another_counts_what_the_account_has(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let elsewhere = person(&store, 105, &["approver:13", "registry_holder:annat"]).await;
    let (anna, bertil) = (person(&store, 1, &[]).await, person(&store, 2, &[]).await);
    vouched(&store, bertil, Region::Skane, Some(Right::Read)).await;
    let end = |account: AccountId, who: AccountId, region: Region, registry: &'static str| {
        let desk = &desk;
        async move {
            let registry = RegistryName::parse(registry).expect("valid");
            let form = Form { region, registry, ..end_of(account) };
            let draft = desk.office.begin(NOW, by(who), form).await?;
            desk.make(&draft, who, Move::SubmitForAnother).await
        }
    };
    // Nobody vouches for her, and she has no right anywhere.
    for (who, region, registry) in [
        (elsewhere, Region::Halland, "annat"),
        (desk.approver, Region::Skane, "fotled"),
        (desk.holder, Region::Skane, "fotled"),
    ] {
        assert_eq!(denied(end(anna, who, region, registry).await), Denied::NotAppointed);
    }
    assert!(matches!(end(bertil, elsewhere, Region::Halland, "fotled").await, Err(StoreError::Incomplete(_))));
    assert!(matches!(end(bertil, elsewhere, Region::Skane, "annat").await, Err(StoreError::Incomplete(_))));
    assert_eq!(denied(end(bertil, elsewhere, Region::Skane, "fotled").await), Denied::NotAppointed);
    end(anna, desk.admin, Region::Skane, "fotled").await.expect("an administrator reaches all");
    end(bertil, desk.holder, Region::Skane, "fotled").await.expect("by his right");
}

/// What was taken away later does not come back by what was asked for before.
async fn the_last_form_of_a_right_counts(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let anna = person(&store, 1, &[]).await;
    vouched(&store, anna, Region::Skane, Some(Right::Read)).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::ReadWrite))).await.expect("begins");
    let wider = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let wider = desk.forwarded(&wider).await;
    let draft = desk.office.begin(NOW + 2, by(desk.approver), change_to(anna, None)).await.expect("begins");
    let (seen, who) = ((draft.id, draft.version), desk.approver);
    let signature = Some(sign(who, NOW + 2));
    desk.office.make(NOW + 2, by(who), seen, Move::SubmitForAnother, signature, None).await.expect("submits");
    assert!(store.grants(anna).await.expect("reads").is_empty());
    let late = desk.make(&wider, desk.admin, Move::Execute).await;
    assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    assert!(store.grants(anna).await.expect("reads").is_empty());
}

async fn forms_are_about_whom_and_what_they_say(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let (anna, bertil) = (person(&store, 1, &[]).await, person(&store, 2, &[]).await);
    vouched(&store, anna, Region::Skane, Some(Right::Read)).await;
    let begin = |form: Form| desk.office.begin(NOW, by(anna), form);
    // Whose form it is stands in it twice.
    let mut two = change_to(bertil, None);
    two.subject.account = Some(anna);
    assert!(matches!(begin(two).await, Err(StoreError::Fault(_))));
    // Another registry's rights are another registry's.
    let mut other = change_to(anna, Some(Right::ReadWrite));
    other.registry = RegistryName::parse("annat").expect("valid");
    assert!(matches!(begin(other).await, Err(StoreError::Fault(_))));
    // A region where nobody vouches for them does not decide.
    let region = Region::Halland;
    assert!(matches!(begin(Form { region, ..change_to(anna, None) }).await, Err(StoreError::Incomplete(_))));
    let mut end = end_of(anna);
    end.registry = RegistryName::parse("annat").expect("valid");
    assert!(matches!(begin(end).await, Err(StoreError::Incomplete(_))));
    assert!(matches!(begin(end_of(id(99))).await, Err(StoreError::Absent("account"))));
    // The HSA-id is the account's, whatever stands there.
    let mut own = change_to(anna, None);
    own.subject.hsa = Some(hsa(77));
    let form = begin(own).await.expect("begins");
    let filed = desk.office.read(form.id).await.expect("reads");
    assert_eq!(filed.stored.form().subject.hsa, Some(hsa(1)));
    let heading = filed.heading;
    // A draft is mended by whose it is, and stays of its kind.
    let seen = (heading.id, heading.version);
    let mend = |who: AccountId, form: Form| desk.office.mend(NOW, by(who), seen, form);
    assert_eq!(denied(mend(bertil, change_to(anna, None)).await), Denied::NotYours);
    assert!(matches!(mend(anna, end_of(anna)).await, Err(StoreError::Incomplete(_))));
    let mended = mend(anna, change_to(anna, Some(Right::Read))).await.expect("mends");
    assert_eq!(mended.version, 2);
    assert!(matches!(mend(anna, change_to(anna, None)).await, Err(StoreError::Raced("form"))));
    assert!(matches!(desk.make(&mended, anna, Move::Approve(KNOWN.to_owned())).await, Err(StoreError::State(_))));
    let all = store.forms(&Wanted { account: Some(anna), ..Wanted::default() }, 9).await.expect("reads");
    assert_eq!(all, [mended]);
    let none = Wanted { state: Some(Stage::Approved), region: Some(Region::Skane), ..Wanted::default() };
    assert!(store.forms(&none, 9).await.expect("reads").is_empty());
}

async fn what_nobody_does_anything_with_lapses(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let (waits, draft) = (desk.applied().await, application());
    let draft = desk.office.begin(NOW + DAY, by(AccountId::NONE), draft).await.expect("begins");
    told(&store).await;
    // Before the sweeper has come by.
    let late = NOW + LIFE;
    let wanted = Move::Approve(KNOWN.to_owned());
    let seen = (waits.id, waits.version);
    let moved = desk.office.make(late, by(desk.approver), seen, wanted, Some(sign(desk.approver, late)), None).await;
    assert!(matches!(moved, Err(StoreError::State(WrongState { state: Stage::Lapsed, .. }))), "{moved:?}");
    assert_eq!(store.forms_left(late - LIFE, 9).await.expect("reads"), [waits.id]);
    assert!(store.forms_left(late - LIFE - 1, 9).await.expect("reads").is_empty());
    for (form, first) in [(waits.id, true), (draft.id, false), (waits.id, false)] {
        let mut change = store.change(late, By::program("test")).await.expect("begins");
        assert_eq!(change.lapse_form(form, late - LIFE).await.expect("looks"), first);
        change.commit().await.expect("commits");
    }
    let state = |id: FormId| {
        let store = &store;
        async move { store.form(id).await.expect("reads").expect("is there").0.state }
    };
    assert_eq!((state(waits.id).await, state(draft.id).await), (Stage::Lapsed, Stage::Draft));
    assert!(matches!(desk.office.read(waits.id).await.expect("reads").stored, crate::forms::Stored::Lapsed(_)));
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|e| (e.kind, e.reason)).collect::<Vec<_>>(),
        [(AuthEventKind::FormLapsed, Reason::NoAction)]
    );
}

/// Who has the database has no name, number or address of a form, and nothing that was said.
async fn what_stands_in_a_form_is_sealed(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let form = desk.forwarded(&desk.applied().await).await;
    let mut bytes = Vec::new();
    let rows = sqlx::query("SELECT form FROM request").fetch_all(&store.pool).await.expect("reads");
    bytes.extend(rows.iter().flat_map(|row| row.get::<Vec<u8>, _>("form")));
    let rows = sqlx::query("SELECT words FROM request_step WHERE words IS NOT NULL").fetch_all(&store.pool).await;
    bytes.extend(rows.expect("reads").iter().flat_map(|row| row.get::<Vec<u8>, _>("words")));
    assert!(bytes.len() > 400);
    if let Bed::Sqlite(dir) = &bed {
        for file in std::fs::read_dir(dir.path()).expect("a folder") {
            bytes.extend(std::fs::read(file.expect("an entry").path()).expect("reads"));
        }
        assert!(bytes.windows(36).any(|part| part == form.id.to_string().as_bytes()), "it is the database");
    }
    for secret in [NAME, NUMBER, STREET, KNOWN, "046-10 00 00", "Ortopedkliniken"] {
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} is readable");
    }
    // Another key opens nothing, and no cell opens in another's place.
    let other = Office::new(store.clone(), Arc::new(FieldKey::new(&[8; 32])), LIFE);
    assert!(matches!(other.read(form.id).await, Err(StoreError::Sealed(_))));
    let second = desk.applied().await;
    sqlx::query("UPDATE request SET form = (SELECT form FROM request WHERE id = $1) WHERE id = $2")
        .bind(form.id.to_string())
        .bind(second.id.to_string())
        .execute(&store.pool)
        .await
        .expect("writes");
    assert!(matches!(desk.office.read(second.id).await, Err(StoreError::Sealed(_))));
    // What stands beside the seal is held against what is in it.
    sqlx::query("UPDATE request SET region = '13' WHERE id = $1")
        .bind(form.id.to_string())
        .execute(&store.pool)
        .await
        .expect("writes");
    assert!(matches!(desk.office.read(form.id).await, Err(StoreError::Damaged("form"))));
}

on_both![
    an_application_makes_an_account_when_it_is_executed,
    who_may_not_is_refused_and_on_record,
    a_move_on_what_has_changed_does_nothing,
    what_takes_away_takes_at_once,
    the_last_form_of_a_right_counts,
    for_another_counts_what_the_account_has,
    forms_are_about_whom_and_what_they_say,
    what_nobody_does_anything_with_lapses,
    what_stands_in_a_form_is_sealed,
];
