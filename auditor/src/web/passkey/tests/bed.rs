//! An application for tests: asked through its router, with the assertions of a gateway of its own.

use crate::accounts::login::LockRule;
use crate::accounts::passkey::soft::{ORIGIN, Soft};
use crate::accounts::totp::{TotpKey, TotpSecret};
use crate::accounts::{Account, State, Tries, UserName};
use crate::clock;
use crate::config::{Keys, Login, Siths};
use crate::devices::{Device, Organisation, Renewal};
use crate::handout::HandoutKey;
use crate::issuing::{AuthorityFiles, Desk, Rules};
use crate::provider::Provider;
use crate::random;
use crate::sealing::{FieldKey, RestKey};
use crate::sessions::Limits;
use crate::store::{By, Change, Place, Store};
use crate::web::assertion::Verifier;
use crate::web::{App, Caller, CardRefusals, LoginMetrics, OidcMetrics, Parts, card_router, logout_router, router};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::directory::{ASSERTION_HEADER, Assertion, Commission, Session};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId, RegistryName, SessionKey};
use contract::pseudonym::PseudonymKey;
use contract::record::{AuthEvent, AuthEventKind, AuthMethod, Reason};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

const FORM: &str = "application/x-www-form-urlencoded";
const ORGANISATION: &str = "SE2321000016-39KJ";
/// An application with a store and a gateway's key of its own.
pub(in crate::web) struct Bed {
    pub(in crate::web) dir: TempDir,
    pub(in crate::web) store: Store,
    pub(in crate::web) app: Arc<App>,
    gateway: Vec<u8>,
    device: Device,
    totp: Arc<TotpKey>,
}

/// What a browser has: maybe a session, and the login page's cookie and field.
#[derive(Clone, Default)]
pub(in crate::web) struct Browser {
    pub(in crate::web) session: Option<Session>,
    pub(in crate::web) cookie: String,
    pub(in crate::web) field: String,
    /// It runs on another device.
    pub(in crate::web) elsewhere: bool,
    /// Which site it says has set its request off.
    pub(in crate::web) site: Option<String>,
}

pub(in crate::web) struct Answer {
    pub(in crate::web) status: StatusCode,
    pub(in crate::web) headers: HeaderMap,
    pub(in crate::web) body: String,
}

impl Answer {
    pub(in crate::web) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }

    pub(in crate::web) fn policy(&self) -> &str {
        self.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text")
    }

    pub(in crate::web) fn field(&self) -> String {
        self.body
            .split("name=\"form\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a form")
            .to_owned()
    }
}

impl Bed {
    pub(in crate::web) async fn new() -> Self {
        Self::with(Some(ORIGIN)).await
    }

    pub(in crate::web) async fn with(origin: Option<&str>) -> Self {
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
        let totp = Arc::new(TotpKey::new(&[1; 32]));
        // No device is enrolled here.
        let files = AuthorityFiles { cert: dir.path().join("none.pem"), key: dir.path().join("none.key") };
        let rules = Rules { days: 30, renewal: Renewal { from_day: 20 }, code_life_us: 1 };
        let app = App::new(Parts {
            issuing: Arc::new(Desk::new(store.clone(), files, rules, &[3; 32], "Grindvakt")),
            store: store.clone(),
            verifier: Arc::new(verifier),
            keys: Keys {
                totp: Arc::clone(&totp),
                passkeys: Arc::new(RestKey::new(&[2; 32])),
                handout: Arc::new(HandoutKey::new(&[9; 32])),
                fields: Arc::new(FieldKey::new(&[3; 32])),
                form: Zeroizing::new([3; 32]),
                pseudonym: PseudonymKey::new(&[4; 32]),
            },
            login: Login {
                origin: origin.map(|origin| origin.parse().expect("an origin")),
                lock: LockRule::default(),
                refusal: Duration::ZERO,
                delay: Duration::ZERO,
                delay_max: Duration::ZERO,
                checks_at_once: 1,
                breached_file: None,
                step_up_us: 300 * crate::clock::SECOND,
            },
            request_life_us: 30 * crate::clock::DAY,
            accounts: crate::web::admin::tests::bed::accounts(),
            limits: Limits { idle_s: 1_000, absolute_s: 10_000, emergency_s: 900 },
            help: "010-000 00 00".to_owned(),
            title: "Grindvakt".to_owned(),
            metrics: LoginMetrics::register(&prometheus::Registry::new()).expect("registers"),
            handout: crate::config::Handout {
                rule: crate::handout::Rule::default(),
                english: false,
                address: String::new(),
                sender: Vec::new(),
            },
            instructions: crate::config::Instructions::default(),
        });
        let device = Device {
            id: DeviceId::new(Uuid::from_u128(7)),
            organisation: HsaId::parse(ORGANISATION).expect("valid"),
            name: "ward 3".to_owned(),
            serial: "01".to_owned(),
            fingerprint: CertFingerprint([1; 32]),
            not_before: 0,
            not_after: i64::MAX,
            enrolled: 0,
            enrolled_by: AccountId::NONE,
            revoked: None,
        };
        let bed = Self { dir, store, app: Arc::new(app), gateway, device, totp };
        let mut change = bed.change().await;
        let organisation = Organisation { hsa: bed.device.organisation.clone(), name: "Region".to_owned(), created: 0 };
        change.add_organisation(&organisation).await.expect("adds");
        change.enrol_device(&bed.device).await.expect("enrols");
        change.commit().await.expect("commits");
        bed
    }

