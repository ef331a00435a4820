//! The exchange with a backend: a server is found and asked, its answer is held until the record is durable, and then
//! both bodies pass, piece by piece, until both are at their end.
//!
//! One task does both directions, in turns: no more than one piece of each is ever in memory, and who does not take what
//! is sent slows the other side down. The answer has precedence, so that a backend may refuse an upload before it has
//! come to its end.

use super::context::{Admitted, Body, Context, Stage};
use super::pace::{self, Pace};
use super::{Proxy, forward, in_time};
use crate::client::Cut;
use crate::clock;
use crate::disclosure::Ready;
use crate::upstream::{Backend, Event};
use bytes::Bytes;
use contract::record::{OutcomeKind, Reason};
use http::{HeaderMap, Method, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use std::time::{Duration, Instant};

/// How often a request goes to a backend, at most: kept connections may all have been closed by their server.
const TRIES: usize = 4;
/// How long the head of an answer that is looked into waits for the first of its body, and if that still says nothing of
/// anybody, for more: no longer than a sync takes. What turns out to be unreadable until then is refused in its place;
/// what does later breaks off.
const HEAD_WAITS: Duration = Duration::from_millis(1);

/// An exchange that did not come to its end.
pub(super) struct Broken {
    /// What the record and the client are told.
    reason: Reason,
    /// The status, should an answer still be possible.
    status: StatusCode,
    /// The kind of the error below; its text may hold bytes of the exchange.
    kind: &'static str,
    /// Whose doing it was, for the log.
    side: &'static str,
    /// The client has left: there is nobody to answer.
    gone: bool,
    /// The backend has not seen the request, or it may see it twice: another try is safe.
    again: bool,
}

impl Broken {
    fn new(reason: Reason, status: StatusCode, kind: &'static str, side: &'static str) -> Self {
        Self { reason, status, kind, side, gone: false, again: false }
    }

    /// By the client: it left, it does not take what it is sent, or its body is none.
    fn client(error: &Error) -> Self {
        let kind = error.etype();
        let (reason, status) = match kind {
            ErrorType::ReadTimedout => (Reason::Slow, crate::problem::status(Reason::Slow)),
            _ => (Reason::Malformed, StatusCode::BAD_REQUEST),
        };
        let gone = matches!(
            kind,
            ErrorType::WriteError
                | ErrorType::ReadError
                | ErrorType::WriteTimedout
                | ErrorType::ConnectionClosed
                | ErrorType::H2Error
        );
        Self { gone, ..Self::new(reason, status, kind.as_str(), "client") }
    }

    /// By the backend: it cannot be reached, it is silent, or it does not speak HTTP.
    fn backend(error: &Error) -> Self {
        let status = match error.etype() {
            ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::ConnectTimedout
            | ErrorType::TLSHandshakeTimedout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(Reason::UpstreamUnavailable, status, error.etype().as_str(), "backend")
    }

    /// By the backend, on a connection that was kept. Should its server have closed it, the request may go again.
    fn kept(mut error: Box<Error>, reused: bool) -> Self {
        error.retry.decide_reuse(reused);
        let again = error.retry() || reused && matches!(error.etype(), ErrorType::WriteError);
        Self { again, ..Self::backend(&error) }
    }

    /// By the auditor: the right to it has ended while it was under way. What has not been answered is refused; what
    /// is being answered breaks off, with its connection.
    fn not_allowed(context: &Context) -> Self {
        if let Some(client) = context.client.as_ref().filter(|_| context.disclosing()) {
            client.cut(Cut::RightEnded);
        }
        Self::own(Reason::NoSession, crate::problem::status(Reason::NoSession))
    }

    pub(super) fn own(reason: Reason, status: StatusCode) -> Self {
        Self::new(reason, status, "refused", "gateway")
    }
}

/// What still comes of the client's body, or of its side of the tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// Pieces may come.
    GoesOn,
    /// The client waits for leave to send.
    AwaitsLeave,
    /// HTTP/2 lets a body follow where none was announced; that it stays empty shows at its end. Nobody waits for that.
    Unannounced,
    /// It has come to its end.
    Over,
}

/// What follows on an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The client's next request, if its connection is kept.
    Next,
    /// The connection closes, once the client has come to an end: it sends what nobody reads.
    Linger,
    /// The connection closes.
    Close,
}

