//! Tables about people and units, brought in on a page: what would be done is shown first, row by row what is wrong.

use super::field::{Choice, Field, Input, summary};
use super::leaf::{Cell, Leaf, Offer, Table, row};
use super::sent::{Again, At, Move, Undone};
use super::words;
use super::wrong::trouble;
use crate::duties::Action;
use crate::imports::{Fault, Faults, Feed, Format, Imported};
use crate::store::Wish;
use crate::web::App;
use crate::web::admin::body::Fields;
use crate::web::admin::imports::{CLOSES_MAX, NotBrought, imports};
use crate::web::admin::problem::Problem;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Typed};
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

const PLACE: &str = "/admin/imports";
/// Most bytes of a table on the page, with all else: larger ones come by the interface.
pub(super) const BODY_BYTES_MAX: usize = 2 << 20;
const NAMES: [&str; 6] = ["feed", "table", "file", "closes_at_most", "real", "file-unreadable"];

/// The page.
pub(super) async fn show(Extension(member): Extension<Member>, frame: Frame) -> Response {
    if !imports(&member) {
        return trouble(frame, &Problem::lacking(Action::Import));
    }
    leaf(&frame, &Again::default()).page(StatusCode::OK)
}

fn leaf(frame: &Frame, again: &Again) -> Leaf {
    let fill = |field: Field| {
        let value = match (field.name, again.typed.get(field.name)) {
            ("table", "") => again.typed.get("file"),
            ("closes_at_most", "") => return field.clone().with(&field.value, &again.wrong),
            (_, value) => value,
        };
        let value = value.replace("\r\n", "\n");
        field.with(&value, &again.wrong)
    };
    let fields: Vec<Field> = fields(frame).into_iter().map(fill).collect();
    let mut leaf = Leaf::new(frame.clone(), frame.say("imports-heading"));
    leaf.told = summary(&again.wrong, &fields);
    leaf.intro = vec![frame.say("imports-intro")];
    leaf.rows = Feed::ALL.into_iter().map(|feed| row(frame, words::feed(feed), feed.columns().join(", "))).collect();
    leaf.offers = vec![Offer {
        name: "try".to_owned(),
        to: PLACE.to_owned(),
        heading: frame.say("imports-try"),
        intro: frame.say("imports-try-intro"),
        hidden: Vec::new(),
        fields,
        second: false,
        files: true,
    }];
    leaf
}

fn fields(frame: &Frame) -> Vec<Field> {
    let feeds = Feed::ALL.into_iter().map(|feed| Choice::new(feed.as_str(), frame.say(words::feed(feed)))).collect();
    let file = Field::line(frame, "file", "imports-file").hinted(frame, "imports-file-hint");
    let closes = Field::line(frame, "closes_at_most", "imports-closes").hinted(frame, "imports-closes-hint");
    vec![
        Field::line(frame, "feed", "imports-feed").input(Input::Radio(feeds)),
        file.input(Input::File(".csv,.json,text/csv,application/json")).optional(),
        Field::line(frame, "table", "imports-table")
            .hinted(frame, "imports-table-hint")
            .input(Input::Lines(8))
            .optional(),
        closes.with(&CLOSES_MAX.to_string(), &[]),
    ]
}

/// A table that was read as far as which it is.
struct Sent {
    feed: Feed,
    table: String,
    wish: Wish,
}

fn read(mut fields: Fields) -> Result<Sent, Problem> {
    let feed = fields.parsed("feed", "employments, units or assignments", |text| text.parse::<Feed>().ok());
    let closes_max = fields.optional_parsed("closes_at_most", "a number", |text| text.parse().ok());
    let real = fields.optional_parsed("real", "yes", |text| (text == "yes").then_some(()));
    let unreadable = fields.optional("file-unreadable").is_some();
    let table = [fields.optional("file"), fields.optional("table")].into_iter().flatten().find(|text| !text.is_empty());
    fields.finish()?;
    if unreadable {
        return Err(Problem::field("/file", "form", "the file is not UTF-8"));
    }
    let table = table.ok_or_else(|| Problem::field("/table", "missing", "there is no table"))?;
    let feed = feed.ok_or_else(|| Problem::field("/feed", "missing", "is missing"))?;
    let wish = Wish { dry_run: real.is_none(), closes_max: closes_max.unwrap_or(CLOSES_MAX) };
    Ok(Sent { feed, table, wish })
}

