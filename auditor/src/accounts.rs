//! Personal accounts: who may log in, in which state an account is, and which moves lead from one to another.
//!
//! Pure: time comes as an argument, nothing here reads or writes. An account that is closed stays closed; the
//! person's next application makes a new account with a new id.

pub mod login;
pub mod oidc;
pub mod passkey;
pub mod password;
pub mod siths;
pub mod totp;

use contract::Micros;
use contract::directory::{self, AccountStanding};
use contract::emergency::Opening;
use contract::id::{AccountId, HsaId, RegistryName};
use contract::record::Right;
use std::fmt;

/// A move that the account's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an account that is {from} cannot {action}")]
pub struct InvalidMove {
    /// The state it is in.
    pub from: &'static str,
    /// What was to be done.
    pub action: &'static str,
}

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// SKAPAD: made, nobody can log in yet.
    Created {
        /// When.
        at: Micros,
    },
    /// UTLÄMNAD: both halves of the credentials are handed out; the first login makes it active.
    HandedOut {
        /// When.
        at: Micros,
    },
    /// AKTIV.
    Active {
        /// Since when.
        since: Micros,
    },
    /// LÅST: too many wrong attempts.
    Locked {
        /// Since when.
        since: Micros,
        /// Until when; none: until an administrator unlocks it after a call-back.
        until: Option<Micros>,
        /// Nobody has logged in yet: unlocked, it is handed out again, not active.
        unused: bool,
        /// Since when it was active, or handed out: wrong attempts do not prolong that.
        held: Micros,
    },
    /// VILANDE: unused for long, or not confirmed in the yearly review.
    Dormant {
        /// Since when.
        since: Micros,
    },
    /// SPÄRRAD: stopped after an incident.
    Blocked {
        /// Since when.
        since: Micros,
    },
    /// AVREGISTRERAD: closed for good.
    Deregistered {
        /// When.
        at: Micros,
    },
    /// FÖRFALLEN: handed out and never used; closed for good.
    Lapsed {
        /// When.
        at: Micros,
    },
}

