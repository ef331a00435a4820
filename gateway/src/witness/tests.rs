//! Copies on their way to real files and real servers, that fail, are slow, and come back.

use super::{Metrics, Witnesses};
use crate::config::{Witness, WitnessUrl};
use bytes::Bytes;
use contract::id::NodeName;
use contract::seal::{Root, SealCopy, Stream, statement};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus::Registry;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

fn line(batch: u64) -> Vec<u8> {
    let node = NodeName::parse("gw1").unwrap();
    let mut root = Root::default();
    root.add(&batch.to_le_bytes());
    let said = statement(&node, Stream::Access, batch, batch, root, [0; 32], 1_700_000_000_000_000);
    SealCopy::new(&said, [1; 32], [2; 64]).line().unwrap()
}

fn settings(url: Option<&str>, timeout_ms: u64) -> Witness {
    let url = url.map(|url| WitnessUrl { uri: url.parse().unwrap(), ca: None, token_file: None });
    Witness { file: None, url, timeout: Duration::from_millis(timeout_ms), spool_bytes_max: 1 << 20 }
}

/// Witnesses that run.
struct Running {
    spool: super::Spool,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    registry: Registry,
}

impl Running {
    fn start(dir: &Path, settings: &Witness) -> Self {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let witnesses = Witnesses::open(dir, settings, metrics).unwrap().unwrap();
        let (spool, stop) = (witnesses.spool(), CancellationToken::new());
        Self { spool, tasks: witnesses.run(&stop), stop, registry }
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
    }

    fn metric(&self, name: &str, to: &str) -> f64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let start = format!("{name}{{to=\"{to}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}

/// What a server does with a request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Status(u16),
    /// It never comes.
    Silence,
    /// The connection is closed.
    Close,
}

/// A server that answers as it was told, and then well. What it has taken comes out of the channel.
struct Server {
    address: String,
    taken: mpsc::UnboundedReceiver<(u64, Option<String>)>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(address: &str, answers: &[Answer], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let (sender, taken) = mpsc::unbounded_channel();
        let task = crate::task::spawn("a witness of the test", async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, sender, tls) = (Arc::clone(&answers), sender.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        // A client that does not trust this server goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answers, sender).await;
                            }
                        }
                        None => serve(stream, answers, sender).await,
                    }
                });
            }
        });
        Self { address, taken, task }
    }

    /// Waits for the next seal that it takes.
    async fn next(&mut self) -> u64 {
        self.taken.recv().await.unwrap().0
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sender: mpsc::UnboundedSender<(u64, Option<String>)>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (answers, sender) = (Arc::clone(&answers), sender.clone());
        async move {
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/seals"));
            assert_eq!(request.headers()["content-type"], "application/json");
            let token = request.headers().get("authorization").map(|token| token.to_str().unwrap().to_owned());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let copy = SealCopy::read(&body).unwrap();
            let status = match answers.lock().await.pop_front() {
                None => 204,
                Some(Answer::Status(status)) => status,
                Some(Answer::Silence) => std::future::pending().await,
                Some(Answer::Close) => return Err(std::io::Error::other("closed")),
            };
            if status < 300 {
                sender.send((copy.batch, token)).unwrap();
            }
            Ok(Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Empty::<Bytes>::new()).unwrap())
        }
    });
    // It ends when either side goes away.
    let _ended = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

