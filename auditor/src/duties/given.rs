//! Appointments as they were given: to whom, by whom, from when until when.

use super::Appointment;
use contract::Micros;
use contract::id::{AccountId, AppointmentId};
use contract::wire_enum;
use serde::Serialize;

wire_enum! {
    /// Why an appointment was given or ended. A closed list, so that no record of it tells more.
    pub enum Why {
        /// Somebody gets a duty.
        NewDuty = 1 => "new_duty",
        /// Somebody gets another duty, or somebody else gets theirs.
        OtherDuty = 2 => "other_duty",
        /// Somebody leaves.
        Leaves = 3 => "leaves",
        /// It was a mistake.
        Mistake = 4 => "mistake",
        /// The account was closed.
        AccountClosed = 5 => "account_closed",
        /// Its time was over.
        TimeOver = 6 => "time_over",
    }
}

/// An appointment, given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Its id.
    pub id: AppointmentId,
    /// Whose.
    pub account: AccountId,
    /// To what.
    pub appointment: Appointment,
    /// From when.
    pub valid_from: Micros,
    /// Until when, if limited.
    pub valid_to: Option<Micros>,
    /// When it was given.
    pub given: Micros,
    /// By whom; [`AccountId::NONE`] on the command line.
    pub given_by: AccountId,
    /// When it ended, if it did.
    pub ended: Option<Micros>,
    /// Who ended it; [`AccountId::NONE`] on the command line, and for the program itself.
    pub ended_by: Option<AccountId>,
}

impl Given {
    /// Whether it counts at `now`.
    pub fn in_force(&self, now: Micros) -> bool {
        self.ended.is_none() && self.valid_from <= now && self.valid_to.is_none_or(|to| now < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_its_beginning_to_its_end() {
        let given = Given {
            id: AppointmentId::NONE,
            account: AccountId::NONE,
            appointment: Appointment::AccountAdmin,
            valid_from: 10,
            valid_to: Some(20),
            given: 1,
            given_by: AccountId::NONE,
            ended: None,
            ended_by: None,
        };
        assert_eq!([9, 10, 19, 20].map(|now| given.in_force(now)), [false, true, true, false]);
        assert!(Given { valid_to: None, ..given.clone() }.in_force(i64::MAX));
        assert!(!Given { ended: Some(5), ..given }.in_force(15));
    }
}
