//! The exchange with a backend: a server is found and asked, its answer is held until the record is durable, and then
//! both bodies pass, piece by piece, until both are at their end.
//!
//! One task does both directions, in turns: no more than one piece of each is ever in memory, and who does not take what
//! is sent slows the other side down. The answer has precedence, so that a backend may refuse an upload before it has
//! come to its end.

mod back;
mod broken;

use super::context::{Admitted, Body, Context, Stage};
use super::pace::{self, Pace};
use super::{Proxy, forward, in_time};
use crate::clock;
use crate::upstream::Backend;
pub(super) use broken::Broken;
use bytes::Bytes;
use contract::record::{OutcomeKind, Reason};
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use std::time::Instant;

/// How often a request goes to a backend, at most: kept connections may all have been closed by their server.
const TRIES: usize = 4;

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
    /// The answer's head, until the first of what follows may leave or it has waited long enough: so that what cannot be
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
                Err(broken) if broken.again && tries < TRIES && !context.disclosing() && context.look.is_none() => {}
                Err(broken) => break broken,
            }
        };
        self.end_glance(context);
        if context.disclosing() {
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
    /// while nothing of an answer has left, nor been looked into: whom it named is on record.
    fn unanswered(session: &ServerSession, context: &Context, backend: &Backend, error: Box<Error>) -> Broken {
        let safe = matches!(session.req_header().method, Method::GET | Method::HEAD);
        let changes_nothing =
            matches!(&context.stage, Stage::Admitted(a) if safe && !a.permit.changes() && !a.websocket);
        let broken = Broken::kept(error, backend.is_reused());
        Broken { again: broken.again && changes_nothing && !context.disclosing(), ..broken }
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

/// Only an admitted request gets so far. Cannot be otherwise; and if, nothing passes.
fn admitted(stage: &mut Stage) -> Result<&mut Admitted, Broken> {
    match stage {
        Stage::Admitted(admitted) => Ok(admitted),
        _ => Err(Broken::own(Reason::NoSession, StatusCode::FORBIDDEN)),
    }
}
