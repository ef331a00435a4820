//! What answers show of forms.

use crate::clock;
use crate::forms::{Application, Content, Form, Step};
use crate::store::{Filed, Heading};
use contract::Micros;
use contract::directory::Grant;
use contract::id::AccountId;
use contract::identity::PatientId;
use serde::Serialize;
use utoipa::ToSchema;

/// A form from outside: no personal data.
#[derive(Serialize, ToSchema)]
pub(super) struct FormHead {
    /// Its id.
    id: String,
    /// F1, F2 or F3.
    kind: &'static str,
    /// draft, submitted, approved, forwarded, executed, refused or lapsed.
    state: &'static str,
    /// Since when it stands there, RFC 3339.
    since: String,
    /// Whose account it is about; of form 1 the one that it has made.
    account: Option<String>,
    /// The region's code (länskod).
    region: &'static str,
    /// The registry's name.
    registry: String,
    /// When it was begun.
    begun: String,
    /// By whom; null: by somebody without an account.
    begun_by: Option<String>,
    /// How often it was changed; also the answer's ETag.
    version: i64,
}

/// A page of forms.
#[derive(Serialize, ToSchema)]
pub(super) struct FormPage {
    /// The forms.
    pub(super) forms: Vec<FormHead>,
    /// What to send as `cursor` for the next page; null: there is none.
    pub(super) next: Option<String>,
}

/// A form with what stands in it.
#[derive(Serialize, ToSchema)]
pub(super) struct FormView {
    /// From outside.
    head: FormHead,
    /// The person's HSA-id.
    hsa: Option<String>,
    /// Personnummer or samordningsnummer.
    number: Option<String>,
    /// What it says.
    says: Says,
    /// What was done with it, in order.
    steps: Vec<StepView>,
}

/// What a form says.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind")]
pub(super) enum Says {
    /// Form 1.
    F1(ApplicationView),
    /// Form 2.
    F2(AlterationView),
    /// Form 3.
    F3(DeregistrationView),
}

/// Form 1.
#[derive(Serialize, ToSchema)]
pub(super) struct ApplicationView {
    /// The person's name.
    name: String,
    /// Title or profession.
    title: String,
    /// Clinic or unit.
    unit: String,
    /// Its HSA-id.
    unit_hsa: String,
    /// Postal address at work.
    address: Vec<String>,
    /// Telephone at work.
    telephone: String,
    /// Mobile telephone.
    mobile: Option<String>,
    /// E-mail at work.
    email: Option<String>,
    /// read or read_write.
    right: &'static str,
    /// From when.
    valid_from: String,
    /// Until when, if limited.
    valid_to: Option<String>,
    /// What for.
    purpose: String,
}

/// Form 2.
#[derive(Serialize, ToSchema)]
pub(super) struct AlterationView {
    /// The right afterwards; null: it ends.
    right: Option<GrantView>,
    /// Why.
    reason: String,
}

/// Form 3.
#[derive(Serialize, ToSchema)]
pub(super) struct DeregistrationView {
    /// Why.
    reason: String,
}

/// A right in a registry.
#[derive(Serialize, ToSchema)]
pub(super) struct GrantView {
    /// The registry's name.
    registry: String,
    /// read or read_write.
    right: &'static str,
    /// For which units, by HSA-id; empty: for all.
    units: Vec<String>,
    /// From when.
    valid_from: String,
    /// Until when, if limited.
    valid_to: Option<String>,
}

/// Something that was done with a form.
#[derive(Serialize, ToSchema)]
pub(super) struct StepView {
    /// submitted, approved, forwarded, executed, returned, refused or lapsed.
    did: &'static str,
    /// When.
    at: String,
    /// By whom; null: by somebody without an account, or by time.
    by: Option<String>,
    /// By which means the second factor was shown.
    method: &'static str,
    /// How the approver knows the person, or why it was sent back or refused.
    words: Option<String>,
}

/// An id; null if it is that of nobody.
pub(super) fn known(id: AccountId) -> Option<String> {
    (!id.is_none()).then(|| id.to_string())
}

pub(super) fn time(at: Option<Micros>) -> Option<String> {
    at.map(clock::rfc3339)
}

impl From<&Heading> for FormHead {
    fn from(form: &Heading) -> Self {
        Self {
            id: form.id.to_string(),
            kind: form.kind.as_str(),
            state: form.state.as_str(),
            since: clock::rfc3339(form.state_at),
            account: form.account.and_then(known),
            region: form.region.as_str(),
            registry: form.registry.as_str().to_owned(),
            begun: clock::rfc3339(form.created),
            begun_by: known(form.created_by),
            version: form.version,
        }
    }
}

impl From<&Filed> for FormView {
    fn from(filed: &Filed) -> Self {
        let form = filed.stored.form();
        Self {
            head: (&filed.heading).into(),
            hsa: form.subject.hsa.as_ref().map(ToString::to_string),
            number: form.subject.number.as_ref().map(PatientId::expose).map(str::to_owned),
            says: form.into(),
            steps: filed.steps.iter().map(StepView::from).collect(),
        }
    }
}

impl From<&Form> for Says {
    fn from(form: &Form) -> Self {
        match &form.content {
            Content::Application(form) => Self::F1(form.into()),
            Content::Alteration(form) => Self::F2(AlterationView {
                right: form.rights.first().map(GrantView::from),
                reason: form.reason.clone(),
            }),
            Content::Deregistration(form) => Self::F3(DeregistrationView { reason: form.reason.clone() }),
        }
    }
}

impl From<&Application> for ApplicationView {
    fn from(form: &Application) -> Self {
        Self {
            name: form.name.clone(),
            title: form.title.clone(),
            unit: form.unit.0.clone(),
            unit_hsa: form.unit.1.to_string(),
            address: form.address.clone(),
            telephone: form.telephone.clone(),
            mobile: form.mobile.clone(),
            email: form.email.clone(),
            right: form.right.as_str(),
            valid_from: clock::rfc3339(form.valid_from),
            valid_to: time(form.valid_to),
            purpose: form.purpose.clone(),
        }
    }
}

impl From<&Grant> for GrantView {
    fn from(grant: &Grant) -> Self {
        Self {
            registry: grant.registry.as_str().to_owned(),
            right: grant.right.as_str(),
            units: grant.units.iter().map(ToString::to_string).collect(),
            valid_from: clock::rfc3339(grant.valid_from),
            valid_to: time(grant.valid_to),
        }
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        Self {
            did: step.did.as_str(),
            at: clock::rfc3339(step.at),
            by: known(step.by),
            method: step.method.as_str(),
            words: step.words.clone(),
        }
    }
}
