//! Where halves go: what the person's executed application says, and nothing else.

use super::Channel;
use crate::forms::Application;
use std::fmt;

/// Where somebody is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Their name.
    pub name: String,
    /// Their clinic or unit.
    pub unit: String,
    /// The lines of the address at work.
    pub address: Vec<String>,
    /// The telephone at work.
    pub telephone: String,
    /// The mobile telephone, as it was written.
    mobile: Option<String>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery(hidden)")
    }
}

impl From<&Application> for Delivery {
    fn from(form: &Application) -> Self {
        Self {
            name: form.name.clone(),
            unit: form.unit.0.clone(),
            address: form.address.clone(),
            telephone: form.telephone.clone(),
            mobile: form.mobile.clone(),
        }
    }
}

/// A channel that the application gives no way for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// No mobile number, or none that can be called from abroad and at home alike.
    #[error("the application names no mobile number that text messages can be sent to")]
    Mobile,
    /// Form 1 has no field for it.
    #[error("the application names no fax number")]
    Fax,
}

impl Delivery {
    /// Whether this channel leads to them.
    pub fn reaches(&self, channel: Channel) -> Result<(), Unreachable> {
        match channel {
            Channel::Letter | Channel::Phone => Ok(()),
            Channel::Sms => self.mobile().map(drop),
            Channel::Fax => Err(Unreachable::Fax),
        }
    }

    /// The number that text messages go to.
    pub fn mobile(&self) -> Result<Mobile, Unreachable> {
        self.mobile.as_deref().and_then(Mobile::parse).ok_or(Unreachable::Mobile)
    }
}

/// A telephone number in the form of E.164: `+46700000000`.
#[derive(Clone, PartialEq, Eq)]
pub struct Mobile(String);

impl fmt::Debug for Mobile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mobile(hidden)")
    }
}

impl Mobile {
    /// Reads a number as people write it; one without a country is Swedish.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && !"-/()".contains(*c)).collect();
        let digits = if let Some(rest) = plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")) {
            rest.to_owned()
        } else {
            format!("46{}", plain.strip_prefix('0')?)
        };
        let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        (fits && !digits.starts_with('0')).then(|| Self(format!("+{digits}")))
    }

    /// The number.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
