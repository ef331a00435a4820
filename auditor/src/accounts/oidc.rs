//! Logins at an identity provider (OpenID Connect Core 1.0): what its tokens must say, and whom they name. Pure.
//!
//! A token is believed only for what it was asked for: signed by a key of that provider with an algorithm of
//! [`ALGORITHMS`], made by that issuer for this client, a moment ago, for this browser's question (nonce), after a login
//! as strong as was asked for (acr). What it then says of a person leads to an account that is there, or to none.

mod claims;
mod keys;
mod logout;
#[cfg(test)]
pub(crate) mod soft;
#[cfg(test)]
mod tests;
mod token;
mod url;

pub use claims::{ClaimFault, ClaimNames, Claimed, claimed};
pub use keys::{ALGORITHMS, KeySet, KeySetError};
pub use logout::{Logout, check_logout};
pub use token::{Asked, Told, check};
pub use url::safe_url;

use contract::record::Reason;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no signed token of the kind that was asked for, or longer than one is.
    #[error("it is no token of this kind")]
    Form,
    /// Its algorithm is none that is allowed.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// The provider has no key of that name. It may have a new one.
    #[error("its key is not known")]
    Key,
    /// The signature is not that key's.
    #[error("its signature does not hold")]
    Signature,
    /// Another issuer made it.
    #[error("another issuer made it")]
    Issuer,
    /// It is for another client.
    #[error("it is for another client")]
    Audience,
    /// It was given to another client.
    #[error("it was given to another client")]
    Party,
    /// Its time is over, or has not come.
    #[error("its time is over or has not come")]
    Time,
    /// It answers another question.
    #[error("it answers another question")]
    Nonce,
    /// The login was not as strong as was asked for.
    #[error("the login was weaker than was asked for")]
    Level,
    /// The login was longer ago than was asked for.
    #[error("the login was too long ago")]
    Age,
    /// It names nobody, or nothing that ends.
    #[error("it names nobody")]
    Subject,
    /// It tells of no logout, or has what a logout token must not have.
    #[error("it tells of no logout")]
    Event,
}

impl TokenError {
    /// Every one, for metrics.
    pub const ALL: [Self; 13] = [
        Self::Form,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Party,
        Self::Time,
        Self::Nonce,
        Self::Level,
        Self::Age,
        Self::Subject,
        Self::Event,
    ];

    /// The reason for the record.
    pub fn reason(self) -> Reason {
        match self {
            Self::Level | Self::Age => Reason::WeakLogin,
            _ => Reason::ProviderAnswer,
        }
    }

    /// A word for the record and for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Party => "party",
            Self::Time => "time",
            Self::Nonce => "nonce",
            Self::Level => "level",
            Self::Age => "age",
            Self::Subject => "subject",
            Self::Event => "event",
        }
    }
}
