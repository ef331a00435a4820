//! Logins with cards, over real TLS: a browser with a card, the listener, and the application behind the gateway.

use super::CODE_LIFE;
use super::begun::CARD_COOKIE;
use super::refusals::{CardMetrics, CardRefusals};
use crate::accounts::passkey::soft::ORIGIN;
use crate::accounts::siths::Policy;
use crate::accounts::siths::soft::{Cards, HSA, LEVEL, Made, PERSONS, POLICY, Says};
use crate::accounts::{Account, State, Tries, UserName};
use crate::clock;
use crate::config::{CardFiles, Revocation, ServerFiles, Siths};
use crate::net::{Bound, Limits, card_tls};
use crate::store::{By, SeenCard};
use crate::web::passkey::tests::bed::{Answer, Bed, Browser};
use arc_swap::ArcSwap;
use axum::http::{StatusCode, header};
use contract::directory::Session;
use contract::id::{AccountId, HsaId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Reason};
use contract::way_back::{RETURN_COOKIE, WayBack};
use rcgen::ExtendedKeyUsagePurpose as Use;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const CARD_HOST: &str = "siths.example.se";
const CARD_ORIGIN: &str = "https://siths.example.se:8445";
/// The serial number of the card that is revoked.
const REVOKED: u64 = 0x0bad;

/// The application, the listener, and the authorities of cards.
struct Place {
    bed: Bed,
    persons: Cards,
    address: String,
    server_ca: CertificateDer<'static>,
    refusals: Arc<CardRefusals>,
    stop: CancellationToken,
    _server: JoinSet<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a browser's connection for a card came to.
#[derive(Debug)]
struct Shown {
    status: u16,
    head: String,
    body: String,
}

impl Shown {
    fn location(&self) -> &str {
        self.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{}", self.head))
    }
}

impl Place {
    async fn new() -> Self {
        Self::with_list((1, 1), true).await
    }

    /// With a revocation list that holds so many days before and after now, or without any.
    async fn with_list(days: (i64, i64), lists: bool) -> Self {
        let bed = Bed::new().await;
        let (persons, servers) = (Cards::new(PERSONS), Cards::new("Test servers"));
        let server = servers.server(CARD_HOST);
        let write = |name: &str, text: &str| {
            let path = bed.dir.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path
        };
        let list = write("cards.crl", &persons.list(&[REVOKED], days));
        let settings = Siths {
            listen: ([127, 0, 0, 1], 0).into(),
            origin: CARD_ORIGIN.parse().expect("an origin"),
            files: CardFiles {
                server: ServerFiles {
                    cert: write("server.pem", &server.pem),
                    key: write("server.key", &server.key_pem),
                },
                authorities: write("cards.pem", &persons.pem),
                revocation: if lists { Revocation::Lists(vec![list]) } else { Revocation::None },
            },
            policies: vec![Policy { id: POLICY.parse().expect("valid"), level: LEVEL.to_owned() }],
            connections_max: 16,
        };
        let metrics = CardMetrics::register(&prometheus::Registry::new()).expect("registers");
        let refusals = Arc::new(CardRefusals::new(metrics));
        let bed = bed.with_cards(&settings, Arc::clone(&refusals));
        let tls = Arc::new(ArcSwap::new(card_tls(&settings.files).expect("reads")));
        let bound = Bound::bind(&crate::config::Listen::Tcp(settings.listen), Some(tls)).await.expect("binds");
        let heard = Arc::clone(&refusals);
        let bound = bound.telling(Arc::new(move |peer, error| heard.handshake(peer, error)));
        let (address, stop) = (bound.name().to_owned(), CancellationToken::new());
        let minute = Duration::from_mins(1);
        let limits = Limits { connections_max: 16, head: minute, stall: minute, of_one_address: Some(16) };
        let mut server = JoinSet::new();
        server.spawn(bound.serve(bed.card_router(), limits, stop.clone()));
        let server_ca =
            <CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(servers.pem.as_bytes());
        let server_ca = server_ca.expect("reads");
        Self { bed, persons, address, server_ca, refusals, stop, _server: server }
    }

