//! What is done with devices, codes and organisations, asked for by a program or on a page: checked and signed here for
//! both.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::{Kind, Problem};
use super::super::query::{Parameters, cursor};
use super::super::refused;
use super::reach::{reach, reaches};
use crate::clock;
use crate::devices::{DeviceCode, DeviceName, Organisation, Why};
use crate::duties::Action;
use crate::issuing::{Asker, DeviceFile, FileForm, Given, IssueError, NewCode, NewDevice};
use crate::pki::Request;
use crate::store::{DeviceOrder, Listed, WantedDevices};
use crate::web::App;
use crate::web::attempt::by;
use contract::Micros;
use contract::id::{DeviceCodeId, DeviceId, HsaId};

/// What a request for a certificate must be.
pub(in crate::web) const REQUEST: &str = "a certificate request (PKCS#10, PEM), signed with SHA-2 by its own key: \
                                          ECDSA P-256 or P-384, Ed25519, or RSA of at least 2048 bits";
/// A file's forms.
pub(in crate::web) const FORMS: &str = "pkcs12, pkcs12_legacy or mobileconfig";
/// What ends within so many days ends soon.
pub(in crate::web) const SOON_DAYS: i64 = 7;
const SEARCH_MAX: usize = 64;
/// Orders, by their names.
pub(in crate::web) const ORDERS: [(&str, DeviceOrder); 3] =
    [("newest", DeviceOrder::Newest), ("expires", DeviceOrder::Expires), ("unused", DeviceOrder::Unused)];

/// A list of devices that was asked for.
#[derive(Debug)]
pub(in crate::web) struct List {
    organisation: Option<HsaId>,
    search: Option<String>,
    revoked: Option<bool>,
    ends_before: Option<Micros>,
    order: (&'static str, DeviceOrder),
    after: Option<(Micros, DeviceId)>,
    limit: u32,
}

impl List {
    /// Reads it.
    pub(in crate::web) fn read(mut asked: Parameters, now: Micros) -> Result<Self, Problem> {
        let organisation = asked.parsed("organisation", "an HSA-id", |text| HsaId::parse(text).ok());
        let fits = |text: &str| !text.is_empty() && text.chars().count() <= SEARCH_MAX;
        let search =
            asked.parsed("search", "1 to 64 characters", |text| Some(text.trim().to_owned()).filter(|text| fits(text)));
        let read = |text: &str| match text {
            "active" => Some((Some(false), None)),
            "expiring" => Some((None, Some(soon(now)))),
            "revoked" => Some((Some(true), None)),
            _ => None,
        };
        let state = asked.parsed("state", "active, expiring or revoked", read);
        let (revoked, ends_before) = state.unwrap_or((None, None));
        let sort = asked
            .parsed("sort", "newest, expires or unused", |text| ORDERS.into_iter().find(|(name, _)| *name == text));
        let order = sort.unwrap_or(("newest", DeviceOrder::Newest));
        let (after, limit) = (asked.after(order.0), asked.limit());
        asked.finish()?;
        Ok(Self { organisation, search, revoked, ends_before, order, after, limit })
    }

