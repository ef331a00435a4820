//! One request's use of a connection to a registry's server, over HTTP/1.1 or HTTP/2 alike: the request goes out, and
//! what comes back is told piece by piece.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::UniqueID as _;
use pingora::protocols::http::client::HttpSession;
use pingora::{Error, ErrorType};
use std::time::Duration;

/// How often a server that does not take what it is sent is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a backend sends.
#[derive(Debug)]
pub enum Event {
    /// A head. Informational ones may come before the one that counts.
    Head(Box<ResponseHeader>),
    /// A piece of the body, or of the tunnel.
    Piece(Bytes),
    /// The end of the body: with trailers, if HTTP/2 has brought some.
    End(Option<HeaderMap>),
}

/// How far the answer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The head that counts has not come.
    Awaited,
    /// It has, and the body has not come to its end.
    Begun,
    /// All has come.
    Whole,
}

/// A connection's one request.
pub struct Backend {
    pub(super) session: HttpSession,
    /// The connection had served another request before.
    reused: bool,
    answer: Answer,
    /// The whole request has left.
    sent: bool,
    /// Something went wrong on the connection: nobody else gets it.
    spoiled: bool,
}

impl Backend {
    pub(super) fn new(session: HttpSession, reused: bool) -> Self {
        Self { session, reused, answer: Answer::Awaited, sent: false, spoiled: false }
    }

    /// Whether the connection had served another request before: such a one may have been closed by its server.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self.session, HttpSession::H2(_))
    }

    /// How long the server may be silent; `None`: for ever.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.session.set_read_timeout(timeout);
    }

    /// Sends the head. `whole`: no body follows.
    pub async fn send_head(&mut self, head: Box<RequestHeader>, whole: bool) -> pingora::Result<()> {
        let sent = match &mut self.session {
            HttpSession::H2(http2) => http2.write_request_header(head, whole),
            other => other.write_request_header(head).await,
        };
        self.sent = whole;
        self.checked(sent)
    }

    /// Sends a piece of the body, or of the tunnel. `last`: the body ends with it.
    pub async fn send_piece(&mut self, piece: Bytes, last: bool) -> pingora::Result<()> {
        let mut sent = Ok(());
        // An empty chunk would be the end, and the end would then be another.
        if !piece.is_empty() {
            sent = self.session.write_request_body(piece, last).await;
        }
        if last && sent.is_ok() {
            sent = self.session.finish_request_body().await;
            self.sent = true;
        }
        self.checked(sent)
    }

    /// Sends a piece of the body, and gives it up should the server begin to answer instead of taking it. Of TLS that is
    /// not known: what comes may be a ticket.
    pub async fn send_or_hear(&mut self, piece: Bytes, last: bool) -> pingora::Result<()> {
        let socket = match &self.session {
            HttpSession::H1(http1) if self.answer == Answer::Awaited && http1.digest().ssl_digest.is_none() => {
                Some(http1.id())
            }
            _ => None,
        };
        let Some(socket) = socket else { return self.send_piece(piece, last).await };
        let heard = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                if !super::kept::is_silent(socket) {
                    return;
                }
            }
        };
        let heard = tokio::select! {
            biased;
            sent = self.send_piece(piece, last) => return sent,
            () = heard => Err(Error::explain(ErrorType::WriteError, "the server answers and does not read")),
        };
        self.checked(heard)
    }

    /// Whether its server has agreed to switch protocols, to a request that asked for it.
    pub fn is_tunnel(&self) -> bool {
        matches!(&self.session, HttpSession::H1(http1) if http1.was_upgraded())
    }

    /// From now on bytes pass both ways as they are, after `101 Switching Protocols`.
    pub fn becomes_tunnel(&mut self) {
        if let HttpSession::H1(http1) = &mut self.session {
            http1.maybe_upgrade_body_writer();
        }
        self.spoiled = true;
    }

    /// Waits for what comes next. May be dropped while it waits, and called again, without loss.
    pub async fn next(&mut self) -> pingora::Result<Event> {
        let event = if self.answer == Answer::Awaited { self.head().await } else { self.piece().await };
        self.spoiled |= event.is_err();
        event
    }

    /// Whether the answer is at its end: then [`Self::next`] tells nothing new. HTTP/2 may still have trailers.
    pub fn has_ended(&mut self) -> pingora::Result<bool> {
        if self.answer == Answer::Begun {
            let ended = match &mut self.session {
                // A stream that broke looks like one that ended, to those who do not ask.
                HttpSession::H2(http2) => http2.check_response_end_or_error(),
                other => Ok(other.response_done()),
            };
            if self.checked(ended)? {
                self.answer = Answer::Whole;
            }
        }
        Ok(self.answer == Answer::Whole)
    }

    /// Whether another request may have the connection.
    pub(super) fn is_reusable(&self) -> bool {
        self.answer == Answer::Whole && self.sent && !self.spoiled
    }

    async fn head(&mut self) -> pingora::Result<Event> {
        self.session.read_response_header().await?;
        let head = self.session.response_header().cloned();
        let head = head.ok_or_else(|| Error::explain(ErrorType::InternalError, "no head after reading it"))?;
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            self.answer = Answer::Begun;
        } else if self.is_http2() {
            return Err(Error::explain(ErrorType::H2Error, "an informational head for the answer"));
        }
        Ok(Event::Head(Box::new(head)))
    }

    async fn piece(&mut self) -> pingora::Result<Event> {
        if self.has_ended()? {
            return Ok(Event::End(None));
        }
        if let Some(piece) = self.session.read_response_body().await? {
            return Ok(Event::Piece(piece));
        }
        let trailers = match &mut self.session {
            HttpSession::H2(http2) => http2.read_trailers().await?,
            _ => None,
        };
        self.answer = Answer::Whole;
        Ok(Event::End(trailers))
    }

    fn checked<T>(&mut self, result: pingora::Result<T>) -> pingora::Result<T> {
        self.spoiled |= result.is_err();
        result
    }
}