    /// Asks the listener, with a certificate or none. None: there was no answer, for the handshake failed.
    async fn ask(
        &self,
        made: Option<&Made>,
        version: &'static rustls::SupportedProtocolVersion,
        path: &str,
    ) -> Option<Shown> {
        self.ask_as(made, version, path, &format!("{CARD_HOST}:8445")).await
    }

    async fn ask_as(
        &self,
        made: Option<&Made>,
        version: &'static rustls::SupportedProtocolVersion,
        path: &str,
        host: &str,
    ) -> Option<Shown> {
        let mut roots = RootCertStore::empty();
        roots.add(self.server_ca.clone()).expect("adds");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots);
        let config = match made {
            Some(made) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.key.clone()));
                config.with_client_auth_cert(vec![CertificateDer::from(made.der.clone())], key).expect("a card")
            }
            None => config.with_no_client_auth(),
        };
        let tcp = TcpStream::connect(&self.address).await.expect("connects");
        let name = ServerName::try_from(CARD_HOST).expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept-language: en\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        // That it ends shows that the connection is not kept.
        let read = stream.read_to_end(&mut bytes).await;
        if bytes.is_empty() {
            return None;
        }
        read.expect("ends");
        let answer = String::from_utf8(bytes).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Some(Shown { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Shows a card.
    async fn show(&self, made: &Made, path: &str) -> Option<Shown> {
        self.ask(Some(made), &rustls::version::TLS13, path).await
    }

    /// Shows a card and comes back: the address on the main host.
    async fn code(&self, made: &Made, path: &str) -> String {
        let shown = self.show(made, path).await.expect("answers");
        assert_eq!(shown.status, 303, "{}", shown.body);
        shown.location().strip_prefix(ORIGIN).expect("the main host").to_owned()
    }

    /// Begins a login: the browser with its cookie, and what it asks the listener.
    async fn begin(&self, browser: &Browser) -> (Browser, String) {
        let sent = self.bed.get(browser, "/auth/siths?lang=en").await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        let kept = cookie(&sent, CARD_COOKIE).expect("a cookie");
        let away = Browser { cookie: format!("{CARD_COOKIE}={kept}"), ..browser.clone() };
        let to = sent.headers[header::LOCATION].to_str().expect("text");
        (away, to.strip_prefix(CARD_ORIGIN).expect("where cards are shown").to_owned())
    }

    /// An account with an HSA-id.
    async fn person(&self, name: &str, hsa: &str, state: State) -> Account {
        let account = Account {
            id: AccountId::new(crate::random::uuid(clock::now())),
            user_name: UserName::parse(name).expect("valid"),
            hsa: Some(HsaId::parse(hsa).expect("valid")),
            name: name.to_owned(),
            title: String::new(),
            state,
            tries: Tries::default(),
            last_login: None,
            created: 0,
        };
        let mut change = self.bed.change().await;
        change.create_account(&account).await.expect("creates");
        change.commit().await.expect("commits");
        account
    }

    /// What is on record of refusals, when the listener's are written, too.
    async fn refused(&self) -> Vec<(Reason, String)> {
        let stop = CancellationToken::new();
        stop.cancel();
        self.refusals.run(&self.bed.store, stop).await;
        assert!(
            self.bed
                .events()
                .await
                .iter()
                .all(|event| event.auth_method == AuthMethod::Siths || event.kind != AuthEventKind::LoginFailed)
        );
        self.bed.refusals().await
    }
}

const ACTIVE: State = State::Active { since: 1 };

fn cookie<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text"));
    let set = set.filter_map(|cookie| cookie.strip_prefix(name)?.strip_prefix('='));
    set.filter_map(|cookie| cookie.split(';').next()).find(|value| !value.is_empty())
}

async fn session(bed: &Bed, answer: &Answer) -> Session {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let token = cookie(answer, "__Host-grindvakt").expect("a session");
    let key = SessionKey::of_token(token.as_bytes());
    bed.store.live_session(key, clock::now()).await.expect("reads").expect("is live")
}

