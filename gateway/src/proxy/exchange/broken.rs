//! Why an exchange did not come to its end.

use crate::client::Cut;
use crate::proxy::context::Context;
use contract::record::Reason;
use http::StatusCode;
use pingora::{Error, ErrorType};

/// An exchange that did not come to its end.
pub(in crate::proxy) struct Broken {
    /// What the record and the client are told.
    pub(super) reason: Reason,
    /// The status, should an answer still be possible.
    pub(super) status: StatusCode,
    /// The kind of the error below; its text may hold bytes of the exchange.
    pub(super) kind: &'static str,
    /// Whose doing it was, for the log.
    pub(super) side: &'static str,
    /// The client has left: there is nobody to answer.
    pub(super) gone: bool,
    /// The backend has not seen the request, or it may see it twice: another try is safe.
    pub(super) again: bool,
}

impl Broken {
    pub(super) fn new(reason: Reason, status: StatusCode, kind: &'static str, side: &'static str) -> Self {
        Self { reason, status, kind, side, gone: false, again: false }
    }

    /// By the client: it left, it does not take what it is sent, or its body is none.
    pub(super) fn client(error: &Error) -> Self {
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
    pub(super) fn backend(error: &Error) -> Self {
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
    pub(super) fn kept(mut error: Box<Error>, reused: bool) -> Self {
        error.retry.decide_reuse(reused);
        let again = error.retry() || reused && matches!(error.etype(), ErrorType::WriteError);
        Self { again, ..Self::backend(&error) }
    }

    /// By the auditor: the right to it has ended while it was under way. What has not been answered is refused; what
    /// is being answered breaks off, with its connection.
    pub(super) fn not_allowed(context: &Context) -> Self {
        if let Some(client) = context.client.as_ref().filter(|_| context.disclosing()) {
            client.cut(Cut::RightEnded);
        }
        Self::own(Reason::NoSession, crate::problem::status(Reason::NoSession))
    }

    pub(in crate::proxy) fn own(reason: Reason, status: StatusCode) -> Self {
        Self::new(reason, status, "refused", "gateway")
    }
}
