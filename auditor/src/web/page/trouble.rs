//! Pages that say that something cannot be done, and where to go on.

use super::{Frame, page};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use std::borrow::Cow;

/// Why a page cannot be shown, or something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Trouble {
    NotFound,
    Method,
    Unavailable,
    Unreadable,
}

/// Heading and text of a trouble.
#[derive(Template)]
#[template(path = "admin/trouble.html")]
struct TroublePage {
    frame: Frame,
    heading: Cow<'static, str>,
    text: Cow<'static, str>,
}

impl Trouble {
    const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable => StatusCode::BAD_REQUEST,
        }
    }

    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::NotFound => ("trouble-not-found", "trouble-not-found-text"),
            Self::Method => ("trouble-method", "trouble-method-text"),
            Self::Unavailable => ("trouble-unavailable", "trouble-unavailable-text"),
            Self::Unreadable => ("trouble-unreadable", "trouble-unreadable-text"),
        }
    }

    /// The page that says so.
    pub(in crate::web) fn page(self, frame: Frame) -> Response {
        let (heading, text) = self.keys();
        let (heading, text) = (frame.say(heading), frame.say(text));
        page(self.status(), &TroublePage { frame, heading, text })
    }
}