fn turned_away(answer: &Answer, words: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert!(answer.body.contains(words), "{}", answer.body);
    assert!(cookie(answer, "__Host-grindvakt").is_none());
}

const REFUSED: &str = "no account can be used with it";
const STALE: &str = "Begin again from here";

#[tokio::test]
async fn a_card_logs_in_and_leads_back() {
    let place = Place::new().await;
    let bed = &place.bed;
    let anna = place.person("anna", HSA, ACTIVE).await;
    let page = bed.get(&Browser::default(), "/auth/login").await;
    assert!(page.body.contains("href=\"/auth/siths?lang=en\">Log in with a SITHS card</a>"), "{}", page.body);
    let card = place.persons.card(&Says::default());

    // In a browser that another has used; older cards' programs speak TLS 1.2.
    for (version, user) in [(&rustls::version::TLS13, "bertil"), (&rustls::version::TLS12, "cecilia")] {
        let (_, used) = bed.user_without_code(user).await;
        let before = used.session.clone().expect("a session").key;
        let (mut browser, path) = place.begin(&used).await;
        let shown = place.ask(Some(&card), version, &path).await.expect("answers");
        assert_eq!(shown.status, 303, "{}", shown.body);
        for header in ["cache-control: no-store", "referrer-policy: no-referrer", "connection: close"] {
            assert!(shown.head.contains(header), "{}", shown.head);
        }
        let back = WayBack::parse("/patients?q=1").expect("a path").to_cookie();
        browser.cookie = format!("{}; {RETURN_COOKIE}={back}", browser.cookie);
        let inside = bed.get(&browser, shown.location().strip_prefix(ORIGIN).expect("the main host")).await;
        assert_eq!(inside.headers[header::LOCATION], "/patients?q=1");
        let session = session(bed, &inside).await;
        assert_eq!((session.account, session.auth_method, session.acr.as_str()), (anna.id, AuthMethod::Siths, LEVEL));
        assert_ne!(session.key, before);
        assert!(bed.store.live_session(before, clock::now()).await.expect("reads").is_none(), "the old one has ended");
    }
    let events = bed.events().await;
    let login = events.iter().rfind(|event| event.kind == AuthEventKind::Login).expect("an event");
    assert_eq!((login.account, login.auth_method), (anna.id, AuthMethod::Siths));
    assert_eq!(&*login.detail, format!("app card=4711 policy={POLICY}"));
    assert!(bed.store.account(anna.id).await.expect("reads").expect("is there").last_login.is_some());
    assert_eq!(place.refused().await, []);
}

#[tokio::test]
async fn a_certificate_that_tls_does_not_take_is_refused_and_recorded() {
    let place = Place::new().await;
    place.person("anna", HSA, ACTIVE).await;
    let (_, path) = place.begin(&Browser::default()).await;
    let persons = &place.persons;
    let same_name = Cards::new(PERSONS);
    let mut expected = Vec::new();
    let cases = [
        (Some(Cards::new("Another CA").card(&Says::default())), Reason::CertForeign, "siths authority"),
        (Some(same_name.card(&Says::default())), Reason::CertBroken, "siths certificate"),
        (Some(persons.card(&Says { days: (10, -1), ..Says::default() })), Reason::CertExpired, "siths expired"),
        (Some(persons.card(&Says { days: (-1, 10), ..Says::default() })), Reason::CertExpired, "siths not_yet"),
        (Some(persons.card(&Says { serial: REVOKED, ..Says::default() })), Reason::CertRevoked, "siths revoked"),
        (
            Some(persons.card(&Says { uses: vec![Use::ServerAuth], ..Says::default() })),
            Reason::CertPurpose,
            "siths purpose",
        ),
        (None, Reason::CertAbsent, "siths no_certificate"),
    ];
    for (made, reason, detail) in &cases {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            assert!(place.ask(made.as_ref(), version, &path).await.is_none(), "{detail}");
        }
        expected.push((*reason, *detail));
    }
    let told = place.refused().await;
    for (reason, detail) in expected {
        let one = (reason, format!("{detail} times=2"));
        assert!(told.contains(&one), "{one:?}: {told:?}");
    }
    assert_eq!(told.len(), cases.len());
}

