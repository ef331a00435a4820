//! Why a login elsewhere did not lead in: what the user is told, and what is recorded.

use crate::accounts::oidc::ClaimFault;
use crate::provider::ProviderError;
use axum::http::StatusCode;
use contract::record::Reason;

/// What the user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Trouble {
    /// It was not begun in this browser on this device a moment ago, or has been used.
    Stale,
    /// The user turned back at the provider.
    Cancelled,
    /// The provider does not answer.
    Away,
    /// The provider's answer is not believed.
    Unbelieved,
    /// The login was not strong enough.
    Weak,
    /// The provider does not say whom it means in the words of health care.
    Nameless,
    /// It leads to no account that is to be used: whether there is one, nobody is told.
    NoUse,
    /// Nothing was chosen.
    NothingChosen,
    /// A SITHS card leads to no account that is to be used: which of it, nobody is told.
    Card,
    /// This program cannot just now.
    Busy,
}

impl Trouble {
    pub(in crate::web) fn status(self) -> StatusCode {
        match self {
            Self::Away | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::NothingChosen => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }

    /// The text's key.
    pub(in crate::web) const fn key(self) -> &'static str {
        match self {
            Self::Stale => "oidc-stale",
            Self::Cancelled => "oidc-cancelled",
            Self::Away => "oidc-away",
            Self::Unbelieved => "oidc-unbelieved",
            Self::Weak => "oidc-weak",
            Self::Nameless => "oidc-nameless",
            Self::NoUse => "oidc-no-use",
            Self::NothingChosen => "oidc-nothing-chosen",
            Self::Card => "siths-refused",
            Self::Busy => "oidc-busy",
        }
    }
}

/// A refusal: for the record, and for the user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// A word for record, log and metrics.
    pub(super) word: &'static str,
    pub(super) trouble: Trouble,
}

impl Refusal {
    /// What came is not the answer to what was asked here.
    pub(super) const fn stale(word: &'static str) -> Self {
        Self { reason: Reason::ProviderAnswer, word, trouble: Trouble::Stale }
    }

    /// The provider said no.
    pub(super) fn said(error: &str) -> Self {
        let (reason, word, trouble) = match error {
            "access_denied" => (Reason::ProviderAnswer, "denied", Trouble::Cancelled),
            "unmet_authentication_requirements" => (Reason::WeakLogin, "unmet", Trouble::Weak),
            "temporarily_unavailable" | "server_error" => (Reason::ProviderAnswer, "its_error", Trouble::Away),
            _ => (Reason::ProviderAnswer, "refused", Trouble::Unbelieved),
        };
        Self { reason, word, trouble }
    }
}

impl From<&ProviderError> for Refusal {
    fn from(error: &ProviderError) -> Self {
        let (reason, trouble) = match error {
            ProviderError::Token(error) if error.reason() == Reason::WeakLogin => (Reason::WeakLogin, Trouble::Weak),
            ProviderError::Token(_) | ProviderError::Refused(_) => (Reason::ProviderAnswer, Trouble::Unbelieved),
            ProviderError::Busy => (Reason::ProviderAnswer, Trouble::Busy),
            ProviderError::Away(_) | ProviderError::Resting | ProviderError::Itself(_) => {
                (Reason::ProviderAnswer, Trouble::Away)
            }
        };
        Self { reason, word: error.as_str(), trouble }
    }
}

impl From<ClaimFault> for Refusal {
    fn from(fault: ClaimFault) -> Self {
        Self { reason: Reason::ProviderAnswer, word: fault.as_str(), trouble: Trouble::Nameless }
    }
}