impl After {
    /// After an answer of the gateway's own.
    pub(super) fn of(told: &pingora::Result<()>) -> Self {
        if told.is_ok() { Self::Next } else { Self::Close }
    }
}

/// How far the two directions are.
#[expect(clippy::struct_excessive_bools, reason = "facts that do not hang together")]
struct Progress {
    sending: Sending,
    /// How fast the client's body comes, if one does.
    pace: Option<Pace>,
    /// The client is listened to: for its body, and then for its leaving.
    listening: bool,
    /// Bytes of its next request have come.
    early: bool,
    /// The answer's head, until the first of what follows may leave or [`HEAD_WAITS`] is over: so that what cannot be
    /// looked into is still answered in its place.
    head: Option<Box<ResponseHeader>>,
    /// When it leaves in any case.
    head_leaves: Instant,
    /// The answer has no body, by its status or because only its head was asked for.
    bodiless: bool,
    /// The backend's answer has passed as a whole.
    answered: bool,
    /// The backend takes no more of the body. What it answered may still tell why.
    deaf: Option<Broken>,
}

impl Progress {
    /// Whether nothing more is to come from the client.
    fn is_over(&self) -> bool {
        self.sending == Sending::Over || self.answered && self.sending == Sending::Unannounced
    }

    /// How fast the client must send, while it is its turn.
    fn pace(&self) -> Option<&Pace> {
        self.pace.as_ref().filter(|_| self.sending == Sending::GoesOn)
    }
}

impl Proxy {
    /// Has an admitted request answered by its registry, or answers in its place.
    pub(super) async fn exchange(&self, session: &mut ServerSession, context: &mut Context) -> After {
        let mut tries = 0;
        let broken = loop {
            tries += 1;
            match self.attempt(session, context).await {
                Ok(early) => {
                    self.end_look(context);
                    self.end_glance(context);
                    context.end(clock::now(), OutcomeKind::Complete);
                    return if early { After::Linger } else { After::Next };
                }
                Err(broken) if broken.again && tries < TRIES && !context.disclosing() => {}
                Err(broken) => break broken,
            }
        };
        self.end_glance(context);
        if context.disclosing() {
            Box::pin(self.break_look_off(context)).await;
            context.end(clock::now(), OutcomeKind::Aborted);
            return After::Close;
        }
        let mut after = After::Close;
        if !broken.gone {
            let Broken { reason, status, kind, side, .. } = broken;
            self.parts.metrics.upstream_failures.with_label_values(&[reason.as_str()]).inc();
            tracing::warn!(request = %context.request, reason = reason.as_str(), kind, side, "answered in a backend's place");
            context.answered_instead = true;
            // The client may be gone by now; its outcome is recorded all the same.
            let told = Box::pin(self.problem(session, context, reason, status, None)).await;
            after = After::of(&told);
        }
        context.end(clock::now(), OutcomeKind::Failed);
        after
    }

