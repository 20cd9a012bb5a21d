//! Bindings of the part of tessera.h that this kernel uses.
use core::ffi::{c_char, c_void, CStr};
use core::fmt;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Region {
    pub start: u64,
    pub length: u64,
    pub kind: u32,
    pub reserved: u32,
}

#[repr(C)]
pub struct Config {
    pub size: u64,
    pub regions: *const Region,
    pub region_count: u64,
    pub direct_map: u64,
    pub direct_map_end: u64,
    pub image_start: u64,
    pub image_end: u64,
    pub processor_count: u32,
    pub kernel_half: u32,
    pub kernel_low_end: u64,
    pub flags: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct Space {
    opaque: [u64; 8],
}

#[repr(C)]
#[derive(Default)]
pub struct Statistics {
    pub size: u64,
    pub managed_frames: u64,
    pub free_frames: u64,
    pub cached_frames: u64,
    pub largest_free_block: u64,
    pub pooled_tables: u64,
    pub metadata_frames: u64,
    pub kernel_frames: u64,
    pub reserved_frames: u64,
    pub unreachable_frames: u64,
    pub flushes: u64,
    pub flushed_pages: u64,
    pub full_flushes: u64,
    pub saturated_frames: u64,
}

pub type Write = extern "C" fn(*mut c_void, *const c_char, usize);

pub const ADOPT: u32 = 0;
pub const READ: u32 = 1;
pub const WRITE: u32 = 2;

/// A result other than TESSERA_OK. Displays its description.
#[derive(Clone, Copy)]
pub struct Error(i32);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // SAFETY: the string is static and null-terminated.
        let description = unsafe { CStr::from_ptr(tessera_strerror(self.0)) };
        f.write_str(description.to_str().unwrap_or("not UTF-8"))
    }
}

/// A `tessera_result` as the functions below return it.
#[repr(transparent)]
#[must_use]
pub struct TesseraResult(i32);

impl TesseraResult {
    pub fn ok(self) -> Result<(), Error> {
        if self.0 == 0 { Ok(()) } else { Err(Error(self.0)) }
    }
}

extern "C" {
    fn tessera_strerror(result: i32) -> *const c_char;
    pub fn tessera_read_multiboot(
        magic: u32, address: u32, direct_map: u64, direct_map_end: u64, regions: *mut Region,
        capacity: u64, count: *mut u64,
    ) -> TesseraResult;
    pub fn tessera_print_memory_map(
        config: *const Config, write: Write, context: *mut c_void,
    ) -> TesseraResult;
    pub fn tessera_start(config: *const Config) -> TesseraResult;
    pub fn tessera_allocate(frame: *mut u64) -> TesseraResult;
    pub fn tessera_share(frame: u64) -> TesseraResult;
    pub fn tessera_drop(frame: u64) -> TesseraResult;
    pub fn tessera_frame_bytes(frame: u64) -> *mut u8;
    pub fn tessera_space_create(space: *mut Space) -> TesseraResult;
    pub fn tessera_space_destroy(space: *mut Space) -> TesseraResult;
    pub fn tessera_space_activate(space: *const Space) -> TesseraResult;
    pub fn tessera_kernel_space() -> *mut Space;
    pub fn tessera_map(
        space: *const Space, address: u64, frame: u64, flags: u32, conflict: *mut c_void,
    ) -> TesseraResult;
    pub fn tessera_unmap(
        space: *const Space, address: u64, length: u64, unmapped: *mut u64,
    ) -> TesseraResult;
    pub fn tessera_print_walk(
        space: *const Space, address: u64, write: Write, context: *mut c_void,
    ) -> TesseraResult;
    pub fn tessera_kernel_allocate(
        length: u64, flags: u32, address: *mut *mut c_void,
    ) -> TesseraResult;
    pub fn tessera_kernel_free(address: *mut c_void, length: u64) -> TesseraResult;
    pub fn tessera_audit(write: Write, context: *mut c_void, violations: *mut u64) -> TesseraResult;
    pub fn tessera_get_statistics(statistics: *mut Statistics) -> TesseraResult;
}