impl State {
    /// Both halves of the credentials were handed out.
    pub fn hand_out(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Created { .. } => Ok(Self::HandedOut { at: now }),
            other => Err(other.cannot("be handed out")),
        }
    }

    /// First login with both factors.
    pub fn activate(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::HandedOut { .. } => Ok(Self::Active { since: now }),
            other => Err(other.cannot("be activated")),
        }
    }

    /// Nobody logged in within the time given.
    pub fn lapse(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Created { .. } | Self::HandedOut { .. } | Self::Locked { unused: true, .. } => {
                Ok(Self::Lapsed { at: now })
            }
            other => Err(other.cannot("lapse")),
        }
    }

    /// Too many wrong attempts, or an administrator's wish.
    pub fn lock(self, now: Micros, until: Option<Micros>) -> Result<Self, InvalidMove> {
        match self {
            Self::Active { since: held } => Ok(Self::Locked { since: now, until, unused: false, held }),
            Self::HandedOut { at: held } => Ok(Self::Locked { since: now, until, unused: true, held }),
            // Somebody does not let a lock end by itself.
            Self::Locked { until: Some(_), unused, held, .. } if until.is_none() => {
                Ok(Self::Locked { since: now, until, unused, held })
            }
            other => Err(other.cannot("be locked")),
        }
    }

    /// An administrator has called back: the account begins anew.
    pub fn unlock(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Locked { unused: false, .. } => Ok(Self::Active { since: now }),
            Self::Locked { unused: true, .. } => Ok(Self::HandedOut { at: now }),
            other => Err(other.cannot("be unlocked")),
        }
    }

    /// The state at `now`: a lock whose time is over is none, and counts for nothing.
    #[must_use]
    pub fn at(self, now: Micros) -> Self {
        match self {
            Self::Locked { until: Some(until), unused: false, held, .. } if until <= now => {
                Self::Active { since: held }
            }
            Self::Locked { until: Some(until), unused: true, held, .. } if until <= now => Self::HandedOut { at: held },
            other => other,
        }
    }

    /// Unused for long.
    pub fn go_dormant(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Active { .. } | Self::Locked { unused: false, .. } => Ok(Self::Dormant { since: now }),
            other => Err(other.cannot("go dormant")),
        }
    }

    /// The region approved that it is used again.
    pub fn reactivate(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Dormant { .. } => Ok(Self::Active { since: now }),
            other => Err(other.cannot("be reactivated")),
        }
    }

    /// An incident.
    pub fn block(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Created { .. }
            | Self::HandedOut { .. }
            | Self::Active { .. }
            | Self::Locked { .. }
            | Self::Dormant { .. } => Ok(Self::Blocked { since: now }),
            other => Err(other.cannot("be blocked")),
        }
    }

    /// Two people lifted the block: the account is what it was `before`, since the block has shown nothing of it. None:
    /// that is not known of blocks from before it was kept, and it is active.
    pub fn lift_block(self, before: Option<Self>, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Blocked { .. } => Ok(before.map_or(Self::Active { since: now }, |before| before.at(now))),
            other => Err(other.cannot("have a block lifted")),
        }
    }

    /// Form 3, or the employment ended.
    pub fn deregister(self, now: Micros) -> Result<Self, InvalidMove> {
        match self {
            Self::Deregistered { .. } | Self::Lapsed { .. } => Err(self.cannot("be closed")),
            _ => Ok(Self::Deregistered { at: now }),
        }
    }

    /// What a gateway needs to know.
    pub fn standing(self) -> AccountStanding {
        match self {
            Self::Created { .. } | Self::HandedOut { .. } => AccountStanding::Pending,
            Self::Active { .. } => AccountStanding::Active,
            Self::Locked { .. } => AccountStanding::Locked,
            Self::Dormant { .. } => AccountStanding::Dormant,
            Self::Blocked { .. } => AccountStanding::Blocked,
            Self::Deregistered { .. } | Self::Lapsed { .. } => AccountStanding::Closed,
        }
    }

    /// Whether nothing leads out of this state.
    pub fn is_final(self) -> bool {
        self.standing() == AccountStanding::Closed
    }

    /// The state's name, since when it holds, and until when if that is known: how a table holds it.
    pub fn parts(self) -> (&'static str, Micros, Option<Micros>) {
        match self {
            Self::Created { at } => ("created", at, None),
            Self::HandedOut { at } => ("handed_out", at, None),
            Self::Active { since } => ("active", since, None),
            Self::Locked { since, until, unused: false, .. } => ("locked", since, until),
            Self::Locked { since, until, unused: true, .. } => ("locked_unused", since, until),
            Self::Dormant { since } => ("dormant", since, None),
            Self::Blocked { since } => ("blocked", since, None),
            Self::Deregistered { at } => ("deregistered", at, None),
            Self::Lapsed { at } => ("lapsed", at, None),
        }
    }

    /// Since when a lock's account was active or handed out: the fourth thing that a table holds.
    pub fn held(self) -> Option<Micros> {
        match self {
            Self::Locked { held, .. } => Some(held),
            _ => None,
        }
    }

    /// The inverse of [`Self::parts`] and [`Self::held`]. A lock from before that was kept is held since it began.
    pub fn from_parts(name: &str, at: Micros, until: Option<Micros>, held: Option<Micros>) -> Option<Self> {
        let held = held.unwrap_or(at);
        Some(match name {
            "created" => Self::Created { at },
            "handed_out" => Self::HandedOut { at },
            "active" => Self::Active { since: at },
            "locked" => Self::Locked { since: at, until, unused: false, held },
            "locked_unused" => Self::Locked { since: at, until, unused: true, held },
            "dormant" => Self::Dormant { since: at },
            "blocked" => Self::Blocked { since: at },
            "deregistered" => Self::Deregistered { at },
            "lapsed" => Self::Lapsed { at },
            _ => return None,
        })
    }

    fn cannot(self, action: &'static str) -> InvalidMove {
        InvalidMove { from: self.parts().0, action }
    }
}

/// The name that a user logs in with: 3 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, `@`, in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserName(String);

/// A text is not a user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user name is 3 to 64 letters a-z, digits, '.', '_', '-' or '@'")]
pub struct UserNameError;

impl UserName {
    /// Reads a user name; upper case and white space around are forgiven.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let name = text.trim().to_ascii_lowercase();
        let form = (3..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@".contains(&b));
        if form { Ok(Self(name)) } else { Err(UserNameError) }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserName(hidden)")
    }
}

