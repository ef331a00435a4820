//! What an attempt to log in leads to. Pure: facts in, decision and the account's new state out.
//!
//! The answer to the user is the same for every refusal; the reason is for the record only.

use super::totp::CodeCheck;
use super::{Account, State, Tries};
use contract::Micros;
use contract::record::Reason;

/// When wrong attempts lock an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRule {
    /// So many wrong attempts in a row lock the account.
    pub failures_max: u32,
    /// For so long.
    pub lock_us: Micros,
    /// The lock with this number stays until an administrator unlocks the account.
    pub locks_max: u32,
}

impl Default for LockRule {
    fn default() -> Self {
        Self { failures_max: 5, lock_us: 15 * 60 * 1_000_000, locks_max: 3 }
    }
}

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Whether the password is right.
    pub password: bool,
    /// How the code compares.
    pub code: CodeCheck,
}

/// The decision on one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let in; the account is as given, and the step is used up.
    In {
        /// The account after it.
        account: Account,
        /// The code's step, if it was a code.
        step: Option<u64>,
        /// Whether a lock ran out or this was the first login: the state changed.
        changed: bool,
    },
    /// Refused, and counted.
    Refused {
        /// The account after it.
        account: Account,
        /// Why, for the record.
        reason: Reason,
        /// Whether this attempt locked it.
        locked: bool,
        /// Whether the account's state changed.
        changed: bool,
    },
}

/// Decides on one attempt with password and code.
pub fn judge(account: Account, shown: Shown, rule: LockRule, now: Micros) -> Verdict {
    let proof = match (shown.password, shown.code) {
        (true, CodeCheck::Right { step }) => Ok(Some(step)),
        (true, CodeCheck::Replayed) => Err(Reason::CodeReplayed),
        (true, CodeCheck::Wrong) => Err(Reason::BadSecondFactor),
        (false, _) => Err(Reason::BadCredentials),
    };
    weigh(account, proof, true, rule, now)
}

/// Decides on one attempt with a passkey, which is right or wrong for a reason. It never is the first login, which
/// shows that the credentials that were handed out have arrived.
pub fn judge_passkey(account: Account, shown: Result<(), Reason>, rule: LockRule, now: Micros) -> Verdict {
    weigh(account, shown.map(|()| None), false, rule, now)
}

/// Decides on one who has shown elsewhere, at an identity provider, who they are. As with a passkey it never is the first
/// login. There is nothing wrong to count: whose account it is, is known only once all is right.
pub fn judge_elsewhere(account: Account, now: Micros) -> Verdict {
    weigh(account, Ok(None), false, LockRule::default(), now)
}

fn weigh(
    mut account: Account,
    proof: Result<Option<u64>, Reason>,
    may_be_first: bool,
    rule: LockRule,
    now: Micros,
) -> Verdict {
    let before = account.state;
    account.state = account.state.at(now);
    let refused = |account: Account, reason, locked| {
        let changed = account.state != before;
        Verdict::Refused { account, reason, locked, changed }
    };
    let state = match account.state {
        State::Locked { .. } => return refused(account, Reason::Locked, false),
        state @ State::Active { .. } => state,
        state @ State::HandedOut { .. } if may_be_first => state,
        _ => return refused(account, Reason::AccountInactive, false),
    };
    let reason = match proof {
        Ok(step) => {
            account.state = state.activate(now).unwrap_or(state);
            account.tries = Tries::default();
            account.last_login = Some(now);
            let changed = account.state != before;
            return Verdict::In { account, step, changed };
        }
        Err(reason) => reason,
    };
    account.tries.failures = account.tries.failures.saturating_add(1);
    if account.tries.failures < rule.failures_max {
        return refused(account, reason, false);
    }
    let locks = account.tries.locks.saturating_add(1);
    account.tries = Tries { failures: 0, locks };
    let until = (locks < rule.locks_max).then_some(now.saturating_add(rule.lock_us));
    account.state = state.lock(now, until).unwrap_or(state);
    refused(account, reason, true)
}

#[cfg(test)]
mod tests {
    use super::super::UserName;
    use super::*;
    use contract::id::AccountId;

    const RIGHT: Shown = Shown { password: true, code: CodeCheck::Right { step: 7 } };
    const WRONG: Shown = Shown { password: false, code: CodeCheck::Right { step: 7 } };

    fn account(state: State) -> Account {
        Account {
            id: AccountId::NONE,
            user_name: UserName::parse("anna").expect("valid"),
            hsa: None,
            name: String::new(),
            title: String::new(),
            state,
            tries: Tries::default(),
            last_login: None,
            created: 0,
        }
    }

    #[test]
    fn an_account_that_nobody_used_yet_is_locked_and_comes_back_unused() {
        let rule = LockRule { failures_max: 1, ..LockRule::default() };
        let locked = after(judge(account(State::HandedOut { at: 0 }), WRONG, rule, 5));
        assert_eq!(locked.state.at(5 + rule.lock_us), State::HandedOut { at: 0 });
        let verdict = judge(locked, RIGHT, rule, 5 + rule.lock_us);
        assert_eq!(after(verdict).state, State::Active { since: 5 + rule.lock_us });
    }

    fn after(verdict: Verdict) -> Account {
        match verdict {
            Verdict::In { account, .. } | Verdict::Refused { account, .. } => account,
        }
    }

