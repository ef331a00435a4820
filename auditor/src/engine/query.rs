//! Running one request on a blocking thread, over an engine connection of its own.
//!
//! The order matters. First the text is cut and checked ([`super::sql`]), then the engine itself counts and
//! classifies it, then the role is asked, then the client's settings are set, and last, for anything that only
//! reads, `readonly = 1`, which nothing afterwards can lift. A text with a `SETTINGS` clause of its own gets 2 instead: the
//! same, but for settings; the check of the text is then what keeps table functions out.
//!
//! An insert is committed at one place only, after the body has said that it is complete.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::answer::{Gone, Output};
use super::auth::Role;
use super::body::BodyReader;
use super::codec::{self, Coding};
use super::error::ServerError;
use super::ffi::{Class, Connection, Library};
use super::request::{FORM_MAX, Request, SQL_MAX, quoted};
use super::sql::{Fence, Form, Shape, Statement};

/// Bytes handed to the engine at once.
const APPEND: usize = 256 << 10;
/// The largest answer in a format that can not be streamed. It bounds the engine's uncompressed result.
const BUFFERED_MAX: usize = 256 << 20;
const DEFAULT_FORMAT: &str = "TabSeparated";
/// The code the engine gives for a statement that can not be streamed.
const NOT_STREAMED: &str = "Streaming query is not supported";

/// The engine with its data directory.
pub(crate) struct Engine {
    pub(crate) library: Arc<Library>,
    pub(crate) data: PathBuf,
    pub(crate) fence: Fence,
}

impl Engine {
    pub(crate) fn connect(&self) -> Result<Connection, ServerError> {
        Ok(self.library.connect(&self.data)?)
    }
}

/// What came of a request, for the log. Holds no text of the client's.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) class: &'static str,
    pub(crate) code: u32,
    pub(crate) gone: bool,
    pub(crate) rows_read: u64,
    pub(crate) rows_written: u64,
    pub(crate) rows_answered: u64,
}

/// Why a request ended early.
enum Stop {
    Error(ServerError),
    Gone,
}

impl<E: Into<ServerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Runs a request to its end, and sends its answer.
pub(crate) fn run(engine: &Engine, role: Role, request: Request, body: BodyReader, mut output: Output) -> Outcome {
    let mut class = "refused";
    let result = execute(engine, role, request, body, &mut output, &mut class);
    let counts = output.counts();
    let mut outcome = Outcome {
        class,
        code: 0,
        gone: false,
        rows_read: counts.read_rows,
        rows_written: counts.written_rows,
        rows_answered: counts.result_rows,
    };
    let sent = match result {
        Ok(()) => output.finish(),
        Err(Stop::Error(error)) => {
            outcome.code = error.code();
            output.fail(error)
        }
        Err(Stop::Gone) => Err(Gone),
    };
    outcome.gone = sent.is_err();
    outcome
}

fn execute(
    engine: &Engine,
    role: Role,
    mut request: Request,
    body: BodyReader,
    output: &mut Output,
    class: &mut &'static str,
) -> Result<(), Stop> {
    let mut body =
        codec::reader(request.body.unwrap_or(Coding::Plain), body).map_err(|error| ServerError::body(&error))?;
    if request.boundary.is_some() {
        let form = read_up_to(&mut *body, FORM_MAX)?;
        if form.len() > FORM_MAX {
            return Err(ServerError::too_large().into());
        }
        request.form(&form)?;
        body = Box::new(std::io::empty());
    }
    let mut text = std::mem::take(&mut request.query).into_bytes();
    // An insert in the URL has its data in the body; any other statement may go on there.
    let in_url = match engine.fence.read(&text) {
        Ok(Statement::Insert { .. }) => true,
        Ok(Statement::Other(_)) | Err(_) => false,
    };
    if !in_url {
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend(read_up_to(&mut *body, SQL_MAX)?);
    }
    match engine
        .fence
        .read(&text)
        .map_err(|error| if text.len() > SQL_MAX { ServerError::too_large() } else { error.into() })?
    {
        Statement::Insert { head, format, data } => {
            *class = "insert";
            if role == Role::Read || request.get {
                return Err(ServerError::denied("this user, or this HTTP method, may only read").into());
            }
            // Trailing blanks of a URL are not data.
            let data = if in_url && data.trim_ascii().is_empty() { &[][..] } else { data };
            insert(engine, &request, head, &format, data, &mut *body, output)
        }
        Statement::Other(shape) => {
            if text.len() > SQL_MAX {
                return Err(ServerError::too_large().into());
            }
            statement(engine, role, &request, &text, &shape, output, class)
        }
    }
}