    /// Those that end soon, the first first.
    pub(in crate::web) fn soon(now: Micros, limit: u32) -> Self {
        let order = ("expires", DeviceOrder::Expires);
        let (organisation, search, revoked, after) = (None, None, None, None);
        Self { organisation, search, revoked, ends_before: Some(soon(now)), order, after, limit }
    }
}

fn soon(now: Micros) -> Micros {
    now.saturating_add(SOON_DAYS * clock::DAY)
}

/// Organisation and name, as a body says them.
pub(in crate::web) fn new_device(fields: &mut Fields) -> Option<NewDevice> {
    let organisation = fields.parsed("organisation", "an HSA-id", |text| HsaId::parse(text).ok());
    let name = fields.parsed("name", "1 to 64 characters in one line", |text| DeviceName::parse(text).ok());
    Some(NewDevice { organisation: organisation?, name: name? })
}

/// What [`Fields::finish`] has told already, in a way that the compiler sees.
pub(in crate::web) fn not_whole() -> Problem {
    Problem::field("", "missing", "something is missing")
}

fn first<T>(mut found: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    (found, more)
}

#[expect(clippy::needless_pass_by_value, reason = "an error ends here")]
fn wrong(error: IssueError) -> Problem {
    Problem::from_issue(&error)
}

impl App {
    /// A page of the devices that a member's duties reach, and where the next one begins.
    pub(in crate::web) async fn device_list(
        &self,
        member: &Member,
        list: List,
    ) -> Result<(Vec<Listed>, Option<String>), Problem> {
        let organisations = reach(member, list.organisation)?;
        let List { search, revoked, ends_before, order: (name, order), after, limit, .. } = list;
        let limit_and_one = limit.saturating_add(1);
        let wanted = WantedDevices { organisations, search, revoked, ends_before, order, after, limit: limit_and_one };
        let found = self.store.device_page(&wanted).await.map_err(|error| refused(&error))?;
        let (found, more) = first(found, limit);
        let next = found.last().filter(|_| more).map(|last| cursor(name, order.of(last), &last.device.id));
        Ok((found, next))
    }

    /// A device that a member may know of. If they may not, that they tried is on record, and it is not there for them.
    pub(in crate::web) async fn visible_device(
        &self,
        member: &Member,
        id: DeviceId,
        wanted: &str,
    ) -> Result<Listed, Problem> {
        let found = self.store.listed_device(id).await.map_err(|error| refused(&error))?;
        let listed = found.ok_or(Kind::NotFound)?;
        if reaches(member, Action::SeeDevices, &listed.device.organisation) {
            return Ok(listed);
        }
        self.hide(member, None, &format!("{wanted} device={id}")).await
    }

    /// Enrols a device with the key of a request.
    pub(in crate::web) async fn enrol_request(
        &self,
        member: &Member,
        (new, request): &(NewDevice, Request),
    ) -> Result<Given, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let asker = Asker::Signed(&signature);
        self.issuing.enrol_request(now, by(&member.caller), asker, new, request).await.map_err(wrong)
    }

