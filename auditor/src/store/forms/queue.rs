//! The forms that somebody may see, page by page: no personal data.

use super::{COLUMNS, Heading, read_heading};
use crate::duties::{About, Action, Appointment, Region, allows, may};
use crate::forms::{Kind, State};
use crate::store::condition::Sql;
use crate::store::{Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, FormId, RegistryName};

/// Somebody who looks at forms.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Their account.
    pub account: AccountId,
    /// What they are appointed to, now.
    pub appointments: Vec<Appointment>,
}

impl Viewer {
    /// Whether a form is their own: they began it, or it is about them.
    pub fn owns(&self, form: &Heading) -> bool {
        form.created_by == self.account || form.account == Some(self.account)
    }

    /// Whether they may know of a form. A draft is its owners' alone.
    pub fn sees(&self, form: &Heading) -> bool {
        let about = About { region: Some(form.region), registry: Some(form.registry.clone()), ..About::default() };
        self.owns(form) || form.state != State::Draft && may(&self.appointments, Action::SeeRequest, &about)
    }
}

/// Which forms of those that one sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queue {
    /// All of them.
    #[default]
    All,
    /// Whose next step is one's own.
    Waiting,
    /// One's own.
    Mine,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By how long they have stood where they stand, the longest first.
    #[default]
    Waited,
    /// By the same, the shortest first.
    Moved,
    /// By when they were begun, the oldest first.
    Oldest,
    /// By the same, the newest first.
    Newest,
}

impl Order {
    const fn column(self) -> (&'static str, bool) {
        match self {
            Self::Waited => ("state_at", false),
            Self::Moved => ("state_at", true),
            Self::Oldest => ("created", false),
            Self::Newest => ("created", true),
        }
    }

    /// What a form is ordered by.
    pub const fn key(self, form: &Heading) -> Micros {
        match self {
            Self::Waited | Self::Moved => form.state_at,
            Self::Oldest | Self::Newest => form.created,
        }
    }
}

/// A page of forms.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Which.
    pub queue: Queue,
    /// That stand there.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this region.
    pub region: Option<Region>,
    /// Of this registry.
    pub registry: Option<RegistryName>,
    /// In which order.
    pub order: Order,
    /// After this one, by its key and id.
    pub after: Option<(Micros, FormId)>,
    /// At most so many.
    pub limit: u32,
    /// What nobody has done anything with since has lapsed, and waits for nobody.
    pub left_since: Micros,
}

impl Store {
    /// A page of the forms that somebody may see.
    pub async fn form_page(&self, viewer: &Viewer, page: &Page) -> Result<Vec<Heading>, StoreError> {
        let mut sql = Sql::default();
        let me = sql.text(viewer.account.to_string());
        let mine = format!("(created_by = {me} OR account = {me})");
        let which = match page.queue {
            Queue::All => {
                let reach = reach(&mut sql, &viewer.appointments, Action::SeeRequest);
                format!("({mine} OR (state <> 'draft' AND {reach}))")
            }
            Queue::Mine => mine,
            Queue::Waiting => {
                let waiting = waiting(&mut sql, viewer, &me);
                let since = sql.number(page.left_since);
                format!("(state_at > {since} AND ((state = 'draft' AND {mine}) OR {waiting}))")
            }
        };
        sql.and(which);
        let filters = [
            ("state", page.state.map(|state| state.as_str().to_owned())),
            ("kind", page.kind.map(|kind| kind.as_str().to_owned())),
            ("region", page.region.map(|region| region.as_str().to_owned())),
            ("registry", page.registry.as_ref().map(|registry| registry.as_str().to_owned())),
        ];
        for (column, value) in filters {
            if let Some(value) = value {
                let value = sql.text(value);
                sql.and(format!("{column} = {value}"));
            }
        }
        let (column, falling) = page.order.column();
        let (sign, direction) = if falling { ("<", "DESC") } else { (">", "ASC") };
        if let Some((at, id)) = page.after {
            let (at, id) = (sql.number(at), sql.text(id.to_string()));
            sql.and(format!("({column} {sign} {at} OR ({column} = {at} AND id {sign} {id}))"));
        }
        let limit = sql.number(i64::from(page.limit));
        let text = format!(
            "SELECT {COLUMNS} FROM request WHERE {} ORDER BY {column} {direction}, id {direction} LIMIT {limit}",
            sql.all()
        );
        let rows = sql.fetch(text, &mut *self.read().await?).await?;
        rows.iter().map(read_heading).collect()
    }
}

/// The forms whose next step is the viewer's by duty, who is not whom they are about, and has not done the steps
/// before.
fn waiting(sql: &mut Sql, viewer: &Viewer, me: &str) -> String {
    let turn = |sql: &mut Sql, state: &str, action: Action, before: &str| {
        let reach = reach(sql, &viewer.appointments, action);
        // What was done before it was last submitted does not count: it was sent back.
        format!(
            "(state = '{state}' AND {reach} AND NOT EXISTS (SELECT 1 FROM request_step s WHERE s.request = request.id \
             AND s.by_account = {me} AND s.step IN ({before}) AND s.number >= (SELECT MAX(l.number) \
             FROM request_step l WHERE l.request = request.id AND l.step = 'submitted')))"
        )
    };
    let turns = [
        turn(sql, "submitted", Action::DecideForRegion, "'submitted'"),
        turn(sql, "approved", Action::Forward, "'approved'"),
        turn(sql, "forwarded", Action::Execute, "'approved', 'forwarded'"),
    ];
    format!("((account IS NULL OR account <> {me}) AND ({}))", turns.join(" OR "))
}

/// How far appointments reach by an action that they allow.
fn reach(sql: &mut Sql, appointments: &[Appointment], action: Action) -> String {
    let allowed = appointments.iter().filter(|appointment| allows(appointment.kind(), action));
    let reached: Vec<String> = allowed
        .map(|appointment| match appointment {
            Appointment::Approver(region) => format!("region = {}", sql.text(region.as_str().to_owned())),
            Appointment::RegistryHolder(registry) => format!("registry = {}", sql.text(registry.as_str().to_owned())),
            Appointment::AccountAdmin => "1 = 1".to_owned(),
            // They reach what forms have not.
            Appointment::DeviceAdmin(_)
            | Appointment::LogReviewer(_)
            | Appointment::LogAuditor
            | Appointment::HelpDesk => "1 = 0".to_owned(),
        })
        .collect();
    if reached.is_empty() { "1 = 0".to_owned() } else { format!("({})", reached.join(" OR ")) }
}
