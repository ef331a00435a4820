//! Addresses of a provider: TLS, or this machine.

use http::Uri;
use std::net::IpAddr;

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// Reads an address that may be asked: `https`, or `http` on this machine alone; no user, no fragment.
pub fn safe_url(text: &str) -> Option<Uri> {
    if text.len() > URL_BYTES_MAX
        || text.contains(['#', '@', '\\'])
        || !text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return None;
    }
    let url: Uri = text.parse().ok()?;
    let host = url.host().filter(|host| !host.is_empty())?;
    let safe = match url.scheme_str()? {
        "https" => true,
        "http" => is_here(host),
        _ => false,
    };
    safe.then_some(url)
}

/// Whether a host is this machine by its address.
fn is_here(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_or_this_machine() {
        for good in
            ["https://idp.example", "https://idp.example:8443/a?b=c", "http://127.0.0.1:4711", "http://[::1]:4711/x"]
        {
            assert!(safe_url(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "idp.example",
            "/path",
            "http://idp.example",
            "http://localhost:80",
            "http://127.0.0.1.evil.example",
            "ftp://idp.example",
            "https://",
            "https:///x",
            "https://user@idp.example",
            "https://idp.example/#x",
            "https://idp.example/\\x",
            "https://idp example",
            "javascript:alert(1)",
        ] {
            assert!(safe_url(bad).is_none(), "{bad}");
        }
    }
}
