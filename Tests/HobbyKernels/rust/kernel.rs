//! A kernel in Rust, without a package manager: `rustc`, `ld`, and Tessera's archive.
#![no_std]
#![no_main]

mod tessera;

use core::arch::{asm, global_asm};
use core::ffi::{c_char, c_void};
use core::fmt::{self, Write};
use core::mem::size_of;
use core::ptr::{addr_of, addr_of_mut, null_mut};
use tessera::*;

global_asm!(include_str!("boot.s"), options(att_syntax));

extern "C" {
    static image_start: u8;
    static image_end: u8;
    fn page_fault();
    /// Reads the word at `address`, or returns false if that faults.
    fn read_if_mapped(address: u64, value: *mut u64) -> bool;
}

// The machine -------------------------------------------------------------------------------------

const COM1: u16 = 0x3f8;

fn write_port(port: u16, byte: u8) {
    // SAFETY: only ports of the serial controller are written.
    unsafe { asm!("out dx, al", in("dx") port, in("al") byte) }
}

fn wait_for_line(status: u8) {
    let mut byte = 0u8;
    while byte & status == 0 {
        // SAFETY: the line status of the serial controller.
        unsafe { asm!("in al, dx", out("al") byte, in("dx") COM1 + 5) }
    }
}

struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            wait_for_line(0x20);
            write_port(COM1, byte);
        }
        Ok(())
    }
}

macro_rules! println {
    ($($argument:tt)*) => { let _ = writeln!(Serial, $($argument)*); }
}

#[repr(u32)]
enum Verdict {
    Passed = 0x10,
    Failed = 0x11,
    Crashed = 0x12,
}

fn power_off(verdict: Verdict) -> ! {
    wait_for_line(0x40);
    // SAFETY: writes to QEMU's exit device.
    unsafe { asm!("out dx, eax", in("dx") 0xf4u16, in("eax") verdict as u32) }
    loop {
        // SAFETY: the kernel has ended.
        unsafe { asm!("cli", "hlt") }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("verdict: fail, {}", info);
    power_off(Verdict::Failed)
}

#[no_mangle]
extern "C" fn unexpected_page_fault() -> ! {
    println!("verdict: crashed, by an unexpected page fault");
    power_off(Verdict::Crashed)
}

fn catch_page_faults() {
    static mut GATES: [[u16; 8]; 32] = [[0; 8]; 32];
    #[repr(C, packed)]
    struct Table {
        limit: u16,
        base: *const [[u16; 8]; 32],
    }
    let entry = page_fault as *const () as u64;
    let part = |shift: u32| (entry >> shift) as u16;
    // SAFETY: there is one processor, which does not use the table yet.
    unsafe {
        GATES[14] = [part(0), 0x08, 0x8e00, part(16), part(32), part(48), 0, 0];
        let table = Table { limit: size_of::<[[u16; 8]; 32]>() as u16 - 1, base: addr_of!(GATES) };
        asm!("lidt [{}]", in(reg) &table);
    }
}

// Tessera -----------------------------------------------------------------------------------------

#[no_mangle]
extern "C" fn tessera_host_panic(message: *const c_char, length: usize) -> ! {
    let _ = Serial.write_str("verdict: crashed, ");
    write(null_mut(), message, length);
    println!("");
    power_off(Verdict::Crashed)
}

extern "C" fn write(_: *mut c_void, text: *const c_char, length: usize) {
    // SAFETY: Tessera passes `length` bytes.
    let bytes = unsafe { core::slice::from_raw_parts(text as *const u8, length) };
    let _ = Serial.write_str(core::str::from_utf8(bytes).unwrap_or("?"));
}

fn start_tessera(magic: u32, information: u32) -> Result<(), Error> {
    let mut regions = [Region::default(); 128];
    // SAFETY: boot.s maps the first 4 GiB there, and the image lies between these symbols.
    unsafe {
        let mut config = Config {
            size: size_of::<Config>() as u64,
            regions: regions.as_ptr(),
            region_count: 0,
            direct_map: 0xffff_8000_0000_0000,
            direct_map_end: 1 << 32,
            image_start: addr_of!(image_start) as u64,
            image_end: addr_of!(image_end) as u64,
            processor_count: 1,
            kernel_half: ADOPT,
            kernel_low_end: 0,
            flags: 0,
        };
        tessera_read_multiboot(
            magic, information, config.direct_map, config.direct_map_end, regions.as_mut_ptr(),
            regions.len() as u64, &mut config.region_count,
        ).ok()?;
        tessera_print_memory_map(&config, write, null_mut()).ok()?;
        tessera_start(&config).ok()
    }
}

fn use_a_space() -> Result<(), Error> {
    let address = 0x40_0000;
    let page = address as *mut u64;
    let (mut space, mut frame, mut word) = (Space::default(), 0, 0);
    // SAFETY: the page is accessed while it is mapped, the frame while it has a handle, and `space`
    // does not move.
    unsafe {
        tessera_space_create(&mut space).ok()?;
        tessera_allocate(&mut frame).ok()?;
        tessera_share(frame).ok()?;
        tessera_map(&space, address, frame, READ | WRITE, null_mut()).ok()?;
        tessera_space_activate(&space).ok()?;
        page.write_volatile(42);
        assert_eq!((tessera_frame_bytes(frame) as *const u64).read_volatile(), 42);
        assert!(read_if_mapped(address, &mut word) && word == 42);
        tessera_print_walk(&space, address, write, null_mut()).ok()?;

        tessera_unmap(&space, address, 4096, null_mut()).ok()?;
        assert!(!read_if_mapped(address, &mut word), "an unmapped page does not fault");
        tessera_print_walk(&space, address, write, null_mut()).ok()?;
        tessera_space_activate(tessera_kernel_space()).ok()?;
        tessera_space_destroy(&mut space).ok()?;
        tessera_drop(frame).ok()
    }
}

fn use_kernel_memory() -> Result<(), Error> {
    let length = 8 * 4096;
    let (mut memory, mut word) = (null_mut(), 0);
    // SAFETY: `length` bytes are mapped until they are freed.
    unsafe {
        tessera_kernel_allocate(length, READ | WRITE, addr_of_mut!(memory)).ok()?;
        core::slice::from_raw_parts_mut(memory as *mut u8, length as usize).fill(0xaa);
        assert!(!read_if_mapped(memory as u64 + length, &mut word), "no fault on the guard page");
        tessera_kernel_free(memory, length).ok()
    }
}

fn report() -> Result<(), Error> {
    let mut violations = 0;
    let mut statistics =
        Statistics { size: size_of::<Statistics>() as u64, ..Statistics::default() };
    // SAFETY: nothing else uses Tessera.
    unsafe {
        tessera_audit(write, null_mut(), &mut violations).ok()?;
        tessera_get_statistics(&mut statistics).ok()?;
    }
    assert_eq!(violations, 0, "Tessera's audit found violations");
    println!("{} frames of {} are free", statistics.free_frames, statistics.managed_frames);
    Ok(())
}

fn run(magic: u32, information: u32) -> Result<(), Error> {
    start_tessera(magic, information)?;
    use_a_space()?;
    use_kernel_memory()?;
    report()
}

#[no_mangle]
extern "C" fn kernel_main(magic: u32, information: u32) -> ! {
    for (index, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 0xc7)] {
        write_port(COM1 + index, value);
    }
    println!("rust: a kernel in Rust, built by rustc alone");
    catch_page_faults();
    if let Err(error) = run(magic, information) {
        panic!("{}", error);
    }
    println!("verdict: pass");
    power_off(Verdict::Passed)
}
