//! The request line, judged as it arrives. pingora escapes what must not stand in one and reads on: after that, nobody
//! can tell what the client sent. So a line that is not of visible ASCII with two single spaces and CR LF is noted
//! before pingora sees it.

/// A request line on its way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    spaces: u8,
    last: u8,
    odd: bool,
    over: bool,
}

impl Line {
    /// Takes the next bytes of a head; tells, once, whether the line is as it must be.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<bool> {
        if self.over {
            return None;
        }
        for &byte in bytes {
            match byte {
                b'\n' => {
                    self.over = true;
                    return Some(!self.odd && self.spaces == 2 && self.last == b'\r');
                }
                // Its line end follows, or it is odd.
                _ if self.last == b'\r' => self.odd = true,
                b' ' => {
                    self.spaces = self.spaces.saturating_add(1);
                    self.odd |= self.last == b' ' || self.last == 0;
                }
                b'\r' | 0x21..=0x7e => {}
                _ => self.odd = true,
            }
            self.last = byte;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_judged_however_they_arrive() {
        for (line, clean) in [
            ("GET /a?b=c HTTP/1.1\r\n", true),
            ("GET /a b HTTP/1.1\r\n", false),
            ("GET  /a HTTP/1.1\r\n", false),
            (" GET /a\r\n", false),
            ("GET /a HTTP/1.1\n", false),
            ("GET /a HTTP/1.1\r\r\n", false),
            ("GET /a\rb HTTP/1.1\r\n", false),
            ("GET /a\tb HTTP/1.1\r\n", false),
            ("GET /\u{e5} HTTP/1.1\r\n", false),
            ("GET /a\r\n", false),
            ("\r\nGET /a HTTP/1.1\r\n", false),
        ] {
            let whole = format!("{line}Host: a b c\r\n\r\n");
            assert_eq!(Line::default().take(whole.as_bytes()), Some(clean), "{line:?}");
            let mut bytewise = Line::default();
            let told: Vec<bool> = whole.bytes().filter_map(|byte| bytewise.take(&[byte])).collect();
            assert_eq!(told, [clean], "{line:?}");
        }
        assert_eq!(Line::default().take(b"GET /a HTTP"), None);
    }
}
