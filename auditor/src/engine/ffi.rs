//! The C interface of the embedded ClickHouse engine (libchdb 26.7), and nothing else.
//!
//! Invariants kept here, so that the rest of the program stays safe Rust:
//! - A [`Library`] is never unloaded: the engine's threads run until the process ends.
//! - A [`Connection`] is used by one thread at a time (`&mut self`), as the engine serialises its queries anyway.
//! - A [`ResultStream`] and an [`InsertStream`] borrow their connection, so they can not outlive it.
//! - A [`Block`] owns the engine's buffer and frees it on drop.
//!
//! The signatures were checked against version 26.7.3; [`Library::load`] refuses a library that lacks one of the symbols.
#![expect(unsafe_code, reason = "the engine is a C library; this is the one module that talks to it")]

mod api;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use self::api::{Api, Handle, RawAnalysis, RawResult, Start};

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file is not there, or is not the engine.
    #[error("the engine's library could not be loaded")]
    Load(#[source] libloading::Error),
    /// The engine gave no connection; it says why on stderr only.
    #[error("the engine did not open the data directory (its own message stands above)")]
    Connect,
    /// A C string with a zero byte inside.
    #[error("the path of the data directory holds a zero byte")]
    Path,
    /// What ClickHouse itself answered: `Code: N. DB::Exception: …`.
    #[error("{0}")]
    Exception(String),
    /// The library broke its own contract.
    #[error("Code: 49. DB::Exception: the engine returned nothing ({0}). (LOGICAL_ERROR)")]
    Nothing(&'static str),
}

/// The loaded engine.
pub(crate) struct Library {
    api: Api,
}

impl Library {
    /// Loads the engine. Its signal handlers stay off: this program has its own.
    ///
    /// The caller must have checked that the file is the pinned engine (`auditor fetch` does): loading runs code from it.
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, Error> {
        // SAFETY: loading runs the library's initialisers; the file is the checked engine.
        let library = unsafe { libloading::os::unix::Library::open(Some(path), libc::RTLD_NOW | libc::RTLD_LOCAL) }
            .map_err(Error::Load)?;
        // SAFETY: the signatures are those of the pinned version.
        let api = unsafe { Api::resolve(&library) }.map_err(Error::Load)?;
        // The engine's background threads never end before the process does, so its code must stay mapped.
        let _kept_loaded = library.into_raw();
        // SAFETY: takes a flag, touches no memory of ours.
        unsafe { (api.chdb_set_signal_handlers_enabled)(0) };
        Ok(Arc::new(Self { api }))
    }

    /// The library's version.
    pub(crate) fn version(&self) -> String {
        // SAFETY: returns a pointer to a static string, or null.
        unsafe { text((self.api.chdb_version)()) }.unwrap_or_default()
    }

    /// Opens a connection to the data directory, which must be the same absolute path each time in one process.
    pub(crate) fn connect(self: &Arc<Self>, data: &Path) -> Result<Connection, Error> {
        use std::os::unix::ffi::OsStrExt as _;
        let mut path = b"--path=".to_vec();
        path.extend_from_slice(data.as_os_str().as_bytes());
        let path = CString::new(path).map_err(|_| Error::Path)?;
        let mut arguments = [c"clickhouse".as_ptr().cast_mut(), path.as_ptr().cast_mut()];
        // SAFETY: two valid C strings that outlive the call; the engine copies and does not write to them.
        let handle = unsafe { (self.api.chdb_connect)(2, arguments.as_mut_ptr()) };
        let handle = NonNull::new(handle).ok_or(Error::Connect)?;
        // SAFETY: a non-null answer points to the connection's handle.
        if unsafe { handle.read() }.is_null() {
            return Err(Error::Connect);
        }
        Ok(Connection { library: Arc::clone(self), handle })
    }
}

/// What the engine says a text would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// SELECT, SHOW, DESCRIBE, EXPLAIN.
    Read,
    /// INSERT, ALTER, OPTIMIZE of a table.
    Mutating,
    /// CREATE, DROP and the like.
    Global,
    /// SET, USE, SYSTEM, BACKUP, INTO OUTFILE.
    Control,
    /// Did not parse, or a newer kind.
    Unknown,
}

impl Class {
    /// The name written to the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mutating => "mutating",
            Self::Global => "global",
            Self::Control => "control",
            Self::Unknown => "unknown",
        }
    }
}