    async fn attempt(&self, session: &mut ServerSession, context: &mut Context) -> Result<bool, Broken> {
        let admitted = admitted(&mut context.stage)?;
        let pool = self.parts.upstreams.pool(admitted.permit.registry());
        let unavailable = || Broken::own(Reason::UpstreamUnavailable, StatusCode::SERVICE_UNAVAILABLE);
        let server = pool.and_then(|pool| pool.next(&admitted.unreachable)).ok_or_else(unavailable)?;
        let mut backend = self.parts.upstreams.connect(server).await.map_err(|error| {
            // Nothing was sent, so another server may be asked, whatever the method.
            admitted.unreachable.push(server.number());
            let another = pool.is_some_and(|pool| pool.next(&admitted.unreachable).is_some());
            Broken { again: another, ..Broken::backend(&error) }
        })?;
        // Its body may have been long in coming, and a server in being found. What changes something is asked for here.
        let result = if self.keep_watch(context) {
            self.pass(session, context, &mut backend).await
        } else {
            Err(Broken::not_allowed(context))
        };
        self.parts.upstreams.release(backend, server).await;
        result
    }

    /// Sends the request on this connection and passes the answer. Tells whether bytes of the client's next request came
    /// meanwhile.
    async fn pass(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        backend: &mut Backend,
    ) -> Result<bool, Broken> {
        let mut progress = self.ask(session, context, backend).await?;
        while !progress.is_over() || !progress.answered {
            tokio::select! {
                biased;
                event = backend.next(), if !progress.answered => match event {
                    Ok(event) => self.backend_sent(session, context, backend, &mut progress, event).await?,
                    // What stopped the request says more than what stopped the answer.
                    Err(error) => return Err(match progress.deaf.take() {
                        Some(deaf) => deaf,
                        None => Self::unanswered(session, context, backend, error),
                    }),
                },
                piece = pace::next(session, progress.is_over(), progress.pace()), if progress.listening => {
                    let sent = self.client_sent(session, context, backend, &mut progress, piece).await;
                    if sent.is_err() && progress.answered {
                        // It has the whole answer. That it does not send what it announced takes nothing from that.
                        session.set_keepalive(None);
                        break;
                    }
                    sent?;
                }
                () = until(progress.head_leaves), if progress.head.is_some() => {
                    self.pass_head_alone(session, context, &mut progress).await?;
                }
            }
        }
        Ok(progress.early)
    }

    /// Sends the head, and the body if it has been read already.
    async fn ask(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        backend: &mut Backend,
    ) -> Result<Progress, Broken> {
        let address = context.client.as_ref().map(|client| client.address.clone());
        let request = context.request;
        let admitted = admitted(&mut context.stage)?;
        let streams = !admitted.websocket && matches!(admitted.body, Body::Streamed) && !session.is_body_empty();
        let head = forward::request(
            session.req_header(),
            admitted,
            &forward::Way {
                request,
                address: address.as_ref(),
                to_auditor: self.is_auditor(admitted),
                http2: backend.is_http2(),
                streams,
            },
        );
        let head = head.map_err(|error| {
            Broken::new(Reason::Malformed, StatusCode::BAD_REQUEST, error.etype().as_str(), "gateway")
        })?;
        let body = match &admitted.body {
            Body::Read(body) if !body.is_empty() => Some(body.clone()),
            _ => None,
        };
        if admitted.websocket {
            // Silence is no fault in a WebSocket.
            backend.set_read_timeout(None);
        }
        let unannounced = matches!(admitted.body, Body::None);
        let mut sent = backend.send_head(head, body.is_none() && !streams).await;
        if let Some(body) = body
            && sent.is_ok()
        {
            sent = backend.send_piece(body, true).await;
        }
        if let Err(error) = sent {
            return Err(Self::unanswered(session, context, backend, error));
        }
        let sending = match session.req_header().headers.contains_key(header::EXPECT) {
            true if streams => Sending::AwaitsLeave,
            false if streams => Sending::GoesOn,
            _ if unannounced && !session.is_body_done() => Sending::Unannounced,
            _ => Sending::Over,
        };
        let pace = streams.then(|| Pace::new(self.parts.limits.body_timeout));
        let mut progress = Progress {
            sending,
            pace,
            listening: true,
            early: false,
            head: None,
            head_leaves: Instant::now(),
            bodiless: false,
            answered: false,
            deaf: None,
        };
        if progress.sending == Sending::AwaitsLeave && backend.is_http2() {
            // Its leave cannot be heard: ours must do.
            give_leave(session, &mut progress).await?;
        }
        Ok(progress)
    }

