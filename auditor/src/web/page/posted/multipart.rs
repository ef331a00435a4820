//! Forms with a file, `multipart/form-data` (RFC 7578), as browsers send them: each part with its name, in UTF-8.

use super::FIELDS_MAX;

/// A part that is no UTF-8 is left out; a field of its name with this ending says so.
const UNREADABLE: &str = "-unreadable";
/// RFC 2046, 5.1.1.
const BOUNDARY_MAX: usize = 70;

/// What parts are separated by, if a content type is that of such a form.
pub(super) fn boundary(kind: &str) -> Option<String> {
    let (name, rest) = kind.split_once(';')?;
    if !name.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let text = rest.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    let fits = !text.is_empty() && text.len() <= BOUNDARY_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// Reads a form's fields.
pub(super) fn read(body: &[u8], boundary: &str) -> Option<Vec<(String, String)>> {
    let (first, between) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = body.strip_prefix(first.as_bytes())?;
    let mut fields = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, between.as_bytes())?;
        let (part, after) = part.split_at_checked(end)?;
        fields.push(field(part)?);
        if fields.len() > FIELDS_MAX {
            return None;
        }
        rest = after.get(between.len()..)?;
    }
    rest.starts_with(b"--").then_some(fields)
}

fn field(part: &[u8]) -> Option<(String, String)> {
    let end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(part.get(..end)?).ok()?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    })?;
    let name = disposition.strip_prefix("form-data;")?.trim_start().strip_prefix("name=\"")?.split('"').next()?;
    Some(match std::str::from_utf8(part.get(end + 4..)?) {
        Ok(text) => (name.to_owned(), text.to_owned()),
        Err(_) => (format!("{name}{UNREADABLE}"), "yes".to_owned()),
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file_is_read_as_browsers_send_it() {
        let kind = "multipart/form-data; boundary=----WebKitFormBoundaryAbC";
        let line = boundary(kind).expect("a boundary");
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a;b.csv\"\r\nContent-Type: text/csv";
        let body = format!(
            "--{line}\r\nContent-Disposition: form-data; name=\"feed\"\r\n\r\nunits\r\n--{line}\r\n{file}\r\n\r\nhsa\r\n\r\n--x\r\n\r\n--{line}--\r\n"
        );
        let pairs = |fields: &[(&str, &str)]| -> Option<Vec<(String, String)>> {
            Some(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(read(body.as_bytes(), &line), pairs(&[("feed", "units"), ("file", "hsa\r\n\r\n--x\r\n")]));
        let mut latin = body.into_bytes();
        let at = latin.windows(3).position(|three| three == b"hsa").expect("there");
        latin[at] = 0xe5;
        assert_eq!(read(&latin, &line), pairs(&[("feed", "units"), ("file-unreadable", "yes")]));
        for cut in [0, 10, latin.len() / 2, latin.len() - 6] {
            assert_eq!(read(&latin[..cut], &line), None, "{cut}");
        }
    }

    #[test]
    fn only_such_forms_have_a_boundary() {
        for none in [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/mixed; boundary=a",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"a b\"",
        ] {
            assert_eq!(boundary(none), None, "{none}");
        }
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a\"").as_deref(), Some("a"));
    }
}