    /// With identity providers.
    pub(in crate::web) fn with_providers(mut self, providers: Vec<Arc<Provider>>) -> Self {
        let metrics = OidcMetrics::register(&prometheus::Registry::new()).expect("registers");
        let app = Arc::try_unwrap(self.app).expect("nobody else has it");
        self.app = Arc::new(app.with_providers(providers, metrics));
        self
    }

    /// With a listener for cards.
    pub(in crate::web) fn with_cards(mut self, settings: &Siths, refusals: Arc<CardRefusals>) -> Self {
        let app = Arc::try_unwrap(self.app).expect("nobody else has it");
        self.app = Arc::new(app.with_cards(settings, refusals));
        self
    }

    /// That listener's routes.
    pub(in crate::web) fn card_router(&self) -> axum::Router {
        card_router(Arc::clone(&self.app))
    }

    /// What a provider is answered that tells of a logout.
    pub(in crate::web) async fn tell_logout(&self, path: &str, body: String) -> (StatusCode, String) {
        let request = Request::post(path).header(header::CONTENT_TYPE, FORM).body(Body::from(body)).expect("a request");
        let service = TowerToHyperService::new(logout_router(Arc::clone(&self.app)));
        let (head, body) = service.call(request).await.expect("answers").into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        (head.status, String::from_utf8(body.to_vec()).expect("text"))
    }

    pub(in crate::web) async fn change(&self) -> Change {
        self.store.change(clock::now(), By::program("test")).await.expect("begins")
    }

    /// An active account with password and code, and a browser in which its user is logged in.
    pub(in crate::web) async fn user(&self, name: &str) -> (Account, TotpSecret, Browser) {
        let (account, browser) = self.user_without_code(name).await;
        let secret = TotpSecret::new(random::secret());
        let sealed = self.totp.seal(account.id, &secret, &random::secret()).expect("seals");
        let mut change = self.change().await;
        change.set_password(account.id, "a hash").await.expect("sets");
        change.set_totp(account.id, &sealed).await.expect("sets");
        change.commit().await.expect("commits");
        let session = self.session(&account).await;
        (account, secret, Browser { session: Some(session), ..browser })
    }

    /// An active account without any credentials.
    pub(in crate::web) async fn user_without_code(&self, name: &str) -> (Account, Browser) {
        let now = clock::now();
        let account = Account {
            id: AccountId::new(random::uuid(now)),
            user_name: UserName::parse(name).expect("valid"),
            hsa: None,
            name: name.to_owned(),
            title: String::new(),
            state: State::Active { since: now },
            tries: Tries::default(),
            last_login: None,
            created: now,
        };
        let mut change = self.change().await;
        change.create_account(&account).await.expect("creates");
        change.commit().await.expect("commits");
        let session = self.session(&account).await;
        (account, Browser { session: Some(session), ..Browser::default() })
    }

    async fn session(&self, account: &Account) -> Session {
        let now = clock::now();
        let session = Session {
            key: SessionKey(*random::secret()),
            account: account.id,
            device: self.device.id,
            created: now,
            expires: now + 10_000 * clock::SECOND,
            idle_s: 1_000,
            last_used: now,
            auth_method: AuthMethod::PasswordTotp,
            acr: String::new(),
            commission: Commission::default(),
            ended: None,
        };
        let mut change = self.change().await;
        change.open_session(&session).await.expect("opens");
        change.commit().await.expect("commits");
        session
    }

    /// Gives an account a passkey, without asking.
    pub(in crate::web) async fn give(&self, account: &Account, number: u8) -> Soft {
        super::give(&self.app, &self.store, account, number).await
    }

    /// A browser's request, as the application knows its sender.
    pub(in crate::web) fn caller(&self, browser: &Browser) -> Caller {
        let vouched = self.assertion_on(browser.session.as_ref(), self.device.fingerprint);
        let headers = HeaderMap::from_iter([(
            header::HeaderName::from_static(ASSERTION_HEADER),
            vouched.parse().expect("a header's value"),
        )]);
        let assertion = Arc::new(self.app.verifier.verify(&headers).expect("holds"));
        Caller { assertion, address: std::net::Ipv6Addr::LOCALHOST }
    }

