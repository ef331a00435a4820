//! What stands in the three forms. Fields as the registry's own paper forms have them (domain rules F1 to F3).

use crate::duties::{About, Region};
use contract::Micros;
use contract::directory::Grant;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::identity::PatientId;
use contract::record::Right;
use contract::wire_enum;

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
#[derive(Clone, PartialEq, Eq)]
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

impl Application {
    /// The right that is asked for.
    pub fn grant(&self, registry: RegistryName) -> Grant {
        Grant { registry, right: self.right, units: Vec::new(), valid_from: self.valid_from, valid_to: self.valid_to }
    }
}

/// Form 2, ändring: another right for an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Alteration {
    /// Whose.
    pub account: AccountId,
    /// The right afterwards in the form's registry, one at most; without one it ends. Others are not touched.
    pub rights: Vec<Grant>,
    /// Why.
    pub reason: String,
}

/// Form 3, avregistrering: the account ends.
#[derive(Clone, PartialEq, Eq)]
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

wire_enum! {
    /// Which of the three forms.
    pub enum Kind {
        /// Form 1, ansökan.
        Application = 1 => "F1",
        /// Form 2, ändring.
        Alteration = 2 => "F2",
        /// Form 3, avregistrering.
        Deregistration = 3 => "F3",
    }
}

impl Content {
    /// Which form.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Application(_) => Kind::Application,
            Self::Alteration(_) => Kind::Alteration,
            Self::Deregistration(_) => Kind::Deregistration,
        }
    }

    /// The account that it changes or ends.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Application(_) => None,
            Self::Alteration(change) => Some(change.account),
            Self::Deregistration(end) => Some(end.account),
        }
    }
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
