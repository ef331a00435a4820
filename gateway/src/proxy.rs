//! The proxy: the life of one request, from its head to its outcome.
//!
//! | step | where |
//! |---|---|
//! | hygiene, route, device, session, policy, patients, intent | [`admit`] |
//! | a refusal, recorded and told | [`answer`] |
//! | a server of the registry, for an admitted request only; both bodies | [`exchange`] |
//! | whom the answer discloses, recorded before it leaves | [`disclose`] |
//! | identity headers out, assertion in | [`forward`] |
//! | nothing leaves before the intent is durable | [`hold`] |
//! | the outcome, wherever the request ends | [`context`] |
//!
//! pingora reads and writes HTTP on both sides and keeps the connections to backends; what happens between is ours, for a
//! response may only go on once its records are durable, which pingora's proxy has no place to wait for.

mod admit;
mod answer;
mod context;
mod disclose;
mod exchange;
mod forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod hold;
mod metrics;
mod pace;

pub use context::Context;
pub use metrics::Metrics;

use crate::assertion::Asserter;
use crate::client::Clients;
use crate::clock;
use crate::directory::Directory;
use crate::directory::client::Client as AuditorClient;
use crate::discover::Finder;
use crate::hygiene;
use crate::recorder::Recorder;
use crate::recorder::flood::Floods;
use crate::recorder::sealer::Sealer;
use crate::route::Routes;
use crate::upstream::Upstreams;
use async_trait::async_trait;
use bytes::Bytes;
use context::{Admitted, Stage};
use contract::Text;
use contract::id::DeviceId;
use contract::record::OutcomeKind;
use exchange::After;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{StatusCode, header};
use pingora::ErrorType;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client may take to take a piece of a response.
const PIECE_MAX: Duration = Duration::from_mins(1);

/// How long, and for how many bytes, a client that still sends after its answer is listened to.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES_MAX: usize = 64 << 20;

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
    /// Looks for routes that should be marked, if that is wanted.
    pub finder: Option<Arc<Finder>>,
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
impl HttpServerApp for Proxy {
    /// The life of one request. The connection is given back if it may have another.
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        stop: &watch::Receiver<bool>,
    ) -> Option<ReusedHttpStream> {
        match session.read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                if matches!(error.etype(), ErrorType::InvalidHTTPHeader) {
                    // What is written is made an answer of ours by the connection. It may be gone already.
                    let _gone = session.respond_error(StatusCode::BAD_REQUEST.as_u16()).await;
                }
                session.shutdown().await;
                return None;
            }
        }
        let kept = session.get_keepalive().is_some() && !*stop.borrow();
        session.set_keepalive(kept.then(|| self.parts.limits.idle_timeout.as_secs()));
        session.set_read_timeout(Some(self.parts.limits.body_timeout));
        session.set_write_timeout(Some(PIECE_MAX));
        let mut context = Context::new(clock::now(), self.parts.recorder.clone(), Arc::clone(&self.parts.metrics));
        let after = self.serve(&mut session, &mut context).await;
        if after == After::Close {
            return None;
        }
        // Its place at the registry is for another, however long its client takes to leave.
        context.stage = Stage::Answered;
        linger(&mut session, after == After::Linger).await;
        drop(context);
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

impl Proxy {
    /// Serves a request whose head has come.
    async fn serve(&self, session: &mut ServerSession, context: &mut Context) -> After {
        let answered = match self.admit(session, context).await {
            Ok(admit::Next::Forward(admitted)) => {
                context.stage = Stage::Admitted(admitted);
                return self.exchange(session, context).await;
            }
            Ok(admit::Next::KeySet) => Box::pin(self.key_set(session, context)).await,
            // Boxed, for the task of a request that is not refused to stay small.
            Err(refusal) => Box::pin(self.refuse(session, context, *refusal)).await,
        };
        context.end(clock::now(), if answered.is_ok() { OutcomeKind::Complete } else { OutcomeKind::Failed });
        After::of(&answered)
    }
}

/// Writes a head. pingora has no limit of its own for what a client takes to read it.
async fn in_time(written: impl Future<Output = pingora::Result<()>>) -> pingora::Result<()> {
    let late = |_| Err(pingora::Error::explain(ErrorType::WriteTimedout, "a head"));
    tokio::time::timeout(PIECE_MAX, written).await.unwrap_or_else(late)
}

/// Reads on for a while what the client of an answered request still sends. A connection that is closed on unread bytes
/// may take the answer with it.
async fn linger(session: &mut ServerSession, early: bool) {
    if session.is_http2() || session.was_upgraded() || session.is_body_done() && !early {
        return;
    }
    let mut bytes = 0;
    let read = async {
        while bytes < LINGER_BYTES_MAX {
            bytes += match session.read_body_or_idle(false).await {
                Ok(Some(piece)) => piece.len().max(1),
                // One byte of what is no body.
                Err(error) if matches!(error.etype(), ErrorType::ConnectError) => 1,
                Ok(None) | Err(_) => return,
            };
        }
    };
    // Whoever does not come to an end is left.
    let _left = tokio::time::timeout(LINGER, read).await;
}

impl Proxy {
    fn is_auditor(&self, admitted: &Admitted) -> bool {
        admitted.registry.name == self.parts.asserter.auditor
    }

    /// To be asked before anything moves on. An exchange that lasts is watched, and ends when its right ends: false if
    /// that has happened already. The rows of a long one begin before its end.
    #[must_use]
    fn keep_watch(&self, context: &mut Context) -> bool {
        let now = clock::now();
        if context.is_lasting(now) {
            let allowed = self.still_allowed(context);
            if !context.watch(now, allowed, &self.parts.clients) {
                return false;
            }
        }
        if context.is_long(now) {
            context.begin_long(now);
        }
        true
    }

    async fn key_set(&self, session: &mut ServerSession, context: &mut Context) -> pingora::Result<()> {
        let body = Bytes::copy_from_slice(self.parts.asserter.jwks().as_bytes());
        let mut response = ResponseHeader::build(StatusCode::OK, Some(4))?;
        response.insert_header(header::CONTENT_TYPE, "application/jwk-set+json")?;
        response.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
        response.insert_header(header::CACHE_CONTROL, "max-age=300")?;
        context.status = 200;
        context.stage = Stage::Answered;
        in_time(session.write_response_header(Box::new(response))).await?;
        session.write_response_body(body, true).await
    }
}
