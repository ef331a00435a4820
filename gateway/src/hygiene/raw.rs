//! The bytes of an HTTP/1 head, for what its parser forgives: line ends without CR, a fragment, a second framing.

use super::Fault;

/// Checks a head's bytes, the empty line at its end included. `target` is what the parser made of the second word.
pub fn check_raw(head: &[u8], target: &[u8]) -> Result<(), Fault> {
    let mut rest = head;
    let mut lines = 0_u32;
    let (mut length, mut encoding) = (false, false);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Fault::LineEnd)?;
        if lines == 0 {
            if line.split(|byte| *byte == b' ').nth(1) != Some(target) {
                return Err(Fault::TargetForm);
            }
        } else {
            length |= names(line, b"content-length");
            encoding |= names(line, b"transfer-encoding");
        }
        lines += 1;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if length && encoding { Err(Fault::TwoFramings) } else { Ok(()) }
}

fn names(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && line.get(name.len()) == Some(&b':')
}
