//! A question's way through the browser and back: what must be known when it is answered, signed, for five minutes.
//!
//! Nothing is stored for a question, so that asking costs nothing and any auditor takes the answer. A ticket is good
//! for what it was made for, on the device and with the cookie or session that it was made for. That it is used once is
//! seen to when it comes back ([`crate::store::Change::answer_once`]).

use super::super::form::{Bound, FormKey};
use crate::accounts::passkey::ANSWER_WITHIN;
use crate::clock::SECOND;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use contract::id::CertFingerprint;

/// What a question was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::web) enum Aim {
    /// To log in.
    Login = 1,
    /// To show again that it is the user who is logged in.
    Confirm = 2,
    /// For a new passkey, after that has been shown.
    New = 3,
    /// To sign.
    Sign = 4,
    /// For the first passkey of who collects an account.
    Collect = 5,
    /// To look at a case, by who has shown its number and code: no question to a passkey, but it goes the same way.
    Case = 6,
}

impl Aim {
    /// How long one is good.
    fn life(self) -> Micros {
        match self {
            Self::Case => 1_800 * SECOND,
            Self::Login | Self::Confirm | Self::New | Self::Sign | Self::Collect => {
                Micros::from(ANSWER_WITHIN) * SECOND
            }
        }
    }
}

/// A ticket that is good.
pub(in crate::web) struct Ticket {
    /// What must be known.
    pub(in crate::web) state: String,
    /// Until when it is good.
    pub(in crate::web) until: Micros,
    /// What no other ticket has: its signature.
    pub(in crate::web) id: [u8; 32],
}

/// Makes a ticket.
pub(in crate::web) fn make(
    key: &FormKey,
    aim: Aim,
    to: Bound<'_>,
    device: CertFingerprint,
    state: &str,
    now: Micros,
) -> String {
    let until = (now + aim.life()).to_be_bytes();
    let tag = key.sign(&text(aim, to, device, until, state.as_bytes()));
    URL_SAFE_NO_PAD.encode([&until, tag.as_ref(), state.as_bytes()].concat())
}

/// Reads a ticket that [`make`] made for the same, not too long ago.
pub(in crate::web) fn read(
    key: &FormKey,
    ticket: &str,
    aim: Aim,
    to: Bound<'_>,
    device: CertFingerprint,
    now: Micros,
) -> Option<Ticket> {
    let bytes = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    let (until, rest) = bytes.split_first_chunk::<8>()?;
    let (id, state) = rest.split_first_chunk::<32>()?;
    let good = to.is_one() && key.signed(&text(aim, to, device, *until, state), id);
    let until = Micros::from_be_bytes(*until);
    if !good || until <= now {
        return None;
    }
    Some(Ticket { state: String::from_utf8(state.to_vec()).ok()?, until, id: *id })
}

fn text(aim: Aim, to: Bound<'_>, device: CertFingerprint, until: [u8; 8], state: &[u8]) -> Vec<u8> {
    let kind = match to {
        Bound::Cookie(_) => b"passkey question, cookie\0".as_slice(),
        Bound::Session(_) => b"passkey question, session\0",
    };
    [kind, &[aim as u8], &device.0, &until, to.bytes(), state].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::id::SessionKey;

    const DEVICE: CertFingerprint = CertFingerprint([1; 32]);

    #[test]
    fn a_ticket_is_good_for_what_it_was_made_for() {
        let key = FormKey::new(&[5; 32]);
        let (cookie, other) = ("a".repeat(43), "b".repeat(43));
        let ticket = make(&key, Aim::Login, Bound::Cookie(&cookie), DEVICE, "state", 1_000);
        let state = |aim, to, device, now| read(&key, &ticket, aim, to, device, now).map(|ticket| ticket.state);
        let good = Bound::Cookie(&cookie);
        let end = 1_000 + 300 * SECOND;
        assert_eq!(state(Aim::Login, good, DEVICE, end - 1).as_deref(), Some("state"));
        assert_eq!(state(Aim::Login, good, DEVICE, end), None, "after five minutes");
        assert_eq!(state(Aim::Confirm, good, DEVICE, 2_000), None, "for something else");
        assert_eq!(state(Aim::Login, Bound::Cookie(&other), DEVICE, 2_000), None, "another browser");
        assert_eq!(state(Aim::Login, Bound::Cookie(""), DEVICE, 2_000), None);
        assert_eq!(state(Aim::Login, Bound::Session(SessionKey([0; 32])), DEVICE, 2_000), None);
        assert_eq!(state(Aim::Login, good, CertFingerprint([2; 32]), 2_000), None, "another device");
        assert!(read(&FormKey::new(&[6; 32]), &ticket, Aim::Login, good, DEVICE, 2_000).is_none());
        let mut changed = URL_SAFE_NO_PAD.decode(&ticket).expect("reads");
        *changed.last_mut().expect("a byte") ^= 1;
        for bad in [String::new(), "!".to_owned(), "AAAA".to_owned(), URL_SAFE_NO_PAD.encode(changed)] {
            assert!(read(&key, &bad, Aim::Login, good, DEVICE, 2_000).is_none(), "{bad}");
        }
    }

    #[test]
    fn each_ticket_has_an_id_of_its_own() {
        let key = FormKey::new(&[5; 32]);
        let session = Bound::Session(SessionKey([1; 32]));
        let id = |state| {
            let ticket = make(&key, Aim::New, session, DEVICE, state, 1_000);
            read(&key, &ticket, Aim::New, session, DEVICE, 2_000).expect("good").id
        };
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
    }
}
