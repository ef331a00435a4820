//! What goes wrong, for programs: RFC 9457. Types are stable; nothing that somebody wrote and no personal data is in
//! it.

use super::BASE;
use crate::duties::Action;
use crate::forms::{Denied, FormFault};
use crate::imports::Faults;
use crate::issuing::IssueError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What the types begin with.
const URN: &str = "urn:grindvakt:problem:";

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Kind {
    NotLoggedIn,
    StepUpRequired,
    CodeRefused,
    AccountInactive,
    InstructionsDue,
    CrossSite,
    NotAppointed,
    Own,
    Unidentified,
    DecidedBefore,
    OtherHalf,
    NotYours,
    NotFound,
    MethodNotAllowed,
    TooMany,
    WrongState,
    WrongStage,
    AccountState,
    DeviceState,
    Limit,
    Taken,
    Overtaken,
    Changed,
    PreconditionRequired,
    TooLarge,
    UnsupportedMediaType,
    Malformed,
    Invalid,
    Unavailable,
}

impl Kind {
    /// Its name, its status, and what it says.
    pub(in crate::web) const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotLoggedIn => ("not_logged_in", StatusCode::UNAUTHORIZED, "Nobody is logged in here"),
            Self::StepUpRequired => {
                ("step_up_required", StatusCode::UNAUTHORIZED, "A signature needs a second factor that was just shown")
            }
            Self::CodeRefused => ("code_refused", StatusCode::FORBIDDEN, "The code was refused"),
            Self::AccountInactive => ("account_inactive", StatusCode::FORBIDDEN, "The account is not in use"),
            Self::InstructionsDue => (
                "instructions_due",
                StatusCode::FORBIDDEN,
                "Accept the security instructions first, at /auth/instructions",
            ),
            Self::CrossSite => ("cross_site", StatusCode::FORBIDDEN, "This was not asked for here"),
            Self::NotAppointed => {
                ("not_appointed", StatusCode::FORBIDDEN, "This needs a duty that you do not have here")
            }
            Self::Own => ("own", StatusCode::FORBIDDEN, "Nobody decides about themselves"),
            Self::Unidentified => ("unidentified", StatusCode::FORBIDDEN, "Who decides must be known by an HSA-id"),
            Self::DecidedBefore => ("decided_before", StatusCode::FORBIDDEN, "The next step is another person's"),
            Self::OtherHalf => ("other_half", StatusCode::FORBIDDEN, "Nobody sees both halves"),
            Self::NotYours => ("not_yours", StatusCode::FORBIDDEN, "This form is another's to write and submit"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing here"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This is not what can be done here")
            }
            Self::TooMany => ("too_many", StatusCode::CONFLICT, "There are too many drafts: submit some, or mend one"),
            Self::WrongState => ("wrong_state", StatusCode::CONFLICT, "Not where the form stands"),
            Self::WrongStage => ("wrong_stage", StatusCode::CONFLICT, "Not where the half is"),
            Self::AccountState => ("account_state", StatusCode::CONFLICT, "The account's state does not allow it"),
            Self::DeviceState => ("device_state", StatusCode::CONFLICT, "The device's state does not allow it"),
            Self::Limit => ("limit", StatusCode::CONFLICT, "There are as many as there may be"),
            Self::Taken => ("taken", StatusCode::CONFLICT, "Another has it"),
            Self::Overtaken => ("overtaken", StatusCode::CONFLICT, "A later form counts"),
            Self::Changed => ("changed", StatusCode::PRECONDITION_FAILED, "It has changed since it was seen"),
            Self::PreconditionRequired => {
                ("precondition_required", StatusCode::PRECONDITION_REQUIRED, "Say by If-Match what was seen")
            }
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "A body here is application/json")
            }
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "Something in the request cannot be taken"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "This does not answer now"),
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct FieldError {
    /// Which, as a JSON pointer (RFC 6901); of a parameter its name; of an import `/LINE/NAME`. Empty: the whole.
    pub(in crate::web) field: String,
    /// What, for programs: missing, type, text, form, period, unknown or refused; of an import also value, double,
    /// backwards, overlap, absent or too_many.
    pub(in crate::web) code: &'static str,
    /// What, for people.
    pub(in crate::web) detail: String,
}

/// What goes wrong.
#[derive(Debug)]
pub(in crate::web) struct Problem {
    kind: Kind,
    detail: Option<String>,
    duty: Option<Action>,
    step_up_s: Option<i64>,
    /// What pages say of it: a text's key.
    said: Option<&'static str>,
    pub(in crate::web) errors: Vec<FieldError>,
}

/// A problem (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Told {
    /// Its kind: `urn:grindvakt:problem:…`, stable.
    r#type: String,
    /// Its kind, for people.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// More, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The duty that is lacking.
    #[serde(skip_serializing_if = "Option::is_none")]
    duty: Option<&'static str>,
    /// Where a second factor is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_up: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self { kind, detail: None, duty: None, step_up_s: None, said: None, errors: Vec::new() }
    }
}