#[tokio::test]
async fn an_endpoint_that_fails_is_slow_and_closes_gets_every_seal_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let answers = [Answer::Status(503), Answer::Status(201), Answer::Close, Answer::Status(404), Answer::Silence];
    let mut server = Server::start("127.0.0.1:0", &answers, None).await;
    let running = Running::start(dir.path(), &settings(Some(&format!("http://{}/seals", server.address)), 300));
    for batch in 1..=5 {
        running.spool.append(&line(batch)).unwrap();
    }
    for batch in 1..=5 {
        assert_eq!(server.next().await, batch);
    }
    assert!(running.metric("audit_witness_failures_total", "url") >= 3.0);
    running.spool.append(&line(6)).unwrap();
    assert_eq!(server.next().await, 6);
    running.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_was_away_gets_what_it_missed_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    // The address is free again when this one is gone.
    let mut server = Server::start("127.0.0.1:0", &[], None).await;
    let address = server.address.clone();
    let settings = settings(Some(&format!("http://{address}/seals")), 300);
    let running = Running::start(dir.path(), &settings);
    running.spool.append(&line(1)).unwrap();
    assert_eq!(server.next().await, 1);
    server.task.abort();
    let _aborted = (&mut server.task).await;
    for batch in 2..=4 {
        running.spool.append(&line(batch)).unwrap();
    }
    running.stop().await;
    let running = Running::start(dir.path(), &settings);
    running.spool.append(&line(5)).unwrap();
    while running.metric("audit_witness_failures_total", "url") == 0.0 {
        tokio::task::yield_now().await;
    }
    assert!(running.metric("audit_witness_waiting_bytes", "url") > 0.0);
    assert!(running.metric("audit_witness_oldest_timestamp_seconds", "url") > 1.6e9);
    let mut server = Server::start(&address, &[], None).await;
    let mut got = server.next().await;
    // The first may come again: its mark was written after it was taken.
    while got == 1 {
        got = server.next().await;
    }
    for batch in 2..=5 {
        assert_eq!(got, batch);
        if batch < 5 {
            got = server.next().await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn tls_is_verified_against_the_authority_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ca, wrong, token) = (dir.path().join("ca.pem"), dir.path().join("other.pem"), dir.path().join("token"));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    std::fs::write(&wrong, other.cert.pem()).unwrap();
    std::fs::write(&token, "a-token\n").unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let tls = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut server = Server::start("127.0.0.1:0", &[], Some(TlsAcceptor::from(Arc::new(tls)))).await;
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let mut settings = settings(Some(&format!("https://localhost:{port}/seals")), 2_000);
    for authority in [None, Some(wrong)] {
        let place = tempfile::tempdir().unwrap();
        settings.url.as_mut().unwrap().ca = authority;
        let running = Running::start(place.path(), &settings);
        running.spool.append(&line(1)).unwrap();
        while running.metric("audit_witness_failures_total", "url") == 0.0 {
            tokio::task::yield_now().await;
        }
        running.stop().await;
        assert!(server.taken.try_recv().is_err(), "it was believed");
    }
    let url = settings.url.as_mut().unwrap();
    (url.ca, url.token_file) = (Some(ca), Some(token));
    let running = Running::start(dir.path(), &settings);
    running.spool.append(&line(1)).unwrap();
    assert_eq!(server.taken.recv().await.unwrap(), (1, Some("Bearer a-token".to_owned())));
    running.stop().await;
}

#[tokio::test]
async fn a_file_is_appended_to_and_what_a_crash_has_torn_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let away = dir.path().join("mount");
    let file = away.join("seals.ndjson");
    let settings = Witness { file: Some(file.clone()), ..settings(None, 300) };
    let running = Running::start(dir.path(), &settings);
    running.spool.append(&line(1)).unwrap();
    // The disk that it lies on comes later.
    while running.metric("audit_witness_failures_total", "file") == 0.0 {
        tokio::task::yield_now().await;
    }
    std::fs::create_dir(&away).unwrap();
    std::fs::write(&file, b"{\"v\":1,\"no").unwrap();
    running.spool.append(&line(2)).unwrap();
    running.stop().await;
    let wanted = [b"{\"v\":1,\"no\n".to_vec(), line(1), line(2)].concat();
    assert_eq!(std::fs::read(&file).unwrap(), wanted);
    // Moved away, it begins anew.
    std::fs::rename(&file, away.join("old")).unwrap();
    let running = Running::start(dir.path(), &settings);
    running.spool.append(&line(3)).unwrap();
    running.stop().await;
    assert_eq!(std::fs::read(&file).unwrap(), line(3));
}