/// A connection with the request's database and settings.
fn connect(engine: &Engine, request: &Request) -> Result<Connection, ServerError> {
    let mut connection = engine.connect()?;
    if let Some(database) = &request.database {
        connection.query(format!("USE {}", quoted(database, '`')).as_bytes(), "Null", &[])?;
    }
    if let Some(settings) = request.set_statement() {
        connection.query(settings.as_bytes(), "Null", &[])?;
    }
    Ok(connection)
}

fn insert(
    engine: &Engine,
    request: &Request,
    head: &[u8],
    format: &str,
    first: &[u8],
    body: &mut dyn std::io::Read,
    output: &mut Output,
) -> Result<(), Stop> {
    let mut connection = connect(engine, request)?;
    let analysis = connection.classify(&[head, b" FORMAT ", format.as_bytes()].concat())?;
    if analysis.statements != 1 || analysis.class != Class::Mutating {
        return Err(ServerError::denied("an insert, and nothing beside it, was expected").into());
    }
    let mut insert = connection.insert(head, format, &request.parameters)?;
    if !first.is_empty() {
        insert.append(first)?;
    }
    let mut buffer = vec![0; APPEND];
    loop {
        // An error here drops the insert without finishing it: nothing is stored.
        let count = fill(body, &mut buffer).map_err(|error| ServerError::body(&error))?;
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        insert.append(data)?;
    }
    // The body is complete: the only place where rows are committed.
    output.count(insert.finish()?);
    Ok(())
}

fn statement(
    engine: &Engine,
    role: Role,
    request: &Request,
    text: &[u8],
    shape: &Shape,
    output: &mut Output,
    class: &mut &'static str,
) -> Result<(), Stop> {
    let mut connection = connect(engine, request)?;
    let analysis = connection.classify(text)?;
    *class = analysis.class.name();
    match analysis.statements {
        1 => {}
        0 if text.trim_ascii().is_empty() => {
            return Err(ServerError::new("Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)").into());
        }
        0 => {
            // Let the engine say what is wrong, where it can do no harm.
            connection.query(b"SET readonly = 1", "Null", &[])?;
            connection.query(text, "Null", &request.parameters)?;
            return Err(
                ServerError::new("Code: 62. DB::Exception: The query could not be classified. (SYNTAX_ERROR)").into()
            );
        }
        _ => {
            return Err(
                ServerError::new("Code: 62. DB::Exception: Multi-statements are not allowed. (SYNTAX_ERROR)").into()
            );
        }
    }
    let allowed = match analysis.class {
        Class::Read => true,
        Class::Mutating => role == Role::Admin && !request.get,
        Class::Global => role == Role::Admin && !request.get && shape.form == Form::SqlFunction,
        Class::Control | Class::Unknown => false,
    };
    if !allowed {
        return Err(ServerError::denied("this kind of statement is refused, by this server or for this user").into());
    }
    let format = shape.format.as_deref().or(request.default_format.as_deref()).unwrap_or(DEFAULT_FORMAT);
    if analysis.class != Class::Read {
        let block = connection.query(text, format, &request.parameters)?;
        output.count(block.counts());
        if !block.data().is_empty() {
            output.describe(request.answer.unwrap_or(Coding::Plain), Some(format.to_owned()));
            output.write(block.data())?;
        }
        return Ok(());
    }
    output.describe(request.answer.unwrap_or(Coding::Plain), Some(format.to_owned()));
    let streamed = shape.form == Form::Select && !shape.totals && Stream::of(format).is_some();
    if !streamed {
        let limit = format!("SET max_result_bytes = {BUFFERED_MAX}, result_overflow_mode = 'throw'");
        connection.query(limit.as_bytes(), "Null", &[])?;
    }
    let readonly: &[u8] = if shape.settings { b"SET readonly = 2" } else { b"SET readonly = 1" };
    connection.query(readonly, "Null", &[])?;
    if let Some(stream) = Stream::of(format).filter(|_| streamed) {
        match rows(&mut connection, text, format, stream, request, output) {
            Err(Stop::Error(error)) if error.message().contains(NOT_STREAMED) => {}
            other => return other,
        }
    }
    let block = connection.query(text, format, &request.parameters)?;
    output.count(block.counts());
    output.write(block.data())?;
    Ok(())
}

