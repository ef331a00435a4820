//! The proxy: pingora's hooks, and behind each the step of a request's life that it stands for.
//!
//! | hook | step |
//! |---|---|
//! | `request_filter` | hygiene, route, device, session, policy, patients, intent ([`admit`]) |
//! | `upstream_peer` | a server of the registry, for an admitted request only |
//! | `upstream_request_filter` | identity headers out, assertion in ([`forward`]) |
//! | `response_filter` | nothing leaves before the intent is durable ([`hold`]) |
//! | `response_body_filter` | counting; long exchanges are watched |
//! | `logging`, or the context's end | the outcome |
//!
//! The hooks are thin on purpose: what they decide is in modules that know nothing of pingora.

mod admit;
mod answer;
mod context;
mod forward;
mod hold;
mod metrics;

pub use context::Context;
pub use metrics::Metrics;

use crate::assertion::Asserter;
use crate::client::Clients;
use crate::clock;
use crate::directory::Directory;
use crate::directory::client::Client as AuditorClient;
use crate::hygiene;
use crate::recorder::Recorder;
use crate::recorder::flood::Floods;
use crate::recorder::sealer::Sealer;
use crate::route::Routes;
use crate::upstream::Upstreams;
use async_trait::async_trait;
use bytes::Bytes;
use context::{Admitted, Body, Stage};
use contract::Text;
use contract::id::DeviceId;
use contract::record::{OutcomeKind, Reason};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{Method, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may take between two pieces of its body, or to take two pieces of a response.
const PIECE_MAX: Duration = Duration::from_mins(1);

/// What the proxy is made of.
pub struct Parts {
    /// What is served.
    pub routes: Arc<Routes>,
    /// The names served, lower case.
    pub hosts: Vec<Text>,
    /// Who is who.
    pub directory: Arc<Directory>,
    /// For sessions that the directory does not have.
    pub auditor: Arc<AuditorClient>,
    /// Writes records.
    pub recorder: Recorder,
    /// Seals identities.
    pub sealer: Arc<Sealer>,
    /// Counts floods.
    pub floods: Arc<Floods>,
    /// All connections.
    pub clients: Arc<Clients>,
    /// The registries' servers.
    pub upstreams: Arc<Upstreams>,
    /// Makes assertions.
    pub asserter: Asserter,
    /// Whom a user calls.
    pub help_contact: Text,
    /// What one client may take.
    pub limits: crate::config::Limits,
    /// What operators see.
    pub metrics: Arc<Metrics>,
    /// The empty text, shared.
    pub empty: Text,
}

/// The proxy.
pub struct Proxy {
    parts: Parts,
    head_limits: hygiene::Limits,
    per_device: DefaultKeyedRateLimiter<DeviceId>,
}

impl Proxy {
    /// Puts the proxy together.
    pub fn new(parts: Parts) -> Self {
        let per_second = NonZeroU32::new(parts.limits.requests_per_device_per_s).unwrap_or(NonZeroU32::MIN);
        Self {
            head_limits: hygiene::Limits { head_bytes_max: parts.limits.head_bytes_max, ..hygiene::Limits::default() },
            per_device: RateLimiter::keyed(Quota::per_second(per_second)),
            parts,
        }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(clock::now(), self.parts.recorder.clone(), Arc::clone(&self.parts.metrics))
    }

    /// Nothing: pingora's default would add a compressor that no response uses.
    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _context: &mut Context) -> pingora::Result<()> {
        session.set_keepalive(Some(self.parts.limits.idle_timeout.as_secs()));
        session.set_read_timeout(Some(PIECE_MAX));
        session.set_write_timeout(Some(PIECE_MAX));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        match self.admit(session, context).await {
            Ok(admit::Next::Forward(admitted)) => {
                context.stage = Stage::Admitted(admitted);
                Ok(false)
            }
            Ok(admit::Next::KeySet) => {
                self.key_set(session, context).await?;
                Ok(true)
            }
            Err(refusal) => {
                self.refuse(session, context, *refusal).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut Context) -> pingora::Result<Box<HttpPeer>> {
        let Stage::Admitted(admitted) = &mut context.stage else {
            // Cannot be: pingora asks for a peer only after request_filter has admitted.
            return Err(Error::explain(ErrorType::InternalError, "not admitted"));
        };
        let peer = self.parts.upstreams.pool(admitted.permit.registry()).and_then(|pool| pool.next());
        let Some(mut peer) = peer else {
            admitted.failure = Some((Reason::UpstreamUnavailable, StatusCode::SERVICE_UNAVAILABLE));
            return Err(Error::explain(ErrorType::HTTPStatus(503), "no peer is well"));
        };
        if admitted.websocket {
            crate::upstream::for_websocket(&mut peer);
        }
        Ok(peer)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> pingora::Result<()> {
        // An empty last piece (HTTP/2: a DATA frame that only ends the stream) is written by pingora 0.9.1 as a final
        // chunk, and the end of the body as another. The backend would take the second for a request.
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        if let (Stage::Admitted(admitted), Some(body)) = (&mut context.stage, body)
            && !admitted.websocket
        {
            admitted.body_bytes += body.len() as u64;
            if admitted.body == Body::None && !body.is_empty() {
                admitted.failure = Some((Reason::Malformed, StatusCode::BAD_REQUEST));
                return Err(Error::explain(ErrorType::HTTPStatus(400), "a body that was not announced"));
            }
            if admitted.body_bytes > admitted.route.body_bytes_max {
                admitted.failure = Some((Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE));
                return Err(Error::explain(ErrorType::HTTPStatus(413), "the body is too large"));
            }
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        let Stage::Admitted(admitted) = &context.stage else {
            return Err(Error::explain(ErrorType::InternalError, "not admitted"));
        };
        let address = context.client.as_ref().map(|client| &client.address);
        let to_auditor = self.is_auditor(admitted);
        forward::request(session.req_header(), upstream, admitted, context.request, address, to_auditor)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        upstream: &mut ResponseHeader,
        context: &mut Context,
    ) -> pingora::Result<()> {
        // 100 Continue and the like say nothing of a patient; 101 opens a stream that may.
        if upstream.status.is_informational() && upstream.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        let Stage::Admitted(admitted) = &mut context.stage else {
            return Err(Error::explain(ErrorType::InternalError, "not admitted"));
        };
        let waited = std::time::Instant::now();
        if admitted.hold.release().await.is_err() {
            admitted.failure = Some((Reason::JournalUnavailable, StatusCode::SERVICE_UNAVAILABLE));
            return Err(Error::explain(ErrorType::HTTPStatus(503), "the record is not durable"));
        }
        self.parts.metrics.hold_seconds.observe(waited.elapsed().as_secs_f64());
        context.status = upstream.status.as_u16();
        let from_auditor = self.is_auditor(admitted);
        forward::response(upstream, context.request, from_auditor)?;
        if upstream.status == StatusCode::SWITCHING_PROTOCOLS {
            session.set_read_timeout(None);
            let allowed = self.still_allowed(context);
            let now = clock::now();
            context.watch(now, allowed, &self.parts.clients);
            context.begin_long(now);
        } else {
            self.keep_watch(context);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> pingora::Result<Option<Duration>> {
        context.bytes += body.as_ref().map_or(0, |body| body.len() as u64);
        self.keep_watch(context);
        Ok(None)
    }

    async fn logging(&self, _session: &mut Session, error: Option<&Error>, context: &mut Context) {
        let kind = match error {
            None => OutcomeKind::Complete,
            Some(_) if context.disclosing() => OutcomeKind::Aborted,
            Some(_) => OutcomeKind::Failed,
        };
        context.end(clock::now(), kind);
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // Nothing was sent yet, so another peer may try, whatever the method: as often as there are likely peers.
        if let Stage::Admitted(admitted) = &mut context.stage
            && admitted.connects < admitted.registry.peers.len().min(3)
        {
            admitted.connects += 1;
            error.set_retry(true);
        }
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        // A kept connection may have been closed under the request. Only one that changes nothing is asked again, and
        // only while nothing of an answer has left.
        let safe = matches!(session.req_header().method, Method::GET | Method::HEAD)
            && !context.disclosing()
            && !session.as_ref().retry_buffer_truncated();
        if safe {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        let failure = match &context.stage {
            Stage::Admitted(admitted) => admitted.failure,
            _ => None,
        };
        let (reason, status) = failure.unwrap_or_else(|| match error.esource() {
            ErrorSource::Downstream => (Reason::Malformed, StatusCode::BAD_REQUEST),
            _ if matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::ConnectTimedout) => {
                (Reason::UpstreamUnavailable, StatusCode::GATEWAY_TIMEOUT)
            }
            _ => (Reason::UpstreamUnavailable, StatusCode::BAD_GATEWAY),
        });
        let gone = *error.esource() == ErrorSource::Downstream
            && matches!(error.etype(), ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed);
        if gone || session.response_written().is_some() {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        self.parts.metrics.upstream_failures.with_label_values(&[reason.as_str()]).inc();
        // Kinds only: the error's own text may hold bytes of the exchange.
        let (kind, side) = (error.etype().as_str(), error.esource().as_str());
        tracing::warn!(request = %context.request, reason = reason.as_str(), kind, side, "answered in a backend's place");
        context.answered_instead = true;
        // The client may be gone by now; its outcome is recorded all the same.
        let _gone = self.problem(session, context, reason, status, None).await;
        FailToProxy { error_code: status.as_u16(), can_reuse_downstream: false }
    }

    /// Errors are told by metrics and outcomes; pingora's own lines would hold the path.
    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, context: &Context) -> String {
        format!("request {}", context.request)
    }
}

impl Proxy {
    fn is_auditor(&self, admitted: &Admitted) -> bool {
        admitted.registry.name == self.parts.asserter.auditor
    }

    /// An exchange that lasts is cut when its right ends; the rows of a long one begin before its end.
    fn keep_watch(&self, context: &mut Context) {
        let now = clock::now();
        if context.is_lasting(now) {
            let allowed = self.still_allowed(context);
            context.watch(now, allowed, &self.parts.clients);
        }
        if context.is_long(now) {
            context.begin_long(now);
        }
    }

    async fn key_set(&self, session: &mut Session, context: &mut Context) -> pingora::Result<()> {
        let body = Bytes::copy_from_slice(self.parts.asserter.jwks().as_bytes());
        let mut response = ResponseHeader::build(StatusCode::OK, Some(4))?;
        response.insert_header(header::CONTENT_TYPE, "application/jwk-set+json")?;
        response.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
        response.insert_header(header::CACHE_CONTROL, "max-age=300")?;
        context.status = 200;
        context.stage = Stage::Answered;
        session.write_response_header(Box::new(response), false).await?;
        session.write_response_body(Some(body), true).await
    }
}
