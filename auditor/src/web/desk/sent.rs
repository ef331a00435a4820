//! What is sent from a page to be done: whether it was asked for there, read, signed if it needs that, and done. What is
//! not done is told on the page again, with what was typed.

use super::field::{Field, Wrong};
use super::step::{self, Asked};
use super::wrong::{said, trouble, whole, wrongs};
use crate::web::App;
use crate::web::admin::body::Fields;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Typed};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

/// A move that a page sends.
#[derive(Debug)]
pub(super) struct Move<'a> {
    /// Where it is sent.
    pub(super) to: String,
    /// Where one goes who does not sign it.
    pub(super) back: String,
    /// What it is, in words.
    pub(super) what: String,
    /// The names of what is sent with it.
    pub(super) names: &'a [&'static str],
    /// Of these, boxes that stand for yes or no.
    pub(super) flags: &'a [&'static str],
    /// What is filled in, for words about it.
    pub(super) fields: Vec<Field>,
}

/// Nothing was done.
#[derive(Debug)]
pub(super) enum Undone {
    /// Another page says why, or asks for a second factor.
    Page(Box<Response>),
    /// The page, again.
    Again(Again),
}

/// What somebody has just tried on a page.
#[derive(Debug, Default)]
pub(super) struct Again {
    pub(super) status: StatusCode,
    pub(super) typed: Typed,
    pub(super) wrong: Vec<Wrong>,
}

/// Somebody on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) app: &'a App,
    pub(super) member: &'a Member,
    pub(super) frame: &'a Frame,
}

impl At<'_> {
    /// Does what was sent. `read` reads it, before a code is taken; `make` does it, and asks for a second factor if that
    /// is due.
    pub(super) async fn run<R, T>(
        self,
        posted: Posted,
        sent: Move<'_>,
        read: impl FnOnce(Fields) -> Result<R, Problem>,
        make: impl AsyncFnOnce(R) -> Result<T, Problem>,
    ) -> Result<T, Undone> {
        let typed = match posted.asked_for() {
            Ok(typed) => typed,
            Err(typed) => return Err(again(StatusCode::FORBIDDEN, typed, vec![whole(self.frame, "wrong-stale")])),
        };
        let tried = async {
            let ready = read(fields(&typed, sent.names, sent.flags))?;
            if let Err(wrong) = self.app.shown_code(self.member, &typed).await? {
                return Ok(Err(wrong));
            }
            make(ready).await.map(Ok)
        };
        match tried.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(wrong)) => Err(self.sign(&sent, &typed, Some(wrong))),
            Err(problem) => Err(self.undone(&problem, &sent, typed)),
        }
    }

    fn sign(self, sent: &Move<'_>, typed: &Typed, wrong: Option<&'static str>) -> Undone {
        let (to, back, deed) = (sent.to.clone(), sent.back.clone(), sent.what.clone());
        let asked = Asked { to, deed, typed, fields: sent.names, back };
        Undone::Page(Box::new(step::ask(self.frame.clone(), asked, wrong)))
    }

    fn undone(self, problem: &Problem, sent: &Move<'_>, typed: Typed) -> Undone {
        let status = problem.kind().parts().1;
        match problem.kind() {
            Kind::StepUpRequired => self.sign(sent, &typed, None),
            Kind::NotFound | Kind::Unavailable | Kind::NotLoggedIn | Kind::AccountInactive => {
                Undone::Page(Box::new(trouble(self.frame.clone(), problem)))
            }
            Kind::Invalid => again(status, typed, wrongs(self.frame, problem, &sent.fields)),
            _ => {
                let (heading, text) = said(self.frame, problem);
                again(status, typed, vec![Wrong { field: None, text: format!("{heading}. {text}") }])
            }
        }
    }
}

fn again(status: StatusCode, typed: Typed, wrong: Vec<Wrong>) -> Undone {
    Undone::Again(Again { status, typed, wrong })
}

/// What the interface reads of what was typed. A field that nobody asked for is one too many.
pub(super) fn fields(typed: &Typed, names: &[&'static str], flags: &[&'static str]) -> Fields {
    let mut map = Map::new();
    for name in names {
        let value = typed.get(name).replace("\r\n", "\n");
        if flags.contains(name) {
            map.insert((*name).to_owned(), Value::Bool(value == "yes"));
        } else if !value.is_empty() {
            map.insert((*name).to_owned(), value.into());
        }
    }
    for name in typed.names().filter(|name| !names.contains(name) && *name != "form" && *name != step::CODE) {
        // By a name that nothing else has: it is told as unknown, whatever it is.
        map.insert(format!("?{name}"), Value::Null);
    }
    Fields::typed(map)
}
