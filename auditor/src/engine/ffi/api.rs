//! The signatures, as the header of version 26.7.3 has them.

use std::ffi::{c_char, c_int, c_void};

/// `chdb_connection`: what the queries want.
pub(super) type Handle = *mut c_void;
/// `chdb_result *`
pub(super) type RawResult = *mut c_void;
/// `chdb_insert_stream`
pub(super) type RawInsert = *mut c_void;
pub(super) type Names = *const *const c_char;
pub(super) type Lengths = *const usize;
/// The calls that start a statement: connection, text, format, names and values of the parameters, their number.
pub(super) type Start = unsafe extern "C" fn(
    Handle,
    *const c_char,
    usize,
    *const c_char,
    usize,
    Names,
    Lengths,
    Names,
    Lengths,
    usize,
) -> *mut c_void;

macro_rules! api {
    ($($name:ident : $signature:ty;)*) => {
        /// The functions of the library that are used.
        pub(super) struct Api {
            $(pub(super) $name: $signature,)*
        }

        impl Api {
            /// # Safety
            /// `library` must be libchdb with the signatures above, and must stay loaded as long as the result is used.
            pub(super) unsafe fn resolve(library: &libloading::os::unix::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the caller vouches for the signatures.
                unsafe { Ok(Self { $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)* }) }
            }
        }
    };
}

api! {
    chdb_version: unsafe extern "C" fn() -> *const c_char;
    chdb_connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle;
    chdb_close_conn: unsafe extern "C" fn(*mut Handle);
    chdb_query_with_params_n: Start;
    chdb_stream_query_with_params_n: Start;
    chdb_stream_fetch_result: unsafe extern "C" fn(Handle, RawResult) -> RawResult;
    chdb_stream_cancel_query: unsafe extern "C" fn(Handle, RawResult);
    chdb_destroy_query_result: unsafe extern "C" fn(RawResult);
    chdb_stream_insert_with_params_n: Start;
    chdb_stream_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int;
    chdb_stream_done: unsafe extern "C" fn(RawInsert) -> RawResult;
    chdb_stream_cancel_insert: unsafe extern "C" fn(RawInsert);
    chdb_stream_insert_error: unsafe extern "C" fn(RawInsert) -> *const c_char;
    chdb_destroy_insert_stream: unsafe extern "C" fn(RawInsert);
    chdb_result_buffer: unsafe extern "C" fn(RawResult) -> *mut c_char;
    chdb_result_length: unsafe extern "C" fn(RawResult) -> usize;
    chdb_result_storage_rows_read: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_storage_bytes_read: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_rows_read: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_bytes_read: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_rows_written: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_bytes_written: unsafe extern "C" fn(RawResult) -> u64;
    chdb_result_error: unsafe extern "C" fn(RawResult) -> *const c_char;
    chdb_set_signal_handlers_enabled: unsafe extern "C" fn(c_int);
    chdb_classify_query_n: unsafe extern "C" fn(Handle, *const c_char, usize, *const c_char, usize, *mut RawAnalysis) -> c_int;
}

/// What `chdb_classify_query_n` fills in; the size tells it which version of the struct this is.
#[repr(C)]
#[derive(Default)]
pub(super) struct RawAnalysis {
    pub(super) struct_size: u32,
    pub(super) statement_count: u32,
    pub(super) flags: u32,
    pub(super) class: u32,
}
