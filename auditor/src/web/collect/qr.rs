//! A QR code (ISO/IEC 18004) as the path of an SVG: no picture is fetched, and no style is needed.

use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// The white edge that readers want, in modules.
const QUIET: usize = 4;

/// A code.
pub(super) struct Qr {
    /// How many modules wide and high it is, with its edge.
    pub(super) side: usize,
    /// Where it is dark.
    pub(super) path: String,
}

impl Qr {
    /// Of a text that is not too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let mut path = String::new();
        for (y, row) in code.to_colors().chunks(width).enumerate() {
            for (x, module) in row.iter().enumerate() {
                if *module == Color::Dark {
                    let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
                }
            }
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_corners_and_its_edge() {
        let qr = Qr::of("otpauth://totp/Grindvakt:anna?secret=AAAA&issuer=Grindvakt").expect("fits");
        let last = qr.side - QUIET - 1;
        // The finder patterns' outer corners: three of the four.
        for (x, y, dark) in [(QUIET, QUIET, true), (last, QUIET, true), (QUIET, last, true)] {
            assert_eq!(qr.path.contains(&format!("M{x} {y}h1")), dark, "{x} {y}");
        }
        assert!(!qr.path.contains("M3 ") && !qr.path.contains(&format!("M{} ", last + 1)));
        assert!(Qr::of(&"x".repeat(5_000)).is_none());
    }
}
