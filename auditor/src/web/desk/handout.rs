//! Credentials on their way, one by one: where each half is, and what is to be done with it. No half is on this page but
//! once, when it is read out.

use super::account::called_back;
use super::field::{Choice, Field, Input, summary};
use super::handouts::{way, ways};
use super::leaf::{Go, Leaf, Offer, row, time};
use super::said::{Names, Row};
use super::sent::{Again, At, Move, Undone};
use super::step::CODE;
use super::words;
use super::wrong::trouble;
use crate::accounts::Account;
use crate::handout::{Channel, Part, Stage, State};
use crate::store::{Half, Handout};
use crate::web::App;
use crate::web::admin::handouts::deeds::{Deed, Handed, hands_out};
use crate::web::admin::handouts::pdf_file;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Path, State as Shared};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use contract::id::HandoutId;
use std::borrow::Cow;
use std::sync::Arc;

const LIST: &str = "/admin/handouts";

/// What the page says besides where the halves are.
#[derive(Default)]
struct More {
    done: Option<&'static str>,
    /// The move that was tried, and its half.
    tried: Option<String>,
    again: Again,
    /// Whom to call.
    rows: Vec<Row>,
}

/// The page.
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    uri: Uri,
) -> Response {
    let done = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("done=")));
    let done = match done {
        Some("issue") => Some("handouts-done-issue"),
        Some("posted") => Some("handouts-done-posted"),
        Some("reroute") => Some("handouts-done-reroute"),
        Some("signed") => Some("handouts-done-signed"),
        _ => None,
    };
    again(At { app: &app, member: &member, frame: &frame }, &id, More { done, ..More::default() }).await
}

