//! Auditors on real sockets: they end their feed, refuse, hang, are late, or are not there.

use super::{Asked, Client};
use crate::config::InternalAddress;
use crate::directory::disk::Kept;
use crate::directory::tests::{account, change, device, session};
use crate::directory::{Directory, Metrics};
use bytes::Bytes;
use contract::directory::{Account, AccountStanding, Entry, Epoch, Message, SessionAnswer};
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

/// What an auditor does with a request.
enum Answer {
    /// These lines, and the end.
    Ends(Vec<Message>),
    /// These lines, and then not a word.
    Stays(Vec<Message>),
    Status(u16),
    /// This session is there.
    Session(u8),
    /// This session is there, and the account is active by it, as of epoch 2.
    FirstLogin(u8),
    /// It never comes.
    Silence,
}

/// An auditor that answers a request by its path and its number, from 0. What it was asked comes out of the channel.
fn auditor(
    path: &Path,
    answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
) -> mpsc::UnboundedReceiver<String> {
    let (asked, received) = mpsc::unbounded_channel();
    let listener = UnixListener::bind(path).unwrap();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    crate::task::spawn("auditor", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (answer, count, asked) = (Arc::clone(&answer), Arc::clone(&count), asked.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().to_string();
                let answer = answer(&path, count.fetch_add(1, Ordering::Relaxed));
                // The test may have seen enough.
                let _ended = asked.send(path);
                async move {
                    let _question = request.into_body().collect().await;
                    respond(answer).await
                }
            });
            crate::task::spawn("auditor's connection", async move {
                let _cut =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    received
}

async fn respond(answer: Answer) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let whole = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).boxed();
    let lines = |messages: &[Message]| -> Vec<u8> {
        messages.iter().flat_map(|m| [serde_json::to_vec(m).unwrap(), b"\n".to_vec()].concat()).collect()
    };
    let answered = |session, account, epoch| {
        whole(serde_json::to_vec(&SessionAnswer { session: Some(session), account, epoch: Epoch(epoch) }).unwrap())
    };
    let mut status = 200;
    let body = match answer {
        Answer::Ends(messages) => whole(lines(&messages)),
        Answer::Stays(messages) => {
            let first = Ok(Frame::data(Bytes::from(lines(&messages))));
            BoxBody::new(StreamBody::new(stream::iter([first]).chain(stream::pending())))
        }
        Answer::Status(other) => {
            status = other;
            whole(Vec::new())
        }
        Answer::Session(n) => answered(session(n), None, 0),
        Answer::FirstLogin(n) => answered(session(n), Some(account(n, "Anna")), 2),
        Answer::Silence => std::future::pending().await,
    };
    Ok(Response::builder().status(status).body(body).unwrap())
}

/// A gateway's client of two auditors, of which neither runs yet.
struct Place {
    dir: tempfile::TempDir,
    registry: prometheus::Registry,
    directory: Arc<Directory>,
    client: Client,
}

impl Place {
    fn new() -> Self {
        let (dir, registry) = (tempfile::tempdir().unwrap(), prometheus::Registry::new());
        let directory = Arc::new(Directory::new(Duration::from_mins(15), Metrics::register(&registry).unwrap()));
        let addresses = ["1", "2"].map(|name| InternalAddress::Unix(dir.path().join(name)));
        let client = Client::new(Arc::clone(&directory), &addresses, Kept::new(dir.path().join("copy"))).unwrap();
        Self { dir, registry, directory, client }
    }

