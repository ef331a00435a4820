//! zlib's interface, by zlib-rs: what `flate2` uses of `libz-ng-sys`, without a C build.
//!
//! The one difference between the two is the stream's two allocator fields: `libz-ng-sys` declares plain
//! function pointers, zlib-rs nullable ones. Both have the same size, alignment and bits, so a pointer to the
//! one may be read as a pointer to the other.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

use core::ffi::{c_char, c_int, c_ulong, c_void};
pub use libz_rs_sys::{
    Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR,
    Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, uInt, zlibVersion,
};

/// zlib's stream with allocators that are never null.
#[repr(C)]
pub struct z_stream {
    pub next_in: *mut u8,
    pub avail_in: uInt,
    pub total_in: c_ulong,
    pub next_out: *mut u8,
    pub avail_out: uInt,
    pub total_out: c_ulong,
    pub msg: *mut c_char,
    pub state: *mut c_void,
    pub zalloc: extern "C" fn(*mut c_void, uInt, uInt) -> *mut c_void,
    pub zfree: extern "C" fn(*mut c_void, *mut c_void),
    pub opaque: *mut c_void,
    pub data_type: c_int,
    pub adler: c_ulong,
    pub reserved: c_ulong,
}

const _: () = assert!(size_of::<z_stream>() == size_of::<libz_rs_sys::z_stream>());
const _: () = assert!(align_of::<z_stream>() == align_of::<libz_rs_sys::z_stream>());
const _: () = assert!(core::mem::offset_of!(z_stream, zalloc) == core::mem::offset_of!(libz_rs_sys::z_stream, zalloc));
const _: () = assert!(core::mem::offset_of!(z_stream, adler) == core::mem::offset_of!(libz_rs_sys::z_stream, adler));

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        /// zlib's function of the same name.
        pub unsafe extern "C" fn $name(stream: *mut z_stream $(, $argument: $type)*) -> c_int {
            // SAFETY: the caller keeps zlib's contract; the two stream types have the same layout (asserted above).
            unsafe { libz_rs_sys::$name(stream.cast() $(, $argument)*) }
        }
    )*};
}
forward! {
    deflate(flush: c_int);
    deflateEnd();
    deflateReset();
    deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(dictionary: *const u8, length: uInt);
    inflate(flush: c_int);
    inflateEnd();
    inflateReset2(window_bits: c_int);
    inflateSetDictionary(dictionary: *const u8, length: uInt);
    inflateInit2_(window_bits: c_int, version: *const c_char, size: c_int);
    deflateInit2_(level: c_int, method: c_int, window_bits: c_int, mem_level: c_int, strategy: c_int, version: *const c_char, size: c_int);
}
