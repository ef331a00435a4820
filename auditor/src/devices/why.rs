//! Why a device is revoked, or a certificate of one ended before its time. A closed list, so that no record of it tells
//! more.

use contract::wire_enum;

wire_enum! {
    /// Why a device is revoked, or a certificate ended.
    pub enum Why {
        /// Not said.
        Unspecified = 0 => "unspecified",
        /// The device is lost.
        Lost = 1 => "lost",
        /// The device was stolen.
        Stolen = 2 => "stolen",
        /// Somebody else has the key, or may have it.
        KeyCompromised = 3 => "key_compromised",
        /// Another device has taken its place.
        Replaced = 4 => "replaced",
        /// It is not used any more.
        OutOfUse = 5 => "out_of_use",
        /// The organisation leaves, or the device leaves the organisation.
        Leaves = 6 => "leaves",
        /// It was enrolled by mistake.
        Mistake = 7 => "mistake",
        /// The device's next certificate has taken this one's place.
        Superseded = 8 => "superseded",
    }
}

impl Why {
    /// What somebody may give as the reason for revoking a device.
    pub const TO_REVOKE: [Self; 7] =
        [Self::Lost, Self::Stolen, Self::KeyCompromised, Self::Replaced, Self::OutOfUse, Self::Leaves, Self::Mistake];

    /// Those, as a person reads them.
    pub const TO_REVOKE_WORDS: &'static str = "lost, stolen, key_compromised, replaced, out_of_use, leaves or mistake";

    /// Reads a reason for revoking a device.
    pub fn to_revoke(text: &str) -> Option<Self> {
        Self::parse(text).filter(|why| Self::TO_REVOKE.contains(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_itself_says_nobody_else_may() {
        for why in Why::ALL {
            let ours = matches!(why, Why::Unspecified | Why::Superseded);
            assert_eq!(Why::to_revoke(why.as_str()).is_none(), ours, "{why}");
            assert_eq!(Why::TO_REVOKE_WORDS.contains(why.as_str()), !ours, "{why}");
        }
        assert_eq!(Why::to_revoke("boredom"), None);
    }
}
