//! A device's page: what it is, when its certificate ends, and how it is renewed by a file or revoked.

use super::LIST;
use super::enrol::{FILE_FORM, form_field, made_file};
use crate::clock;
use crate::devices::Why;
use crate::duties::Action;
use crate::store::Listed;
use crate::web::App;
use crate::web::admin::devices::view::state;
use crate::web::admin::devices::{deeds, reaches};
use crate::web::admin::problem::{Kind, Problem};
use crate::web::desk::field::{Choice, Field, Input, summary};
use crate::web::desk::leaf::{Go, Leaf, Offer, row, time};
use crate::web::desk::said::{Names, Row};
use crate::web::desk::sent::{Again, At, Move, Undone};
use crate::web::desk::words;
use crate::web::desk::wrong::trouble;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Path, State as Shared};
use axum::http::Uri;
use axum::response::Response;
use contract::id::DeviceId;
use std::sync::Arc;

/// The page.
pub(in crate::web::desk) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    uri: Uri,
) -> Response {
    let done = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "done=revoke"));
    let at = At { app: &app, member: &member, frame: &frame };
    again(at, &id, None, Again::default(), done.then_some("devices-done-revoke")).await
}

async fn again(at: At<'_>, id: &str, tried: Option<&str>, again: Again, done: Option<&'static str>) -> Response {
    match leaf(at, id, tried, &again).await {
        Ok(mut leaf) => {
            leaf.done = done.map(|key| at.frame.say(key));
            leaf.page(again.status)
        }
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(
    At { app, member, frame }: At<'_>,
    id: &str,
    tried: Option<&str>,
    again: &Again,
) -> Result<Leaf, Problem> {
    let id: DeviceId = id.parse().map_err(|_| Kind::NotFound)?;
    let listed = app.visible_device(member, id, "see").await?;
    let names = Names::of(app, member, &[listed.device.enrolled_by]).await?;
    let manages = reaches(member, Action::ManageDevices, &listed.device.organisation);
    let offers = if manages && listed.device.revoked.is_none() { offers(frame, id) } else { Vec::new() };
    let fill = |offer: Offer| {
        let mine = tried == Some(offer.name.as_str());
        let fill = |field: Field| {
            let value = if mine { again.typed.get(field.name).to_owned() } else { field.value.clone() };
            field.with(&value, if mine { again.wrong.as_slice() } else { &[] }).within(&offer.name)
        };
        Offer { fields: offer.fields.into_iter().map(fill).collect(), ..offer }
    };
    let offers: Vec<Offer> = offers.into_iter().map(fill).collect();
    let mine = offers.iter().find(|offer| tried == Some(offer.name.as_str()));
    let mut leaf = Leaf::new(frame.clone(), listed.device.name.clone());
    leaf.told = summary(&again.wrong, mine.map_or(&[], |offer| offer.fields.as_slice()));
    leaf.state = Some(frame.say(words::device_state(state(&listed, clock::now()))));
    leaf.links = vec![Go::to(LIST, frame.say("devices-back"))];
    leaf.rows = rows(frame, &listed, &names);
    leaf.offers = offers;
    Ok(leaf)
}

fn rows(frame: &Frame, listed: &Listed, names: &Names) -> Vec<Row> {
    let device = &listed.device;
    let by = match device.enrolled_by {
        by if by.is_none() => frame.say("appointments-console").into_owned(),
        by => names.get(frame, by),
    };
    let never = "accounts-never";
    let mut rows = vec![
        row(frame, "devices-organisation", device.organisation.to_string()),
        row(frame, "devices-ends", time(frame, Some(device.not_after), never)),
        row(frame, "devices-used", time(frame, listed.last_used, never)),
        row(frame, "devices-enrolled", format!("{}, {by}", time(frame, Some(device.enrolled), never))),
        row(frame, "devices-serial", &device.serial),
        row(frame, "devices-fingerprint", device.fingerprint.to_string()),
    ];
    if let Some(next) = listed.next {
        rows.insert(2, row(frame, "devices-next", time(frame, Some(next.not_after), never)));
    }
    if device.revoked.is_some() {
        let why = listed.why.map(|why| frame.say(words::revoked(why))).unwrap_or_default();
        let text = format!("{}\n{why}", time(frame, device.revoked, never));
        rows.push(row(frame, "devices-revoked", text));
    }
    rows
}

fn offers(frame: &Frame, id: DeviceId) -> Vec<Offer> {
    let offer = |name: &str, [heading, intro]: [&'static str; 2], fields| Offer {
        name: name.to_owned(),
        to: format!("{LIST}/{id}/{name}"),
        heading: frame.say(heading),
        intro: frame.say(intro),
        hidden: Vec::new(),
        fields,
        second: name == "revoke",
        files: false,
    };
    vec![
        offer("renew", ["devices-renew", "devices-renew-intro"], vec![form_field(frame)]),
        offer("revoke", ["devices-revoke", "devices-revoke-intro"], vec![why_field(frame)]),
    ]
}

fn why_field(frame: &Frame) -> Field {
    let choices = Why::TO_REVOKE.into_iter().map(|why| Choice::new(why.as_str(), frame.say(words::revoked(why))));
    Field::line(frame, "why", "devices-why").input(Input::Radio(choices.collect()))
}

/// Something done with a device, sent from its page.
pub(in crate::web::desk) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path((id, name)): Path<(String, String)>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let Ok(device) = id.parse::<DeviceId>() else { return Trouble::NotFound.page(frame) };
    let listed = match app.visible_device(&member, device, &name).await {
        Ok(listed) => listed,
        Err(problem) => return trouble(frame, &problem),
    };
    let place = format!("{LIST}/{id}");
    let sent = |heading: &'static str, names: &'static [&'static str], fields: Vec<Field>| Move {
        to: format!("{place}/{name}"),
        back: place.clone(),
        what: format!("{}: {}", frame.say(heading), listed.device.name),
        names,
        flags: &[],
        fields,
    };
    let undone = match name.as_str() {
        "revoke" => {
            let sent = sent("devices-revoke", &["why"], vec![why_field(&frame)]);
            let make = async |why| app.revoke_device(&member, device, why).await;
            match at.run(posted, sent, deeds::why, make).await {
                Ok(()) => return see_other(&format!("{place}?done=revoke")),
                Err(undone) => undone,
            }
        }
        "renew" => {
            let sent = sent("devices-renew", &[FILE_FORM], vec![form_field(&frame)]);
            let make = async |form| app.renew_file(&member, device, form).await;
            match at.run(posted, sent, |fields| deeds::form(fields, FILE_FORM), make).await {
                Ok((given, file)) => return made_file(&frame, &given, &file),
                Err(undone) => undone,
            }
        }
        _ => return Trouble::NotFound.page(frame),
    };
    match undone {
        Undone::Page(page) => *page,
        Undone::Again(tried) => again(at, &id, Some(&name), tried, None).await,
    }
}
