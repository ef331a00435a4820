//! Devices are enrolled: by a code that is used on the device, by a request for a certificate, or by a file with a key that
//! is made here. Codes, pass phrases and files are shown once, and kept nowhere.

use super::codes::CODES;
use super::{LIST, manages};
use crate::devices::DeviceCode;
use crate::duties::Action;
use crate::issuing::{DeviceFile, FileForm, Given};
use crate::web::App;
use crate::web::admin::devices::{deeds, reaches};
use crate::web::admin::problem::Problem;
use crate::web::admin::query::Parameters;
use crate::web::desk::field::{Choice, Field, Input, summary};
use crate::web::desk::leaf::{File, Go, Leaf, Offer, row, time};
use crate::web::desk::sent::{Again, At, Move, Undone};
use crate::web::desk::words;
use crate::web::desk::wrong::{beside, trouble};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble};
use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// Which file is made; `form` is the proof of every form.
pub(super) const FILE_FORM: &str = "file_form";
pub(super) const NEW: &str = "/admin/devices/new";
/// Organisations that are offered to choose from; more are typed.
const OFFERED_MAX: usize = 50;

/// A way to enrol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Code,
    Request,
    File,
}

impl Way {
    const ALL: [Self; 3] = [Self::Code, Self::Request, Self::File];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Request => "request",
            Self::File => "file",
        }
    }

    const fn words(self) -> [&'static str; 2] {
        match self {
            Self::Code => ["devices-by-code", "devices-by-code-intro"],
            Self::Request => ["devices-by-request", "devices-by-request-intro"],
            Self::File => ["devices-by-file", "devices-by-file-intro"],
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Code => &["organisation", "name"],
            Self::Request => &["organisation", "name", "csr"],
            Self::File => &["organisation", "name", FILE_FORM],
        }
    }
}

/// A page to enrol a device on.
pub(in crate::web::desk) async fn new(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
) -> Response {
    again(At { app: &app, member: &member, frame: &frame }, None, Again::default()).await
}

async fn again(at: At<'_>, tried: Option<Way>, again: Again) -> Response {
    match leaf(at, tried, &again).await {
        Ok(leaf) => leaf.page(again.status),
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(at: At<'_>, tried: Option<Way>, again: &Again) -> Result<Leaf, Problem> {
    let frame = at.frame;
    if !manages(at.member) {
        return Err(Problem::lacking(Action::ManageDevices));
    }
    let organisation = organisation(at).await?;
    let offer = |way: Way| {
        let [heading, intro] = way.words();
        let mine = tried == Some(way);
        let fill = |field: Field| {
            let value = if mine { again.typed.get(field.name).replace("\r\n", "\n") } else { field.value.clone() };
            field.with(&value, if mine { again.wrong.as_slice() } else { &[] }).within(way.as_str())
        };
        Offer {
            name: way.as_str().to_owned(),
            to: format!("{NEW}/{}", way.as_str()),
            heading: frame.say(heading),
            intro: frame.say(intro),
            hidden: Vec::new(),
            fields: fields(frame, way, organisation.clone()).into_iter().map(fill).collect(),
            second: way != Way::Code,
            files: false,
        }
    };
    let offers: Vec<Offer> = Way::ALL.into_iter().map(offer).collect();
    let mine = offers.iter().find(|offer| tried.is_some_and(|way| way.as_str() == offer.name));
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-enrol"));
    leaf.told = summary(&again.wrong, mine.map_or(&[], |offer| offer.fields.as_slice()));
    leaf.links = vec![
        Go::to(LIST, frame.say("devices-back")),
        Go::to("/admin/devices/organisations", frame.say("devices-organisations")),
    ];
    leaf.offers = offers;
    Ok(leaf)
}

/// The organisation's field: a choice of those that the member enrols for, or what they type if these are many.
async fn organisation(at: At<'_>) -> Result<Field, Problem> {
    let field = Field::line(at.frame, "organisation", "devices-organisation");
    let (found, next) = at.app.organisation_list(at.member, Parameters::new(Ok(Query(Vec::new())))?).await?;
    if next.is_some() || found.is_empty() || found.len() > OFFERED_MAX {
        return Ok(field.hinted(at.frame, "forms-hsa-hint"));
    }
    let theirs = found.iter().filter(|of| reaches(at.member, Action::ManageDevices, &of.hsa));
    let some = theirs.map(|of| Choice::new(of.hsa.as_str(), format!("{} ({})", of.name, of.hsa)));
    let none = Choice::new("", at.frame.say("forms-choose"));
    Ok(field.input(Input::Select(std::iter::once(none).chain(some).collect())))
}

fn fields(frame: &Frame, way: Way, organisation: Field) -> Vec<Field> {
    let name = Field::line(frame, "name", "devices-name").hinted(frame, "devices-name-hint");
    let mut fields = vec![organisation, name];
    match way {
        Way::Code => {}
        Way::Request => fields
            .push(Field::line(frame, "csr", "devices-csr").hinted(frame, "devices-csr-hint").input(Input::Lines(8))),
        Way::File => fields.push(form_field(frame)),
    }
    fields
}

/// Which file is made.
pub(super) fn form_field(frame: &Frame) -> Field {
    let choices = FileForm::ALL.iter().map(|form| Choice::new(form.as_str(), frame.say(words::file_form(*form))));
    Field::line(frame, FILE_FORM, "devices-form").input(Input::Radio(choices.collect()))
}

/// A device to be, sent.
pub(in crate::web::desk) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(name): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let Some(way) = Way::ALL.into_iter().find(|way| way.as_str() == name) else {
        return Trouble::NotFound.page(frame);
    };
    // Whose duty it is not is told so where it would be done, which is on record.
    let typed = |_| Field::line(&frame, "organisation", "devices-organisation");
    let field = organisation(at).await.unwrap_or_else(typed);
    let [heading, _] = way.words();
    let sent = Move {
        to: format!("{NEW}/{name}"),
        back: NEW.to_owned(),
        what: frame.say(heading).into_owned(),
        names: way.names(),
        flags: &[],
        fields: fields(&frame, way, field),
    };
    let done = match way {
        Way::Code => {
            let make = async |new| app.issue_code(&member, &new).await;
            let issued = at.run(posted, sent, deeds::named, make).await;
            issued.map(|made| {
                let code = made.code.shown();
                code_page(&frame, &code, &made.kept)
            })
        }
        Way::Request => {
            let make = async |new| app.enrol_request(&member, &new).await;
            let given = at.run(posted, sent, deeds::with_request, make).await;
            given.map(|given| given_page(&frame, &given))
        }
        Way::File => {
            let make = async |new| app.enrol_file(&member, &new).await;
            let given = at.run(posted, sent, |fields| deeds::with_form(fields, FILE_FORM), make).await;
            given.map(|(given, file)| made_file(&frame, &given, &file))
        }
    };
    match done {
        Ok(page) => page,
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(mut tried)) => {
            if tried.typed.get("organisation").is_empty() && tried.status == StatusCode::UNPROCESSABLE_ENTITY {
                tried.wrong.retain(|wrong| wrong.field.as_deref() != Some("organisation"));
                tried.wrong.insert(0, beside(&frame, "organisation", "devices-organisation-missing"));
            }
            again(at, Some(way), tried).await
        }
    }
}