/// Number of statements and class of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analysis {
    pub(crate) statements: u32,
    pub(crate) class: Class,
}

/// One connection: its own settings, one statement at a time.
pub(crate) struct Connection {
    library: Arc<Library>,
    handle: NonNull<Handle>,
}

// SAFETY: the engine lets any thread use a connection, one at a time, which `&mut self` ensures.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from chdb_connect and is closed once.
        unsafe { (self.library.api.chdb_close_conn)(self.handle.as_ptr()) }
    }
}

impl Connection {
    fn raw(&self) -> Handle {
        // SAFETY: valid until the connection is closed, in drop.
        unsafe { self.handle.read() }
    }

    /// The three calls that start a statement take the same arguments.
    fn call(&self, function: Start, sql: &[u8], format: &str, parameters: &[(String, String)]) -> *mut c_void {
        let list = ParameterList::new(parameters);
        // SAFETY: `function` is one of the library's own with this signature; pointers with their lengths, valid
        // during the call.
        unsafe {
            function(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                list.names.as_ptr(),
                list.name_lengths.as_ptr(),
                list.values.as_ptr(),
                list.value_lengths.as_ptr(),
                list.names.len(),
            )
        }
    }

    /// Counts and classifies the statements of a text without running it.
    pub(crate) fn classify(&mut self, sql: &[u8]) -> Result<Analysis, Error> {
        let mut raw = RawAnalysis { struct_size: size_of::<RawAnalysis>() as u32, ..RawAnalysis::default() };
        let database = b"default";
        // SAFETY: pointers with their lengths; the engine fills the struct, whose size it is told.
        let status = unsafe {
            (self.library.api.chdb_classify_query_n)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                database.as_ptr().cast(),
                database.len(),
                &raw mut raw,
            )
        };
        if status != 0 {
            return Err(Error::Nothing("classify"));
        }
        let class = match raw.class {
            0 => Class::Read,
            1 => Class::Mutating,
            2 => Class::Global,
            3 => Class::Control,
            _ => Class::Unknown,
        };
        Ok(Analysis { statements: raw.statement_count, class })
    }

    /// Runs a statement to its end; the whole answer is in memory afterwards.
    pub(crate) fn query(&mut self, sql: &[u8], format: &str, parameters: &[(String, String)]) -> Result<Block, Error> {
        let raw = self.call(self.library.api.chdb_query_with_params_n, sql, format, parameters);
        Block::new(&self.library, raw, "query")
    }

    /// Starts a statement whose answer is fetched block by block.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<ResultStream<'_>, Error> {
        let raw = self.call(self.library.api.chdb_stream_query_with_params_n, sql, format, parameters);
        let head = Block::new(&self.library, raw, "stream")?;
        Ok(ResultStream { connection: self, head, finished: false })
    }

    /// Starts an insert: the statement without `FORMAT` and without data. Nothing is stored before [`InsertStream::finish`].
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<InsertStream<'_>, Error> {
        let raw = self.call(self.library.api.chdb_stream_insert_with_params_n, sql, format, parameters);
        let raw = NonNull::new(raw).ok_or(Error::Nothing("insert"))?;
        let stream = InsertStream { connection: self, raw, finished: false };
        match stream.error() {
            Some(message) => Err(Error::Exception(message)),
            None => Ok(stream),
        }
    }
}

/// A piece of an answer, in the engine's memory.
pub(crate) struct Block {
    library: Arc<Library>,
    raw: NonNull<c_void>,
}

// SAFETY: a result is plain memory of the engine's, not tied to the thread that made it.
unsafe impl Send for Block {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the result came from the engine and is destroyed once.
        unsafe { (self.library.api.chdb_destroy_query_result)(self.raw.as_ptr()) }
    }
}

impl Block {
    fn new(library: &Arc<Library>, raw: RawResult, call: &'static str) -> Result<Self, Error> {
        let raw = NonNull::new(raw).ok_or(Error::Nothing(call))?;
        let block = Self { library: Arc::clone(library), raw };
        // SAFETY: a live result; the answer is null or a C string that lives as long as the result.
        match unsafe { text((library.api.chdb_result_error)(block.raw.as_ptr())) } {
            Some(message) => Err(Error::Exception(message)),
            None => Ok(block),
        }
    }

