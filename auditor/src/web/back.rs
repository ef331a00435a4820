//! The way back after login: a path of this host, and nothing else.

/// A local path with its query, safe to send a browser to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WayBack(String);

const BYTES_MAX: usize = 2_048;

impl WayBack {
    /// Takes a path if it is one of this host; anything else leads to `/`.
    ///
    /// Browsers read `//host`, `/\host` and a tab between the slashes as another host; so a second slash, any
    /// backslash and any control character is refused, wherever it stands.
    pub(super) fn parse(text: &str) -> Self {
        let local = text.starts_with('/')
            && text.len() <= BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
            && !text.starts_with("//")
            && !text.starts_with("/auth/");
        Self(if local { text.to_owned() } else { "/".to_owned() })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_host_or_the_root() {
        for path in ["/", "/patients?q=a%20b", "/a//b", "/x#part", "/?next=//evil.example"] {
            assert_eq!(WayBack::parse(path).as_str(), path);
        }
        for other in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "evil.example",
            " /x",
            "/x y",
            "/å",
            "/auth/login?to=/",
            "/auth/logout",
            "/\u{0}",
        ] {
            assert_eq!(WayBack::parse(other).as_str(), "/", "{other:?}");
        }
        assert_eq!(WayBack::parse(&format!("/{}", "x".repeat(2_048))).as_str(), "/");
    }
}
