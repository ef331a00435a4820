//! ClickHouse's HTTP interface: connections, limits, headers.
//!
//! Each connection has a task; each statement a blocking thread, an engine connection and a permit. Bounds, all
//! together: [`CONNECTIONS_MAX`] connections, `--max-queries` statements at once, four times as many waiting for at
//! most [`WAIT_MAX`]; beyond that a client gets a 503 with ClickHouse's code 202, which its clients retry.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, AnswerBody, Output, Success};
use super::auth::{Role, Users};
use super::body::{BodyReader, PARTS, Part};
use super::error::ServerError;
use super::query::{self, Engine};
use super::request::Request;

/// Open connections.
const CONNECTIONS_MAX: usize = 512;
/// How long a statement waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a client may take for its request's head.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How long a client may pause within a body. An insert that pauses longer stores nothing.
const BODY_PAUSE_MAX: Duration = Duration::from_mins(1);
/// How long the rest of a body is read and thrown away after its statement has failed, so that the client reads the
/// answer instead of a broken connection.
const DISCARD_MAX: Duration = Duration::from_secs(10);
/// What a connection reads at once.
const READ_BUFFER: usize = 256 << 10;

/// The server's state.
pub(crate) struct Server {
    engine: Arc<Engine>,
    users: Users,
    queries: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    timezone: HeaderValue,
    ending: CancellationToken,
    /// Statements under way: waited for at the end.
    statements: TaskTracker,
}

impl Server {
    pub(crate) fn new(engine: Engine, users: Users, queries: usize, timezone: &str) -> Self {
        Self {
            engine: Arc::new(engine),
            users,
            queries: Arc::new(Semaphore::new(queries)),
            waiting: AtomicUsize::new(0),
            waiting_max: queries.saturating_mul(4),
            timezone: HeaderValue::from_str(timezone).unwrap_or(HeaderValue::from_static("UTC")),
            ending: CancellationToken::new(),
            statements: TaskTracker::new(),
        }
    }

    /// Serves until `stop` ends, then lets running statements end within `grace`. Says whether all of them did.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> bool {
        let connections = TaskTracker::new();
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = async {
                    let permit = Arc::clone(&free).acquire_owned().await;
                    (listener.accept().await, permit)
                } => accepted,
            };
            match accepted {
                (Ok((stream, _)), Ok(permit)) => {
                    let server = Arc::clone(&self);
                    connections.spawn(async move {
                        server.connection(stream).await;
                        drop(permit);
                    });
                }
                (Err(error), _) => {
                    // Out of descriptors, most likely: wait for some to be closed instead of turning in circles.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (_, Err(_)) => break,
            }
        }
        drop(listener);
        self.ending.cancel();
        connections.close();
        self.statements.close();
        let all = async {
            connections.wait().await;
            self.statements.wait().await;
        };
        tokio::time::timeout(grace, all).await.is_ok()
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let server = Arc::clone(&self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn respond(self: Arc<Self>, request: http::Request<Incoming>) -> Response<AnswerBody> {
        let path = request.uri().path();
        let post = request.method() == Method::POST;
        if !post && request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST are understood.\n");
        }
        match path {
            "/ping" | "/replicas_status" => return plain(StatusCode::OK, "Ok.\n"),
            "/" if !post && request.uri().query().is_none() => {
                return plain(StatusCode::OK, "Ok.\n");
            }
            "/" => {}
            _ => {
                return plain(StatusCode::NOT_FOUND, "There is no such page. The interface is at /.\n");
            }
        }
        let started = Instant::now();
        let parsed = Request::new(request.method(), request.uri(), request.headers());
        let query_id = parsed
            .as_ref()
            .ok()
            .and_then(|parsed| parsed.query_id.clone())
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let answer = match self.users.role(request.headers()) {
            None => {
                tracing::warn!(query_id, "wrong or missing key");
                refusal(ServerError::authentication())
            }
            Some(role) => match (parsed, self.permit().await) {
                (Err(error), _) => refusal(error.into()),
                (_, Err(error)) => refusal(error),
                (Ok(parsed), Ok(permit)) => {
                    self.statement(role, parsed, request.into_body(), permit, &query_id, started).await
                }
            },
        };
        self.response(answer, &query_id)
    }

    /// Waits for a statement's turn, unless too many wait already.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, ServerError> {
        if let Ok(permit) = Arc::clone(&self.queries).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.waiting_max {
            return Err(ServerError::too_many());
        }
        tokio::select! {
            permit = Arc::clone(&self.queries).acquire_owned() => permit.map_err(|_| ServerError::ending()),
            () = tokio::time::sleep(WAIT_MAX) => Err(ServerError::too_many()),
            () = self.ending.cancelled() => Err(ServerError::ending()),
        }
    }

    /// Runs a statement on a blocking thread and feeds it the body.
    async fn statement(
        &self,
        role: Role,
        request: Request,
        body: Incoming,
        permit: OwnedSemaphorePermit,
        query_id: &str,
        started: Instant,
    ) -> Answer {
        let (parts, receiver) = mpsc::channel(PARTS);
        let (head, mut answer) = oneshot::channel();
        let tag: String = uuid::Uuid::new_v4().simple().to_string().chars().take(16).collect();
        let output = Output::new(head, tag, tokio::runtime::Handle::current());
        let engine = Arc::clone(&self.engine);
        let id = query_id.to_owned();
        let token = self.statements.token();
        let ran = tokio::task::spawn_blocking(move || {
            let outcome = query::run(&engine, role, request, BodyReader::new(receiver), output);
            query::log(&outcome, &id, started);
            drop((permit, token));
        });
        // If the client goes away, hyper drops this future, the channel closes without its end, and the insert with it.
        let feeding = feed(body, parts);
        tokio::pin!(feeding);
        let answered = tokio::select! {
            answered = &mut answer => {
                let _ = tokio::time::timeout(DISCARD_MAX, feeding).await;
                answered
            }
            () = &mut feeding => answer.await,
        };
        if let Ok(answer) = answered {
            return answer;
        }
        if ran.await.is_err() {
            tracing::error!(query_id, "a statement's thread panicked");
        }
        refusal(ServerError::new("Code: 49. DB::Exception: The statement ended without an answer. (LOGICAL_ERROR)"))
    }

    fn response(&self, answer: Answer, query_id: &str) -> Response<AnswerBody> {
        let mut response = Response::new(answer.body);
        let headers = response.headers_mut();
        let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        headers
            .insert(HeaderName::from_static("x-clickhouse-server-display-name"), HeaderValue::from_static("grindvakt"));
        headers.insert(HeaderName::from_static("x-clickhouse-query-id"), text(query_id));
        headers.insert(HeaderName::from_static("x-clickhouse-timezone"), self.timezone.clone());
        match answer.result {
            Ok(success) => {
                headers.insert(HeaderName::from_static("x-clickhouse-summary"), text(&summary(&success)));
                if let Some(coding) = success.coding {
                    headers.insert(http::header::CONTENT_ENCODING, HeaderValue::from_static(coding));
                }
                if let Some(tag) = &success.tag {
                    headers.insert(HeaderName::from_static("x-clickhouse-exception-tag"), text(tag));
                }
                let format = success.format.as_deref();
                headers.insert(
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static(content_type(format.unwrap_or_default())),
                );
                if let Some(format) = format {
                    headers.insert(HeaderName::from_static("x-clickhouse-format"), text(format));
                }
            }
            Err(error) => {
                headers.insert(HeaderName::from_static("x-clickhouse-exception-code"), HeaderValue::from(error.code()));
                headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
                *response.status_mut() = error.status();
            }
        }
        response
    }
}