    /// The bytes in the format that was asked for.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: a live result.
        let (pointer, length) = unsafe {
            (
                (self.library.api.chdb_result_buffer)(self.raw.as_ptr()),
                (self.library.api.chdb_result_length)(self.raw.as_ptr()),
            )
        };
        if pointer.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: the engine's buffer has this length and lives until the result is destroyed.
        unsafe { std::slice::from_raw_parts(pointer.cast_const().cast(), length) }
    }

    /// What the engine counted for this result.
    pub(crate) fn counts(&self) -> Counts {
        let (api, raw) = (&self.library.api, self.raw.as_ptr());
        // SAFETY: a live result; these only read numbers.
        unsafe {
            Counts {
                result_rows: (api.chdb_result_rows_read)(raw),
                result_bytes: (api.chdb_result_bytes_read)(raw),
                read_rows: (api.chdb_result_storage_rows_read)(raw),
                read_bytes: (api.chdb_result_storage_bytes_read)(raw),
                written_rows: (api.chdb_result_rows_written)(raw),
                written_bytes: (api.chdb_result_bytes_written)(raw),
            }
        }
    }
}

/// Rows and bytes of a result.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) result_rows: u64,
    pub(crate) result_bytes: u64,
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
}

/// An answer that is fetched block by block. Dropping it cancels the statement.
pub(crate) struct ResultStream<'a> {
    connection: &'a mut Connection,
    head: Block,
    finished: bool,
}

impl ResultStream<'_> {
    /// The next block; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, Error> {
        if self.finished {
            return Ok(None);
        }
        // SAFETY: a live stream of this connection.
        let raw = unsafe {
            (self.connection.library.api.chdb_stream_fetch_result)(self.connection.raw(), self.head.raw.as_ptr())
        };
        let block = Block::new(&self.connection.library, raw, "fetch").inspect_err(|_| self.finished = true)?;
        if block.data().is_empty() && block.counts().result_rows == 0 {
            self.finished = true;
            return Ok(None);
        }
        Ok(Some(block))
    }
}

impl Drop for ResultStream<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // SAFETY: a live stream of this connection that has not ended.
            unsafe {
                (self.connection.library.api.chdb_stream_cancel_query)(self.connection.raw(), self.head.raw.as_ptr());
            }
        }
    }
}

/// An insert under way. Dropping it without [`InsertStream::finish`] stores nothing.
pub(crate) struct InsertStream<'a> {
    connection: &'a mut Connection,
    raw: NonNull<c_void>,
    finished: bool,
}

impl InsertStream<'_> {
    fn error(&self) -> Option<String> {
        // SAFETY: a live insert; the answer is null or a C string that lives as long as the insert.
        unsafe { text((self.connection.library.api.chdb_stream_insert_error)(self.raw.as_ptr())) }
    }

    /// Hands over bytes in the insert's format; they may be cut anywhere.
    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        // SAFETY: a live insert and a pointer with its length; the engine copies the bytes.
        let status = unsafe {
            (self.connection.library.api.chdb_stream_append)(self.raw.as_ptr(), data.as_ptr().cast(), data.len())
        };
        if status == 0 {
            return Ok(());
        }
        Err(self.error().map_or(Error::Nothing("append"), Error::Exception))
    }

    /// Ends the insert and commits it.
    pub(crate) fn finish(mut self) -> Result<Counts, Error> {
        self.finished = true;
        // SAFETY: a live insert that has not ended.
        let raw = unsafe { (self.connection.library.api.chdb_stream_done)(self.raw.as_ptr()) };
        Block::new(&self.connection.library, raw, "done").map(|block| block.counts())
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: a live insert: cancelled unless it has ended, then destroyed once.
        unsafe {
            if !self.finished {
                (self.connection.library.api.chdb_stream_cancel_insert)(self.raw.as_ptr());
            }
            (self.connection.library.api.chdb_destroy_insert_stream)(self.raw.as_ptr());
        }
    }
}

/// Ends the process at once: no exit handlers, no destructors. The engine's pools do not end by themselves, and its
/// global destructors would run under their feet.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// The parameters as the four arrays that the engine wants; points into the pairs it was made from.
struct ParameterList {
    names: Vec<*const c_char>,
    name_lengths: Vec<usize>,
    values: Vec<*const c_char>,
    value_lengths: Vec<usize>,
}

impl ParameterList {
    fn new(pairs: &[(String, String)]) -> Self {
        Self {
            names: pairs.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: pairs.iter().map(|(name, _)| name.len()).collect(),
            values: pairs.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: pairs.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// # Safety
/// `pointer` must be null or a C string that lives during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and a C string by contract.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
