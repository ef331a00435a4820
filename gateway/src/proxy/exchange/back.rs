//! The way back: the answer of a backend, held until the record is durable, looked into, and passed on.

use super::{Broken, Progress, Sending, admitted, give_leave};
use crate::clock;
use crate::disclosure::Ready;
use crate::proxy::context::Context;
use crate::proxy::{Proxy, forward, in_time};
use crate::upstream::{Backend, Event};
use bytes::Bytes;
use contract::record::Reason;
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use std::time::{Duration, Instant};

/// How long the head of an answer that is looked into waits for the first of its body, and if that still says nothing of
/// anybody, for more: no longer than a sync takes. What turns out to be unreadable until then is refused in its place;
/// what does later breaks off.
const HEAD_WAITS: Duration = Duration::from_millis(1);

impl Proxy {
    pub(super) async fn backend_sent(
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
                self.pass_looked(session, context, progress, ready, last).await
            }
            Event::End(trailers) => {
                if context.look.is_some() {
                    let rest = self.look(context, Bytes::new(), true).await?;
                    if let Some(trailers) = &trailers {
                        self.look_at_trailers(context, trailers).await?;
                    }
                    self.pass_looked(session, context, progress, rest, false).await?;
                    if let Some(head) = progress.head.take() {
                        self.pass_head(session, context, head, false).await?;
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
        &self,
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
            self.pass_head(session, context, head, false).await?;
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
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        head: Box<ResponseHeader>,
        ended: bool,
    ) -> Result<(), Broken> {
        self.recorded(context).await?;
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
        let admitted = super::admitted(&mut context.stage)?;
        let ended = !switches && backend.has_ended().map_err(|error| Broken::backend(&error))?;
        let from = match () {
            () if self.is_auditor(admitted) => forward::Answerer::Auditor,
            () if admitted.route.patients.any() => forward::Answerer::AboutPatients,
            () => forward::Answerer::Registry,
        };
        let asked = session.req_header();
        let told = forward::Told {
            request: context.request,
            from,
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
        if context.look.is_some() && has_body && !switches {
            (progress.head, progress.head_leaves) = (Some(head), Instant::now() + HEAD_WAITS);
            return Ok(());
        }
        self.pass_head(session, context, head, ended).await
    }

    /// Passes the head on before any of its body.
    pub(super) async fn pass_head_alone(
        &self,
        session: &mut ServerSession,
        context: &mut Context,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let Some(head) = progress.head.take() else { return Ok(()) };
        if !self.keep_watch(context) {
            return Err(Broken::not_allowed(context));
        }
        self.pass_head(session, context, head, false).await
    }
}

/// Ends the answer.
async fn end(session: &mut ServerSession, trailers: Option<HeaderMap>) -> pingora::Result<()> {
    match (trailers, session.is_http2()) {
        (Some(trailers), true) => session.write_response_trailers(trailers).await,
        _ => session.write_response_body(Bytes::new(), true).await,
    }
}