impl std::str::FromStr for UserName {
    type Err = UserNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Wrong attempts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tries {
    /// Wrong attempts since the last right one, or since the last lock.
    pub failures: u32,
    /// Locks since the last right attempt.
    pub locks: u32,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id, never used again.
    pub id: AccountId,
    /// What the user logs in with.
    pub user_name: UserName,
    /// The user's HSA-id.
    pub hsa: Option<HsaId>,
    /// The user's name.
    pub name: String,
    /// The user's title or profession.
    pub title: String,
    /// Where it is in its life.
    pub state: State,
    /// Wrong attempts.
    pub tries: Tries,
    /// Last login.
    pub last_login: Option<Micros>,
    /// When it was made.
    pub created: Micros,
}

impl Account {
    /// What time has made of the account at `now`, if anything: dormant if nobody has used it since `unused`, lapsed if
    /// nobody has collected it since `uncollected`.
    pub fn by_time(&self, now: Micros, unused: Micros, uncollected: Micros) -> Option<State> {
        let state = self.state.at(now);
        let since = state.held().unwrap_or(state.parts().1);
        match state {
            State::Created { .. } | State::HandedOut { .. } | State::Locked { unused: true, .. }
                if since < uncollected =>
            {
                state.lapse(now).ok()
            }
            State::Active { .. } | State::Locked { unused: false, .. }
                if since < unused && self.last_login.is_none_or(|last| last < unused) =>
            {
                state.go_dormant(now).ok()
            }
            _ => None,
        }
    }

    /// The account as gateways see it. `roles`: what it was appointed to, without how far. `openings`: what it has opened in
    /// emergencies. `instructions_due`: whether it has to accept the security instructions first.
    pub fn entry(
        &self,
        grants: Vec<directory::Grant>,
        roles: Vec<String>,
        openings: Vec<Opening>,
        instructions_due: bool,
    ) -> directory::Account {
        directory::Account {
            id: self.id,
            standing: self.state.standing(),
            user_hsa: self.hsa.clone(),
            name: self.name.clone(),
            title: self.title.clone(),
            grants,
            roles,
            openings,
            instructions_due,
        }
    }
}

/// When regions confirm the accounts of their people anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Review {
    /// So many calendar months after the last time.
    pub months: u8,
    /// They are reminded so many days before.
    pub notice_days: u16,
    /// An account that is not confirmed so many days after goes dormant.
    pub grace_days: u16,
}