/// How the blocks of a format are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// One after the other.
    Plain,
    /// Each block repeats the names and types: only the first keeps them.
    NamesAndTypes,
}

impl Stream {
    fn of(format: &str) -> Option<Self> {
        match format {
            "RowBinaryWithNamesAndTypes" => Some(Self::NamesAndTypes),
            "RowBinary" | "Native" | "TSV" | "TabSeparated" | "TSVRaw" | "TabSeparatedRaw" | "CSV" | "JSONEachRow"
            | "JSONLines" | "NDJSON" | "JSONCompactEachRow" | "LineAsString" | "Null" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Streams the rows of a SELECT.
fn rows(
    connection: &mut Connection,
    text: &[u8],
    format: &str,
    stream: Stream,
    request: &Request,
    output: &mut Output,
) -> Result<(), Stop> {
    let mut blocks = connection.stream(text, format, &request.parameters)?;
    let mut header: Option<Vec<u8>> = None;
    while let Some(block) = blocks.next()? {
        output.count(block.counts());
        let mut data = block.data();
        if stream == Stream::NamesAndTypes {
            if let Some(header) = &header {
                data = data.strip_prefix(header.as_slice()).ok_or_else(|| {
                    ServerError::new(
                        "Code: 49. DB::Exception: A block does not begin with the names and types. (LOGICAL_ERROR)",
                    )
                })?;
            } else {
                header = Some(names_and_types(data).to_vec());
            }
        }
        output.write(data)?;
    }
    Ok(())
}

/// The names and types at the beginning of RowBinaryWithNamesAndTypes: a count, so many names, so many types.
fn names_and_types(data: &[u8]) -> &[u8] {
    let mut rest = data;
    let Some(count) = varint(&mut rest) else {
        return &[];
    };
    for _ in 0..count.saturating_mul(2) {
        let Some(after) = varint(&mut rest).and_then(|length| rest.get(usize::try_from(length).ok()?..)) else {
            return &[];
        };
        rest = after;
    }
    data.get(..data.len() - rest.len()).unwrap_or_default()
}

fn varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Reads until the end or until one byte more than `limit`.
fn read_up_to(body: &mut dyn std::io::Read, limit: usize) -> Result<Vec<u8>, ServerError> {
    let mut text = Vec::new();
    body.take(limit as u64 + 1).read_to_end(&mut text).map_err(|error| ServerError::body(&error))?;
    Ok(text)
}

/// Fills the buffer as far as the body goes; nothing at the end.
fn fill(body: &mut dyn std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match body.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Logs what came of a request.
pub(crate) fn log(outcome: &Outcome, query_id: &str, started: Instant) {
    let milliseconds = started.elapsed().as_millis();
    let Outcome { class, code, gone, rows_read, rows_written, rows_answered } = *outcome;
    if code == 0 && !gone {
        tracing::debug!(query_id, class, milliseconds, rows_read, rows_written, rows_answered, "statement done");
    } else {
        tracing::info!(
            query_id,
            class,
            milliseconds,
            rows_read,
            rows_written,
            rows_answered,
            code,
            client_gone = gone,
            "statement failed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::names_and_types;

    #[test]
    fn the_header_is_measured() {
        let header = b"\x02\x01a\x02bc\x05UInt8\x06String";
        let block = [&header[..], b"\x01\x03xyz"].concat();
        assert_eq!(names_and_types(&block), header);
        assert_eq!(names_and_types(b"\x02\x01a"), b"");
        assert_eq!(names_and_types(b""), b"");
        assert_eq!(names_and_types(&[0xff; 20]), b"");
    }
}