    /// The backend failed before its answer was whole. Only a request that changes nothing is sent again, and only
    /// while nothing of an answer has left.
    fn unanswered(session: &ServerSession, context: &Context, backend: &Backend, error: Box<Error>) -> Broken {
        let safe = matches!(session.req_header().method, Method::GET | Method::HEAD);
        let changes_nothing =
            matches!(&context.stage, Stage::Admitted(a) if safe && !a.permit.changes() && !a.websocket);
        let broken = Broken::kept(error, backend.is_reused());
        Broken { again: broken.again && changes_nothing && !context.disclosing(), ..broken }
    }

    async fn backend_sent(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        backend: &mut Backend,
        progress: &mut Progress,
        event: Event,
    ) -> Result<(), Broken> {
        match event {
            Event::Head(head) if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS => {
                Self::inform(session, progress, &head).await
            }
            Event::Head(head) => self.answer(session, context, backend, progress, head).await,
            Event::Piece(piece) => {
                if !self.keep_watch(context) {
                    return Err(Broken::not_allowed(context));
                }
                if progress.bodiless && !piece.is_empty() {
                    // Nobody looks into what must not be there (RFC 9110, 6.4.1).
                    return Err(Broken::new(
                        Reason::UpstreamUnavailable,
                        StatusCode::BAD_GATEWAY,
                        "a body where none may be",
                        "backend",
                    ));
                }
                let last = !backend.is_tunnel() && backend.has_ended().map_err(|error| Broken::backend(&error))?;
                if context.look.is_none() {
                    progress.answered = last;
                    self.glance(context, &piece).await;
                    return Self::pass_piece(session, context, piece, last).await;
                }
                let ready = self.look(context, piece, last).await?;
                Self::pass_looked(session, context, progress, ready, last).await
            }
            Event::End(trailers) => {
                if context.look.is_some() {
                    let rest = self.look(context, Bytes::new(), true).await?;
                    if let Some(trailers) = &trailers {
                        self.look_at_trailers(context, trailers).await?;
                    }
                    Self::pass_looked(session, context, progress, rest, false).await?;
                    if let Some(head) = progress.head.take() {
                        Self::pass_head(session, context, head, false).await?;
                    }
                }
                progress.answered = true;
                if backend.is_tunnel() {
                    // A tunnel ends with either of its sides.
                    progress.sending = Sending::Over;
                }
                end(session, trailers).await.map_err(|error| Broken::client(&error))
            }
        }
    }

    /// Passes a piece of the answer on.
    async fn pass_piece(
        session: &mut ServerSession,
        context: &mut Context,
        piece: Bytes,
        last: bool,
    ) -> Result<(), Broken> {
        context.bytes += piece.len() as u64;
        session.write_response_body(piece, last).await.map_err(|error| Broken::client(&error))
    }

    /// Passes on what was looked into: the head with the first of it.
    async fn pass_looked(
        session: &mut ServerSession,
        context: &mut Context,
        progress: &mut Progress,
        ready: Ready,
        last: bool,
    ) -> Result<(), Broken> {
        let ready: Ready = ready.into_iter().filter(|piece| !piece.is_empty()).collect();
        if ready.is_empty() && !last {
            return Ok(());
        }
        if let Some(head) = progress.head.take() {
            Self::pass_head(session, context, head, false).await?;
        }
        progress.answered = last;
        let count = ready.len();
        for (index, piece) in ready.into_iter().enumerate() {
            Self::pass_piece(session, context, piece, last && index + 1 == count).await?;
        }
        if last && count == 0 {
            Self::pass_piece(session, context, Bytes::new(), true).await?;
        }
        Ok(())
    }

