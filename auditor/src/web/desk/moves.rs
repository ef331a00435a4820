//! What is done with forms on their pages.

use super::show::{ASSURED, Tried, again};
use super::step::{self, Asked};
use super::wrong::{beside, said, trouble, whole, wrongs};
use super::{show, words};
use crate::store::Heading;
use crate::web::App;
use crate::web::admin::body::Fields;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::work::Deed;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble, Typed};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::FormId;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What the fields of all moves are called; they go along when a second factor is asked for.
const FIELDS: [&str; 5] = ["version", "basis", "reason", "user_name", ASSURED];

/// A move, sent from a form's page.
pub(super) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path((id, deed)): Path<(String, String)>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let Some(deed) = Deed::parse(&deed) else { return Trouble::NotFound.page(frame) };
    let heading = match visible(&app, &member, &id, deed).await {
        Ok(heading) => heading,
        Err(problem) => return trouble(frame, &problem),
    };
    let asked_for = posted.asked_for();
    let (Ok(typed) | Err(typed)) = &asked_for;
    let tried = |status, wrong| Tried { status, deed: Some(deed), typed: typed.clone(), wrong, ..Tried::default() };
    if asked_for.is_err() {
        let wrong = vec![whole(&frame, "wrong-stale")];
        return again(&app, &member, frame, &id, tried(StatusCode::FORBIDDEN, wrong)).await;
    }
    let sign = |frame: Frame, wrong| {
        let [name, ..] = words::deed(deed);
        let what = format!("{}: {}", frame.say(name), frame.say(words::kind(heading.kind)));
        let said = deed.words().map(|field| typed.get(field)).filter(|said| !said.is_empty());
        let asked = Asked {
            to: format!("/admin/forms/{id}/{}", deed.as_str()),
            deed: said.map_or_else(|| what.clone(), |said| format!("{what}\n{said}")),
            typed,
            fields: &FIELDS,
            back: format!("/admin/forms/{id}"),
        };
        step::ask(frame, asked, wrong)
    };
    match attempt(&app, &member, deed, &heading, typed).await {
        Ok(Ok(_)) => see_other(&after(&heading, deed)),
        Ok(Err(wrong)) => sign(frame, Some(wrong)),
        Err(problem) if problem.kind() == Kind::StepUpRequired => sign(frame, None),
        Err(problem) => {
            let wrong = match problem.kind() {
                Kind::Invalid if deed == Deed::Submit && unassured(typed) => {
                    vec![beside(&frame, ASSURED, "forms-submit-wrong")]
                }
                Kind::Invalid => {
                    let fields = show::fields(&frame, deed, &heading);
                    wrongs(&frame, &problem, &fields)
                }
                Kind::Changed => vec![whole(&frame, "forms-show-changed")],
                Kind::NotFound | Kind::Unavailable | Kind::NotLoggedIn | Kind::AccountInactive => {
                    return trouble(frame, &problem);
                }
                _ => {
                    let (heading, text) = said(&frame, &problem);
                    vec![super::field::Wrong { field: None, text: format!("{heading}. {text}") }]
                }
            };
            again(&app, &member, frame, &id, tried(problem.kind().parts().1, wrong)).await
        }
    }
}

fn unassured(typed: &Typed) -> bool {
    typed.get(ASSURED) != "yes"
}

async fn visible(app: &App, member: &Member, id: &str, deed: Deed) -> Result<Heading, Problem> {
    let id: FormId = id.parse().map_err(|_| Kind::NotFound)?;
    app.visible(member, id, deed.as_str()).await
}

/// Makes the move. What is wrong with the code that was shown is told apart.
async fn attempt(
    app: &App,
    member: &Member,
    deed: Deed,
    heading: &Heading,
    typed: &Typed,
) -> Result<Result<Heading, &'static str>, Problem> {
    let version = typed.get("version").parse().map_err(|_| Kind::Malformed)?;
    let ready = deed.read(fields(deed, typed), heading, member.account)?;
    if deed == Deed::Submit && unassured(typed) {
        return Err(Problem::field("/assured", "missing", "the assurance is missing"));
    }
    if let Err(wrong) = app.shown_code(member, typed).await? {
        return Ok(Err(wrong));
    }
    app.make(member, (heading.id, version), ready).await.map(Ok)
}

/// What the interface reads of what was typed. A field that no move has is one too many.
fn fields(deed: Deed, typed: &Typed) -> Fields {
    let mut map = Map::new();
    let user_name = (deed == Deed::Execute).then_some("user_name");
    for name in deed.words().into_iter().chain(user_name) {
        let value = typed.get(name).replace("\r\n", "\n");
        if !value.is_empty() {
            map.insert(name.to_owned(), value.into());
        }
    }
    let own = |name: &&str| FIELDS.contains(name) || *name == "form" || *name == step::CODE;
    for name in typed.names().filter(|name| !own(name)) {
        map.insert(format!("?{name}"), Value::Null);
    }
    Fields::typed(map)
}

/// Where one goes on: what was sent back is a draft again, and its owner's alone.
fn after(heading: &Heading, deed: Deed) -> String {
    match deed {
        Deed::Return => format!("/admin/forms?queue=waiting&done={}", deed.as_str()),
        _ => format!("/admin/forms/{}?done={}", heading.id, deed.as_str()),
    }
}
