//! The yearly review: whose accounts a region's approvers have to confirm, the longest ago first.

use super::leaf::{Cell, Leaf, Table};
use super::said::Names;
use super::wrong::trouble;
use crate::clock;
use crate::duties::{Action, Appointment, Region, allows};
use crate::store::Vouched;
use crate::web::App;
use crate::web::admin::problem::Problem;
use crate::web::member::Member;
use crate::web::page::Frame;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::AccountId;
use std::sync::Arc;

/// So many of a region are shown: when they are confirmed, the next are.
pub(super) const SHOWN_MAX: u32 = 50;

/// The regions for which a member confirms accounts.
pub(super) fn regions(member: &Member) -> Vec<Region> {
    let appointments = member.viewer.appointments.iter();
    let regions = appointments.filter(|of| allows(of.kind(), Action::Reconfirm)).filter_map(|of| match of {
        Appointment::Approver(region) => Some(*region),
        _ => None,
    });
    regions.collect()
}

impl App {
    /// What a region has to confirm by now, the longest ago first.
    pub(super) async fn to_confirm(&self, region: Region) -> Result<Vec<Vouched>, Problem> {
        let before = self.accounts.confirmed_before(clock::now());
        let found = self.store.to_confirm(region, before, SHOWN_MAX).await;
        found.map_err(|error| Problem::from_store(&error, Action::Reconfirm))
    }
}

/// The page.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
) -> Response {
    match leaf(&app, &member, &frame).await {
        Ok(leaf) => leaf.page(StatusCode::OK),
        Err(problem) => trouble(frame, &problem),
    }
}

async fn leaf(app: &App, member: &Member, frame: &Frame) -> Result<Leaf, Problem> {
    let regions = regions(member);
    if regions.is_empty() {
        return Err(Problem::lacking(Action::Reconfirm));
    }
    let mut leaf = Leaf::new(frame.clone(), frame.say("reviews-heading"));
    let months = i64::from(app.accounts.review.months);
    let days = i64::from(app.accounts.review.grace_days);
    let values = [("months", months.into()), ("days", days.into())];
    leaf.intro = vec![frame.language.say_with("reviews-intro", values).into()];
    for region in regions {
        let found = app.to_confirm(region).await?;
        let names = Names::of(app, member, &found.iter().map(|of| of.account).collect::<Vec<AccountId>>()).await?;
        let head = ["forms-name", "reviews-confirmed", "reviews-reminded"];
        let mut table = Table::new(frame, "", ["reviews-heading", "reviews-none"], &head);
        table.id = format!("region-{}", region.as_str());
        table.heading = region.name().into();
        let line = |of: &Vouched| {
            vec![
                Cell::link(format!("/admin/accounts/{}", of.account), names.get(frame, of.account)),
                Cell::time(Some(of.confirmed), frame.say("accounts-never")),
                Cell::time(of.reminded, frame.say("reviews-not-reminded")),
            ]
        };
        table.lines = found.iter().map(line).collect();
        leaf.tables.push(table);
    }
    Ok(leaf)
}
