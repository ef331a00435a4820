//! Which organisations' devices somebody's duties reach.

use super::super::member::Member;
use super::super::problem::Problem;
use crate::duties::{About, Action, may, organisations};
use contract::id::HsaId;

/// The organisations whose devices somebody may see, as far as they want them; none said: all.
pub(super) fn reach(member: &Member, wanted: Option<HsaId>) -> Result<Option<Vec<HsaId>>, Problem> {
    let lacking = || Problem::lacking(Action::SeeDevices);
    match (organisations(&member.viewer.appointments, Action::SeeDevices), wanted) {
        (None, wanted) => Ok(wanted.map(|one| vec![one])),
        (Some(some), None) if !some.is_empty() => Ok(Some(some)),
        (Some(some), Some(one)) if some.contains(&one) => Ok(Some(vec![one])),
        (Some(_), _) => Err(lacking()),
    }
}

/// Whether somebody's duties allow something with the devices of an organisation.
pub(in crate::web) fn reaches(member: &Member, action: Action, organisation: &HsaId) -> bool {
    let about = About { organisation: Some(organisation.clone()), ..About::default() };
    may(&member.viewer.appointments, action, &about)
}
