//! A SITHS card's certificate: whether it is a person's of a level that is let in, and whose. Pure.
//!
//! What is read here has a chain that holds and whose key the other side has: TLS has seen to that. Of the levels of
//! assurance, certificate policies tell (Inera: «Tillitsnivå» goes by the policy, not by the authority's name). A person's
//! certificate has the HSA-id as the subject's serialNumber; so has one of a function, which is a server's and nobody's
//! identity, and is known by being good for servers, by naming hosts, or by its authority.

use contract::id::HsaId;
use contract::record::Reason;
use std::fmt;
use std::str::FromStr;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate policy's object identifier: numbers with dots between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyId(String);

/// A text is no object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no object identifier: numbers with dots between them, like 1.2.752.74.8.512")]
pub struct PolicyIdError;

impl FromStr for PolicyId {
    type Err = PolicyIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let plain = !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
            plain && (part == "0" || !part.starts_with('0'))
        };
        let good = text.len() <= 128 && text.split('.').count() >= 3 && text.split('.').all(number);
        good.then(|| Self(text.to_owned())).ok_or(PolicyIdError)
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A policy whose cards are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What certificates call it.
    pub id: PolicyId,
    /// The level of assurance, as sessions and records have it: of the same words as identity providers' `acr`.
    pub level: String,
}

/// Whose card it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Whose.
    pub hsa: HsaId,
    /// The level of assurance.
    pub level: String,
    /// The policy that says so.
    pub policy: PolicyId,
    /// The certificate's serial number, hexadecimal.
    pub serial: String,
}

/// Why nobody is let in by a certificate whose chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    /// It cannot be read, or says a thing twice.
    #[error("the certificate cannot be read")]
    Form,
    /// It is not for showing who one is: one to sign with, for instance.
    #[error("the certificate is not for client authentication")]
    Purpose,
    /// It is a function's.
    #[error("the certificate is of a function, not of a person")]
    Function,
    /// None of its policies is let in.
    #[error("the certificate has no policy that is let in")]
    Policy,
    /// It has no HSA-id.
    #[error("the certificate has no HSA-id")]
    NoHsa,
}

impl CardFault {
    /// A word for record, log and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Purpose => "purpose",
            Self::Function => "function",
            Self::Policy => "policy",
            Self::NoHsa => "no_hsa",
        }
    }

    /// The reason on record.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Form => Reason::CertBroken,
            Self::Purpose | Self::Function => Reason::CertPurpose,
            Self::Policy => Reason::WeakLogin,
            Self::NoHsa => Reason::NoAccount,
        }
    }
}

/// What authorities of functions have in their names.
const FUNCTION: &str = "function";

impl Card {
    /// Reads a certificate. Of several policies that are let in, the one that stands first in `policies` counts.
    pub fn read(der: &[u8], policies: &[Policy]) -> Result<Self, CardFault> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CardFault::Form)?;
        if !rest.is_empty() {
            return Err(CardFault::Form);
        }
        of_a_person(&certificate)?;
        let policy = policy(&certificate, policies)?;
        let mut numbers = certificate.subject().iter_by_oid(&OID_X509_SERIALNUMBER);
        let number = numbers.next().ok_or(CardFault::NoHsa)?;
        if numbers.next().is_some() {
            return Err(CardFault::Form);
        }
        let hsa = number.as_str().ok().and_then(|text| HsaId::parse(text).ok()).ok_or(CardFault::NoHsa)?;
        let serial = hex::encode(certificate.raw_serial());
        Ok(Self { hsa, level: policy.level.clone(), policy: policy.id.clone(), serial })
    }
}

/// Whether a certificate is for a person to show who they are.
fn of_a_person(certificate: &X509Certificate<'_>) -> Result<(), CardFault> {
    let uses = certificate.extended_key_usage().map_err(|_| CardFault::Form)?.ok_or(CardFault::Purpose)?.value;
    let usage = certificate.key_usage().map_err(|_| CardFault::Form)?.ok_or(CardFault::Purpose)?.value;
    if uses.server_auth {
        return Err(CardFault::Function);
    }
    if !uses.client_auth || !usage.digital_signature() || certificate.is_ca() {
        return Err(CardFault::Purpose);
    }
    let names = certificate.subject_alternative_name().map_err(|_| CardFault::Form)?;
    let host = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(_) | GeneralName::IPAddress(_));
    if names.is_some_and(|names| names.value.general_names.iter().any(host)) {
        return Err(CardFault::Function);
    }
    let mut authority = certificate.issuer().iter_common_name().map(|name| name.as_str().unwrap_or_default());
    if authority.any(|name| name.to_ascii_lowercase().contains(FUNCTION)) {
        return Err(CardFault::Function);
    }
    Ok(())
}

/// The first of `policies` that a certificate has.
fn policy<'p>(certificate: &X509Certificate<'_>, policies: &'p [Policy]) -> Result<&'p Policy, CardFault> {
    let mut lists = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CertificatePolicies(list) => Some(list),
        _ => None,
    });
    let list = lists.next().ok_or(CardFault::Policy)?;
    if lists.next().is_some() {
        return Err(CardFault::Form);
    }
    let has: Vec<String> = list.iter().map(|policy| policy.policy_id.to_id_string()).collect();
    policies.iter().find(|policy| has.contains(&policy.id.0)).ok_or(CardFault::Policy)
}

#[cfg(test)]
pub mod soft;
#[cfg(test)]
mod tests;
