//! A provider of text messages on a free port, and a half that is to be sent by it.

use crate::accounts::totp::TotpKey;
use crate::accounts::{Account, State, Tries, UserName};
use crate::clock::{self, SECOND};
use crate::config::{Listen, Sms, SmsCallback};
use crate::duties::{Region, Why};
use crate::forms::{Application, Content, Form, Fresh, Move, Person, Signature};
use crate::handout::{Channel, HandoutKey, Part, Rule};
use crate::net::{Bound, Limits};
use crate::sealing::FieldKey;
use crate::sms::{Client, SmsMetrics, Texts, Worker, callback};
use crate::store::{By, Counter, Half, Issue, Office, Place, Store};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contract::Micros;
use contract::id::{AccountId, DeviceId, HandoutId, HsaId, RegistryName};
use contract::record::{AuthMethod, Right};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What the provider does with a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    /// Takes it, and says so.
    Answer,
    /// Takes it, and says so in words that nobody can read.
    Garble,
    /// Takes it, and is gone before it has said so.
    Lose,
    /// Takes it, and never says so.
    Hang,
    /// Answers this.
    Fail(u16),
}

/// What was sent to it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) authorization: String,
    pub(super) form: Vec<(String, String)>,
}

impl Request {
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.form.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("no {name} in {:?}", self.form), |(_, value)| value)
    }
}

pub(super) struct Provider {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    tasks: JoinSet<()>,
}

impl Provider {
    pub(super) async fn start(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let does = Arc::new(Mutex::new(VecDeque::from(does)));
        let mut tasks = JoinSet::new();
        let kept = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let (seen, does) = (Arc::clone(&kept), Arc::clone(&does));
                let service = service_fn(move |request| answer(request, Arc::clone(&seen), Arc::clone(&does)));
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
        });
        Self { address, seen, tasks }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().clone()
    }

    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    seen: Arc<Mutex<Vec<Request>>>,
    does: Arc<Mutex<VecDeque<Does>>>,
) -> Result<hyper::Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let text = std::str::from_utf8(&body).expect("text");
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().expect("text").into_owned();
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value))).expect("a pair");
    seen.lock().push(Request {
        path: head.uri.path().to_owned(),
        authorization: head.headers[http::header::AUTHORIZATION].to_str().expect("text").to_owned(),
        form: text.split('&').map(pair).collect(),
    });
    let next = does.lock().pop_front().unwrap_or(Does::Answer);
    let (status, body) = match next {
        Does::Answer => (200, r#"{"status":"created","id":"s1","cost":3500,"parts":1}"#),
        Does::Garble => (200, "<html>"),
        Does::Lose => return Err(std::io::Error::other("gone")),
        Does::Hang => std::future::pending().await,
        Does::Fail(status) => (status, "no"),
    };
    let response = hyper::Response::builder().status(status).body(Full::new(Bytes::from_static(body.as_bytes())));
    Ok(response.expect("a response"))
}

/// A code that is to go to somebody's mobile telephone.
pub(super) struct Hall {
    _dir: TempDir,
    _tasks: JoinSet<()>,
    store: Store,
    pub(super) counter: Counter,
    pub(super) worker: Worker,
    pub(super) handout: HandoutId,
    pub(super) now: Micros,
    callback: String,
}

const PASSWORD: &str = "a-password-of-many-letters";

