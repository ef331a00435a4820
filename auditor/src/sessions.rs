//! Sessions: how long they last, and when their end or use is worth telling. Pure.

use contract::Micros;
use contract::directory::Session;

/// How long a session lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// It ends when unused for so long, in seconds.
    pub idle_s: u32,
    /// It ends after so long in any case, in seconds.
    pub absolute_s: u32,
    /// What is opened in it in an emergency closes after so long, in seconds.
    pub emergency_s: u32,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Unused for too long.
    Idle,
    /// As old as a session may get.
    Expired,
    /// The user logged out.
    Logout,
    /// The user logged in anew.
    Replaced,
    /// The account was closed, blocked or locked by an administrator, or its credentials were changed.
    Account,
    /// The account was given another commission, or none.
    Commission,
    /// The device was revoked.
    Device,
    /// An administrator ended it.
    Administrator,
    /// The identity provider that the user logged in at says that they have logged out there.
    Provider,
}

impl End {
    /// Words for the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Logout => "logout",
            Self::Replaced => "replaced",
            Self::Account => "account",
            Self::Commission => "commission",
            Self::Device => "device",
            Self::Administrator => "administrator",
            Self::Provider => "provider",
        }
    }
}

/// Whether a session is over at `now` by its own limits.
pub fn over(session: &Session, now: Micros) -> Option<End> {
    if session.expires <= now {
        return Some(End::Expired);
    }
    (session.last_used.saturating_add(idle_us(session)) <= now).then_some(End::Idle)
}

/// Whether other gateways should hear that a session was used at `used`, when they last heard of `published`.
///
/// Each gateway knows the use it saw itself; hearing of the others' at a quarter of the idle time is enough for
/// none to end a session that is in use, and keeps the directory quiet.
pub fn worth_telling(session: &Session, published: Micros, used: Micros) -> bool {
    used.saturating_sub(published) >= idle_us(session) / 4
}

fn idle_us(session: &Session) -> Micros {
    Micros::from(session.idle_s) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::directory::Commission;
    use contract::id::{AccountId, DeviceId, SessionKey};
    use contract::record::AuthMethod;

    #[test]
    fn limits() {
        let session = Session {
            key: SessionKey([1; 32]),
            account: AccountId::NONE,
            device: DeviceId::NONE,
            created: 0,
            expires: 100_000_000,
            idle_s: 10,
            last_used: 50_000_000,
            auth_method: AuthMethod::PasswordTotp,
            acr: String::new(),
            commission: Commission::default(),
            ended: None,
        };
        assert_eq!(over(&session, 59_999_999), None);
        assert_eq!(over(&session, 60_000_000), Some(End::Idle));
        assert_eq!(over(&session, 100_000_000), Some(End::Expired));
        assert!(!worth_telling(&session, 50_000_000, 52_000_000));
        assert!(worth_telling(&session, 50_000_000, 52_500_000));
    }
}
