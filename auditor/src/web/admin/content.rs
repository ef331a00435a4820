//! The three forms as they are sent.

use super::body::Fields;
use super::problem::Problem;
use crate::duties::Region;
use crate::forms::{Alteration, Application, Content, Deregistration, Form, Kind, Person};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::identity::{IdentityKind, PatientId, Series, Year, parse_with};
use contract::record::Right;
use utoipa::ToSchema;

/// Form 1, 2 or 3: the fields of each beside those of all.
#[derive(ToSchema)]
#[serde(tag = "kind")]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) enum SentForm {
    /// Form 1, ansökan: a right in a registry. It is about whoever sends it.
    F1(SentApplication),
    /// Form 2, ändring: another right in a registry, or none. Others may submit one that only takes away.
    F2(SentAlteration),
    /// Form 3, avregistrering: the account ends.
    F3(SentDeregistration),
}

/// Form 1.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentApplication {
    /// The region, by its code (länskod), as 12.
    region: String,
    /// The registry's name.
    registry: String,
    /// The person's HSA-id; that of their account, if it has one, counts.
    hsa: Option<String>,
    /// Personnummer or samordningsnummer, twelve digits.
    number: Option<String>,
    /// The person's name.
    name: String,
    /// Title or profession.
    title: String,
    /// Clinic or unit.
    unit: String,
    /// Its HSA-id.
    unit_hsa: String,
    /// Postal address at work, one to six lines: letters go there.
    address: Vec<String>,
    /// Telephone at work: call-backs go there.
    telephone: String,
    /// Mobile telephone: codes go there.
    mobile: Option<String>,
    /// E-mail at work. Nothing about patients, and no credentials, ever go there.
    email: Option<String>,
    /// read or read_write.
    right: String,
    /// From when, RFC 3339 or a date; without it from now.
    valid_from: Option<String>,
    /// Until when, if limited.
    valid_to: Option<String>,
    /// What for.
    purpose: String,
}

/// Form 2.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentAlteration {
    /// The region, by its code (länskod), as 12.
    region: String,
    /// The registry's name.
    registry: String,
    /// Whose right; without it one's own.
    account: Option<String>,
    /// read, read_write, or none: the right ends.
    right: String,
    /// For which units, by HSA-id; without it for all.
    units: Option<Vec<String>>,
    /// From when, RFC 3339 or a date; without it from now.
    valid_from: Option<String>,
    /// Until when, if limited.
    valid_to: Option<String>,
    /// Why.
    reason: String,
}

/// Form 3.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct SentDeregistration {
    /// The region, by its code (länskod), as 12.
    region: String,
    /// The registry's name.
    registry: String,
    /// Whose account; without it one's own.
    account: Option<String>,
    /// Why.
    reason: String,
}

const HSA: &str = "an HSA-id";
const TIME: &str = "a date (2026-11-01) or a time (2026-11-01T12:00:00Z)";

/// Reads a form that `me` sends.
pub(in crate::web) fn form(mut fields: Fields, me: AccountId, now: Micros) -> Result<Form, Problem> {
    let kind = fields.parsed("kind", "F1, F2 or F3", Kind::parse);
    let region = fields.parsed("region", "a region's code (länskod), as 12", Region::parse);
    let registry = fields.parsed("registry", "a registry's name", |text| RegistryName::parse(text).ok());
    let content = match kind {
        Some(Kind::Application) => {
            let hsa = fields.optional_parsed("hsa", HSA, |text| HsaId::parse(text).ok());
            let number = fields.optional_parsed("number", "a personnummer or samordningsnummer, twelve digits", number);
            let content = application(&mut fields, now).map(Content::Application);
            content.map(|content| (Person { account: Some(me), hsa, number }, content))
        }
        Some(Kind::Alteration) => {
            let account = whose(&mut fields, me);
            let rights = right(&mut fields, registry.as_ref(), now);
            let reason = fields.words("reason");
            (|| {
                let (account, rights, reason) = (account?, rights?, reason?);
                Some((of(account), Content::Alteration(Alteration { account, rights, reason })))
            })()
        }
        Some(Kind::Deregistration) => {
            let (account, reason) = (whose(&mut fields, me), fields.words("reason"));
            account
                .zip(reason)
                .map(|(account, reason)| (of(account), Content::Deregistration(Deregistration { account, reason })))
        }
        None => None,
    };
    fields.finish()?;
    let whole = (|| {
        let (subject, content) = content?;
        Some(Form { subject, region: region?, registry: registry?, content })
    })();
    // Other checks need the account, and are the store's.
    whole.ok_or_else(|| Problem::field("", "missing", "the form is not whole"))
}

fn of(account: AccountId) -> Person {
    Person { account: Some(account), hsa: None, number: None }
}

fn whose(fields: &mut Fields, me: AccountId) -> Option<AccountId> {
    if !fields.has("account") {
        return Some(me);
    }
    fields.parsed("account", "an account's id", |text| text.parse().ok())
}

fn application(fields: &mut Fields, now: Micros) -> Option<Application> {
    let name = fields.line("name");
    let title = fields.line("title");
    let unit = fields.line("unit");
    let unit_hsa = fields.parsed("unit_hsa", HSA, |text| HsaId::parse(text).ok());
    let address = fields.lines("address");
    let telephone = fields.line("telephone");
    let mobile = fields.optional_line("mobile");
    let email = fields.optional_line("email");
    let right = fields.parsed("right", "read or read_write", Right::parse);
    let (valid_from, valid_to) = period(fields, now);
    let purpose = fields.words("purpose");
    Some(Application {
        name: name?,
        title: title?,
        unit: (unit?, unit_hsa?),
        address: address?,
        telephone: telephone?,
        mobile,
        email,
        right: right?,
        valid_from,
        valid_to,
        purpose: purpose?,
    })
}

/// The right afterwards: one, or none.
fn right(fields: &mut Fields, registry: Option<&RegistryName>, now: Micros) -> Option<Vec<Grant>> {
    let right = fields.parsed("right", "read, read_write or none", |text| match text {
        "none" => Some(None),
        text => Right::parse(text).map(Some),
    });
    let units = fields.each_parsed("units", "a list of HSA-ids", |text| HsaId::parse(text).ok());
    let (valid_from, valid_to) = period(fields, now);
    let grant = |right| Some(Grant { registry: registry?.clone(), right, units, valid_from, valid_to });
    match right? {
        None => Some(Vec::new()),
        Some(right) => Some(vec![grant(right)?]),
    }
}

fn period(fields: &mut Fields, now: Micros) -> (Micros, Option<Micros>) {
    let time = |text: &str| contract::instant::parse(text).ok();
    let from = fields.optional_parsed("valid_from", TIME, time).unwrap_or(now);
    (from, fields.optional_parsed("valid_to", TIME, time))
}

/// All twelve digits: no year is needed to tell the century.
fn number(text: &str) -> Option<PatientId> {
    let series = Series { skane: false, short: false };
    let number = parse_with(text, Year(2000), series).ok()?;
    matches!(number.kind(), IdentityKind::Personnummer | IdentityKind::Samordningsnummer).then_some(number)
}
