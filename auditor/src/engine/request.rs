//! What a client asks for: URL, headers, multipart fields, as one typed value.
//!
//! Settings go to the engine as `SET name = 'value'`. A name is an identifier, a value is quoted, and the few settings
//! that would undo the server's own protection are refused.

use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode;

use super::codec::Coding;
use super::sql::setting_fixed;

/// Largest SQL text, and largest multipart body. ClickHouse's own limit of the text is 256 KiB by default.
pub(crate) const SQL_MAX: usize = 1 << 20;
/// Largest multipart body: the text and its parameters.
pub(crate) const FORM_MAX: usize = 16 << 20;
const SETTINGS_MAX: usize = 64;
const SETTING_VALUE_MAX: usize = 4096;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("Code: 27. DB::Exception: The URL's parameters are not valid UTF-8. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)")]
    Utf8,
    #[error("Code: 36. DB::Exception: The parameter {0} is not an identifier. (BAD_ARGUMENTS)")]
    Name(String),
    #[error("Code: 452. DB::Exception: The setting {0} is fixed on this server. (SETTING_CONSTRAINT_VIOLATION)")]
    Fixed(String),
    #[error(
        "Code: 36. DB::Exception: More than {SETTINGS_MAX} settings, or a setting's value over {SETTING_VALUE_MAX} bytes. (BAD_ARGUMENTS)"
    )]
    TooMany,
    #[error("Code: 48. DB::Exception: The body's Content-Encoding is not one of lz4, zstd, gzip. (NOT_IMPLEMENTED)")]
    Coding,
    #[error("Code: 27. DB::Exception: The multipart form could not be read. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)")]
    Form,
    #[error("Code: 48. DB::Exception: External tables are not supported by this server. (NOT_IMPLEMENTED)")]
    External,
}

/// A request without its body.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// A GET (or HEAD) may only read.
    pub(crate) get: bool,
    /// `query=` of the URL.
    pub(crate) query: String,
    pub(crate) database: Option<String>,
    pub(crate) default_format: Option<String>,
    pub(crate) query_id: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
    /// `param_x`, without the prefix.
    pub(crate) parameters: Vec<(String, String)>,
    /// The boundary of a multipart form.
    pub(crate) boundary: Option<String>,
    /// How the body is packed.
    pub(crate) body: Option<Coding>,
    /// How the answer shall be packed.
    pub(crate) answer: Option<Coding>,
}

/// Parameters of the HTTP interface that are no settings and mean nothing here. Sessions: a request has a connection of
/// its own, so nothing is kept between two requests.
const IGNORED: &[&str] = &[
    "session_id",
    "session_timeout",
    "session_check",
    "quota_key",
    "client_protocol_version",
    "buffer_size",
    "wait_end_of_query",
    "role",
    "close_session",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "send_progress_in_http_headers",
    "cancel_http_readonly_queries_on_client_close",
];

