//! What was no request: nobody could read it, so it reaches no hook of the proxy. pingora answers it with a bare status;
//! here that becomes an answer like any other, with an id that the record has too.

use crate::client::Unread;
use crate::problem::{self, Language, Preferences, Problem};
use bytes::Bytes;
use contract::id::RequestId;
use contract::record::Reason;
use http::StatusCode;
use std::io::Write as _;
use uuid::Uuid;

impl Unread {
    /// Of this status, with a new id.
    pub(super) fn new(status: StatusCode) -> Self {
        Self { request: RequestId::new(Uuid::now_v7()), status }
    }

    /// Recognises pingora's own answer: a status line, written before any request was understood.
    pub(super) fn of_answer(bytes: &[u8]) -> Option<Self> {
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = StatusCode::from_bytes(status).ok()?;
        (status.is_client_error() || status.is_server_error()).then(|| Self::new(status))
    }

    /// Why it was refused.
    pub(super) fn reason(&self) -> Reason {
        match self.status.as_u16() {
            408 => Reason::Slow,
            413 => Reason::BodyTooLarge,
            414 | 431 => Reason::HeadTooLarge,
            _ => Reason::Malformed,
        }
    }

    /// The answer in HTTP/1.1: JSON, for what somebody wants to see cannot be known. The connection ends with it.
    pub(super) fn answer(&self) -> Bytes {
        let answer = problem::answer(&Problem {
            reason: self.reason(),
            status: self.status,
            request: self.request,
            preferences: Preferences { html: false, language: Language::Swedish },
            contact: None,
            allow: None,
            ticket: None,
        });
        let mut out = Vec::with_capacity(1024);
        // Writing to memory does not fail.
        let _written =
            write!(out, "HTTP/1.1 {}\r\nx-request-id: {}\r\nconnection: close\r\n", answer.status, self.request);
        for (name, value) in &answer.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&answer.body);
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_are_taken_for_such_answers() {
        let status = |text: &[u8]| Unread::of_answer(text).map(|unread| unread.status.as_u16());
        assert_eq!(status(b"HTTP/1.1 400 Bad Request\r\n"), Some(400));
        assert_eq!(status(b"HTTP/1.1 431 \r\n"), Some(431));
        assert_eq!(status(b"HTTP/1.1 100 Continue\r\n"), None);
        assert_eq!(status(b"HTTP/1.1 2"), None);
        assert_eq!(status(b"{}"), None);
    }

    #[test]
    fn the_answer_names_its_id_and_its_length() {
        let unread = Unread::new(StatusCode::BAD_REQUEST);
        let text = String::from_utf8(unread.answer().to_vec()).unwrap_or_default();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(head.contains("application/problem+json") && head.contains(&unread.request.to_string()), "{head}");
        assert!(body.contains(&unread.request.to_string()), "{body}");
    }
}
