//! An application for tests, asked through its router with the assertions of a gateway of its own. Each answer is held
//! against what the description says of it.

use super::super::BASE;
use super::described;
use crate::accounts::login::LockRule;
use crate::accounts::passkey::soft::{ORIGIN, Soft};
use crate::accounts::totp::{TotpKey, TotpSecret};
use crate::accounts::{Account, NewGrant, State, Tries, UserName};
use crate::clock;
use crate::config::{Htmx, Keys, Login};
use crate::devices::{Device, Organisation, Renewal};
use crate::duties::{self, Region};
use crate::emergencies::Words;
use crate::forms::{Application, Content, Deregistration, Form, Fresh, Move, Person, Signature};
use crate::handout::{HandoutKey, Rule};
use crate::issuing::{AuthorityFiles, Desk, Rules};
use crate::random;
use crate::sealing::{FieldKey, RestKey};
use crate::sessions::Limits;
use crate::store::{By, Change, Counter, Heading, NewOpening, Office, Place, Store, WantedEmergencies};
use crate::web::assertion::Verifier;
use crate::web::passkey;
use crate::web::{App, LoginMetrics, Parts, router};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::directory::{ASSERTION_HEADER, Assertion, Commission, Session};
use contract::emergency::{self, Ticket, Why};
use contract::id::{
    AccountId, CertFingerprint, DeviceId, HsaId, OpeningId, RegistryName, RequestId, RouteName, SessionKey,
};
use contract::pseudonym::{PatientRef, PseudonymKey};
use contract::record::{AuthEvent, AuthEventKind, AuthMethod, Right};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(in crate::web) const LIFE: Micros = 30 * clock::DAY;
pub(in crate::web) const STEP_UP: Micros = 300 * clock::SECOND;
pub(in crate::web) const NUMBER: &str = "191212121212";
pub(in crate::web) const STREET: &str = "Barngatan 4";
/// A browser's own page, with JSON.
pub(in crate::web) const BROWSER: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];

/// Somebody with an active account, logged in.
#[derive(Clone)]
pub(in crate::web) struct Who {
    pub(in crate::web) id: AccountId,
    pub(in crate::web) session: Session,
    pub(in crate::web) secret: Arc<TotpSecret>,
}

pub(in crate::web) struct Answer {
    pub(in crate::web) status: StatusCode,
    pub(in crate::web) headers: HeaderMap,
    pub(in crate::web) text: String,
}

impl Answer {
    pub(in crate::web) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text))
    }

    /// The problem's own name.
    pub(in crate::web) fn problem(&self) -> String {
        let name = self.json()["type"].as_str().expect("a type").to_owned();
        name.strip_prefix("urn:grindvakt:problem:").expect("ours").to_owned()
    }

    pub(in crate::web) fn tag(&self) -> String {
        self.headers[header::ETAG].to_str().expect("text").to_owned()
    }

    /// Which fields are wrong, and how.
    pub(in crate::web) fn wrong(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect()
    }

    #[track_caller]
    pub(in crate::web) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(in crate::web) fn refused(&self, status: u16, name: &str) {
        assert_eq!((self.status.as_u16(), self.problem().as_str()), (status, name), "{}", self.text);
    }
}

pub(in crate::web) struct Bed {
    _dir: TempDir,
    pub(in crate::web) store: Store,
    pub(in crate::web) office: Office,
    app: Arc<App>,
    gateway: Vec<u8>,
    pub(super) device: Device,
    totp: Arc<TotpKey>,
}

pub(in crate::web) fn hsa(number: u32) -> HsaId {
    HsaId::parse(&format!("SE2321000016-P{number:05}")).expect("valid")
}

pub(in crate::web) fn registry() -> RegistryName {
    RegistryName::parse("fotled").expect("valid")
}

/// What time does with accounts.
pub(in crate::web) fn accounts() -> crate::config::Accounts {
    crate::config::Accounts {
        dormant_months: 9,
        lapse_months: 3,
        request_life_days: 30,
        review: crate::accounts::Review { months: 12, notice_days: 30, grace_days: 30 },
    }
}

/// How credentials are handed out.
pub(in crate::web) fn handout() -> crate::config::Handout {
    crate::config::Handout { rule: Rule::default(), english: false, address: String::new(), sender: Vec::new() }
}