fn code_page(frame: &Frame, code: &str, kept: &DeviceCode) -> Response {
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-code-made"));
    leaf.intro = vec![frame.say("devices-once"), frame.say("devices-code-use")];
    leaf.rows = vec![
        row(frame, "devices-name", &kept.name),
        row(frame, "devices-organisation", kept.organisation.to_string()),
        row(frame, "devices-code", code),
        row(frame, "devices-code-until", time(frame, Some(kept.expires), "accounts-never")),
    ];
    leaf.links = vec![Go::to(CODES, frame.say("devices-codes")), Go::to(LIST, frame.say("devices-back"))];
    leaf.page(StatusCode::OK)
}

fn given_page(frame: &Frame, given: &Given) -> Response {
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-given"));
    leaf.intro = vec![frame.say("devices-given-intro")];
    leaf.rows = vec![row(frame, "devices-ends", time(frame, Some(given.certificate.not_after), "accounts-never"))];
    let pem = |name: &str, key, text: &str| File {
        name: name.to_owned(),
        text: frame.say(key),
        kind: "application/x-pem-file",
        content: STANDARD.encode(text),
    };
    leaf.files = vec![
        pem("certificate.pem", "devices-certificate", &given.cert_pem),
        pem("authority.pem", "devices-authority", &given.authority_pem),
    ];
    leaf.links = vec![Go::to(format!("{LIST}/{}", given.device), frame.say("devices-to"))];
    leaf.page(StatusCode::OK)
}

/// The page from which a file is taken, with what opens it: once.
pub(super) fn made_file(frame: &Frame, given: &Given, file: &DeviceFile) -> Response {
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-file-made"));
    leaf.intro = vec![frame.say("devices-once"), frame.say("devices-file-use")];
    leaf.rows = vec![
        row(frame, "devices-pass-phrase", file.pass_phrase.as_str()),
        row(frame, "devices-ends", time(frame, Some(given.certificate.not_after), "accounts-never")),
    ];
    leaf.files = vec![File {
        name: file.name.clone(),
        text: frame.say("devices-take-file"),
        kind: file.media_type,
        content: STANDARD.encode(file.bytes.as_slice()),
    }];
    leaf.links = vec![Go::to(format!("{LIST}/{}", given.device), frame.say("devices-to"))];
    leaf.page(StatusCode::OK)
}