    #[test]
    fn five_wrong_attempts_lock_and_the_third_lock_stays() {
        let rule = LockRule::default();
        let mut account = account(State::Active { since: 0 });
        let mut now = 1;
        for lock in 1..=3 {
            for attempt in 1..=5 {
                let Verdict::Refused { account: next, reason, locked, .. } = judge(account, WRONG, rule, now) else {
                    unreachable!("a wrong password is refused")
                };
                assert_eq!((reason, locked), (Reason::BadCredentials, attempt == 5), "lock {lock}, attempt {attempt}");
                account = next;
            }
            let Verdict::Refused { reason, .. } = judge(account.clone(), RIGHT, rule, now) else {
                unreachable!("locked, even for the right password")
            };
            assert_eq!(reason, Reason::Locked);
            now += rule.lock_us;
        }
        assert_eq!(account.state, State::Locked { since: now - rule.lock_us, until: None, unused: false, held: 0 });
        assert!(matches!(judge(account, RIGHT, rule, i64::MAX), Verdict::Refused { reason: Reason::Locked, .. }));
    }

    #[test]
    fn a_right_attempt_clears_the_count() {
        let rule = LockRule::default();
        let mut account = account(State::Active { since: 0 });
        for _ in 0..4 {
            account = after(judge(account, WRONG, rule, 1));
        }
        let Verdict::In { account, step, changed } = judge(account, RIGHT, rule, 2) else { unreachable!("right") };
        assert_eq!((account.tries, step, changed, account.last_login), (Tries::default(), Some(7), false, Some(2)));
    }

    #[test]
    fn the_first_login_activates_and_a_lock_that_ran_out_is_none() {
        let rule = LockRule::default();
        let verdict = judge(account(State::HandedOut { at: 0 }), RIGHT, rule, 5);
        assert!(matches!(verdict, Verdict::In { changed: true, .. }));
        assert_eq!(after(verdict).state, State::Active { since: 5 });
        let verdict =
            judge(account(State::Locked { since: 1, until: Some(4), unused: false, held: 1 }), RIGHT, rule, 5);
        assert!(matches!(verdict, Verdict::In { changed: true, .. }));
        let verdict =
            judge(account(State::Locked { since: 1, until: Some(4), unused: false, held: 1 }), WRONG, rule, 5);
        assert!(matches!(verdict, Verdict::Refused { changed: true, .. }));
    }

    #[test]
    fn reasons_by_factor_and_state() {
        let rule = LockRule::default();
        let reason = |state, password, code| match judge(account(state), Shown { password, code }, rule, 5) {
            Verdict::Refused { reason, .. } => reason,
            Verdict::In { .. } => Reason::None,
        };
        let active = State::Active { since: 0 };
        assert_eq!(reason(active, true, CodeCheck::Wrong), Reason::BadSecondFactor);
        assert_eq!(reason(active, true, CodeCheck::Replayed), Reason::CodeReplayed);
        assert_eq!(reason(active, false, CodeCheck::Wrong), Reason::BadCredentials);
        for state in [
            State::Created { at: 0 },
            State::Dormant { since: 0 },
            State::Blocked { since: 0 },
            State::Deregistered { at: 0 },
        ] {
            assert_eq!(reason(state, true, CodeCheck::Right { step: 1 }), Reason::AccountInactive);
        }
    }

    #[test]
    fn a_passkey_counts_like_a_password_but_never_first() {
        let rule = LockRule::default();
        let mut account = account(State::Active { since: 0 });
        for attempt in 1..=5 {
            let verdict = judge_passkey(account, Err(Reason::Forged), rule, 1);
            let Verdict::Refused { account: next, reason, locked, .. } = verdict else { unreachable!("wrong") };
            assert_eq!((reason, locked), (Reason::Forged, attempt == 5), "{attempt}");
            account = next;
        }
        let locked = judge_passkey(account.clone(), Ok(()), rule, 2);
        assert!(matches!(locked, Verdict::Refused { reason: Reason::Locked, .. }));
        let Verdict::In { account, step, changed } = judge_passkey(account, Ok(()), rule, 1 + rule.lock_us) else {
            unreachable!("the lock ran out")
        };
        assert_eq!((step, changed, account.tries), (None, true, Tries::default()));
        for state in [
            State::Created { at: 0 },
            State::HandedOut { at: 0 },
            State::Locked { since: 0, until: Some(1), unused: true, held: 0 },
            State::Dormant { since: 0 },
            State::Blocked { since: 0 },
            State::Deregistered { at: 0 },
        ] {
            let verdict = judge_passkey(Account { state, ..account.clone() }, Ok(()), rule, 2);
            assert!(matches!(verdict, Verdict::Refused { reason: Reason::AccountInactive, .. }), "{state:?}");
            let verdict = judge_elsewhere(Account { state, ..account.clone() }, 2);
            assert!(matches!(verdict, Verdict::Refused { reason: Reason::AccountInactive, .. }), "{state:?}");
        }
        let locked =
            Account { state: State::Locked { since: 0, until: None, unused: false, held: 0 }, ..account.clone() };
        assert!(matches!(judge_elsewhere(locked, 2), Verdict::Refused { reason: Reason::Locked, .. }));
        let Verdict::In { account, step, .. } = judge_elsewhere(account, 7) else { unreachable!("active") };
        assert_eq!((step, account.last_login), (None, Some(7)), "it keeps the account from resting");
    }
}