#[tokio::test]
async fn without_a_list_in_force_nobody_is_let_in_unless_the_settings_say_so() {
    for (days, lists, fault) in [((9, -2), true, Some("siths old_list")), ((9, -2), false, None)] {
        let place = Place::with_list(days, lists).await;
        let (_, path) = place.begin(&Browser::default()).await;
        let shown = place.show(&place.persons.card(&Says::default()), &path).await;
        assert_eq!(shown.map(|shown| shown.status), if fault.is_none() { Some(303) } else { None });
        let expected: Vec<_> = fault.into_iter().map(|fault| (Reason::CertBroken, fault.to_owned())).collect();
        assert_eq!(place.refused().await, expected);
    }
}

#[tokio::test]
async fn a_card_of_the_wrong_kind_gets_a_page_that_says_so_and_is_recorded() {
    let place = Place::new().await;
    place.person("anna", HSA, ACTIVE).await;
    let (_, path) = place.begin(&Browser::default()).await;
    let number = |text: &str| Says { number: Some(text.to_owned()), ..Says::default() };
    let mut expected = Vec::new();
    for (says, words, reason, detail) in [
        (Says { policies: vec!["1.2.752.74.8.2"], ..Says::default() }, "assurance level", Reason::WeakLogin, "policy"),
        (
            Says { uses: vec![Use::ClientAuth, Use::ServerAuth], ..Says::default() },
            "of a function",
            Reason::CertPurpose,
            "function",
        ),
        (number("191212121212"), "has no HSA-id", Reason::NoAccount, "no_hsa"),
        (Says { usages: Vec::new(), ..Says::default() }, "not for identification", Reason::CertPurpose, "purpose"),
    ] {
        let shown = place.show(&place.persons.card(&says), &path).await.expect("answers");
        assert_eq!(shown.status, 403, "{detail}");
        assert!(shown.body.contains(words) && shown.body.contains("Close all its windows"), "{detail}: {}", shown.body);
        assert!(
            shown.body.contains(&format!("href=\"{ORIGIN}/auth/login?lang=en\"")) && !shown.body.contains("191212")
        );
        expected.push((reason, format!("siths {detail}")));
    }
    let mut told = place.refused().await;
    for list in [&mut told, &mut expected] {
        list.sort_by(|a, b| a.1.cmp(&b.1));
    }
    assert_eq!(told, expected);
    // Who comes for no login, or to another host, has nothing here.
    let card = place.persons.card(&Says::default());
    for path in ["/", "/?state=x", "/?state=x&state=y"] {
        let shown = place.show(&card, path).await.expect("answers");
        assert!(shown.status == 403 && shown.body.contains("not begun on the login page"), "{}", shown.body);
    }
    for host in ["evil.example", CARD_HOST, "localhost:8443"] {
        let shown = place.ask_as(Some(&card), &rustls::version::TLS13, &path, host).await.expect("answers");
        assert_eq!(shown.status, 421, "{host}");
    }
    assert_eq!(place.show(&card, "/auth/login").await.expect("answers").status, 404);
}

