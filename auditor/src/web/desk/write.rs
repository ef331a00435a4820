//! Writing a form: a new one, or a draft again. Whatever is wrong, what was typed stays in its fields.

use super::field::{self, Field, Input, Told, Wrong};
use super::paper::{self, Given};
use super::said::{self, Names, Row};
use super::sheet::Sheet;
use super::wrong::{said as in_words, trouble, whole, wrongs};
use super::{day, words};
use crate::accounts::{Account, UserName};
use crate::clock;
use crate::forms::{self, State};
use crate::random;
use crate::store::{Filed, Heading};
use crate::web::App;
use crate::web::admin::content;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble, page};
use crate::web::pages::see_other;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::{AccountId, FormId};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// The three forms, by their names in addresses.
const PAPERS: [(&str, forms::Kind); 3] = [
    ("application", forms::Kind::Application),
    ("change", forms::Kind::Alteration),
    ("deregistration", forms::Kind::Deregistration),
];

/// Where form 1 is written by who has an account.
pub(super) const APPLICATION: &str = "/admin/forms/new/application";

#[derive(Template)]
#[template(path = "admin/form_edit.html")]
struct EditPage {
    frame: Frame,
    heading: Cow<'static, str>,
    intro: Cow<'static, str>,
    told: Vec<Told>,
    to: String,
    version: Option<i64>,
    fixed: Vec<Row>,
    fields: Vec<Field>,
    back: String,
    /// What somebody else has made of the draft in the meantime.
    newest: Vec<Row>,
}

/// What is written.
struct Desk<'a> {
    app: &'a App,
    member: &'a Member,
    kind: forms::Kind,
    /// The draft that it is, if it is one already, as it is now.
    draft: Option<&'a Filed>,
    /// Who writes.
    me: &'a Account,
}

/// Whose account a new form is about, if its address says so.
#[derive(Debug, Default, Deserialize)]
pub(super) struct About {
    account: Option<String>,
}

/// A page to write a new form on.
pub(super) async fn new(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(paper): Path<String>,
    about: Result<Query<About>, QueryRejection>,
    frame: Frame,
) -> Response {
    let Some(kind) = kind(&paper) else { return Trouble::NotFound.page(frame) };
    let about = about.map(|Query(about)| about).unwrap_or_default();
    match begun(&app, &member, kind, &about).await {
        Ok((me, sheet)) => {
            let desk = Desk { app: &app, member: &member, kind, draft: None, me: &me };
            desk.page(frame, StatusCode::OK, &sheet, &[], None).await
        }
        Err(problem) => trouble(frame, &problem),
    }
}

/// A new form, sent.
pub(super) async fn begin(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(paper): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let Some(kind) = kind(&paper) else { return Trouble::NotFound.page(frame) };
    let me = match myself(&app, &member).await {
        Ok(me) => me,
        Err(problem) => return trouble(frame, &problem),
    };
    let desk = Desk { app: &app, member: &member, kind, draft: None, me: &me };
    desk.sent(frame, posted).await
}

/// A page to write a draft anew on.
pub(super) async fn edit(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
) -> Response {
    match draft(&app, &member, &id).await {
        Ok((filed, me)) => {
            let kind = filed.heading.kind;
            let desk = Desk { app: &app, member: &member, kind, draft: Some(&filed), me: &me };
            let sheet = Sheet::kept(filed.stored.form());
            desk.page(frame, StatusCode::OK, &sheet, &[], None).await
        }
        Err(problem) => trouble(frame, &problem),
    }
}

/// A draft, sent anew.
pub(super) async fn mend(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    match draft(&app, &member, &id).await {
        Ok((filed, me)) => {
            let kind = filed.heading.kind;
            let desk = Desk { app: &app, member: &member, kind, draft: Some(&filed), me: &me };
            desk.sent(frame, posted).await
        }
        Err(problem) => trouble(frame, &problem),
    }
}

fn kind(paper: &str) -> Option<forms::Kind> {
    PAPERS.into_iter().find(|(name, _)| *name == paper).map(|(_, kind)| kind)
}

async fn myself(app: &App, member: &Member) -> Result<Account, Problem> {
    let me = app.visible_account(member, member.account).await?;
    me.map(|(account, _, _)| account).ok_or_else(|| Kind::NotLoggedIn.into())
}

/// Who writes, and what is known before they do.
async fn begun(app: &App, member: &Member, kind: forms::Kind, about: &About) -> Result<(Account, Sheet), Problem> {
    let me = app.visible_account(member, member.account).await?;
    let (me, _, regions) = me.ok_or(Kind::NotLoggedIn)?;
    let mut sheet = Sheet::new(kind);
    if let Some(known) = regions.first() {
        sheet.set("region", known.region.as_str());
    }
    match kind {
        forms::Kind::Application => {
            sheet.set("name", &me.name);
            sheet.set("title", &me.title);
            sheet.set("valid_from", day::day(clock::now()));
        }
        forms::Kind::Alteration => sheet.set("valid_from", day::day(clock::now())),
        forms::Kind::Deregistration => {}
    }
    let other = about.account.as_deref().and_then(|id| id.parse::<AccountId>().ok());
    if let Some(other) = other.filter(|other| *other != me.id && kind != forms::Kind::Application)
        && let Some((account, grants, regions)) = app.visible_account(member, other).await?
    {
        sheet.set("user_name", account.user_name.as_str());
        sheet.set("region", regions.first().map_or("", |of| of.region.as_str()));
        if let [only] = grants.as_slice() {
            sheet.set("registry", only.registry.as_str());
        }
    }
    Ok((me, sheet))
}

