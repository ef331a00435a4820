//! Identities of patients: personnummer, samordningsnummer and the regions' reserve numbers.
//!
//! Parsed where they enter, stored as twelve characters. A patient's identity has no `Display`, hides itself in
//! `Debug`, is wiped when dropped, and shows itself by one method only: [`PatientId::expose`].
//!
//! Sources: Skatteverket's rules for personnummer and samordningsnummer (day + 60); the reserve numbers'
//! descriptions by Inera and the regions, whose OIDs stand at each kind.

mod parse;

pub use parse::{IdentityError, parse, parse_with};

use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

crate::wire_enum! {
    /// Which series a patient's identity belongs to.
    pub enum IdentityKind {
        /// Personnummer, OID 1.2.752.129.2.1.3.1.
        Personnummer = 1 => "personnummer",
        /// Samordningsnummer: day + 60, OID 1.2.752.129.2.1.3.3.
        Samordningsnummer = 2 => "samordningsnummer",
        /// Reserve number of Region Stockholm, `99yyyyNNNNNC`, OID 1.2.752.97.3.1.3.
        ReserveStockholm = 3 => "reserve_stockholm",
        /// Reserve number of Västra Götalandsregionen, `yyyymmddGggC`, OID 1.2.752.113.11.0.2.1.1.1.
        ReserveVastraGotaland = 4 => "reserve_vastra_gotaland",
        /// Reserve number of CLNK, `yyyymmxxNNNC` with xx 32 to 59, OID 1.2.752.129.2.1.3.2.
        ReserveClnk = 5 => "reserve_clnk",
        /// Reserve number of Region Värmland (LiV), `yyyymmddABNC`, OID 1.2.752.74.9.2.
        ReserveVarmland = 6 => "reserve_varmland",
        /// National reserve number, `XXYYMMDDNNGC`, OID 1.2.752.74.9.1.
        ReserveNational = 7 => "reserve_national",
        /// Reserve number of Region Skåne: a date and four characters, at least one a letter. Opt-in: it
        /// overlaps the others' forms.
        ReserveSkane = 8 => "reserve_skane",
    }
}

impl IdentityKind {
    /// The object identifier of the series, as RIV-TA's `IIType.root` wants it; none is known for Skåne's.
    pub const fn oid(self) -> Option<&'static str> {
        Some(match self {
            Self::Personnummer => "1.2.752.129.2.1.3.1",
            Self::Samordningsnummer => "1.2.752.129.2.1.3.3",
            Self::ReserveStockholm => "1.2.752.97.3.1.3",
            Self::ReserveVastraGotaland => "1.2.752.113.11.0.2.1.1.1",
            Self::ReserveClnk => "1.2.752.129.2.1.3.2",
            Self::ReserveVarmland => "1.2.752.74.9.2",
            Self::ReserveNational => "1.2.752.74.9.1",
            Self::ReserveSkane => return None,
        })
    }

    /// The series with this object identifier.
    pub fn from_oid(oid: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.oid() == Some(oid))
    }
}

/// A valid identity of a patient: its series and twelve characters.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct PatientId {
    #[zeroize(skip)]
    kind: IdentityKind,
    characters: [u8; 12],
}

impl PatientId {
    /// The series.
    pub fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The identity itself, twelve ASCII characters. The only way out: each call is a place to review.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.characters).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> &[u8; 12] {
        &self.characters
    }

    /// An identity that was sealed, and so was valid then.
    pub(crate) fn restore(kind: IdentityKind, characters: &[u8]) -> Option<Self> {
        let characters = <[u8; 12]>::try_from(characters).ok().filter(|c| c.as_slice().is_ascii())?;
        Some(Self { kind, characters })
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PatientId({}, hidden)", self.kind)
    }
}

/// A calendar date, for the century of ten-digit forms. Only the year counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Year(pub u16);

/// Which series are accepted: all but the opt-in ones by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Accept Region Skåne's reserve numbers.
    pub skane: bool,
    /// Accept forms without the century (ten digits).
    pub short: bool,
}

impl Default for Series {
    fn default() -> Self {
        Self { skane: false, short: true }
    }
}

/// Whether the digits, the last one the check digit, pass Luhn's formula (weights 2, 1, 2, … from the left of an
/// even-length number: ISO/IEC 7812-1 Annex B).
pub fn luhn_holds(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let d = u32::from(d);
            if i % 2 == 0 {
                d
            } else if d >= 5 {
                d * 2 - 9
            } else {
                d * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
