//! Whom a token names: the person's HSA-ids, and the commissions that they may act in.
//!
//! Providers say one thing as a text and several as a list. Commissions are said in claims side by side: the first
//! commission's name is the first of the names.

use contract::directory::Commission;
use contract::id::HsaId;
use serde_json::{Map, Value};

/// At most so many HSA-ids of one person.
const IDS_MAX: usize = 20;
/// At most so many commissions.
const COMMISSIONS_MAX: usize = 20;
/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 300;
/// So much of a name is kept, in bytes: all of a person's commissions go through a form of the login page.
const NAME_BYTES_MAX: usize = 120;

/// How a provider calls what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The HSA-id that the person has chosen to act under.
    pub hsa: String,
    /// All HSA-ids of the person, where none was chosen.
    pub all_hsa: String,
    /// The commission's HSA-id.
    pub commission: String,
    /// The commission's name.
    pub commission_name: String,
    /// The care unit's HSA-id.
    pub care_unit: String,
    /// The care unit's name.
    pub care_unit_name: String,
    /// The care provider's HSA-id.
    pub care_provider: String,
}

impl Default for ClaimNames {
    /// Those of Inera's identity provider.
    fn default() -> Self {
        Self {
            hsa: "employeeHsaId".to_owned(),
            all_hsa: "allEmployeeHsaIds".to_owned(),
            commission: "commissionHsaId".to_owned(),
            commission_name: "commissionName".to_owned(),
            care_unit: "healthCareUnitHsaId".to_owned(),
            care_unit_name: "healthCareUnitName".to_owned(),
            care_provider: "healthCareProviderHsaId".to_owned(),
        }
    }
}

impl ClaimNames {
    /// Every name, to ask for.
    pub fn all(&self) -> [&str; 7] {
        [
            &self.hsa,
            &self.all_hsa,
            &self.commission,
            &self.commission_name,
            &self.care_unit,
            &self.care_unit_name,
            &self.care_provider,
        ]
    }

    /// Whether any of them says who it is.
    pub fn name_somebody(&self, claims: &Map<String, Value>) -> bool {
        claims.contains_key(&self.hsa) || claims.contains_key(&self.all_hsa)
    }
}

/// What is claimed of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The person's HSA-ids: one, or several to choose from.
    pub ids: Vec<HsaId>,
    /// The person's commissions: none, one, or several to choose from.
    pub commissions: Vec<Commission>,
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claimed(hidden)")
    }
}

/// Why nobody is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// There is no HSA-id.
    #[error("it says no HSA-id")]
    NoHsa,
    /// Something that should be an HSA-id or a name is none, or there are too many.
    #[error("it says something that cannot be read")]
    Form,
    /// A commission lacks its care unit or care provider, or there are more of one than of the other.
    #[error("it says half of a commission")]
    Commission,
}

impl ClaimFault {
    /// A word for the record and for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoHsa => "no_hsa",
            Self::Form => "claims",
            Self::Commission => "commission",
        }
    }
}

/// Reads what is claimed.
pub fn claimed(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Claimed, ClaimFault> {
    let mut ids = hsa_ids(claims, &names.hsa, IDS_MAX)?;
    if ids.is_empty() {
        ids = hsa_ids(claims, &names.all_hsa, IDS_MAX)?;
    }
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Err(ClaimFault::NoHsa);
    }
    Ok(Claimed { ids, commissions: commissions(claims, names)? })
}

fn commissions(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Vec<Commission>, ClaimFault> {
    let ids = hsa_ids(claims, &names.commission, COMMISSIONS_MAX)?;
    let units = hsa_ids(claims, &names.care_unit, COMMISSIONS_MAX)?;
    let providers = hsa_ids(claims, &names.care_provider, COMMISSIONS_MAX)?;
    let called = texts(claims, &names.commission_name, COMMISSIONS_MAX)?;
    let unit_names = texts(claims, &names.care_unit_name, COMMISSIONS_MAX)?;
    // Without a commission, a unit is where somebody is employed, not where they act from.
    let of_each = |count: usize| count == ids.len();
    let all_or_none = |count: usize| count == 0 || count == ids.len();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if !of_each(units.len())
        || !of_each(providers.len())
        || !all_or_none(called.len())
        || !all_or_none(unit_names.len())
    {
        return Err(ClaimFault::Commission);
    }
    let mut found: Vec<Commission> = Vec::new();
    for (index, ((hsa, unit), provider)) in ids.into_iter().zip(units).zip(providers).enumerate() {
        let at = |names: &[&str]| cut(names.get(index).copied().unwrap_or_default());
        let commission = Commission {
            hsa: Some(hsa),
            name: at(&called),
            purpose: String::new(),
            care_provider: Some(provider),
            care_unit: Some(unit),
            care_unit_name: at(&unit_names),
        };
        if !found.contains(&commission) {
            found.push(commission);
        }
    }
    Ok(found)
}

fn hsa_ids(claims: &Map<String, Value>, key: &str, most: usize) -> Result<Vec<HsaId>, ClaimFault> {
    let texts = texts(claims, key, most)?;
    texts.into_iter().map(|text| HsaId::parse(text).map_err(|_| ClaimFault::Form)).collect()
}

/// One text, or a list of texts.
fn texts<'c>(claims: &'c Map<String, Value>, key: &str, most: usize) -> Result<Vec<&'c str>, ClaimFault> {
    let all: Vec<&Value> = match claims.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    };
    if all.len() > most {
        return Err(ClaimFault::Form);
    }
    let read = |value: &'c Value| {
        value.as_str().map(str::trim).filter(|text| text.len() <= TEXT_BYTES_MAX).ok_or(ClaimFault::Form)
    };
    all.into_iter().map(read).collect()
}

/// The beginning of a name that is too long.
fn cut(name: &str) -> String {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    name.get(..end).unwrap_or_default().to_owned()
}