#[tokio::test]
async fn a_code_leads_in_once_and_where_it_was_asked_for() {
    let place = Place::new().await;
    let bed = &place.bed;
    place.person("anna", HSA, ACTIVE).await;
    let card = place.persons.card(&Says::default());
    let mut expected = Vec::new();

    // Another browser, another device, none, and another login of the same browser.
    let (browser, path) = place.begin(&Browser::default()).await;
    let (other, _) = place.begin(&Browser::default()).await;
    let elsewhere = Browser { elsewhere: true, ..browser.clone() };
    for wrong in [&other, &Browser::default(), &elsewhere] {
        let code = place.code(&card, &path).await;
        turned_away(&bed.get(wrong, &code).await, STALE);
        expected.push((Reason::Forged, "app".to_owned()));
        // It is used up, also for its own login.
        turned_away(&bed.get(&browser, &code).await, STALE);
        expected.push((Reason::CodeReplayed, "app".to_owned()));
    }
    let code = place.code(&card, &path).await;
    session(bed, &bed.get(&browser, &code).await).await;
    turned_away(&bed.get(&browser, &code).await, STALE);
    expected.push((Reason::CodeReplayed, "app".to_owned()));
    for unknown in ["/auth/siths/back", "/auth/siths/back?code=x", &format!("/auth/siths/back?code={}", "A".repeat(43))]
    {
        turned_away(&bed.get(&browser, unknown).await, STALE);
        expected.push((Reason::CodeUnknown, "app".to_owned()));
    }

    // One that was made a minute ago.
    let (browser, path) = place.begin(&Browser::default()).await;
    let state = path.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    let seen = SeenCard { hsa: HsaId::parse(HSA).expect("valid"), level: LEVEL.to_owned(), note: String::new() };
    let late = "B".repeat(43);
    let mut change = bed.store.change(clock::now() - CODE_LIFE, By::program("siths")).await.expect("begins");
    let until = change.at() + CODE_LIFE;
    change.keep_card_code(&super::hash(&late), state, &seen, until).await.expect("keeps");
    change.commit().await.expect("commits");
    turned_away(&bed.get(&browser, &format!("/auth/siths/back?code={late}")).await, STALE);
    expected.push((Reason::CodeExpired, "app".to_owned()));
    assert_eq!(place.refused().await, expected);

    let answer = bed.get_from(&Browser::default(), "/auth/siths", "cross-site").await;
    assert_eq!(answer.headers[header::LOCATION], "/auth/login", "another site sets off no login");
    assert!(cookie(&answer, CARD_COOKIE).is_none());
}

#[tokio::test]
async fn an_account_has_to_be_there_and_in_use_and_nobody_learns_which() {
    let place = Place::new().await;
    let bed = &place.bed;
    let card = place.persons.card(&Says::default());
    let mut expected = Vec::new();
    let note = format!("app card=4711 policy={POLICY}");
    let log_in = async || {
        let (browser, path) = place.begin(&Browser::default()).await;
        bed.get(&browser, &place.code(&card, &path).await).await
    };
    let nobody = log_in().await;
    turned_away(&nobody, REFUSED);
    expected.push((Reason::NoAccount, format!("{note} no_account")));
    assert!(bed.store.accounts(10).await.expect("reads").is_empty(), "none was made");
    let anna = place.person("anna", HSA, ACTIVE).await;
    let same = |answer: &Answer| {
        // But for what is new each time.
        let plain = |answer: &Answer| answer.body.replace(&answer.field(), "");
        assert_eq!(plain(answer), plain(&nobody));
    };
    for (state, reason) in [
        (State::Locked { since: 1, until: None, unused: false, held: 1 }, Reason::Locked),
        (State::Dormant { since: 1 }, Reason::AccountInactive),
        (State::Blocked { since: 1 }, Reason::AccountInactive),
        (State::HandedOut { at: 1 }, Reason::AccountInactive),
    ] {
        bed.set_state(&anna, state).await;
        let answer = log_in().await;
        turned_away(&answer, REFUSED);
        same(&answer);
        expected.push((reason, note.clone()));
        assert_eq!(bed.store.account(anna.id).await.expect("reads").map(|account| account.state), Some(state));
    }
    bed.set_state(&anna, ACTIVE).await;
    place.person("anna2", HSA, ACTIVE).await;
    let answer = log_in().await;
    turned_away(&answer, REFUSED);
    same(&answer);
    expected.push((Reason::NoAccount, format!("{note} several_accounts")));
    assert_eq!(place.refused().await, expected);
}

#[tokio::test]
async fn without_the_setting_there_are_no_cards() {
    let bed = Bed::new().await;
    assert!(!bed.get(&Browser::default(), "/auth/login").await.body.contains("/auth/siths"));
    for path in ["/auth/siths", "/auth/siths/back?code=x"] {
        assert_eq!(bed.get(&Browser::default(), path).await.status, StatusCode::NOT_FOUND);
    }
}
