//! The demo users' one-time codes, each handed out once.
//!
//! A code is good for one login, so a second line of a shell that asks for one must not get the same again. The last step
//! that was handed out is kept in the stack's folder. The auditor takes codes one step ahead of its clock: after one login
//! there is at once a code for another, and for a third one waits half a minute at most.

use crate::client::login::Credentials;
use crate::client::totp::{Authenticator, STEP_S};
use crate::stack::files::Layout;
use anyhow::Context as _;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

/// A code, or how long to wait for one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The code of a step.
    Step(u64),
    /// So many seconds until there is a new one.
    In(u64),
}

/// What may be handed out at `now` (in seconds), when `last` is the step that was handed out last.
pub(super) fn next(now: u64, last: Option<u64>) -> Code {
    let current = now / STEP_S;
    let step = last.map_or(current, |last| current.max(last + 1));
    if step <= current + AHEAD { Code::Step(step) } else { Code::In((step - AHEAD) * STEP_S - now) }
}

/// The auditor takes codes of this many steps to come.
const AHEAD: u64 = 1;

/// The code of a step.
pub(super) fn code(credentials: &Credentials, step: u64) -> anyhow::Result<String> {
    Ok(Authenticator::from_base32(&credentials.totp_secret)?.code(step * STEP_S))
}

/// The step that was handed out last.
pub(super) fn last(layout: &Layout, user: &str) -> Option<u64> {
    std::fs::read_to_string(layout.code_file(user)).ok()?.trim().parse().ok()
}

/// Hands out what there is at `now`. Two who ask at once get different codes.
pub(super) fn take(layout: &Layout, user: &str, now: u64) -> anyhow::Result<Code> {
    let path = layout.code_file(user);
    let told = || path.display().to_string();
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).with_context(told)?;
    file.lock().with_context(told)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(told)?;
    // A clock that was set back must not make anybody wait for long: a step from far ahead is as good as none.
    let last = text.trim().parse().ok().filter(|last| *last <= now / STEP_S + AHEAD);
    let code = next(now, last);
    if let Code::Step(step) = code {
        file.rewind().with_context(told)?;
        file.set_len(0).with_context(told)?;
        writeln!(file, "{step}").with_context(told)?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_handed_out_twice_and_none_that_the_auditor_would_not_take() {
        let dir = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(dir.path()).expect("makes");
        let take = |user, now| take(&layout, user, now).expect("works");
        assert_eq!(take("anna", 3000), Code::Step(100));
        assert_eq!(take("anna", 3001), Code::Step(101), "one step ahead");
        assert_eq!(take("anna", 3002), Code::In(28));
        assert_eq!(take("elsa", 3002), Code::Step(100), "codes are each user's own");
        assert_eq!(take("anna", 3029), Code::In(1));
        assert_eq!(take("anna", 3030), Code::Step(102));
        assert_eq!(take("anna", 4000), Code::Step(133), "long after");
        assert_eq!(last(&layout, "anna"), Some(133));
        assert_eq!(take("anna", 3000), Code::Step(100), "the clock was set back");
    }
}