impl Request {
    /// Reads everything but the body.
    pub(crate) fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, Error> {
        let mut request = Self { get: method != Method::POST, ..Self::default() };
        let (mut decompress, mut compress) = (false, false);
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            match name.as_str() {
                "decompress" => decompress = value == "1",
                "compress" => compress = value == "1",
                _ => request.field(name, value)?,
            }
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if request.database.is_none() && !header("x-clickhouse-database").is_empty() {
            request.database = Some(header("x-clickhouse-database").to_owned());
        }
        if request.default_format.is_none() && !header("x-clickhouse-format").is_empty() {
            request.default_format = Some(header("x-clickhouse-format").to_owned());
        }
        let content = Coding::from_content(header("content-encoding")).ok_or(Error::Coding)?;
        request.body = Some(if decompress { Coding::Blocks } else { content });
        request.answer = Some(if compress { Coding::Blocks } else { Coding::from_accept(header("accept-encoding")) });
        let kind = header("content-type");
        if kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            request.boundary = Some(boundary(kind).ok_or(Error::Form)?);
        }
        Ok(request)
    }

    /// One parameter, of the URL or of a form.
    fn field(&mut self, name: String, value: String) -> Result<(), Error> {
        match name.as_str() {
            "query" => self.query.push_str(&value),
            "database" => self.database = Some(value).filter(|value| !value.is_empty()),
            "default_format" => self.default_format = Some(value).filter(|value| !value.is_empty()),
            "query_id" => self.query_id = Some(value).filter(|value| usable_id(value)),
            ignored if IGNORED.contains(&ignored) => {}
            _ => {
                if let Some(parameter) = name.strip_prefix("param_") {
                    if !is_identifier(parameter) {
                        return Err(Error::Name(shown(&name)));
                    }
                    self.parameters.push((parameter.to_owned(), value));
                } else {
                    self.setting(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn setting(&mut self, name: String, value: String) -> Result<(), Error> {
        if !is_identifier(&name) {
            return Err(Error::Name(shown(&name)));
        }
        if setting_fixed(&name) {
            return Err(Error::Fixed(name));
        }
        if self.settings.len() >= SETTINGS_MAX || value.len() > SETTING_VALUE_MAX {
            return Err(Error::TooMany);
        }
        self.settings.push((name, value));
        Ok(())
    }

    /// Takes the fields of a multipart form.
    pub(crate) fn form(&mut self, body: &[u8]) -> Result<(), Error> {
        let boundary = self.boundary.clone().unwrap_or_default();
        let delimiter = [b"--", boundary.as_bytes()].concat();
        let between = [b"\r\n", delimiter.as_slice()].concat();
        let start = find(body, &delimiter).ok_or(Error::Form)?;
        let mut rest = body.get(start + delimiter.len()..).ok_or(Error::Form)?;
        loop {
            if rest.starts_with(b"--") {
                return Ok(());
            }
            rest = rest.strip_prefix(b"\r\n").ok_or(Error::Form)?;
            let end = find(rest, &between).ok_or(Error::Form)?;
            let (part, after) = rest.split_at(end);
            rest = after.get(between.len()..).ok_or(Error::Form)?;
            let blank = find(part, b"\r\n\r\n").ok_or(Error::Form)?;
            let (head, value) = part.split_at(blank);
            let head = std::str::from_utf8(head).map_err(|_| Error::Form)?;
            if head.to_ascii_lowercase().contains("filename=") {
                return Err(Error::External);
            }
            let (_, name) = head.split_once("name=\"").ok_or(Error::Form)?;
            let (name, _) = name.split_once('"').ok_or(Error::Form)?;
            let value = value.get(4..).ok_or(Error::Form)?;
            let value = String::from_utf8(value.to_vec()).map_err(|_| Error::Utf8)?;
            self.field(name.to_owned(), value)?;
        }
    }

    /// The statement that puts the settings onto a connection.
    pub(crate) fn set_statement(&self) -> Option<String> {
        let settings: Vec<String> =
            self.settings.iter().map(|(name, value)| format!("{name} = {}", quoted(value, '\''))).collect();
        (!settings.is_empty()).then(|| format!("SET {}", settings.join(", ")))
    }
}

/// A value between quotes, with whatever could end it escaped.
pub(crate) fn quoted(value: &str, quote: char) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push(quote);
    for letter in value.chars() {
        if letter == quote || letter == '\\' {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push(quote);
    out
}

fn decode(text: &str) -> Result<String, Error> {
    let text = text.replace('+', " ");
    percent_decode(text.as_bytes()).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| Error::Utf8)
}

fn is_identifier(name: &str) -> bool {
    name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// A query id goes back in a header and into the log.
fn usable_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The name as an error message may show it.
fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(64).collect()
}

fn boundary(content_type: &str) -> Option<String> {
    let (_, value) = content_type.split_once("boundary=")?;
    let value = value.split(';').next()?.trim().trim_matches('"');
    (!value.is_empty() && value.len() <= 256).then(|| value.to_owned())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() {
        return None;
    }
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::{Coding, Error, Request};
    use http::{HeaderMap, HeaderValue, Method, Uri};

    fn request(uri: &'static str, headers: &[(&'static str, &'static str)]) -> Result<Request, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Request::new(&Method::POST, &Uri::from_static(uri), &map)
    }

    #[test]
    fn url_parameters_are_told_apart() {
        let request = request(
            "/?query=SELECT%201+FORMAT&database=d&default_format=TSV&param_a=x%5Ct&max_threads=1&session_id=s&decompress=1&compress=1&query_id=q-1",
            &[],
        )
        .expect("a request");
        assert_eq!(request.query, "SELECT 1 FORMAT");
        assert_eq!(request.database.as_deref(), Some("d"));
        assert_eq!(request.parameters, [("a".to_owned(), "x\\t".to_owned())]);
        assert_eq!(request.set_statement().as_deref(), Some("SET max_threads = '1'"));
        assert_eq!((request.body, request.answer), (Some(Coding::Blocks), Some(Coding::Blocks)));
        assert_eq!(request.query_id.as_deref(), Some("q-1"));
    }

    #[test]
    fn dangerous_settings_and_names_are_refused() {
        assert_eq!(request("/?readonly=0", &[]).err(), Some(Error::Fixed("readonly".to_owned())));
        assert!(matches!(request("/?dialect=prql", &[]), Err(Error::Fixed(_))));
        assert!(matches!(request("/?s3_max_connections=1", &[]), Err(Error::Fixed(_))));
        assert!(matches!(request("/?a%3D1%2Creadonly=0", &[]), Err(Error::Name(_))));
        assert!(matches!(request("/?param_%60=0", &[]), Err(Error::Name(_))));
        assert_eq!(request("/", &[("content-encoding", "br")]).err(), Some(Error::Coding));
        let quoted = request("/?log_comment=a'%5C,readonly%3D0", &[]).expect("a request");
        assert_eq!(quoted.set_statement().as_deref(), Some("SET log_comment = 'a\\'\\\\,readonly=0'"));
    }

    #[test]
    fn a_form_gives_query_and_parameters() {
        let mut request =
            request("/?max_threads=1", &[("content-type", "multipart/form-data; boundary=xyz")]).expect("a request");
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n--xyz\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\n1\r\n2\r\n--xyz--\r\n";
        request.form(body).expect("a form");
        assert_eq!(request.query, "SELECT {a:String}");
        assert_eq!(request.parameters, [("a".to_owned(), "1\r\n2".to_owned())]);
    }

    #[test]
    fn bad_forms_are_refused() {
        let form = |body: &[u8]| {
            request("/", &[("content-type", "multipart/form-data; boundary=xyz")]).and_then(|mut r| r.form(body))
        };
        assert_eq!(form(b""), Err(Error::Form));
        assert_eq!(form(b"--xyz\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT 1"), Err(Error::Form));
        assert_eq!(
            form(b"--xyz\r\nContent-Disposition: form-data; name=\"t\"; filename=\"x\"\r\n\r\n1\r\n--xyz--"),
            Err(Error::External)
        );
        assert!(matches!(
            form(b"--xyz\r\nContent-Disposition: form-data; name=\"readonly\"\r\n\r\n0\r\n--xyz--"),
            Err(Error::Fixed(_))
        ));
    }
}
