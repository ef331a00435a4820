//! Accounts, page by page, as far as somebody's duties reach.

use super::accounts::{COLUMNS, read_account};
use super::condition::Sql;
use super::{Store, StoreError, Viewer};
use crate::accounts::Account;
use crate::duties::{Action, Appointment, Region, allows};
use contract::Micros;
use contract::id::{AccountId, RegistryName};

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountOrder {
    /// By name.
    #[default]
    Name,
    /// The newest first.
    Newest,
    /// By the last login, those first who never had one.
    Unused,
    /// By how long they are in their state, the longest first.
    Rested,
}

/// What an account is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountKey {
    /// A name.
    Text(String),
    /// A time.
    Time(Micros),
}

impl AccountOrder {
    const fn column(self) -> (&'static str, bool) {
        match self {
            Self::Name => ("name", false),
            Self::Newest => ("created", true),
            Self::Unused => ("COALESCE(last_login, 0)", false),
            Self::Rested => ("state_at", false),
        }
    }

    /// What an account is ordered by.
    pub fn key(self, account: &Account) -> AccountKey {
        match self {
            Self::Name => AccountKey::Text(account.name.clone()),
            Self::Newest => AccountKey::Time(account.created),
            Self::Unused => AccountKey::Time(account.last_login.unwrap_or(0)),
            Self::Rested => AccountKey::Time(account.state.parts().1),
        }
    }
}

/// A page of accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountPage {
    /// Whose name, user name or HSA-id has this in it; empty: all.
    pub text: String,
    /// In this state, by its name.
    pub state: Option<&'static str>,
    /// That this region vouches for.
    pub region: Option<Region>,
    /// With a right in this registry.
    pub registry: Option<RegistryName>,
    /// In which order.
    pub order: AccountOrder,
    /// After this one.
    pub after: Option<(AccountKey, AccountId)>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// A page of the accounts that somebody's duties reach, with their own.
    pub async fn account_page(&self, viewer: &Viewer, page: &AccountPage) -> Result<Vec<Account>, StoreError> {
        let mut sql = Sql::default();
        let me = sql.text(viewer.account.to_string());
        let reach = reach(&mut sql, &viewer.appointments);
        sql.and(format!("(account.id = {me} OR {reach})"));
        if !page.text.is_empty() {
            let matches = matches(&mut sql, &page.text);
            sql.and(matches);
        }
        if let Some(state) = page.state {
            let state = sql.text(state);
            sql.and(format!("state = {state}"));
        }
        if let Some(region) = page.region {
            let of = of_region(&mut sql, region);
            sql.and(of);
        }
        if let Some(registry) = &page.registry {
            let of = of_registry(&mut sql, registry);
            sql.and(of);
        }
        let (column, falling) = page.order.column();
        let (sign, direction) = if falling { ("<", "DESC") } else { (">", "ASC") };
        if let Some((key, id)) = &page.after {
            let at = match key {
                AccountKey::Text(text) => sql.text(text),
                AccountKey::Time(time) => sql.number(*time),
            };
            let id = sql.text(id.to_string());
            sql.and(format!("({column} {sign} {at} OR ({column} = {at} AND account.id {sign} {id}))"));
        }
        let limit = sql.number(i64::from(page.limit));
        let text = format!(
            "SELECT {COLUMNS} FROM account WHERE {} ORDER BY {column} {direction}, account.id {direction} LIMIT {limit}",
            sql.all()
        );
        let rows = sql.fetch(text, &mut *self.read().await?).await?;
        rows.iter().map(read_account).collect()
    }
}

/// Whose name or user name has a text in it, or whose HSA-id it is. SQLite knows upper and lower case of a to z only,
/// so a name is also looked for as names are written.
fn matches(sql: &mut Sql, text: &str) -> String {
    let pattern = |text: &str| {
        let plain = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        format!("%{plain}%")
    };
    let lower = text.to_lowercase();
    let name: Vec<String> = lower.split(' ').map(capitalised).collect();
    let (name, hsa) = (sql.text(pattern(&name.join(" "))), sql.text(text.to_uppercase()));
    let lower = sql.text(pattern(&lower));
    format!(
        "(LOWER(name) LIKE {lower} ESCAPE '\\' OR name LIKE {name} ESCAPE '\\' OR user_name LIKE {lower} ESCAPE '\\' \
         OR UPPER(hsa) = {hsa})"
    )
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn of_region(sql: &mut Sql, region: Region) -> String {
    let region = sql.text(region.as_str());
    format!("EXISTS (SELECT 1 FROM account_region r WHERE r.account = account.id AND r.region = {region})")
}

fn of_registry(sql: &mut Sql, registry: &RegistryName) -> String {
    let registry = sql.text(registry.as_str());
    format!("EXISTS (SELECT 1 FROM account_grant g WHERE g.account = account.id AND g.registry = {registry})")
}

/// How far appointments reach that allow to see accounts.
fn reach(sql: &mut Sql, appointments: &[Appointment]) -> String {
    let allowed = appointments.iter().filter(|appointment| allows(appointment.kind(), Action::SeeAccount));
    let reached: Vec<String> = allowed
        .map(|appointment| match appointment {
            Appointment::Approver(region) => of_region(sql, *region),
            Appointment::RegistryHolder(registry) => of_registry(sql, registry),
            Appointment::AccountAdmin | Appointment::HelpDesk => "1 = 1".to_owned(),
            Appointment::DeviceAdmin(_) | Appointment::LogReviewer(_) | Appointment::LogAuditor => "1 = 0".to_owned(),
        })
        .collect();
    if reached.is_empty() { "1 = 0".to_owned() } else { format!("({})", reached.join(" OR ")) }
}