/// Form 1, as it is sent.
pub(in crate::web) fn application() -> Value {
    json!({
        "kind": "F1", "region": "12", "registry": "fotled", "number": NUMBER, "name": "Anna Åkesson",
        "title": "sjuksköterska", "unit": "Ortopedkliniken", "unit_hsa": "SE2321000016-P00900",
        "address": [STREET, "221 00 Lund"], "telephone": "046-10 00 00", "mobile": "070-000 00 00", "right": "read",
        "valid_to": "2099-01-01", "purpose": "Registrering",
    })
}

impl Bed {
    pub(in crate::web) async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&Place::Sqlite(dir.path().join("auditor.db"))).await.expect("opens");
        let gateway = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("makes");
        let gateway = gateway.as_ref().to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&gateway).expect("reads");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let set =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "gw", "alg": "EdDSA", "use": "sig", "x": x }] });
        let file = dir.path().join("jwks.json");
        std::fs::write(&file, set.to_string()).expect("writes");
        let verifier = Verifier::new(vec![file], &RegistryName::parse("auditor").expect("valid"));
        assert!(verifier.reload().is_empty());
        let (totp, fields) = (Arc::new(TotpKey::new(&[1; 32])), Arc::new(FieldKey::new(&[7; 32])));
        let issuing = Arc::new(desk(&dir, &store));
        let app = App::new(Parts {
            store: store.clone(),
            issuing,
            verifier: Arc::new(verifier),
            keys: Keys {
                totp: Arc::clone(&totp),
                passkeys: Arc::new(RestKey::new(&[8; 32])),
                handout: Arc::new(HandoutKey::new(&[9; 32])),
                fields: Arc::clone(&fields),
                form: Zeroizing::new([3; 32]),
                pseudonym: PseudonymKey::new(&[4; 32]),
            },
            login: Login {
                origin: Some(ORIGIN.parse().expect("an origin")),
                lock: LockRule::default(),
                refusal: Duration::ZERO,
                delay: Duration::ZERO,
                delay_max: Duration::ZERO,
                checks_at_once: 1,
                breached_file: None,
                step_up_us: STEP_UP,
            },
            limits: Limits { idle_s: 1_000, absolute_s: 10_000, emergency_s: 900 },
            help: String::new(),
            title: String::new(),
            metrics: LoginMetrics::register(&prometheus::Registry::new()).expect("registers"),
            handout: handout(),
            instructions: crate::config::Instructions::default(),
            request_life_us: LIFE,
            accounts: accounts(),
        });
        let device = Device {
            id: DeviceId::new(Uuid::from_u128(7)),
            organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
            name: "ward 3".to_owned(),
            serial: "01".to_owned(),
            fingerprint: CertFingerprint([1; 32]),
            not_before: 0,
            not_after: clock::now() + 30 * clock::DAY,
            enrolled: 0,
            enrolled_by: AccountId::NONE,
            revoked: None,
        };
        let office = Office::new(store.clone(), fields, LIFE);
        let bed = Self { _dir: dir, store, office, app: Arc::new(app), gateway, device, totp };
        let mut change = bed.change().await;
        let organisation = Organisation { hsa: bed.device.organisation.clone(), name: "Region".to_owned(), created: 0 };
        change.add_organisation(&organisation).await.expect("adds");
        change.enrol_device(&bed.device).await.expect("enrols");
        change.commit().await.expect("commits");
        bed
    }

    /// With the script by which lists change in place: any text will do.
    pub(in crate::web) fn with_htmx(self) -> Self {
        let app = Arc::into_inner(self.app).expect("nobody else has it");
        Self { app: Arc::new(app.with_htmx(&Htmx::of_test("htmx"))), ..self }
    }

    pub(super) fn issuing(&self) -> &Desk {
        &self.app.issuing
    }

    pub(in crate::web) async fn change(&self) -> Change {
        self.store.change(clock::now(), By::program("test")).await.expect("begins")
    }

    /// Somebody who is appointed to this.
    pub(in crate::web) async fn who(&self, number: u32, appointments: &[&str]) -> Who {
        let now = clock::now();
        let account = Account {
            id: AccountId::new(random::uuid(now)),
            user_name: UserName::parse(&format!("user{number}")).expect("valid"),
            hsa: Some(hsa(number)),
            name: format!("Person {number}"),
            title: String::new(),
            state: State::Active { since: now },
            tries: Tries::default(),
            last_login: None,
            created: now,
        };
        let secret = TotpSecret::new(random::secret());
        let sealed = self.totp.seal(account.id, &secret, &random::secret()).expect("seals");
        let mut change = self.change().await;
        change.create_account(&account).await.expect("creates");
        change.set_totp(account.id, &sealed).await.expect("sets");
        for text in appointments {
            let appointment = text.parse().expect("an appointment");
            change.appoint(account.id, &appointment, (now, None), duties::Why::NewDuty).await.expect("appoints");
        }
        change.commit().await.expect("commits");
        let session = self.session(account.id, AuthMethod::PasswordTotp).await;
        Who { id: account.id, session, secret: Arc::new(secret) }
    }

    /// Somebody who has just shown a second factor.
    pub(in crate::web) async fn signer(&self, number: u32, appointments: &[&str]) -> Who {
        let who = self.who(number, appointments).await;
        self.shown(&who, clock::now()).await;
        who
    }

    pub(in crate::web) async fn shown(&self, who: &Who, at: Micros) {
        let mut change = self.store.change(at, By::program("test")).await.expect("begins");
        change.show_factor(who.session.key, AuthMethod::PasswordTotp).await.expect("notes");
        change.commit().await.expect("commits");
    }

    pub(in crate::web) fn counter(&self) -> &Counter {
        &self.app.counter
    }

    /// Gives somebody a passkey.
    pub(in crate::web) async fn give(&self, who: &Who, number: u8) -> Soft {
        let account = self.store.account(who.id).await.expect("reads").expect("is there");
        passkey::tests::give(&self.app, &self.store, &account, number).await
    }

    pub(in crate::web) async fn session(&self, account: AccountId, method: AuthMethod) -> Session {
        let now = clock::now();
        let session = Session {
            key: SessionKey(*random::secret()),
            account,
            device: self.device.id,
            created: now,
            expires: now + 10_000 * clock::SECOND,
            idle_s: 1_000,
            last_used: now,
            auth_method: method,
            acr: String::new(),
            commission: Commission::default(),
            ended: None,
        };
        let mut change = self.change().await;
        change.open_session(&session).await.expect("opens");
        change.commit().await.expect("commits");
        session
    }

    /// Region Skåne vouches for somebody, who has a right.
    pub(in crate::web) async fn vouched(&self, who: &Who, right: Right) {
        let mut change = self.change().await;
        change.confirm(who.id, Region::Skane, AuthMethod::None).await.expect("confirms");
        let now = clock::now();
        let grant = NewGrant { registry: registry(), right, units: Vec::new(), valid_from: now, valid_to: None };
        change.give_grant(who.id, &grant).await.expect("gives");
        change.commit().await.expect("commits");
    }

    /// Locks an account, without asking the interface.
    pub(in crate::web) async fn locked(&self, id: AccountId) {
        let mut change = self.change().await;
        let mut account = change.account(id).await.expect("is there");
        account.state = account.state.lock(change.at(), None).expect("in use");
        change.stop_account(&account, AuthEventKind::AccountLocked).await.expect("locks");
        change.commit().await.expect("commits");
    }

    pub(in crate::web) async fn ask(
        &self,
        who: Option<&Who>,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let assertion = self.assertion(who.map(|who| &who.session), self.device.id);
        self.ask_with(&assertion, (method, path), headers, body).await
    }

    pub(in crate::web) async fn ask_with(
        &self,
        assertion: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let answer = self.raw(assertion, (method, &format!("{BASE}{path}")), headers, body).await;
        described::holds(method, path, &answer);
        answer
    }

    /// Asks for any address.
    pub(in crate::web) async fn raw(
        &self,
        assertion: &str,
        (method, uri): (&str, &str),
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri);
        request = request.header(ASSERTION_HEADER, assertion);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let service = TowerToHyperService::new(router(Arc::clone(&self.app)));
        let response = service.call(request.body(Body::from(body)).expect("a request")).await.expect("answers");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        // A PDF is none, and is not read as one.
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: head.status, headers: head.headers, text }
    }

    /// What the gateway vouches for of a device on which nobody is logged in.
    pub(in crate::web) fn vouch_for_nobody(&self) -> String {
        self.assertion(None, self.device.id)
    }

    /// What the gateway vouches for of somebody on the enrolled device.
    pub(in crate::web) fn vouch(&self, who: &Who) -> String {
        self.assertion(Some(&who.session), self.device.id)
    }

    pub(in crate::web) async fn get(&self, who: &Who, path: &str) -> Answer {
        self.ask(Some(who), ("GET", path), &[], String::new()).await
    }

    pub(in crate::web) async fn post(&self, who: &Who, path: &str, body: &Value) -> Answer {
        self.ask(Some(who), ("POST", path), &BROWSER, body.to_string()).await
    }

    /// What somebody does with a version of a form.
    pub(in crate::web) async fn with_tag(
        &self,
        who: &Who,
        (method, path): (&str, &str),
        tag: &str,
        body: &Value,
    ) -> Answer {
        let headers = [BROWSER[0], BROWSER[1], ("if-match", tag)];
        self.ask(Some(who), (method, path), &headers, body.to_string()).await
    }

    /// Makes a move with a form as it is.
    pub(in crate::web) async fn make(&self, who: &Who, form: &str, name: &str, body: Value) -> Answer {
        let (heading, _) = self.store.form(form.parse().expect("an id")).await.expect("reads").expect("is there");
        let tag = format!("\"{}\"", heading.version);
        self.with_tag(who, ("POST", &format!("/forms/{form}/{name}")), &tag, &body).await
    }

    pub(in crate::web) fn assertion(&self, session: Option<&Session>, device: DeviceId) -> String {
        self.assertion_by(session, device, self.device.fingerprint)
    }

    /// Of a device that has shown this certificate.
    pub(super) fn assertion_by(
        &self,
        session: Option<&Session>,
        device: DeviceId,
        device_cert: CertFingerprint,
    ) -> String {
        let now = jsonwebtoken::get_current_timestamp();
        let assertion = Assertion {
            iss: "gw".to_owned(),
            sub: "device".to_owned(),
            aud: "auditor".to_owned(),
            iat: now,
            exp: now + 60,
            account: session.map(|session| session.account),
            session: session.map(|session| session.key),
            device,
            device_cert,
            device_org: self.device.organisation.clone(),
            user_hsa: None,
            name: None,
            care_unit: None,
            right: None,
            amr: None,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("gw".to_owned());
        encode(&header, &assertion, &EncodingKey::from_ed_der(&self.gateway)).expect("signs")
    }

    /// What the gateway says of a request of somebody's that it has refused just now.
    pub(in crate::web) fn ticket(who: &Who, unit: Option<HsaId>) -> Ticket {
        let iat = jsonwebtoken::get_current_timestamp();
        Ticket {
            iss: "gw".to_owned(),
            aud: emergency::AUDIENCE.to_owned(),
            iat,
            exp: iat + emergency::TICKET_LIFE_S,
            jti: RequestId::new(random::uuid(clock::now())),
            account: who.id,
            session: who.session.key.reference(),
            registry: registry(),
            route: RouteName::parse("patient").expect("valid"),
            patient: PatientRef([7; 16]),
            unit,
        }
    }

    /// Signed by the gateway, as something of this type.
    pub(in crate::web) fn signed_as(&self, kind: &str, claims: &impl serde::Serialize) -> String {
        let header = Header { typ: Some(kind.to_owned()), kid: Some("gw".to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_der(&self.gateway)).expect("signs")
    }

    /// Something that somebody has opened, asked for at a unit, without asking the interface.
    pub(in crate::web) async fn opened(&self, who: &Who, unit: HsaId) -> OpeningId {
        let (now, by) = (clock::now(), By { account: who.id, ..By::program("app") });
        let (ticket, words) = (Self::ticket(who, Some(unit)), Words::parse("Medvetslös på akuten").expect("words"));
        let until = now + 900 * clock::SECOND;
        let session = who.session.key;
        let new = NewOpening { ticket: &ticket, session, unit: None, why: Why::Acute, words: &words, until };
        self.office.open_emergency(now, by, &new).await.expect("opens");
        let wanted = WantedEmergencies { limit: 100, ..WantedEmergencies::default() };
        let found = self.office.emergencies(now, By::program("test"), &wanted).await.expect("reads");
        found.into_iter().find(|of| of.request == ticket.jti).expect("is there").id
    }

    /// What was told since the last time.
    pub(in crate::web) async fn told(&self) -> Vec<AuthEvent> {
        let Some(batch) = self.store.batch(10_000).await.expect("reads") else { return Vec::new() };
        self.store.batch_arrived(batch.number, &[0; 32]).await.expect("writes");
        batch.events.into_iter().map(|(_, event)| event).collect()
    }

    pub(in crate::web) async fn told_of(&self, kind: AuthEventKind) -> Vec<AuthEvent> {
        self.told().await.into_iter().filter(|event| event.kind == kind).collect()
    }

    /// An application of somebody without an account, submitted on an enrolled device.
    pub(in crate::web) async fn newcomer(&self, number: u32, region: Region) -> Heading {
        self.newcomer_with(number, region, None).await
    }

    async fn newcomer_with(&self, number: u32, region: Region, mobile: Option<&str>) -> Heading {
        let now = clock::now();
        let content = Content::Application(Application {
            name: "Bo Nyman".to_owned(),
            title: "läkare".to_owned(),
            unit: ("Kliniken".to_owned(), hsa(900)),
            address: vec![STREET.to_owned()],
            telephone: "046-10 00 00".to_owned(),
            mobile: mobile.map(str::to_owned),
            email: None,
            right: Right::Read,
            valid_from: now,
            valid_to: None,
            purpose: "Registrering".to_owned(),
        });
        let subject = Person { account: None, hsa: Some(hsa(number)), number: None };
        let form = Form { subject, region, registry: registry(), content };
        let draft = self.office.begin(now, By::program("app"), form).await.expect("begins");
        let seen = (draft.id, draft.version);
        let made = self.office.make(now, By::program("app"), seen, Move::SubmitWithoutAccount, None, None).await;
        made.expect("submits")
    }

    /// An account that form 1 has made.
    pub(in crate::web) async fn made(&self, staff: (&Who, &Who, &Who), number: u32) -> AccountId {
        self.made_with(staff, number, None).await
    }

    /// The same of somebody who can get text messages, or cannot.
    pub(in crate::web) async fn made_with(
        &self,
        (approver, holder, admin): (&Who, &Who, &Who),
        number: u32,
        mobile: Option<&str>,
    ) -> AccountId {
        let form = self.newcomer_with(number, Region::Skane, mobile).await;
        let form = self.moved(approver, &form, Move::Approve("Kollega".to_owned())).await;
        let form = self.moved(holder, &form, Move::Forward).await;
        let (id, name) = (form.id.to_string(), json!({ "user_name": format!("made{number}") }));
        let made = self.make(admin, &id, "execute", name).await.is(200).json();
        made["account"].as_str().expect("an id").parse().expect("an id")
    }

    /// A draft of form 3 that somebody writes about themselves, at a time.
    pub(in crate::web) async fn own_end(&self, who: &Who, at: Micros) -> Heading {
        let by = By { account: who.id, ..By::program("app") };
        let content = Content::Deregistration(Deregistration { account: who.id, reason: "Slutar".to_owned() });
        let subject = Person { account: Some(who.id), hsa: None, number: None };
        let form = Form { subject, region: Region::Skane, registry: registry(), content };
        self.office.begin(at, by, form).await.expect("begins")
    }

    /// Makes a move without asking the interface.
    pub(in crate::web) async fn moved(&self, who: &Who, form: &Heading, wanted: Move) -> Heading {
        let by = By { account: who.id, ..By::program("app") };
        let now = clock::now();
        let seen = (form.id, form.version);
        self.office.make(now, by, seen, wanted, Some(sign(who.id, now)), None).await.expect("moves")
    }
}

/// Where devices get certificates of an authority of the test's own.
fn desk(dir: &TempDir, store: &Store) -> Desk {
    let now = clock::now();
    let made = crate::pki::authority("Test device CA", &[1; 16], now, 3650).expect("makes");
    let files = AuthorityFiles { cert: dir.path().join("device-ca.pem"), key: dir.path().join("device-ca.key") };
    crate::init::write_new(&files.cert, 0o644, made.cert_pem.as_bytes()).expect("writes");
    crate::init::write_new(&files.key, 0o600, made.key_pem.as_bytes()).expect("writes");
    let rules = Rules { days: 30, renewal: Renewal { from_day: 20 }, code_life_us: clock::DAY };
    Desk::new(store.clone(), files, rules, &[3; 32], "Grindvakt")
}

pub(in crate::web) fn sign(account: AccountId, at: Micros) -> Signature {
    Fresh::after_check(account, at, AuthMethod::PasswordTotp).sign(at, 1).expect("fresh")
}