    fn auditor(
        &self,
        name: &str,
        answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> mpsc::UnboundedReceiver<String> {
        auditor(&self.dir.path().join(name), answer)
    }

    /// Follows the feed until the copy is of this state.
    async fn follow_until(&self, epoch: u64) {
        let (_go_on, stop) = watch::channel(false);
        let mut changes = self.directory.changes();
        let there = async {
            while self.directory.epoch() != Epoch(epoch) {
                changes.changed().await.unwrap();
            }
        };
        tokio::select! {
            () = self.client.follow(stop) => panic!("nobody told it to stop"),
            there = tokio::time::timeout(Duration::from_secs(20), there) => there.expect("the feed goes on"),
        }
    }

    fn metric(&self, name: &str) -> u64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let start = format!("{name} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}

/// A snapshot with one device.
fn snapshot(epoch: u64, revoked: bool) -> Vec<Message> {
    let mut device = device(1);
    device.revoked = revoked.then_some(1);
    let end = Message::SnapshotEnd { epoch: Epoch(epoch) };
    vec![Message::SnapshotBegin, change(epoch, Entry::Device(device)), end]
}

fn next(epoch: u64) -> Vec<Message> {
    vec![change(epoch, Entry::Device(device(2)))]
}

#[tokio::test]
async fn when_the_first_ends_its_feed_the_second_goes_on_from_there() {
    let place = Place::new();
    let mut first = place.auditor("1", |_, _| Answer::Ends(snapshot(5, false)));
    let mut second = place.auditor("2", |_, _| Answer::Stays(next(6)));
    place.follow_until(6).await;
    assert_eq!(first.try_recv().unwrap(), "/internal/v1/directory?after=0");
    assert_eq!(second.try_recv().unwrap(), "/internal/v1/directory?after=5");
    assert!(first.try_recv().is_err(), "it is not asked again");
    assert_eq!(place.metric("directory_source"), 2);
    assert_eq!((place.metric("directory_connects_total"), place.metric("directory_failures_total")), (2, 1));
    assert!(place.directory.device(&device(1).fingerprint).is_some(), "what the first told is kept");
}

#[tokio::test]
async fn when_the_first_is_not_there_the_second_is_followed() {
    let place = Place::new();
    let _second = place.auditor("2", |_, _| Answer::Stays(snapshot(5, false)));
    place.follow_until(5).await;
    assert_eq!(place.metric("directory_source"), 2);
    assert_eq!((place.metric("directory_connects_total"), place.metric("directory_failures_total")), (1, 1));
}

#[tokio::test]
async fn when_the_first_refuses_the_second_is_followed_and_then_the_first_again() {
    let place = Place::new();
    let _first = place.auditor("1", |_, count| match count {
        0 => Answer::Status(503),
        _ => Answer::Stays(next(6)),
    });
    let _second = place.auditor("2", |_, _| Answer::Ends(snapshot(5, false)));
    place.follow_until(6).await;
    assert_eq!(place.metric("directory_source"), 1);
    assert_eq!((place.metric("directory_connects_total"), place.metric("directory_failures_total")), (2, 2));
}

#[tokio::test]
async fn one_that_hangs_takes_neither_the_feed_nor_a_question_with_it() {
    let place = Place::new();
    let _first = place.auditor("1", |path, _| match path {
        "/internal/v1/session" => Answer::Silence,
        "/internal/v1/directory?after=0" => Answer::Stays(snapshot(5, false)),
        _ => Answer::Stays(Vec::new()),
    });
    let mut second = place.auditor("2", |path, _| match path {
        "/internal/v1/session" => Answer::Session(7),
        _ => Answer::Stays(next(6)),
    });
    place.follow_until(5).await;
    // The question's time is over before the feed's.
    let ((), asked) = tokio::join!(place.follow_until(6), place.client.ask(session(7).key));
    assert_eq!(asked, Asked::Known);
    assert_eq!(second.recv().await.as_deref(), Some("/internal/v1/session"));
    assert_eq!(second.recv().await.as_deref(), Some("/internal/v1/directory?after=5"));
}

#[tokio::test]
async fn one_that_is_late_gives_nothing_back_that_was_revoked() {
    let place = Place::new();
    let _first = place.auditor("1", |_, count| match count {
        0 => Answer::Ends(snapshot(5, true)),
        _ => Answer::Status(503),
    });
    let _second = place.auditor("2", |_, count| match count {
        0 => Answer::Stays(snapshot(4, false)),
        _ => Answer::Stays(next(6)),
    });
    place.follow_until(6).await;
    let known = place.directory.device(&device(1).fingerprint).unwrap();
    assert!(known.device.revoked.is_some());
}

#[tokio::test]
async fn a_question_goes_to_the_second_when_the_first_does_not_answer() {
    for there in [false, true] {
        let place = Place::new();
        let _first = there.then(|| place.auditor("1", |_, _| Answer::Status(503)));
        let _second = place.auditor("2", |_, _| Answer::Session(7));
        assert_eq!(place.client.ask(session(7).key).await, Asked::Known);
        assert!(place.directory.session(&session(7).key).is_some());
        let counts = ["directory_session_questions_total", "directory_failures_total"].map(|name| place.metric(name));
        assert_eq!(counts, [1, 1], "one question, and one auditor that failed");
    }
}

#[tokio::test]
async fn who_logs_in_for_the_first_time_is_not_refused_by_the_account_as_it_was() {
    for told in [true, false] {
        let place = Place::new();
        let mut questions = place.auditor("1", |_, _| Answer::FirstLogin(7));
        let take = |message| place.directory.take(message, 1, &mut None);
        let standing = || place.directory.account(account(7, "").id).unwrap().standing;
        let handed_out = Account { standing: AccountStanding::Pending, ..account(7, "Anna") };
        take(change(1, Entry::Account(handed_out)));
        let feed = async {
            questions.recv().await.expect("a question");
            if told {
                take(change(2, Entry::Account(account(7, "Anna"))));
            }
        };
        let (asked, ()) = tokio::join!(place.client.ask(session(7).key), feed);
        let known = place.directory.session(&session(7).key).is_some();
        let expected = if told {
            (Asked::Known, true, AccountStanding::Active)
        } else {
            (Asked::Unanswered, false, AccountStanding::Pending)
        };
        assert_eq!((asked, known, standing()), expected);
    }
}

#[tokio::test]
async fn a_question_that_is_refused_is_not_asked_again() {
    let place = Place::new();
    let _first = place.auditor("1", |_, _| Answer::Status(400));
    let mut second = place.auditor("2", |_, _| Answer::Session(7));
    assert_eq!(place.client.ask(session(7).key).await, Asked::Unanswered);
    assert!(second.try_recv().is_err());
}

#[tokio::test]
async fn a_question_goes_first_to_the_one_that_is_followed() {
    let place = Place::new();
    let mut first = place.auditor("1", |path, count| match (path, count) {
        ("/internal/v1/session", _) => Answer::Session(8),
        _ => Answer::Status(503),
    });
    let _second = place.auditor("2", |path, _| match path {
        "/internal/v1/session" => Answer::Session(7),
        _ => Answer::Stays(snapshot(5, false)),
    });
    place.follow_until(5).await;
    assert_eq!(place.client.ask(session(7).key).await, Asked::Known);
    assert_eq!(first.try_recv().unwrap(), "/internal/v1/directory?after=0");
    assert!(first.try_recv().is_err());
}

#[tokio::test]
async fn use_is_reported_to_the_second_when_the_first_is_away() {
    let place = Place::new();
    let mut second = place.auditor("2", |_, _| Answer::Status(204));
    assert!(place.directory.learn(place.directory.snapshots(), session(7), None));
    place.directory.session(&session(7).key).unwrap().used(5);
    let (_stop, stopped) = watch::channel(true);
    place.client.report(stopped).await;
    assert_eq!(second.try_recv().unwrap(), "/internal/v1/activity");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_could_not_be_written_is_owed_and_not_said_to_be_of_now() {
    const SECOND: i64 = 1_000_000;
    let place = Place::new();
    let path = place.dir.path().join("copy");
    let take = |message, now| place.directory.take(message, now, &mut None);
    let on_disk = || {
        let directory =
            Directory::new(Duration::from_mins(15), Metrics::register(&prometheus::Registry::new()).unwrap());
        let heard = Kept::new(path.clone()).load(&directory).unwrap();
        (heard, directory.session(&session(1).key).is_some())
    };
    take(change(1, Entry::Device(device(1))), 5 * SECOND);
    take(change(2, Entry::Session(session(1))), 5 * SECOND);
    let (stop, stopped) = watch::channel(false);
    let steps = async {
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(on_disk(), (Some(5 * SECOND), true));
        // There is no room for another file, when a snapshot leaves the session out.
        std::fs::create_dir(path.with_extension("tmp")).unwrap();
        let mut seen = None;
        for message in [Message::SnapshotBegin, Message::SnapshotEnd { epoch: Epoch(3) }] {
            place.directory.take(message, 6 * SECOND, &mut seen);
        }
        place.client.whole.notify_one();
        for heard in 7..12 {
            take(Message::Heartbeat { epoch: Epoch(3), at: 0 }, heard * SECOND);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(on_disk(), (Some(5 * SECOND), true), "what it says of then");
        std::fs::remove_dir(path.with_extension("tmp")).unwrap();
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(on_disk(), (Some(11 * SECOND), false));
        stop.send(true).unwrap();
    };
    tokio::join!(place.client.keep(stopped), steps);
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_before_a_snapshot_is_not_said_to_be_of_now() {
    const SECOND: i64 = 1_000_000;
    // What is ready at once is done in any order.
    for _ in 0..16 {
        let place = Place::new();
        let path = place.dir.path().join("copy");
        let mut seen = None;
        place.directory.take(change(1, Entry::Session(session(1))), 5 * SECOND, &mut seen);
        let (stop, stopped) = watch::channel(false);
        let steps = async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            // No room for another file. A snapshot leaves the session out, at the moment when it is noted who was heard.
            std::fs::create_dir(path.with_extension("tmp")).unwrap();
            tokio::time::advance(Duration::from_secs(5)).await;
            for message in [Message::SnapshotBegin, Message::SnapshotEnd { epoch: Epoch(3) }] {
                place.directory.take(message, 6 * SECOND, &mut seen);
            }
            place.client.whole.notify_one();
            tokio::time::sleep(Duration::from_secs(5)).await;
            let there =
                Directory::new(Duration::from_mins(15), Metrics::register(&prometheus::Registry::new()).unwrap());
            let heard = Kept::new(path.clone()).load(&there).unwrap();
            assert!(heard == Some(5 * SECOND) || there.session(&session(1).key).is_none(), "{heard:?}");
            std::fs::remove_dir(path.with_extension("tmp")).unwrap();
            stop.send(true).unwrap();
        };
        tokio::join!(place.client.keep(stopped), steps);
    }
}