/// One more that waits, until dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Passes the body on. The end is sent only if the client ended the body itself.
async fn feed(mut body: Incoming, parts: mpsc::Sender<Part>) {
    loop {
        match tokio::time::timeout(BODY_PAUSE_MAX, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    // A statement that has failed no longer listens; the body is read on and thrown away.
                    let _ = parts.send(Part::Data(data)).await;
                }
            }
            Ok(None) => {
                let _ = parts.send(Part::End).await;
                return;
            }
            Ok(Some(Err(_))) | Err(_) => return,
        }
    }
}

fn refusal(error: ServerError) -> Answer {
    let body = AnswerBody::whole(format!("{}\n", error.message()).into_bytes());
    Answer { result: Err(error), body }
}

fn plain(status: StatusCode, text: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(text.as_bytes().to_vec()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

/// As ClickHouse writes it: a JSON object whose values are strings.
fn summary(success: &Success) -> String {
    let counts = &success.counts;
    format!(
        r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","total_rows_to_read":"{}","result_rows":"{}","result_bytes":"{}","elapsed_ns":"{}"}}"#,
        counts.read_rows,
        counts.read_bytes,
        counts.written_rows,
        counts.written_bytes,
        counts.read_rows,
        counts.result_rows,
        counts.result_bytes,
        success.elapsed.as_nanos()
    )
}

fn content_type(format: &str) -> &'static str {
    match format {
        "" => "text/plain; charset=UTF-8",
        "JSON" | "JSONCompact" | "JSONStrings" | "JSONColumns" | "JSONCompactColumns" => {
            "application/json; charset=UTF-8"
        }
        "JSONEachRow" | "JSONCompactEachRow" | "JSONLines" | "NDJSON" => "application/x-ndjson; charset=UTF-8",
        "CSV" | "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=absent",
        _ if format.starts_with("TSV") || format.starts_with("TabSeparated") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ if format.starts_with("Pretty") || format == "Vertical" => "text/plain; charset=UTF-8",
        _ => "application/octet-stream",
    }
}