impl Hall {
    pub(super) async fn new(provider: &Provider) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&Place::Sqlite(dir.path().join("auditor.db"))).await.expect("opens");
        let now = clock::now();
        let office = Office::new(store.clone(), Arc::new(FieldKey::new(&[7; 32])), 30 * clock::DAY);
        let anna = applied(&store, &office, now).await;
        let (key, totp) = (Arc::new(HandoutKey::new(&[5; 32])), Arc::new(TotpKey::new(&[6; 32])));
        let counter = Counter::new(office, key, totp, Rule::default());
        let issue = Issue { account: anna, id_by: Channel::Phone, code_by: Channel::Sms, called_back: None };
        let handout = counter.issue(now, By::program("cli user=test"), None, &issue).await.expect("issues");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let bound = Bound::bind(&Listen::Tcp(listen), None).await.expect("binds");
        let settings = Sms {
            url: format!("http://{}/a1/sms", provider.address).parse().expect("an address"),
            ca: None,
            user: "u123".to_owned(),
            password: Zeroizing::new("password".to_owned()),
            from: "Registret".to_owned(),
            callback: Some(SmsCallback {
                listen,
                place: bound.name().to_owned(),
                user: "sms".to_owned(),
                password: Zeroizing::new(PASSWORD.to_owned()),
            }),
            timeout: Duration::from_millis(200),
            tries_max: 8,
            retry: Duration::from_secs(1),
        };
        let mut tasks = JoinSet::new();
        let callback = bound.name().to_owned();
        let router = callback::router(counter.clone(), settings.callback.as_ref().expect("set"));
        let second = Duration::from_secs(10);
        let limits = Limits { connections_max: 8, head: second, stall: second, of_one_address: None };
        tasks.spawn(bound.serve(router, limits, CancellationToken::new()));
        let client = Client::new(&settings).expect("sets up");
        let metrics = SmsMetrics::register(&prometheus::Registry::new()).expect("registers");
        let texts = Texts::new(false, "Grindvakt", 72);
        let worker = Worker::new(counter.clone(), Some((client, settings)), texts, metrics);
        Self { _dir: dir, _tasks: tasks, store, counter, worker, handout, now, callback }
    }

    pub(super) async fn half(&self) -> Half {
        self.store.handout(self.handout).await.expect("reads").expect("is there").half(Part::Code).clone()
    }

    /// Sends a head with an `Authorization`, and nothing of the body that it speaks of. The answer's first line.
    pub(super) async fn half_sent(&self, authorization: &str) -> String {
        let mut stream = BufReader::new(TcpStream::connect(&self.callback).await.expect("connects"));
        let head = format!(
            "POST /sms/delivered/x HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 50\r\n\r\n",
            self.callback
        );
        stream.write_all(head.as_bytes()).await.expect("sends");
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("answers");
        line.trim_end().to_owned()
    }

    /// Tells what became of a message, as the provider does with the address that it was given. The status.
    pub(super) async fn call_back(&self, place: &str, id: &str, status: &str) -> u16 {
        let (user, rest) = place.strip_prefix("https://").and_then(|rest| rest.split_once('@')).expect("a user");
        let path = rest.strip_prefix(self.callback.as_str()).expect("where it listens");
        let stream = TcpStream::connect(&self.callback).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("begins");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(connection.await) });
        let body = format!("id={id}&status={status}&delivered=2026-11-23T10:00:00");
        let request = hyper::Request::post(path)
            .header("host", &self.callback)
            .header("authorization", format!("Basic {}", STANDARD.encode(user)))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)));
        sender.send_request(request.expect("a request")).await.expect("answers").status().as_u16()
    }
}

fn hsa(number: u32) -> HsaId {
    HsaId::parse(&format!("SE2321000016-P{number:05}")).expect("valid")
}

fn sign(account: AccountId, at: Micros) -> Signature {
    Fresh::after_check(account, at, AuthMethod::Passkey).sign(at, 1).expect("fresh")
}

/// An account that form 1 has made.
async fn applied(store: &Store, office: &Office, now: Micros) -> AccountId {
    let content = Content::Application(Application {
        name: "Anna Åkesson".to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), hsa(900)),
        address: vec!["Barngatan 4".to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: Some("070-000 00 00".to_owned()),
        email: None,
        right: Right::Read,
        valid_from: now,
        valid_to: None,
        purpose: "Registrering".to_owned(),
    });
    let registry = RegistryName::parse("fotled").expect("valid");
    let subject = Person { account: None, hsa: Some(hsa(1)), number: None };
    let form = Form { subject, region: Region::Skane, registry, content };
    let nobody = By { device: DeviceId::new(Uuid::from_u128(1)), ..By::program("app") };
    let mut heading = office.begin(now, nobody.clone(), form).await.expect("begins");
    let seen = (heading.id, heading.version);
    heading = office.make(now, nobody, seen, Move::SubmitWithoutAccount, None, None).await.expect("submits");
    let steps = [
        ("approver:12", Move::Approve("Kollega".to_owned())),
        ("registry_holder:fotled", Move::Forward),
        ("account_admin", Move::Execute),
    ];
    let user = UserName::parse("anna").expect("valid");
    for (number, (appointment, step)) in (2..).zip(steps) {
        let who = person(store, number, appointment, now).await;
        let by = By { account: who, ..By::program("app") };
        let seen = (heading.id, heading.version);
        heading = office.make(now, by, seen, step, Some(sign(who, now)), Some(&user)).await.expect("moves");
    }
    heading.account.expect("an account")
}

async fn person(store: &Store, number: u32, appointment: &str, now: Micros) -> AccountId {
    let account = Account {
        id: AccountId::new(Uuid::from_u128(number.into())),
        user_name: UserName::parse(&format!("user{number}")).expect("valid"),
        hsa: Some(hsa(number)),
        name: format!("Person {number}"),
        title: String::new(),
        state: State::Active { since: now - SECOND },
        tries: Tries::default(),
        last_login: None,
        created: now,
    };
    let mut change = store.change(now, By::program("test")).await.expect("begins");
    change.create_account(&account).await.expect("creates");
    let appointment = appointment.parse().expect("an appointment");
    change.appoint(account.id, &appointment, (now, None), Why::NewDuty).await.expect("appoints");
    change.commit().await.expect("commits");
    account.id
}
