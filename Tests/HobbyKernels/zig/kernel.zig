//! A kernel in Zig, which reads Tessera's header itself.
const std = @import("std");
const tessera = @import("tessera");

// The machine -------------------------------------------------------------------------------------

extern var image_start: u8;
extern var image_end: u8;
extern fn page_fault() void;
/// Reads the word at `address`, or returns false if that faults.
extern fn read_if_mapped(address: u64, value: *u64) bool;

const Port = struct {
    const com1 = 0x3f8;
    const line_status = com1 + 5;

    fn write(port: u16, byte: u8) void {
        asm volatile ("outb %[byte], %[port]"
            :
            : [byte] "{al}" (byte),
              [port] "{dx}" (port),
        );
    }

    fn read(port: u16) u8 {
        return asm volatile ("inb %[port], %[byte]"
            : [byte] "={al}" (-> u8),
            : [port] "{dx}" (port),
        );
    }
};

fn print(text: []const u8) void {
    for (text) |byte| {
        while (Port.read(Port.line_status) & 0x20 == 0) {}
        Port.write(Port.com1, byte);
    }
}

fn printNumber(number: u64) void {
    if (number >= 10) printNumber(number / 10);
    print(&.{'0' + @as(u8, @intCast(number % 10))});
}

const Verdict = enum(u32) { passed = 0x10, failed = 0x11, crashed = 0x12 };

fn powerOff(verdict: Verdict) noreturn {
    while (Port.read(Port.line_status) & 0x40 == 0) {}
    asm volatile ("outl %[verdict], %[port]"
        :
        : [verdict] "{eax}" (@intFromEnum(verdict)),
          [port] "{dx}" (@as(u16, 0xf4)),
    );
    while (true) asm volatile ("cli; hlt");
}

fn fail(why: []const u8) noreturn {
    print("verdict: fail, ");
    print(why);
    print("\n");
    powerOff(.failed);
}

fn crash(why: []const u8, _: ?usize) noreturn {
    print("verdict: crashed, ");
    print(why);
    print("\n");
    powerOff(.crashed);
}

pub const panic = std.debug.FullPanic(crash);

export fn unexpected_page_fault() noreturn {
    crash("by an unexpected page fault", null);
}

fn expect(condition: bool, otherwise: []const u8) void {
    if (!condition) fail(otherwise);
}

var gates: [32][8]u16 = @splat(@splat(0));

fn catchPageFaults() void {
    const entry = @intFromPtr(&page_fault);
    gates[14][0] = @truncate(entry);
    gates[14][1] = 0x08;
    gates[14][2] = 0x8e00;
    gates[14][3] = @truncate(entry >> 16);
    gates[14][4] = @truncate(entry >> 32);
    gates[14][5] = @truncate(entry >> 48);
    // Ten bytes: a limit, followed by an address.
    var table: [5]u16 = @splat(0);
    table[0] = @sizeOf(@TypeOf(gates)) - 1;
    const base = @intFromPtr(&gates);
    for (table[1..], 0..) |*part, i| part.* = @truncate(base >> @intCast(16 * i));
    asm volatile ("lidt (%[table])"
        :
        : [table] "r" (&table),
        : .{ .memory = true });
}

// Tessera -----------------------------------------------------------------------------------------

const read_write = tessera.TESSERA_READ | tessera.TESSERA_WRITE;

fn must(result: tessera.tessera_result) void {
    if (result != tessera.TESSERA_OK) fail(std.mem.span(tessera.tessera_strerror(result)));
}

fn write(_: ?*anyopaque, text: [*c]const u8, length: usize) callconv(.c) void {
    print(text[0..length]);
}

export fn tessera_host_panic(message: [*c]const u8, length: usize) noreturn {
    crash(message[0..length], null);
}

fn startTessera(magic: u32, information: u32) void {
    var regions: [128]tessera.tessera_region = undefined;
    var config = std.mem.zeroes(tessera.tessera_config);
    config.size = @sizeOf(@TypeOf(config));
    config.regions = &regions;
    config.direct_map = 0xffff_8000_0000_0000;
    config.direct_map_end = 1 << 32;
    config.image_start = @intFromPtr(&image_start);
    config.image_end = @intFromPtr(&image_end);
    config.kernel_half = tessera.TESSERA_ADOPT;
    must(tessera.tessera_read_multiboot(
        magic,
        information,
        config.direct_map,
        config.direct_map_end,
        &regions,
        regions.len,
        &config.region_count,
    ));
    must(tessera.tessera_print_memory_map(&config, write, null));
    must(tessera.tessera_start(&config));
}

fn useASpace() void {
    const address = 0x40_0000;
    const page: *volatile u64 = @ptrFromInt(address);
    var space: tessera.tessera_space = undefined;
    var frame: tessera.tessera_frame = undefined;
    var word: u64 = undefined;

    must(tessera.tessera_space_create(&space));
    must(tessera.tessera_allocate(&frame));
    must(tessera.tessera_share(frame));
    must(tessera.tessera_map(&space, address, frame, read_write, null));
    must(tessera.tessera_space_activate(&space));
    page.* = 42;
    const bytes: *volatile u64 = @ptrCast(@alignCast(tessera.tessera_frame_bytes(frame)));
    expect(bytes.* == 42, "a page does not map its frame");
    expect(read_if_mapped(address, &word) and word == 42, "a mapped page faults");
    must(tessera.tessera_print_walk(&space, address, write, null));

    must(tessera.tessera_unmap(&space, address, 4096, null));
    expect(!read_if_mapped(address, &word), "an unmapped page does not fault");
    must(tessera.tessera_print_walk(&space, address, write, null));
    must(tessera.tessera_space_activate(tessera.tessera_kernel_space()));
    must(tessera.tessera_space_destroy(&space));
    must(tessera.tessera_drop(frame));
}

fn useKernelMemory() void {
    const length = 8 * 4096;
    var memory: ?*anyopaque = null;
    var word: u64 = undefined;
    must(tessera.tessera_kernel_allocate(length, read_write, &memory));
    const bytes: [*]u8 = @ptrCast(memory);
    @memset(bytes[0..length], 0xaa);
    expect(!read_if_mapped(@intFromPtr(bytes) + length, &word), "the guard page does not fault");
    must(tessera.tessera_kernel_free(memory, length));
}

fn report() void {
    var violations: u64 = undefined;
    must(tessera.tessera_audit(write, null, &violations));
    expect(violations == 0, "Tessera's audit found violations");
    var statistics = std.mem.zeroes(tessera.tessera_statistics);
    statistics.size = @sizeOf(@TypeOf(statistics));
    must(tessera.tessera_get_statistics(&statistics));
    printNumber(statistics.free_frames);
    print(" frames are free\n");
}

export fn kernel_main(magic: u32, information: u32) noreturn {
    for ([_]u8{ 1, 3, 0, 1, 3, 2 }, [_]u8{ 0, 0x80, 1, 0, 3, 0xc7 }) |register, value| {
        Port.write(Port.com1 + @as(u16, register), value);
    }
    print("zig: a kernel in Zig\n");
    catchPageFaults();
    startTessera(magic, information);
    useASpace();
    useKernelMemory();
    report();
    print("verdict: pass\n");
    powerOff(.passed);
}