    /// Passes the head on. From now on the answer is being disclosed.
    async fn pass_head(
        session: &mut ServerSession,
        context: &mut Context,
        head: Box<ResponseHeader>,
        ended: bool,
    ) -> Result<(), Broken> {
        context.status = head.status.as_u16();
        let written = in_time(async {
            match session {
                ServerSession::H2(http2) => http2.write_response_header(head, ended),
                other => match other.write_response_header(head).await {
                    Ok(()) if ended => other.finish_body().await,
                    written => written,
                },
            }
        });
        written.await.map_err(|error| Broken::client(&error))
    }

    /// A head before the one that counts. Leave to send passes, in our own words; of others nothing does, for who knows
    /// whom a hint names.
    async fn inform(session: &mut ServerSession, progress: &mut Progress, head: &ResponseHeader) -> Result<(), Broken> {
        if head.status == StatusCode::CONTINUE && progress.sending == Sending::AwaitsLeave {
            give_leave(session, progress).await?;
        }
        Ok(())
    }

    /// The head that counts. It leaves once the record is durable.
    async fn answer(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        backend: &mut Backend,
        progress: &mut Progress,
        mut head: Box<ResponseHeader>,
    ) -> Result<(), Broken> {
        let admitted = admitted(&mut context.stage)?;
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if switches && !(admitted.websocket && backend.is_tunnel()) {
            return Err(Broken::new(
                Reason::UpstreamUnavailable,
                StatusCode::BAD_GATEWAY,
                "unasked upgrade",
                "backend",
            ));
        }
        let waited = Instant::now();
        let released = admitted.hold.release().await;
        released.map_err(|_| Broken::own(Reason::JournalUnavailable, StatusCode::SERVICE_UNAVAILABLE))?;
        self.parts.metrics.hold_seconds.observe(waited.elapsed().as_secs_f64());
        if !switches && !self.keep_watch(context) {
            return Err(Broken::not_allowed(context));
        }
        let admitted = self::admitted(&mut context.stage)?;
        let ended = !switches && backend.has_ended().map_err(|error| Broken::backend(&error))?;
        let from_auditor = self.is_auditor(admitted);
        let asked = session.req_header();
        let told = forward::Told {
            request: context.request,
            from_auditor,
            has_body: !ended && asked.method != Method::HEAD,
            http10: asked.version == Version::HTTP_10,
        };
        let prepared = forward::response(&mut head, &told);
        prepared.map_err(|error| Broken::backend(&error))?;
        let has_body = told.has_body && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        progress.bodiless = !has_body && !switches;
        self.begin_look(context, head.status, &head.headers, has_body).await?;
        if switches {
            context.status = head.status.as_u16();
            backend.becomes_tunnel();
            session.set_read_timeout(None);
            progress.sending = Sending::GoesOn;
            let allowed = self.still_allowed(context);
            let now = clock::now();
            if !context.watch(now, allowed, &self.parts.clients) {
                return Err(Broken::not_allowed(context));
            }
            context.begin_long(now);
        }
        progress.answered = ended;
        if !progress.is_over() && !switches {
            // The answer is there before the request is whole. Whether its rest still comes nobody knows, so no other
            // request can follow; and it does not come from a client that was to be told first.
            session.set_keepalive(None);
            if progress.sending == Sending::AwaitsLeave {
                (progress.sending, progress.listening) = (Sending::Over, false);
            }
        }
        if context.look.is_some() && !ended && !switches {
            (progress.head, progress.head_leaves) = (Some(head), Instant::now() + HEAD_WAITS);
            return Ok(());
        }
        Self::pass_head(session, context, head, ended).await
    }

    /// Passes the head on before any of its body.
    async fn pass_head_alone(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let Some(head) = progress.head.take() else { return Ok(()) };
        if !self.keep_watch(context) {
            return Err(Broken::not_allowed(context));
        }
        Self::pass_head(session, context, head, false).await
    }