async fn again(at: At<'_>, id: &str, more: More) -> Response {
    let status = more.again.status;
    match leaf(at, id, more).await {
        Ok(leaf) => leaf.page(status),
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(at: At<'_>, id: &str, more: More) -> Result<Leaf, Problem> {
    let At { app, member, frame } = at;
    hands_out(member)?;
    let id: HandoutId = id.parse().map_err(|_| Kind::NotFound)?;
    let handout = app.handout(member, id).await?;
    let names = Names::of(app, member, &[handout.account, handout.issued_by]).await?;
    let person = app.visible_account(member, handout.account).await?.map(|(account, _, _)| account);
    let me = app.visible_account(member, member.account).await?.map(|(account, _, _)| account);
    let (offers, why_not) = offers(app, frame, &handout, person.as_ref(), me.as_ref());
    let fill = |offer: Offer| {
        let mine = more.tried.as_deref() == Some(offer.name.as_str());
        let fill = |field: Field| {
            let value = if mine { more.again.typed.get(field.name).to_owned() } else { field.value.clone() };
            field.with(&value, if mine { more.again.wrong.as_slice() } else { &[] }).within(&offer.name)
        };
        Offer { fields: offer.fields.into_iter().map(fill).collect(), ..offer }
    };
    let offers: Vec<Offer> = offers.into_iter().map(fill).collect();
    let mine = offers.iter().find(|offer| more.tried.as_deref() == Some(offer.name.as_str()));
    let name = names.get(frame, handout.account);
    let mut leaf = Leaf::new(frame.clone(), frame.say_of("handouts-of", "name", name));
    leaf.told = summary(&more.again.wrong, mine.map_or(&[], |offer| offer.fields.as_slice()));
    leaf.done = more.done.map(|key| frame.say(key));
    leaf.state = Some(frame.say(words::handout_state(handout.state)));
    leaf.notices = notices(frame, &handout);
    leaf.links = vec![
        Go::to(LIST, frame.say("handouts-back")),
        Go::to(format!("/admin/accounts/{}", handout.account), frame.say("handouts-account")),
    ];
    leaf.rows = more.rows;
    leaf.rows.extend(rows(frame, &handout, &names));
    leaf.offers = offers;
    leaf.why_not = why_not;
    Ok(leaf)
}

/// What went wrong with text messages, and what to do.
fn notices(frame: &Frame, handout: &Handout) -> Vec<Cow<'static, str>> {
    if handout.state != State::Open {
        return Vec::new();
    }
    let notice = |half: &Half| match (half.channel, half.stage) {
        (Channel::Sms, Stage::Failed) => Some(frame.say("handouts-sms-failed")),
        (Channel::Sms, Stage::Queued) if half.tries > 0 => {
            let at = time(frame, half.next_try, "accounts-never");
            let values = [("tries", i64::from(half.tries).into()), ("at", at.into())];
            Some(frame.language.say_with("handouts-sms-waits", values).into())
        }
        _ => None,
    };
    handout.halves.iter().filter_map(notice).collect()
}

fn rows(frame: &Frame, handout: &Handout, names: &Names) -> Vec<Row> {
    let by = match handout.issued_by {
        by if by.is_none() => frame.say("appointments-console").into_owned(),
        by => names.get(frame, by),
    };
    let mut rows = vec![
        row(frame, "handouts-purpose", frame.say(words::purpose(handout.purpose))),
        row(frame, "handouts-issued", format!("{}, {by}", time(frame, Some(handout.issued), "accounts-never"))),
        row(frame, "accounts-since", time(frame, Some(handout.state_at), "accounts-never")),
    ];
    for half in &handout.halves {
        let mut text = format!("{}\n{}", way(frame, half), time(frame, Some(half.stage_at), "accounts-never"));
        if half.until.is_some() {
            let until = time(frame, half.until, "accounts-never");
            text.extend(["\n", &frame.say_of("handouts-until", "at", until)]);
        }
        rows.push(row(frame, words::part(half.part), text));
    }
    if handout.tries > 0 {
        rows.push(row(frame, "handouts-tries", handout.tries.to_string()));
    }
    rows
}

/// What can be done with the halves, and why nothing, if it were the member's duty.
fn offers(
    app: &App,
    frame: &Frame,
    handout: &Handout,
    person: Option<&Account>,
    me: Option<&Account>,
) -> (Vec<Offer>, Option<Cow<'static, str>>) {
    let (Some(person), Some(me)) = (person, me) else { return (Vec::new(), None) };
    if handout.state != State::Open {
        return (Vec::new(), None);
    }
    if person.id == me.id || person.hsa.is_some() && person.hsa == me.hsa {
        return (Vec::new(), Some(frame.say("accounts-why-own")));
    }
    if me.hsa.is_none() {
        return (Vec::new(), Some(frame.say("accounts-why-unidentified")));
    }
    let mut offers = Vec::new();
    for half in &handout.halves {
        let (part, stage, channel) = (half.part, half.stage, half.channel);
        let phone = channel == Channel::Phone && stage == Stage::Waiting;
        let all = [
            (Deed::Letter, stage.print(channel).is_ok()),
            (Deed::Posted, stage.post(channel).is_ok()),
            (Deed::Number, phone),
            (Deed::Called, phone),
            (Deed::Reroute, stage.rerouted(channel).is_ok()),
        ];
        for (deed, _) in all.into_iter().filter(|(_, can)| *can) {
            offers.push(offer(app, frame, handout, deed, part, stage));
        }
    }
    (offers, None)
}

fn offer(app: &App, frame: &Frame, handout: &Handout, deed: Deed, part: Part, stage: Stage) -> Offer {
    let [heading, intro] = words::handout_deed(deed, stage);
    let of = frame.say(words::part(part));
    Offer {
        name: format!("{}-{}", deed.as_str(), part.as_str()),
        to: format!("{LIST}/{}/{}", handout.id, deed.as_str()),
        heading: frame.say_of(heading, "half", of.as_ref()).into(),
        intro: frame.say(intro),
        hidden: vec![("half", part.as_str().to_owned())],
        fields: fields(app, frame, handout, deed, part),
        second: deed == Deed::Reroute && stage != Stage::Failed || deed == Deed::Letter && stage == Stage::Printed,
        files: false,
    }
}

fn fields(app: &App, frame: &Frame, handout: &Handout, deed: Deed, part: Part) -> Vec<Field> {
    match deed {
        Deed::Called => vec![called_back(frame)],
        Deed::Reroute => {
            let choice = |of: &Channel| Choice::new(of.as_str(), frame.say(words::channel(*of)));
            let choices = ways(app, handout, part).iter().map(choice).collect();
            vec![Field::line(frame, "channel", "handouts-channel").input(Input::Radio(choices))]
        }
        Deed::Letter | Deed::Posted | Deed::Number => Vec::new(),
    }
}

/// Something done with a half, sent from the page.
pub(super) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path((id, name)): Path<(String, String)>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let Some(deed) = Deed::parse(&name) else { return Trouble::NotFound.page(frame) };
    let (handout, part) = match found(at, &id, &posted).await {
        Ok(found) => found,
        Err(problem) => return trouble(frame, &problem),
    };
    let names = Names::of(&app, &member, &[handout.account]).await.unwrap_or_default();
    let place = format!("{LIST}/{id}");
    let [heading, _] = words::handout_deed(deed, Stage::Waiting);
    let of = frame.say(words::part(part));
    let what = format!("{}: {}", frame.say_of(heading, "half", of.as_ref()), names.get(&frame, handout.account));
    let sent = Move {
        to: format!("{place}/{name}"),
        back: place.clone(),
        what,
        names: match deed {
            Deed::Called => &["half", "called_back"],
            Deed::Reroute => &["half", "channel"],
            _ => &["half"],
        },
        flags: if deed == Deed::Called { &["called_back"] } else { &[] },
        fields: fields(&app, &frame, &handout, deed, part),
    };
    // A file leaves the page as it is: who has just signed comes back to where the letter is, and takes it there.
    let signed = deed == Deed::Letter && posted.has(CODE);
    let make = async |ready| if signed { Ok(Handed::Done) } else { app.hand(&member, handout.id, ready).await };
    match at.run(posted, sent, |fields| deed.read(fields), make).await {
        Ok(Handed::Done) => see_other(&format!("{place}?done={}", if signed { "signed" } else { name.as_str() })),
        Ok(Handed::Letter(pdf)) => pdf_file(pdf),
        Ok(Handed::Number(told)) => {
            let rows = vec![
                row(&frame, "handouts-call", told.name.clone()),
                row(&frame, "forms-telephone", told.telephone.clone()),
            ];
            again(at, &id, More { rows, ..More::default() }).await
        }
        Ok(Handed::Half(half)) => {
            let mut leaf = Leaf::new(frame.clone(), frame.say("handouts-read-out"));
            leaf.intro = vec![frame.say("handouts-read-out-intro")];
            leaf.rows = vec![row(&frame, words::part(part), half.as_str())];
            leaf.links = vec![Go::to(place, frame.say("handouts-read-out-done"))];
            leaf.page(StatusCode::OK)
        }
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) => {
            let name = format!("{}-{}", deed.as_str(), part.as_str());
            again(at, &id, More { tried: Some(name), again: tried, ..More::default() }).await
        }
    }
}

async fn found(at: At<'_>, id: &str, posted: &Posted) -> Result<(Handout, Part), Problem> {
    let id: HandoutId = id.parse().map_err(|_| Kind::NotFound)?;
    // Whose duty it is not is told so where it would be done, which is on record.
    let handout = at.app.find_handout(id).await?;
    let part = posted.peek("half").and_then(Part::parse).ok_or(Kind::Malformed)?;
    Ok((handout, part))
}