/// A draft of a member's own.
async fn draft(app: &App, member: &Member, id: &str) -> Result<(Filed, Account), Problem> {
    let id: FormId = id.parse().map_err(|_| Kind::NotFound)?;
    let filed = app.read_form(member, id).await?;
    if !member.viewer.owns(&filed.heading) {
        return Err(Kind::NotYours.into());
    }
    if filed.heading.state != State::Draft {
        return Err(Kind::WrongState.into());
    }
    Ok((filed, myself(app, member).await?))
}

impl Desk<'_> {
    fn fields(&self, frame: &Frame) -> Vec<Field> {
        let hsa = self.me.hsa.is_some();
        paper::fields(frame, self.kind, Given { hsa, account: self.draft.is_some() })
    }

    /// What was sent is kept, or shown again.
    async fn sent(&self, frame: Frame, posted: Posted) -> Response {
        let asked_for = posted.asked_for();
        let (Ok(typed) | Err(typed)) = &asked_for;
        let mut sheet = Sheet::typed(self.kind, typed);
        if self.me.hsa.is_some() {
            // The account's counts.
            sheet.set("hsa", "");
        }
        let seen = typed.get("version").parse().ok();
        if asked_for.is_err() {
            let wrong = [whole(&frame, "wrong-stale")];
            return self.page(frame, StatusCode::FORBIDDEN, &sheet, &wrong, seen).await;
        }
        let problem = match self.keep(&sheet, seen).await {
            Ok(kept) => return see_other(&format!("/admin/forms/{}?done=saved", kept.id)),
            Err(problem) => problem,
        };
        let wrong = match problem.kind() {
            Kind::Invalid => wrongs(&frame, &problem, &self.fields(&frame)),
            Kind::Changed => vec![whole(&frame, "forms-edit-changed")],
            Kind::NotLoggedIn => return trouble(frame, &problem),
            _ => {
                let (heading, text) = in_words(&frame, &problem);
                vec![Wrong { field: None, text: format!("{heading}. {text}") }]
            }
        };
        // Whoever saves again after a change has seen it.
        let seen = seen.filter(|_| problem.kind() != Kind::Changed);
        self.page(frame, problem.kind().parts().1, &sheet, &wrong, seen).await
    }

    async fn keep(&self, sheet: &Sheet, seen: Option<i64>) -> Result<Heading, Problem> {
        let account = match self.draft {
            _ if self.kind == forms::Kind::Application => None,
            Some(draft) => draft.heading.account,
            None => self.whose(sheet.get("user_name")).await?,
        };
        let now = clock::now();
        let form = content::form(sheet.fields(account, now), self.member.account, now)?;
        match self.draft {
            Some(draft) => {
                let version = seen.ok_or(Kind::Malformed)?;
                self.app.mend_form(self.member, (draft.heading.id, version), form).await
            }
            None => self.app.begin_form(self.member, form).await,
        }
    }

    /// Whose account is meant; none: one's own. Who may not write forms for others learns nothing by names: one that
    /// nobody has goes the same way as one that somebody has.
    async fn whose(&self, user_name: &str) -> Result<Option<AccountId>, Problem> {
        if user_name.is_empty() {
            return Ok(None);
        }
        let wrong = |_| Problem::field("/user_name", "form", "must be a user name");
        let name = UserName::parse(user_name).map_err(wrong)?;
        let found = self.app.store.account_by_name(&name).await;
        let found = found.map_err(|error| Problem::from_store(&error, crate::duties::Action::SeeAccount))?;
        Ok(Some(found.map_or_else(|| AccountId::new(random::uuid(clock::now())), |account| account.id)))
    }

    /// The page, with what stands in its fields. `seen`: the version that these were written on, if it still counts.
    async fn page(
        &self,
        frame: Frame,
        status: StatusCode,
        sheet: &Sheet,
        wrong: &[Wrong],
        seen: Option<i64>,
    ) -> Response {
        let mut fixed = Vec::new();
        if self.kind == forms::Kind::Application
            && let Some(hsa) = &self.me.hsa
        {
            fixed.push(Row { label: frame.say("forms-hsa"), text: hsa.as_str().to_owned() });
        }
        let mut newest = Vec::new();
        if let Some(draft) = self.draft {
            let names = match Names::in_form(self.app, self.member, draft).await {
                Ok(names) => names,
                Err(problem) => return trouble(frame, &problem),
            };
            if let (Some(account), false) = (draft.heading.account, self.kind == forms::Kind::Application) {
                fixed.push(Row { label: frame.say("forms-account"), text: names.get(&frame, account) });
            }
            if status == StatusCode::PRECONDITION_FAILED {
                newest = said::rows(&frame, draft, &names);
            }
        }
        let fields = paper::filled(self.fields(&frame), sheet, wrong);
        let new = PAPERS.into_iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        let at = self.draft.map(|draft| format!("/admin/forms/{}", draft.heading.id));
        let heading = if at.is_some() { "forms-edit-heading" } else { words::kind(self.kind) };
        let intro = match self.kind {
            forms::Kind::Application => "forms-edit-application-intro",
            forms::Kind::Alteration => "forms-edit-alteration-intro",
            forms::Kind::Deregistration => "forms-edit-deregistration-intro",
        };
        let shown = EditPage {
            heading: frame.say(heading),
            intro: frame.say(intro),
            told: field::summary(wrong, &fields),
            to: at.as_ref().map_or_else(|| format!("/admin/forms/new/{new}"), |at| format!("{at}/edit")),
            version: seen.or_else(|| self.draft.map(|draft| draft.heading.version)),
            fixed,
            fields,
            back: at.unwrap_or_else(|| "/admin".to_owned()),
            newest,
            frame,
        };
        page(status, &shown)
    }
}