/// A grant to be given: a right in a registry. Giving it again changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// Where.
    pub registry: RegistryName,
    /// What.
    pub right: Right,
    /// For which units; none named: all.
    pub units: Vec<HsaId>,
    /// From when.
    pub valid_from: Micros,
    /// Until when, if limited.
    pub valid_to: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [State; 9] {
        [
            State::Created { at: 1 },
            State::HandedOut { at: 1 },
            State::Active { since: 1 },
            State::Locked { since: 3, until: Some(9), unused: false, held: 2 },
            State::Locked { since: 3, until: Some(9), unused: true, held: 2 },
            State::Dormant { since: 1 },
            State::Blocked { since: 1 },
            State::Deregistered { at: 1 },
            State::Lapsed { at: 1 },
        ]
    }

    /// Which moves each state allows, as the table of the domain rules has it.
    #[test]
    fn moves_are_the_tables() {
        type Move = fn(State) -> Result<State, InvalidMove>;
        let moves: [(&str, Move, &[&str]); 11] = [
            ("hand_out", |s| s.hand_out(5), &["created"]),
            ("activate", |s| s.activate(5), &["handed_out"]),
            ("lapse", |s| s.lapse(5), &["created", "handed_out", "locked_unused"]),
            ("lock", |s| s.lock(5, None), &["active", "handed_out", "locked", "locked_unused"]),
            ("lock by wrong attempts", |s| s.lock(5, Some(9)), &["active", "handed_out"]),
            ("unlock", |s| s.unlock(5), &["locked", "locked_unused"]),
            ("go_dormant", |s| s.go_dormant(5), &["active", "locked"]),
            ("reactivate", |s| s.reactivate(5), &["dormant"]),
            ("block", |s| s.block(5), &["created", "handed_out", "active", "locked", "locked_unused", "dormant"]),
            ("lift_block", |s| s.lift_block(None, 5), &["blocked"]),
            (
                "deregister",
                |s| s.deregister(5),
                &["created", "handed_out", "active", "locked", "locked_unused", "dormant", "blocked"],
            ),
        ];
        for (name, make, allowed) in moves {
            for state in all() {
                let from = state.parts().0;
                match make(state) {
                    Ok(_) => assert!(allowed.contains(&from), "{name} from {from}"),
                    Err(error) => {
                        assert!(!allowed.contains(&from), "{name} from {from}");
                        assert_eq!(error.from, from);
                    }
                }
            }
        }
        let error = State::Created { at: 1 }.unlock(2).expect_err("not locked");
        assert_eq!(error.to_string(), "an account that is created cannot be unlocked");
    }

    #[test]
    fn an_account_is_after_a_block_what_it_was_before() {
        let blocked = State::Blocked { since: 5 };
        for before in all() {
            let Ok(stopped) = before.block(5) else { continue };
            assert_eq!(stopped.lift_block(Some(before), 8), Ok(before));
        }
        let over = State::Locked { since: 3, until: Some(9), unused: true, held: 2 };
        assert_eq!(blocked.lift_block(Some(over), 9), Ok(State::HandedOut { at: 2 }), "the lock has ended meanwhile");
        assert_eq!(blocked.lift_block(None, 9), Ok(State::Active { since: 9 }));
    }

    #[test]
    fn a_lock_that_ends_by_itself_can_be_made_one_that_does_not() {
        for unused in [false, true] {
            let locked = State::Locked { since: 3, until: Some(9), unused, held: 2 };
            let kept = State::Locked { since: 5, until: None, unused, held: 2 };
            assert_eq!(locked.lock(5, None), Ok(kept));
            assert!(kept.lock(6, None).is_err(), "it is locked");
        }
    }

    #[test]
    fn a_lock_ends_by_itself_only_when_it_has_an_end() {
        let locked = |until, unused| State::Locked { since: 3, until, unused, held: 2 };
        assert_eq!(locked(Some(9), false).at(8).standing(), AccountStanding::Locked);
        assert_eq!(locked(Some(9), false).at(9), State::Active { since: 2 }, "as it was before");
        assert_eq!(locked(Some(9), true).at(9), State::HandedOut { at: 2 }, "as it was before");
        assert_eq!(locked(None, false).at(i64::MAX).standing(), AccountStanding::Locked);
        assert_eq!(locked(None, false).unlock(12), Ok(State::Active { since: 12 }), "after a call-back, anew");
    }

    #[test]
    fn time_rests_what_is_unused_and_ends_what_was_never_collected() {
        let account = |state, last_login| Account {
            id: AccountId::NONE,
            user_name: UserName("anna".to_owned()),
            hsa: None,
            name: String::new(),
            title: String::new(),
            state,
            tries: Tries::default(),
            last_login,
            created: 1,
        };
        let by_time = |state, last_login| account(state, last_login).by_time(1000, 100, 900);
        let (dormant, lapsed) = (Some(State::Dormant { since: 1000 }), Some(State::Lapsed { at: 1000 }));
        assert_eq!(by_time(State::Active { since: 50 }, Some(99)), dormant);
        assert_eq!(by_time(State::Active { since: 50 }, None), dormant);
        assert_eq!(by_time(State::Active { since: 50 }, Some(100)), None);
        assert_eq!(by_time(State::Active { since: 100 }, Some(50)), None, "taken into use again");
        // Wrong attempts prolong nothing, neither while the lock holds nor after it.
        for until in [None, Some(980), Some(2000)] {
            assert_eq!(by_time(State::Locked { since: 970, until, unused: false, held: 50 }, Some(40)), dormant);
            assert_eq!(by_time(State::Locked { since: 970, until, unused: true, held: 899 }, None), lapsed);
            assert_eq!(by_time(State::Locked { since: 970, until, unused: true, held: 900 }, None), None);
        }
        for state in [
            State::Created { at: 899 },
            State::HandedOut { at: 899 },
            State::Locked { since: 899, until: None, unused: true, held: 899 },
        ] {
            assert_eq!(by_time(state, None), lapsed);
        }
        assert_eq!(by_time(State::HandedOut { at: 900 }, None), None);
        for state in [
            State::Dormant { since: 1 },
            State::Blocked { since: 1 },
            State::Deregistered { at: 1 },
            State::Lapsed { at: 1 },
        ] {
            assert_eq!(by_time(state, None), None);
        }
    }

    #[test]
    fn parts_come_back() {
        for state in all() {
            let (name, at, until) = state.parts();
            assert_eq!(State::from_parts(name, at, until, state.held()), Some(state));
        }
        assert_eq!(State::from_parts("gone", 1, None, None), None);
        let old = State::from_parts("locked", 3, None, None).expect("a lock from before");
        assert_eq!(old.held(), Some(3));
    }

    #[test]
    fn user_names() {
        assert_eq!(UserName::parse(" Anna.B@x ").map(|n| n.as_str().to_owned()), Ok("anna.b@x".to_owned()));
        for bad in ["", "ab", "a b", "anna\n", "åsa1", &"a".repeat(65)] {
            assert_eq!(UserName::parse(bad).is_err(), bad != "anna\n", "{bad:?}");
        }
    }
}