    /// Enrols a device with a key that is made here.
    pub(in crate::web) async fn enrol_file(
        &self,
        member: &Member,
        (new, form): &(NewDevice, FileForm),
    ) -> Result<(Given, DeviceFile), Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let asker = Asker::Signed(&signature);
        self.issuing.enrol_file(now, by(&member.caller), asker, new, *form).await.map_err(wrong)
    }

    /// Gives a device its next certificate with a key that is made here.
    pub(in crate::web) async fn renew_file(
        &self,
        member: &Member,
        id: DeviceId,
        form: FileForm,
    ) -> Result<(Given, DeviceFile), Problem> {
        self.visible_device(member, id, "renew").await?;
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let asker = Asker::Signed(&signature);
        self.issuing.renew_file(now, by(&member.caller), asker, id, form).await.map_err(wrong)
    }

    /// Revokes a device.
    pub(in crate::web) async fn revoke_device(&self, member: &Member, id: DeviceId, why: Why) -> Result<(), Problem> {
        self.visible_device(member, id, "revoke").await?;
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let asker = Asker::Signed(&signature);
        self.issuing.revoke(now, by(&member.caller), asker, id, why).await.map(drop).map_err(wrong)
    }

    /// Codes that have not been used or withdrawn, and where the next page begins.
    pub(in crate::web) async fn code_list(
        &self,
        member: &Member,
        mut asked: Parameters,
    ) -> Result<(Vec<DeviceCode>, Option<String>), Problem> {
        let organisation = asked.parsed("organisation", "an HSA-id", |text| HsaId::parse(text).ok());
        let (after, limit) = (asked.after::<DeviceCodeId>("issued"), asked.limit());
        asked.finish()?;
        let organisations = reach(member, organisation)?;
        let found = self.store.device_codes(organisations.as_deref(), after, limit + 1).await;
        let (found, more) = first(found.map_err(|error| refused(&error))?, limit);
        let next = found.last().filter(|_| more).map(|last| cursor("issued", last.issued, &last.id));
        Ok((found, next))
    }

    /// Makes a code for one device.
    pub(in crate::web) async fn issue_code(&self, member: &Member, new: &NewDevice) -> Result<NewCode, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        self.issuing.issue_code(now, by(&member.caller), Asker::Signed(&signature), new).await.map_err(wrong)
    }

    /// Withdraws a code that was not used.
    pub(in crate::web) async fn withdraw_code(&self, member: &Member, id: DeviceCodeId) -> Result<(), Problem> {
        let code = self.store.device_code(id).await.map_err(|error| refused(&error))?.ok_or(Kind::NotFound)?;
        if !reaches(member, Action::SeeDevices, &code.organisation) {
            return self.hide(member, None, &format!("withdraw code={id}")).await;
        }
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        self.issuing.withdraw_code(now, by(&member.caller), Asker::Signed(&signature), id).await.map_err(wrong)
    }

    /// A page of the organisations that a member's duties reach, and where the next one begins.
    pub(in crate::web) async fn organisation_list(
        &self,
        member: &Member,
        mut asked: Parameters,
    ) -> Result<(Vec<Organisation>, Option<String>), Problem> {
        let (after, limit) = (asked.after::<HsaId>("hsa"), asked.limit());
        asked.finish()?;
        let of = reach(member, None)?;
        let after = after.map(|(_, hsa)| hsa);
        let found = self.store.organisation_page(of.as_deref(), after.as_ref(), limit + 1).await;
        let (found, more) = first(found.map_err(|error| refused(&error))?, limit);
        let next = found.last().filter(|_| more).map(|last| cursor("hsa", 0, &last.hsa));
        Ok((found, next))
    }

    /// Adds an organisation.
    pub(in crate::web) async fn add_organisation(
        &self,
        member: &Member,
        (hsa, name): (HsaId, String),
    ) -> Result<Organisation, Problem> {
        let now = clock::now();
        let organisation = Organisation { hsa, name, created: now };
        let signature = self.sign(member, now).await?;
        let asker = Asker::Signed(&signature);
        let done = self.issuing.add_organisation(now, by(&member.caller), asker, &organisation).await;
        done.map(|()| organisation).map_err(wrong)
    }
}

/// An organisation, as a body says it.
pub(in crate::web) fn new_organisation(mut fields: Fields) -> Result<(HsaId, String), Problem> {
    let hsa = fields.parsed("hsa", "an HSA-id", |text| HsaId::parse(text).ok());
    let name = fields.line("name");
    fields.finish()?;
    hsa.zip(name).ok_or_else(not_whole)
}

/// A device with the request for its certificate, as a body says it.
pub(in crate::web) fn with_request(mut fields: Fields) -> Result<(NewDevice, Request), Problem> {
    let new = new_device(&mut fields);
    let request = fields.parsed("csr", REQUEST, |text| Request::read(text.as_bytes()).ok());
    fields.finish()?;
    new.zip(request).ok_or_else(not_whole)
}

/// A device with the form of the file that is made for it, as a body says it, the form by this name.
pub(in crate::web) fn with_form(mut fields: Fields, name: &'static str) -> Result<(NewDevice, FileForm), Problem> {
    let new = new_device(&mut fields);
    let form = fields.parsed(name, FORMS, FileForm::parse);
    fields.finish()?;
    new.zip(form).ok_or_else(not_whole)
}

/// A device that a code is for, as a body says it.
pub(in crate::web) fn named(mut fields: Fields) -> Result<NewDevice, Problem> {
    let new = new_device(&mut fields);
    fields.finish()?;
    new.ok_or_else(not_whole)
}

/// A file's form, as a body says it by this name.
pub(in crate::web) fn form(mut fields: Fields, name: &'static str) -> Result<FileForm, Problem> {
    let form = fields.parsed(name, FORMS, FileForm::parse);
    fields.finish()?;
    form.ok_or_else(not_whole)
}

/// Why a device is revoked, as a body says it.
pub(in crate::web) fn why(mut fields: Fields) -> Result<Why, Problem> {
    let why = fields.parsed("why", Why::TO_REVOKE_WORDS, Why::to_revoke);
    fields.finish()?;
    why.ok_or_else(not_whole)
}