/// A list of objects begins with a bracket; a line of names does not.
fn format(table: &str) -> Format {
    if table.trim_start_matches('\u{feff}').trim_start().starts_with('[') { Format::Json } else { Format::Csv }
}

/// A table, sent: tried, or brought in.
pub(super) async fn post(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let typed = posted.copy();
    let sent = Move {
        to: PLACE.to_owned(),
        back: PLACE.to_owned(),
        what: frame.say(if typed.get("real") == "yes" { "imports-real" } else { "imports-try" }).into_owned(),
        names: &NAMES,
        flags: &[],
        fields: fields(&frame),
    };
    let make = async |sent: Sent| {
        let (feed, dry_run) = (sent.feed, sent.wish.dry_run);
        match app.import(&member, (feed, format(&sent.table)), sent.table.as_bytes(), sent.wish).await {
            Ok(done) => Ok(Ok((feed, done, dry_run))),
            Err(NotBrought::Rows(faults)) => Ok(Err(faults)),
            Err(NotBrought::Problem(problem)) => Err(problem),
        }
    };
    match at.run(posted, sent, read, make).await {
        Ok(Ok((feed, done, true))) => tried(&frame, feed, done, &typed).page(StatusCode::OK),
        Ok(Ok((feed, done, false))) => {
            let mut shown = leaf(&frame, &Again::default());
            shown.done = Some(frame.say("imports-done"));
            shown.rows = counts(&frame, feed, done, false);
            shown.page(StatusCode::OK)
        }
        Ok(Err(faults)) => {
            let mut shown = leaf(&frame, &Again { typed, ..Again::default() });
            shown.notices = vec![frame.say_of("imports-faults-count", "count", faults.count).into()];
            shown.tables = vec![table(&frame, &faults)];
            shown.page(StatusCode::UNPROCESSABLE_ENTITY)
        }
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) if imports(&member) => leaf(&frame, &tried).page(tried.status),
        Err(Undone::Again(_)) => trouble(frame, &Problem::lacking(Action::Import)),
    }
}

fn counts(frame: &Frame, feed: Feed, done: Imported, dry_run: bool) -> Vec<super::said::Row> {
    let closed = if dry_run { "imports-would-close" } else { "imports-closed" };
    vec![
        row(frame, "imports-feed", frame.say(words::feed(feed))),
        row(frame, "imports-rows", done.rows.to_string()),
        row(frame, "imports-new", done.new.to_string()),
        row(frame, "imports-changed", done.changed.to_string()),
        row(frame, closed, done.closed.to_string()),
    ]
}

/// What would be done, and the button that does it.
fn tried(frame: &Frame, feed: Feed, done: Imported, typed: &Typed) -> Leaf {
    let mut leaf = Leaf::new(frame.clone(), frame.say("imports-tried"));
    leaf.intro = vec![frame.say("imports-tried-intro")];
    leaf.rows = counts(frame, feed, done, true);
    leaf.links = vec![super::leaf::Go::to(PLACE, frame.say("imports-back"))];
    let kept = NAMES.into_iter().filter(|name| !typed.get(name).is_empty());
    let mut hidden: Vec<_> = kept.map(|name| (name, typed.get(name).replace("\r\n", "\n"))).collect();
    hidden.push(("real", "yes".to_owned()));
    leaf.offers = vec![Offer {
        name: "real".to_owned(),
        to: PLACE.to_owned(),
        heading: frame.say("imports-real"),
        intro: frame.say("imports-real-intro"),
        hidden,
        fields: Vec::new(),
        second: false,
        files: false,
    }];
    leaf
}

/// What is wrong, row by row.
fn table(frame: &Frame, faults: &Faults) -> Table {
    let head = ["imports-line", "imports-column", "imports-field", "imports-wrong"];
    let mut table = Table::new(frame, "faults", ["imports-faults", "imports-none"], &head);
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    let line = |fault: &Fault| {
        vec![
            Cell::text(if fault.line == 0 { frame.say("imports-whole") } else { number(fault.line).into() }),
            Cell::text(number(fault.column)),
            Cell::text(fault.field),
            Cell::text(frame.say(words::fault(fault.what))),
        ]
    };
    table.lines = faults.told.iter().map(line).collect();
    table
}
