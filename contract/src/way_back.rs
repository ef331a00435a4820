//! The way back after login: where somebody wanted to go who had to log in first.
//!
//! The path may name a patient, so it is never put into an address: addresses are kept by browsers, histories and logs.
//! The gateway gives it to the browser in a cookie for ten minutes when it sends somebody to the login page; the
//! auditor's login reads it, leads there, and takes it back.
//!
//! # Invariants
//! 1. A [`WayBack`] is a path of the same host, and cannot be read as anything else by a browser: see
//!    [`WayBack::parse`], by which both sides check it.
//! 2. It is never shown: its `Debug` hides it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The name of the cookie. No registry gets it or may set it.
pub const RETURN_COOKIE: &str = "__Host-grindvakt-return";
/// How long the cookie lives.
pub const RETURN_SECONDS: u32 = 600;
/// The longest path with its query, in bytes: in a cookie it is a third longer, and browsers keep 4096 bytes.
pub const RETURN_BYTES_MAX: usize = 2_048;

/// The page of one's own passkeys: of all that the login serves, the one that people want to come back to.
pub const PASSKEYS_PATH: &str = "/auth/passkeys";

/// A path of this host with its query, safe to send a browser to.
#[derive(Clone, PartialEq, Eq)]
pub struct WayBack(String);

impl std::fmt::Debug for WayBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WayBack(hidden)")
    }
}

impl WayBack {
    /// Takes a path if it is one of this host, of visible ASCII and not too long, and not one of the login's own but
    /// [`PASSKEYS_PATH`].
    ///
    /// Browsers read `//host`, `/\host` and a tab between the slashes as another host; so a second slash at the
    /// beginning, any backslash and any control character is refused, wherever it stands.
    pub fn parse(text: &str) -> Option<Self> {
        let local = text.starts_with('/')
            && text.len() <= RETURN_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
            && !text.starts_with("//")
            && (!text.starts_with("/auth/") || text == PASSKEYS_PATH);
        local.then(|| Self(text.to_owned()))
    }

    /// Reads the cookie's value; what the browser sends is believed no more than an address.
    pub fn from_cookie(value: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        Self::parse(std::str::from_utf8(&bytes).ok()?)
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cookie's value. Base64, since a path may have `;` and `,`, which a cookie may not.
    pub fn to_cookie(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

/// What `Set-Cookie` says to keep a way back; or, without one, to forget what is kept.
pub fn set_return_cookie(way: Option<&WayBack>) -> String {
    let (value, seconds) = way.map_or((String::new(), 0), |way| (way.to_cookie(), RETURN_SECONDS));
    format!("{RETURN_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_host_and_nothing_else() {
        for path in ["/", PASSKEYS_PATH, "/patients?q=a%20b", "/a//b", "/a;b,c\"d", "/?next=//evil.example"] {
            let way = WayBack::parse(path).expect("a path");
            assert_eq!(way.as_str(), path);
            assert_eq!(WayBack::from_cookie(&way.to_cookie()), Some(way));
        }
        for other in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            "/x\r\nset-cookie: y",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "evil.example",
            " /x",
            "/x y",
            "/å",
            "/auth/login",
            "/auth/logout",
            "/auth/passkeys/",
            "/auth/passkeys?x",
            "/\u{0}",
        ] {
            assert_eq!(WayBack::parse(other), None, "{other:?}");
            assert_eq!(WayBack::from_cookie(&URL_SAFE_NO_PAD.encode(other)), None, "{other:?} in a cookie");
        }
        let long = format!("/{}", "x".repeat(RETURN_BYTES_MAX - 1));
        assert!(WayBack::parse(&long).is_some());
        assert_eq!(WayBack::parse(&format!("{long}x")), None);
        for garbage in ["/patients", "L3g=", "!", "_w"] {
            assert_eq!(WayBack::from_cookie(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_and_ten_minutes_and_browsers_keep_the_longest() {
        let way = WayBack::parse("/patients/191212121212").expect("a path");
        let cookie = set_return_cookie(Some(&way));
        assert_eq!(
            cookie,
            "__Host-grindvakt-return=L3BhdGllbnRzLzE5MTIxMjEyMTIxMg; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"
        );
        assert_eq!(
            set_return_cookie(None),
            "__Host-grindvakt-return=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
        assert_eq!(format!("{way:?}"), "WayBack(hidden)");
        let longest = WayBack::parse(&format!("/{}", "~".repeat(RETURN_BYTES_MAX - 1))).expect("a path");
        let cookie = set_return_cookie(Some(&longest));
        assert!(cookie.len() <= 4_096);
        assert!(cookie.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
    }
}
