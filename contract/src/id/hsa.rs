//! HSA-ids: the identifiers of Swedish care's catalogue of people, units and providers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An HSA-id: `SE`, an organisation number, `-`, and up to 18 letters and digits; at most 31 characters.
///
/// The form has no check digit of its own, but the organisation number has (Luhn). Twelve-digit organisation
/// numbers start with `16`. Upper case is the canonical form. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HsaId(Arc<str>);

/// Why a text is not an HSA-id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HsaIdError {
    /// The text does not have the form `SE` + organisation number + `-` + suffix.
    #[error("an HSA-id is SE, ten digits (or twelve that begin with 16), '-', and 1 to 18 letters or digits")]
    Form,
    /// The organisation number's check digit is wrong.
    #[error("the organisation number in the HSA-id has a wrong check digit")]
    CheckDigit,
}

impl HsaId {
    /// Parses an HSA-id; lower case is accepted and raised.
    pub fn parse(text: &str) -> Result<Self, HsaIdError> {
        let upper = text.to_ascii_uppercase();
        let (number, suffix) =
            upper.strip_prefix("SE").and_then(|rest| rest.split_once('-')).ok_or(HsaIdError::Form)?;
        let number = match number.len() {
            12 => number.strip_prefix("16").ok_or(HsaIdError::Form)?,
            _ => number,
        };
        if number.len() != 10
            || !number.bytes().all(|b| b.is_ascii_digit())
            || suffix.is_empty()
            || suffix.len() > 18
            || !suffix.bytes().all(|b| b.is_ascii_alphanumeric())
            || upper.len() > 31
        {
            return Err(HsaIdError::Form);
        }
        if !crate::identity::luhn_holds(number.bytes().map(|b| b - b'0')) {
            return Err(HsaIdError::CheckDigit);
        }
        Ok(Self(upper.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical text, shared.
    pub fn text(&self) -> crate::Text {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for HsaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for HsaId {
    type Err = HsaIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for HsaId {
    type Error = HsaIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<HsaId> for String {
    fn from(id: HsaId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(HsaId::parse("se2321000016-39kj").map(|id| id.to_string()), Ok("SE2321000016-39KJ".to_owned()));
        assert!(HsaId::parse("SE165565594230-1000").is_ok());
        assert_eq!(HsaId::parse("SE2321000017-39KJ"), Err(HsaIdError::CheckDigit));
        for bad in [
            "",
            "SE",
            "2321000016-1",
            "SE2321000016",
            "SE2321000016-",
            "SE2321000016-å",
            "SE232100001-1",
            "SE992321000016-1",
        ] {
            assert_eq!(HsaId::parse(bad), Err(HsaIdError::Form), "{bad}");
        }
        assert_eq!(HsaId::parse("SE2321000016-1234567890123456789"), Err(HsaIdError::Form));
    }
}