    async fn client_sent(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        backend: &mut Backend,
        progress: &mut Progress,
        piece: pingora::Result<Option<Bytes>>,
    ) -> Result<(), Broken> {
        let piece = match piece {
            Ok(piece) if !progress.is_over() => piece,
            Ok(_) => {
                // Nothing was asked for. Cannot be; and if, it would be told again and again.
                progress.listening = false;
                return Ok(());
            }
            Err(error) if progress.is_over() && matches!(error.etype(), ErrorType::ConnectError) => {
                // The next request, before this one is answered. Its first byte is lost to it: the client sends it again on
                // a new connection (RFC 9112, 9.3.2).
                progress.listening = false;
                progress.early = true;
                session.set_keepalive(None);
                return Ok(());
            }
            Err(error) => return Err(Broken::client(&error)),
        };
        if !self.keep_watch(context) {
            return Err(Broken::not_allowed(context));
        }
        let admitted = admitted(&mut context.stage)?;
        if backend.is_tunnel() {
            if let Some(piece) = piece {
                return backend.send_piece(piece, false).await.map_err(|error| Broken::backend(&error));
            }
            // A tunnel ends with either of its sides.
            (progress.sending, progress.answered) = (Sending::Over, true);
            return Ok(());
        }
        if progress.sending == Sending::AwaitsLeave {
            // It did not wait.
            progress.sending = Sending::GoesOn;
            if let Some(pace) = &mut progress.pace {
                pace.begins();
            }
        }
        let last = piece.is_none() || session.is_body_done();
        let piece = piece.unwrap_or_default();
        admitted.body_bytes += piece.len() as u64;
        if matches!(admitted.body, Body::None) && !piece.is_empty() {
            return Err(Broken::own(Reason::Malformed, StatusCode::BAD_REQUEST));
        }
        if admitted.body_bytes > admitted.route.body_bytes_max {
            return Err(Broken::own(Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE));
        }
        if last {
            progress.sending = Sending::Over;
        }
        let (bytes, began) = (piece.len() as u64, Instant::now());
        let sent = if session.req_header().headers.contains_key(header::EXPECT) {
            // What the server says meanwhile may be its leave.
            backend.send_piece(piece, last).await
        } else {
            backend.send_or_hear(piece, last).await
        };
        if let Some(pace) = &mut progress.pace {
            pace.came(bytes, began.elapsed());
        }
        if let Err(error) = sent {
            // It may have answered before it closed. What the client still sends nobody takes.
            progress.deaf = Some(Broken::backend(&error));
            (progress.sending, progress.listening) = (Sending::Over, last);
            session.set_keepalive(None);
        }
        Ok(())
    }
}

/// Makes its timer only when it is asked.
async fn until(time: Instant) {
    tokio::time::sleep_until(time.into()).await;
}

/// Lets a client send that waits for it.
async fn give_leave(session: &mut ServerSession, progress: &mut Progress) -> Result<(), Broken> {
    progress.sending = Sending::GoesOn;
    // Until now it was others who took their time.
    if let Some(pace) = &mut progress.pace {
        pace.begins();
    }
    in_time(session.write_continue_response()).await.map_err(|error| Broken::client(&error))
}

/// Ends the answer.
async fn end(session: &mut ServerSession, trailers: Option<HeaderMap>) -> pingora::Result<()> {
    match (trailers, session.is_http2()) {
        (Some(trailers), true) => session.write_response_trailers(trailers).await,
        _ => session.write_response_body(Bytes::new(), true).await,
    }
}

/// Only an admitted request gets so far. Cannot be otherwise; and if, nothing passes.
fn admitted(stage: &mut Stage) -> Result<&mut Admitted, Broken> {
    match stage {
        Stage::Admitted(admitted) => Ok(admitted),
        _ => Err(Broken::own(Reason::NoSession, StatusCode::FORBIDDEN)),
    }
}