    fn assertion_on(&self, session: Option<&Session>, device_cert: CertFingerprint) -> String {
        let now = jsonwebtoken::get_current_timestamp();
        let assertion = Assertion {
            iss: "gw".to_owned(),
            sub: "device".to_owned(),
            aud: "auditor".to_owned(),
            iat: now,
            exp: now + 60,
            account: session.map(|session| session.account),
            session: session.map(|session| session.key),
            device: self.device.id,
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

    pub(in crate::web) async fn ask(
        &self,
        browser: &Browser,
        method: &str,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Answer {
        let device = if browser.elsewhere { CertFingerprint([2; 32]) } else { self.device.fingerprint };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ASSERTION_HEADER, self.assertion_on(browser.session.as_ref(), device))
            .header(header::COOKIE, &browser.cookie)
            .header(header::ACCEPT_LANGUAGE, "en");
        if let Some(site) = &browser.site {
            request = request.header("sec-fetch-site", site);
        }
        if let Some((kind, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        let body = Body::from(body.map(|(_, body)| body).unwrap_or_default());
        let service = TowerToHyperService::new(router(Arc::clone(&self.app)));
        let response = service.call(request.body(body).expect("a request")).await.expect("answers");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).expect("text") }
    }

    pub(in crate::web) async fn get(&self, browser: &Browser, path: &str) -> Answer {
        self.ask(browser, "GET", path, None).await
    }

    /// As a browser asks that says which site has set it off.
    pub(in crate::web) async fn get_from(&self, browser: &Browser, path: &str, site: &str) -> Answer {
        let browser = Browser { site: Some(site.to_owned()), ..browser.clone() };
        self.ask(&browser, "GET", path, None).await
    }

    pub(in crate::web) async fn script(&self, browser: &Browser, path: &str, body: Value) -> Answer {
        self.ask(browser, "POST", path, Some(("application/json", body.to_string()))).await
    }

    pub(in crate::web) async fn send(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
        let escape = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        self.ask(browser, "POST", path, Some((FORM, body.join("&")))).await
    }

    /// A browser at the login page.
    pub(in crate::web) async fn visitor(&self) -> Browser {
        let page = self.get(&Browser::default(), "/auth/login").await;
        let cookie = page.headers[header::SET_COOKIE].to_str().expect("text").split(';').next().expect("a cookie");
        Browser { cookie: cookie.to_owned(), field: page.field(), ..Browser::default() }
    }

    /// A question at the login page: its options, and its ticket.
    pub(in crate::web) async fn question(&self, browser: &Browser) -> (Value, String) {
        let asked = self.script(browser, "/auth/login/passkey/question", json!({ "form": browser.field })).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        (asked.json()["options"].clone(), asked.json()["ticket"].as_str().expect("a ticket").to_owned())
    }

    pub(in crate::web) async fn log_in(&self, soft: &mut Soft) -> Answer {
        let browser = self.visitor().await;
        let (options, ticket) = self.question(&browser).await;
        self.send(&browser, "/auth/login/passkey", &[("ticket", &ticket), ("answer", &soft.get(&options))]).await
    }

    /// The field of the forms on the page of one's own passkeys.
    pub(in crate::web) async fn own(&self, browser: &Browser) -> String {
        let page = self.get(browser, "/auth/passkeys").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        page.field()
    }

    /// Adds a passkey of a user who shows `proof`.
    pub(in crate::web) async fn add(&self, browser: &Browser, soft: &mut Soft, mut proof: Value) -> Answer {
        proof["form"] = self.own(browser).await.into();
        let asked = self.script(browser, "/auth/passkeys/new", proof).await;
        if asked.status != StatusCode::OK {
            return asked;
        }
        let asked = asked.json();
        let (ticket, made) = (asked["ticket"].as_str().expect("a ticket"), soft.create(&asked["options"]));
        self.send(browser, "/auth/passkeys", &[("ticket", ticket), ("answer", &made), ("name", "Min telefon")]).await
    }

    /// A user who has a passkey.
    pub(in crate::web) async fn passkey_user(&self, name: &str, number: u8) -> (Account, Browser, Soft) {
        let (account, secret, browser) = self.user(name).await;
        let mut soft = Soft::new(number);
        let added = self.add(&browser, &mut soft, json!({ "code": secret.code(clock::now()) })).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.body);
        (account, browser, soft)
    }

    pub(in crate::web) async fn set_state(&self, account: &Account, state: State) {
        let mut change = self.change().await;
        let account = Account { state, ..change.account(account.id).await.expect("is there") };
        change.store_tries(&account).await.expect("stores");
        change.commit().await.expect("commits");
    }

    /// What was recorded of refusals: reason and words.
    pub(in crate::web) async fn refusals(&self) -> Vec<(Reason, String)> {
        let events = self.events().await;
        let refused = events.into_iter().filter(|event| event.kind == AuthEventKind::LoginFailed);
        refused.map(|event| (event.reason, event.detail.to_string())).collect()
    }

    pub(in crate::web) async fn events(&self) -> Vec<AuthEvent> {
        let batch = self.store.batch(1_000).await.expect("reads").expect("events");
        batch.events.into_iter().map(|(_, event)| event).collect()
    }
}
