//! What stands in the three forms. Fields as the registry's own paper forms have them (domain rules F1 to F3).

use crate::duties::{About, Region};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::identity::PatientId;
use contract::record::Right;

/// Who is meant: the person, not an account, for a first application comes from somebody without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their account, if they have one.
    pub account: Option<AccountId>,
    /// Their HSA-id.
    pub hsa: Option<HsaId>,
    /// Personnummer or samordningsnummer; its `Debug` does not show it.
    pub number: Option<PatientId>,
}

impl Person {
    /// Whether it may be the same person: one thing that both say is the same.
    pub fn may_be(&self, other: &Self) -> bool {
        let same = |equal: bool, said: bool| said && equal;
        same(self.account == other.account, self.account.is_some())
            || same(self.hsa == other.hsa, self.hsa.is_some())
            || same(self.number == other.number, self.number.is_some())
    }
}

/// Form 1, ansökan: an account, and a right in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The applicant's name.
    pub name: String,
    /// Title or profession.
    pub title: String,
    /// Where they work: clinic or unit, and its HSA-id.
    pub unit: (String, HsaId),
    /// Postal address at work: letters go there.
    pub address: Vec<String>,
    /// Telephone at work: call-backs go there.
    pub telephone: String,
    /// Mobile telephone: codes go there.
    pub mobile: Option<String>,
    /// E-mail at work. Nothing about patients, and no credentials, ever go there.
    pub email: Option<String>,
    /// What is asked for.
    pub right: Right,
    /// From when.
    pub valid_from: Micros,
    /// Until when, if limited.
    pub valid_to: Option<Micros>,
    /// What for.
    pub purpose: String,
}

/// Form 2, ändring: other rights for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// Whose.
    pub account: AccountId,
    /// The rights afterwards; one that is not named ends.
    pub rights: Vec<Grant>,
    /// Why.
    pub reason: String,
}

/// Form 3, avregistrering: the account ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deregistration {
    /// Whose.
    pub account: AccountId,
    /// Why.
    pub reason: String,
}

/// One of the three forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Form 1.
    Application(Application),
    /// Form 2.
    Alteration(Alteration),
    /// Form 3.
    Deregistration(Deregistration),
}

/// A form: what it says, and what each of the three has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Whom it is about.
    pub subject: Person,
    /// The region that they work in.
    pub region: Region,
    /// The registry.
    pub registry: RegistryName,
    /// What it says.
    pub content: Content,
}

impl Form {
    /// What appointments reach it by.
    pub fn about(&self) -> About {
        About { region: Some(self.region), registry: Some(self.registry.clone()), ..About::default() }
    }
}