impl Problem {
    pub(in crate::web) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..kind.into() }
    }

    /// Its kind.
    pub(in crate::web) fn kind(&self) -> Kind {
        self.kind
    }

    /// With what pages say of it, if there is a text of its own.
    pub(super) fn said(self, said: Option<&'static str>) -> Self {
        Self { said, ..self }
    }

    /// What pages say of it.
    pub(in crate::web) fn words(&self) -> Option<&'static str> {
        self.said
    }

    /// The duty that is lacking.
    pub(in crate::web) fn duty(&self) -> Option<Action> {
        self.duty
    }

    /// A signature without a second factor shown within so many seconds.
    pub(in crate::web) fn step_up(within_s: i64) -> Self {
        let detail = format!(
            "Send your code to POST {BASE}/step-up as {{\"code\": \"…\"}}, or show a passkey by POST {BASE}/step-up/question and \
             {BASE}/step-up/passkey, and then this again within {within_s} s"
        );
        Self { step_up_s: Some(within_s), ..Self::new(Kind::StepUpRequired, detail) }
    }

    /// A duty that is lacking.
    pub(in crate::web) fn lacking(duty: Action) -> Self {
        Self { duty: Some(duty), ..Kind::NotAppointed.into() }
    }

    /// Fields that cannot be taken.
    pub(in crate::web) fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Kind::Invalid.into() }
    }

    /// One field that cannot be taken.
    pub(in crate::web) fn field(field: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), code, detail: detail.into() }])
    }

    /// What the store says to something that needs this duty.
    pub(in crate::web) fn from_store(error: &StoreError, duty: Action) -> Self {
        match error {
            StoreError::Denied(denied) => Self::denied(*denied, duty),
            StoreError::Raced(_) => Kind::Changed.into(),
            StoreError::Absent(_) => Kind::NotFound.into(),
            StoreError::State(wrong) => Self::new(Kind::WrongState, wrong.to_string()),
            StoreError::Move(wrong) => Self::new(Kind::AccountState, wrong.to_string()),
            StoreError::Taken(what) => Self::new(Kind::Taken, format!("the {what} is taken already")),
            StoreError::Revoked(wrong) => Self::new(Kind::DeviceState, wrong.to_string()),
            StoreError::Early(early) => Self::new(Kind::DeviceState, early.to_string()),
            StoreError::TooMany(_) => Self::new(Kind::Limit, error.to_string()),
            StoreError::Overtaken => Self::new(Kind::Overtaken, error.to_string()),
            StoreError::Incomplete(what) => Self::field("", "refused", *what),
            StoreError::Fault(fault) => Self::fault(*fault),
            StoreError::Rows(faults) => Self::rows(faults),
            StoreError::ClosesTooMany(_) => Self::field("closes_at_most", "refused", error.to_string()),
            StoreError::Stage(wrong) => Self::new(Kind::WrongStage, wrong.to_string()),
            StoreError::Pair(wrong) => Self::field("", "refused", wrong.to_string()),
            StoreError::NoWay(wrong) => Self::field("", "refused", wrong.to_string()),
            _ => {
                tracing::error!(error = error as &dyn std::error::Error, "a request of the administration failed");
                Kind::Unavailable.into()
            }
        }
    }

    /// Why there is no certificate.
    pub(super) fn from_issue(error: &IssueError) -> Self {
        match error {
            IssueError::Store(StoreError::Absent("organisation")) => {
                Self::field("/organisation", "refused", "there is no such organisation")
            }
            IssueError::Store(StoreError::Absent("device that is in use")) => {
                Self::new(Kind::DeviceState, "the device is revoked")
            }
            IssueError::Store(error) => Self::from_store(error, Action::ManageDevices),
            IssueError::Request(error) => Self::field("/csr", "form", error.to_string()),
            IssueError::Pki(_)
            | IssueError::Token(_)
            | IssueError::Slow
            | IssueError::Thread(_)
            | IssueError::File { .. }
            | IssueError::Readable { .. } => {
                tracing::error!(error = error as &dyn std::error::Error, "a certificate could not be made");
                Self::new(Kind::Unavailable, "certificates cannot be made here now: the log says why")
            }
        }
    }

    fn denied(denied: Denied, duty: Action) -> Self {
        match denied {
            Denied::NotAppointed => Self::lacking(duty),
            Denied::Own => Kind::Own.into(),
            Denied::Unidentified => Kind::Unidentified.into(),
            Denied::Again => Kind::DecidedBefore.into(),
            Denied::OtherHalf => Kind::OtherHalf.into(),
            Denied::NotYours | Denied::OtherSignature => Kind::NotYours.into(),
        }
    }

    /// Rows of an import that cannot be taken.
    pub(super) fn rows(faults: &Faults) -> Self {
        let told = faults.told.iter().map(|fault| FieldError {
            field: format!("/{}/{}", fault.line, fault.field),
            code: fault.what.as_str(),
            detail: fault.to_string(),
        });
        let detail = format!("{} fault(s): nothing was brought in", faults.count);
        Self { errors: told.collect(), ..Self::new(Kind::Invalid, detail) }
    }

    fn fault(fault: FormFault) -> Self {
        let (field, code) = match fault {
            FormFault::Text("the address") => ("/address", "text"),
            FormFault::Text("the list of units") => ("/units", "text"),
            FormFault::Text(_) => ("", "text"),
            FormFault::Period => ("/valid_to", "period"),
            FormFault::Subject => ("/hsa", "missing"),
            FormFault::Number => ("/number", "missing"),
            FormFault::Account => ("/account", "refused"),
            FormFault::Registry => ("/registry", "refused"),
        };
        Self::field(field, code, fault.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, title) = self.kind.parts();
        let told = Told {
            r#type: format!("{URN}{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            duty: self.duty.map(Action::as_str),
            step_up: self.step_up_s.map(|_| format!("{BASE}/step-up")),
            errors: self.errors,
        };
        let body = serde_json::to_string(&told).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        // RFC 9110 wants a challenge with each 401; RFC 9470 has one for a second factor that is too old.
        let challenge = match (status, self.step_up_s) {
            (StatusCode::UNAUTHORIZED, Some(within_s)) => {
                format!("Bearer error=\"insufficient_user_authentication\", max_age={within_s}")
            }
            (StatusCode::UNAUTHORIZED, None) => "Bearer".to_owned(),
            _ => return response,
        };
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
