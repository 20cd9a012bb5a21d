/* Tessera: physical memory, address spaces and page tables for x86-64 kernels.
 *
 * This header is the complete contract of the library, for kernels in any language that can call C.
 * It compiles as C11 and C++17, includes three headers that every compiler provides, and contains
 * no code.
 *
 * Terms. A frame is 4 KiB, 2 MiB or 1 GiB of physical memory, aligned to its size; a page is the
 * same of virtual memory. A frame is named by the physical address of its first byte, a
 * `tessera_frame`. Frames are reference counted, and a reference is either a handle or a mapping:
 * `tessera_allocate` returns a frame with one handle, `tessera_share` adds one, `tessera_drop`
 * drops one, and mapping a frame turns one into the reference of the mapping. Dropping the last
 * reference frees the frame. A space is the address space of a program. A cursor locks a range of a
 * space and operates on it. The direct map is the range of virtual addresses at which the kernel
 * maps all physical memory.
 *
 * Errors. Functions that can fail return a `tessera_result`. Errors are listed without their prefix
 * TESSERA_ERROR_. On failure nothing has changed: the caller keeps its handles, and results are not
 * written. Misuse that cannot be reported as an error ends in `tessera_host_panic`; each case is
 * mentioned below.
 *
 * Context. Unless a function says otherwise, it may be called with interrupts on or off, on any
 * processor. It disables interrupts briefly and restores them, never sleeps, never allocates from a
 * heap, and calls only the hooks and the functions that it was passed. Functions of spaces and
 * cursors may spin until another processor closes a cursor over the same pages. An interrupt
 * handler must not call them if it may have interrupted one of them on the same processor.
 * Functions of frames may be called anywhere.
 *
 * Registers. Tessera uses general-purpose registers only, no red zone, and about 4 KiB of stack. */
#ifndef TESSERA_H
#define TESSERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TESSERA_NORETURN [[noreturn]]
#else
#define TESSERA_NORETURN _Noreturn
#endif

/* Version: 10000 * major + 100 * minor + patch. Minor versions add, major versions may break;
 * before 1.0.0, minor versions may break too. */
#define TESSERA_VERSION 200

/** Returns the version of the library that was linked, to be compared with TESSERA_VERSION. */
uint32_t tessera_version(void);

/* Hooks: functions that the kernel supplies --------------------------------------------------- */

/** Halts the kernel after a violation of the contract. Must not return.
 *
 * `message` is `length` bytes of text without a terminator. Interrupts may be on or off, and locks
 * of Tessera may be held: print the message and halt, without calling Tessera. Every kernel must
 * supply this hook. */
TESSERA_NORETURN void tessera_host_panic(const char *message, size_t length);

/** Returns the number of the calling processor, which is less than the configured processor count.
 *
 * Called very often, with interrupts off. A number out of range panics. A kernel that uses one
 * processor need not supply this hook: the default returns 0. */
uint32_t tessera_host_processor_id(void);

/* Results ------------------------------------------------------------------------------------- */

typedef int32_t tessera_result;

enum {
  TESSERA_OK = 0,
  /** A required pointer is null, or not aligned for its type. */
  TESSERA_ERROR_INVALID_POINTER = 1,
  /** The `size` of a structure is not one that this version knows. */
  TESSERA_ERROR_INVALID_SIZE = 2,
  /** Tessera has not been started. */
  TESSERA_ERROR_NOT_STARTED = 3,
  /** Tessera has already been started. */
  TESSERA_ERROR_ALREADY_STARTED = 4,
  /** The processor lacks a required feature: no-execute pages. */
  TESSERA_ERROR_UNSUPPORTED_PROCESSOR = 5,
  /** A number, flag or kind is not valid, or a reserved field is not zero. */
  TESSERA_ERROR_INVALID_ARGUMENT = 6,
  /** The memory map has no usable memory, or a region that wraps around. */
  TESSERA_ERROR_INVALID_MEMORY_MAP = 7,
  /** Memory that must be in the direct map is not mapped there. */
  TESSERA_ERROR_NOT_IN_DIRECT_MAP = 8,
  /** No free memory fits the request. */
  TESSERA_ERROR_OUT_OF_FRAMES = 9,
  /** The kernel virtual area has no free range of this length. */
  TESSERA_ERROR_OUT_OF_ADDRESSES = 10,
  /** A length or a count is zero. */
  TESSERA_ERROR_EMPTY = 11,
  /** An address or a length is not a multiple of the required alignment. */
  TESSERA_ERROR_NOT_ALIGNED = 12,
  /** An address or a range is out of bounds, or wraps around. */
  TESSERA_ERROR_OUT_OF_BOUNDS = 13,
  /** The frame or memory is in use, or the structure already is a space or an open cursor. */
  TESSERA_ERROR_IN_USE = 14,
  /** The frame has no handle: it was dropped or mapped before, or never allocated. */
  TESSERA_ERROR_NO_HANDLE = 15,
  /** The frame does not belong to a client, but to the kernel image, a page table or metadata, or
   * there is no memory. */
  TESSERA_ERROR_NOT_CLIENT = 16,
  /** The frame is being allocated or freed, or lies in the cache of another processor. */
  TESSERA_ERROR_IN_TRANSITION = 17,
  /** A page of the range is mapped or has a status. */
  TESSERA_ERROR_ALREADY_MAPPED = 18,
  /** The page is not mapped. */
  TESSERA_ERROR_NOT_MAPPED = 19,
  /** The structure is not a space, was destroyed, or was copied. */
  TESSERA_ERROR_INVALID_SPACE = 20,
  /** The structure is not an open cursor, or was copied. */
  TESSERA_ERROR_INVALID_CURSOR = 21,
  /** The operation is not valid on the kernel space. */
  TESSERA_ERROR_KERNEL_SPACE = 22,
  /** The running page tables map pages in the kernel virtual area. */
  TESSERA_ERROR_KERNEL_AREA_IN_USE = 23,
  /** The boot loader's information is malformed. */
  TESSERA_ERROR_INVALID_BOOT_INFORMATION = 24,
  /** The code, the stack, the GDT or the IDT that the processor uses lies in the part of the lower
   * half that `tessera_start` unmaps. */
  TESSERA_ERROR_CODE_IN_LOWER_HALF = 25,
  TESSERA_ERROR_STACK_IN_LOWER_HALF = 26,
  TESSERA_ERROR_GDT_IN_LOWER_HALF = 27,
  TESSERA_ERROR_IDT_IN_LOWER_HALF = 28,
};

/** Returns a description of `result` in English: a static, null-terminated string. Never null. */
const char *tessera_strerror(tessera_result result);

/* Start --------------------------------------------------------------------------------------- */

/** Kinds of memory regions. */
enum {
  /** Free memory. */
  TESSERA_USABLE = 0,
  /* Memory that is reserved until it is passed to `tessera_add_memory`. */
  TESSERA_KERNEL_IMAGE = 1,
  /** A file that the loader read. */
  TESSERA_MODULE = 2,
  /** Other memory of the loader: its tables, its memory map, the first stack. */
  TESSERA_LOADER = 3,
  /* Memory that is never allocated. */
  /** ACPI tables. */
  TESSERA_ACPI = 4,
  /** Memory of the firmware, such as ACPI NVS. */
  TESSERA_FIRMWARE = 5,
  /* Ranges that are never accessed. */
  /** Devices, holes, and everything else. */
  TESSERA_RESERVED = 6,
  TESSERA_BAD_MEMORY = 7,
};

/** A region of the memory map: `length` bytes at physical address `start`.
 *
 * Regions may come in any order, overlap, and start and end at any byte. Where they overlap,
 * reserved memory wins over usable memory. */
typedef struct {
  uint64_t start;
  uint64_t length;
  uint32_t kind;
  /** Must be zero. */
  uint32_t reserved;
} tessera_region;

/** How the new root gets the upper half of the address space, where the kernel is. */
enum {
  /** The page tables of the running root's upper half stay in use permanently. */
  TESSERA_ADOPT = 0,
  /** They are copied into new frames, so that the loader's memory can be freed. */
  TESSERA_COPY = 1,
};

/* A kernel that has a frame allocator can let Tessera use it. Both functions are called during a
 * call of Tessera, on the same processor: interrupts may be off, page tables may be locked, and
 * several processors may call at once. They must not sleep, call Tessera, or wait for anything but
 * a spin lock. They run in an interrupt handler only if the kernel calls Tessera there. */

/** Returns the physical address of `count` contiguous 4 KiB frames that have no other owner, or
 * zero if there are none; the caller then fails with OUT_OF_FRAMES.
 *
 * The address is a multiple of `alignment`, a power of two of at least 4096. The last byte lies
 * below `limit`, a multiple of 4096 that never exceeds the memory Tessera manages. The frames are
 * usable according to the memory map, and not below 1 MiB. Their contents do not matter. An invalid
 * answer panics. The first call asks for the frame metadata, about 64 bytes per frame; later calls
 * ask for single frames, unless the kernel requests more from Tessera. An allocator without
 * contiguous allocations can therefore reserve memory for the first call and return zero for the
 * others. */
typedef uint64_t (*tessera_allocate_frames_fn)(
    void *context, uint64_t count, uint64_t alignment, uint64_t limit);

/** Frees `count` contiguous 4 KiB frames at physical address `first`. Each frame is freed once, but
 * an allocation may be freed in several parts, and adjacent allocations together. */
typedef void (*tessera_free_frames_fn)(void *context, uint64_t first, uint64_t count);

/** The configuration of `tessera_start`. Fields may be zero where a meaning of zero is given. */
typedef struct {
  /** sizeof(tessera_config). May be that of an earlier version: the missing fields are zero. */
  uint64_t size;
  /** The memory map, `region_count` regions. Read during the call only. */
  const tessera_region *regions;
  uint64_t region_count;
  /** The virtual address at which physical address 0 is mapped, readable and writable, now and
   * permanently, in the part of the address space that the kernel keeps. Zero: memory is identity
   * mapped. */
  uint64_t direct_map;
  /** The end of the physical memory that is mapped there. Usable memory beyond is not used. Zero:
   * the whole memory map is mapped. */
  uint64_t direct_map_end;
  /** The physical range of the kernel image, which is reserved. Both zero: the memory map already
   * has it. */
  uint64_t image_start, image_end;
  /** The number of processors that will call Tessera, at most 64. Zero: one. */
  uint32_t processor_count;
  /** TESSERA_ADOPT or TESSERA_COPY. */
  uint32_t kernel_half;
  /** For a kernel that runs at low addresses: addresses below this one belong to the kernel in
   * every space, rounded up to a multiple of 512 GiB (256 TiB with 5-level paging). Programs start
   * there. Zero: the whole lower half belongs to programs, and its current mappings are dropped. */
  uint64_t kernel_low_end;
  /** Must be zero. */
  uint64_t flags;
  /** The kernel's own frame allocator, and the context of its functions. The memory map still lists
   * all memory; usable memory belongs to this allocator. Tessera allocates all its memory from it,
   * and frees memory that is not needed at once, without caches. Both functions null: Tessera
   * manages the usable memory itself. */
  tessera_allocate_frames_fn allocate_frames;
  tessera_free_frames_fn free_frames;
  void *frames_context;
} tessera_config;

/** Starts Tessera: takes over the memory of `config->regions` and the running page tables.
 *
 * Reserves 64 bytes of metadata per 4 KiB below the end of memory, adds the other usable frames to
 * the allocator, and loads CR3 with a new root. Enables no-execute pages, write protection and
 * global pages, and programs the page attribute table for the cache policies below; existing
 * mappings keep their memory types. Memory below 1 MiB is not allocated, but can be claimed.
 *
 * The lower half of the address space is unmapped, except for addresses below `kernel_low_end`.
 * Before the call, the kernel must move its code, its stack, the descriptor tables (GDT, IDT, TSS)
 * and the stacks of exceptions out of it: with a GDT that boot code placed low, the next exception
 * would be a triple fault. The code, the stack and the GDT are checked, and the IDT if it has a
 * gate for page faults; the others are not.
 *
 * Call it once, on one processor, with interrupts off. On failure, all frames are returned to the
 * kernel's allocator.
 *
 * Errors: ALREADY_STARTED, INVALID_POINTER (also if one function of the allocator is null and the
 * other is not), INVALID_SIZE, INVALID_ARGUMENT, UNSUPPORTED_PROCESSOR, INVALID_MEMORY_MAP,
 * NOT_IN_DIRECT_MAP, CODE_IN_LOWER_HALF, STACK_IN_LOWER_HALF, GDT_IN_LOWER_HALF, IDT_IN_LOWER_HALF,
 * OUT_OF_FRAMES, KERNEL_AREA_IN_USE. */
tessera_result tessera_start(const tessera_config *config);

/** Prepares a further processor, one of the configured count, to use Tessera. It must run on a root
 * that has the kernel half.
 *
 * Errors: NOT_STARTED. */
tessera_result tessera_start_processor(void);

/** Reads the memory map of a multiboot 1 or 2 loader into `regions`, an array of `capacity`
 * elements, and writes the number of regions to `count`.
 *
 * `magic` and `address` are the values that the loader left in EAX and EBX. The regions include
 * everything else that the loader left in memory. `direct_map` is the virtual address at which the
 * first `direct_map_end` bytes of physical memory are mapped. May be called before the start.
 *
 * Errors: INVALID_POINTER, INVALID_BOOT_INFORMATION, OUT_OF_BOUNDS if `capacity` is too small;
 * `count` is then written too. */
tessera_result tessera_read_multiboot(
    uint32_t magic, uint32_t address, uint64_t direct_map, uint64_t direct_map_end,
    tessera_region *regions, uint64_t capacity, uint64_t *count);

/** Returns the kind of a region of an E820 or multiboot memory map, by its type there. */
uint32_t tessera_kind_of_e820(uint32_t type);

/** Returns the kind of a region of a Limine memory map, by its type there. Memory that the loader
 * calls reclaimable is TESSERA_LOADER: pass it to `tessera_add_memory` once it is not needed. */
uint32_t tessera_kind_of_limine(uint64_t type);

/** Adds memory of the kernel image, of modules or of the loader to the allocator: `length` bytes at
 * `start`, both multiples of 4096.
 *
 * The caller guarantees that the memory is not used any more. If the kernel has its own allocator,
 * that may return the memory from now on, but is not called here.
 *
 * Errors: NOT_STARTED, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT if the memory is of another
 * kind, IN_USE if it has a page table of the kernel half, as after TESSERA_ADOPT. */
tessera_result tessera_add_memory(uint64_t start, uint64_t length);

/* Frames -------------------------------------------------------------------------------------- */

/** A frame, named by the physical address of its first byte. */
typedef uint64_t tessera_frame;

/** The sizes of frames and pages. */
#define TESSERA_4K UINT64_C(0x1000)
#define TESSERA_2M UINT64_C(0x200000)
#define TESSERA_1G UINT64_C(0x40000000)

/** The size of the kernel's own data about each frame, in bytes. */
#define TESSERA_FRAME_DATA_SIZE 24

/** Called when the last reference to a frame is dropped, before the frame is free. Its contents and
 * its `data` are still valid.
 *
 * Runs in the context of that drop, possibly inside Tessera with interrupts off. It must not sleep,
 * and of Tessera may call the functions of frames only. */
typedef void (*tessera_on_free_fn)(tessera_frame frame, void *data);

/** A request for frames. Fields may be zero where a meaning of zero is given. */
typedef struct {
  /** sizeof(tessera_request). */
  uint64_t size;
  /** TESSERA_4K, TESSERA_2M or TESSERA_1G. Zero: 4 KiB. */
  uint64_t frame_size;
  /** The number of contiguous frames; more than one only with 4 KiB. Zero: one. */
  uint64_t count;
  /** The alignment of the first byte, a power of two. Zero: the size of a frame. */
  uint64_t alignment;
  /** The address below which all bytes must lie. Zero: no limit. */
  uint64_t limit;
  /** Called when one of the frames is freed. Null: nothing is called. */
  tessera_on_free_fn on_free;
  /** TESSERA_NO_ZERO, or zero. */
  uint64_t flags;
} tessera_request;

enum {
  /** Leave the contents of the memory as they are, instead of filling it with zeros. */
  TESSERA_NO_ZERO = 1,
};

/** Allocates a zeroed 4 KiB frame with one handle.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, OUT_OF_FRAMES. */
tessera_result tessera_allocate(tessera_frame *frame);

/** Allocates frames as `request` says, with one handle each, and writes the first one.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, INVALID_ARGUMENT, OUT_OF_FRAMES. */
tessera_result tessera_allocate_as(const tessera_request *request, tessera_frame *frame);

/** Adds a handle to `frame`. The caller must have a handle or know that the frame stays mapped.
 *
 * Errors: NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT, NO_HANDLE if the frame is free. */
tessera_result tessera_share(tessera_frame frame);

/** Drops a handle of `frame`. Dropping the last reference frees the frame.
 *
 * Errors: NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT, NO_HANDLE if it has no handle:
 * mappings keep their references. */
tessera_result tessera_drop(tessera_frame frame);

/** Drops a handle of each of `count` contiguous 4 KiB frames, or none on failure.
 *
 * Errors: as `tessera_drop`, EMPTY, INVALID_ARGUMENT if a frame is larger. */
tessera_result tessera_drop_run(tessera_frame first, uint64_t count);

/** Allocates a particular 4 KiB frame, which must be free or unowned, as memory below 1 MiB is. Its
 * contents stay. If the kernel has its own allocator, the frame must have been allocated there, and
 * is freed there with its last reference.
 *
 * Errors: NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, IN_USE, NOT_CLIENT, IN_TRANSITION. */
tessera_result tessera_claim(tessera_frame frame);

/** A description of a frame. */
typedef struct {
  /** sizeof(tessera_frame_info), set by the caller. */
  uint64_t size;
  /** TESSERA_FRAME_... */
  uint32_t usage;
  uint32_t reserved;
  /** The number of handles of a client's frame. */
  uint64_t handles;
  /** The number of references: handles and mappings. Zero if the frame is free. */
  uint64_t references;
  /** The size of the frame in bytes. */
  uint64_t frame_size;
} tessera_frame_info;

enum {
  /** Free, or unowned. */
  TESSERA_FRAME_FREE = 0,
  /** Allocated or claimed by a client. */
  TESSERA_FRAME_CLIENT = 1,
  TESSERA_FRAME_PAGE_TABLE = 2,
  /** Tessera's metadata. */
  TESSERA_FRAME_METADATA = 3,
  /** The kernel image, a module, or memory of the loader. */
  TESSERA_FRAME_KERNEL = 4,
  /** Memory of the firmware, or not memory. */
  TESSERA_FRAME_RESERVED = 5,
  /** Part of a 2 MiB or 1 GiB frame, but not its first 4 KiB. */
  TESSERA_FRAME_TAIL = 6,
  /** Owned by the kernel's own allocator or its other clients. */
  TESSERA_FRAME_EXTERNAL = 7,
};

/** Describes any frame. The counts may be stale.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_frame_query(tessera_frame frame, tessera_frame_info *info);

/** Returns the contents of `frame` in the direct map, or null if the frame is not a client's, not
 * aligned or out of bounds, or Tessera has not been started. */
void *tessera_frame_bytes(tessera_frame frame);

/** Returns the kernel's own data about `frame`: TESSERA_FRAME_DATA_SIZE bytes, aligned to 8, zero
 * after allocation, and valid until the frame is freed. Null as for `tessera_frame_bytes`. */
void *tessera_frame_data(tessera_frame frame);

/* Pages --------------------------------------------------------------------------------------- */

/** Access rights, cache policy and attributes of a page. These are not the bits of its entry. */
enum {
  /** The page stays mapped and keeps its frame, but every access faults. */
  TESSERA_NO_ACCESS = 0,
  TESSERA_READ = 1 << 0,
  /** Requires TESSERA_READ. */
  TESSERA_WRITE = 1 << 1,
  /** Requires TESSERA_READ; together with TESSERA_WRITE, also TESSERA_ALLOW_WX. */
  TESSERA_EXECUTE = 1 << 2,
  TESSERA_ALLOW_WX = 1 << 3,
  /** The cache policy. None of them: write-back. */
  TESSERA_WRITE_THROUGH = 1 << 4,
  TESSERA_WRITE_COMBINING = 2 << 4,
  TESSERA_UNCACHEABLE = 3 << 4,
  /** Two software bits for the kernel's use: 0 to 3 times this. */
  TESSERA_SOFTWARE = 1 << 6,

  /* In results only. */
  TESSERA_ACCESSED = 1 << 8,
  TESSERA_DIRTY = 1 << 9,
  /** Accessible in user mode. Follows from the space. */
  TESSERA_USER = 1 << 10,
  TESSERA_GLOBAL = 1 << 11,
};

/** Contents of a page. */
enum {
  TESSERA_PAGE_ABSENT = 0,
  /** A frame is mapped, and the mapping owns a reference to it. */
  TESSERA_PAGE_FRAME = 1,
  /** Device memory or other memory without reference counts is mapped. */
  TESSERA_PAGE_DEVICE = 2,
  /** The page is not mapped and has a status. */
  TESSERA_PAGE_STATUS = 3,
};

/** A run of pages with the same contents and flags. */
typedef struct {
  /** sizeof(tessera_page), set by the caller. */
  uint64_t size;
  /** The first address, and the length in bytes. */
  uint64_t address, length;
  /** The physical address of the first byte. Zero unless mapped. */
  uint64_t physical;
  /** The size in bytes of the pages that map the run. Zero unless mapped. */
  uint64_t page_size;
  /** TESSERA_PAGE_... */
  uint32_t content;
  /** The flags. Zero unless mapped. */
  uint32_t flags;
  /** The status. Zero unless `content` is TESSERA_PAGE_STATUS. */
  uint32_t status;
  uint32_t reserved;
} tessera_page;

/** The page that made a change fail. */
typedef struct {
  /** The address of the page. */
  uint64_t address;
  /** The entry that was found there. */
  uint64_t entry;
  /** The level of the entry's table: 1 maps pages of 4 KiB, 2 of 2 MiB, 3 of 1 GiB. Zero: the entry
   * is not known. */
  uint32_t level;
  uint32_t reserved;
} tessera_conflict;

/* Spaces -------------------------------------------------------------------------------------- */

/** An address space. The kernel supplies the memory, which must not move, and accesses it through
 * the functions below only. */
typedef struct {
  uint64_t opaque[8];
} tessera_space;

/** Creates an empty space.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, OUT_OF_FRAMES, IN_USE if `space` already is one. */
tessera_result tessera_space_create(tessera_space *space);

/** Destroys a space, and drops the references of its mappings. A processor that runs on the space
 * keeps its root, without any pages, until it activates another. Panics if a cursor is open on it.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE. */
tessera_result tessera_space_destroy(tessera_space *space);

/** Returns the kernel space: the kernel virtual area, which all spaces share. Null before the
 * start. The functions below accept it unless they list KERNEL_SPACE. */
tessera_space *tessera_kernel_space(void);

/** Activates `space` on the calling processor. With the kernel space, no program's space stays
 * active. Does nothing if the space is already active.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_space_activate(const tessera_space *space);

/** Returns the physical address of the root page table, which CR3 holds while the space is active.
 * Zero if `space` is not a space. */
uint64_t tessera_space_root(const tessera_space *space);

/** Writes the range of addresses at which pages can be mapped: `*start` up to, not including,
 * `*end`.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_space_bounds(const tessera_space *space, uint64_t *start, uint64_t *end);

/* Each of the following functions locks the pages, performs one operation, and flushes the TLB as
 * required before it returns. `address` and `length` are multiples of 4096.
 *
 * Errors of all of them: INVALID_POINTER, INVALID_SPACE, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, and
 * OUT_OF_FRAMES if no frame is left for a page table. With ALREADY_MAPPED and NOT_MAPPED,
 * `conflict` is written, unless it is null. */

/** Maps `frame`, of any size, at `address`, a multiple of that size. Consumes one handle; on
 * failure the caller keeps it.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED, NOT_CLIENT, NO_HANDLE. */
tessera_result tessera_map(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Maps `count` contiguous 4 KiB frames. Consumes one handle of each; on failure the caller keeps
 * them.
 *
 * Errors: as `tessera_map`. */
tessera_result tessera_map_run(
    const tessera_space *space, uint64_t address, tessera_frame first, uint64_t count,
    uint32_t flags, tessera_conflict *conflict);

/** Maps new zeroed 4 KiB frames without handles: unmapping a page frees its frame.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED. */
tessera_result tessera_map_zeroed(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    tessera_conflict *conflict);

/** Maps device memory, or other memory without reference counts, at physical address `physical`, a
 * multiple of 4096, in the largest pages that fit.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED, IN_USE if it includes memory that Tessera or the
 * kernel's own allocator allocates. */
tessera_result tessera_map_device(
    const tessera_space *space, uint64_t address, uint64_t physical, uint64_t length,
    uint32_t flags, tessera_conflict *conflict);

/** Replaces the page mapped at `address` by `frame`, which has the same size. Consumes one handle;
 * on failure the caller keeps it. The reference of the old mapping is dropped after the TLB flush.
 *
 * Errors: INVALID_ARGUMENT, NOT_MAPPED, NOT_CLIENT, NO_HANDLE. */
tessera_result tessera_replace(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Unmaps pages, clears statuses, and drops the references of the mappings. Splits a large page
 * that is only partly in the range. Writes the number of bytes that were mapped, unless `unmapped`
 * is null. */
tessera_result tessera_unmap(
    const tessera_space *space, uint64_t address, uint64_t length,
    uint64_t *unmapped);

/** Changes the rights of all mapped pages of the range to those in `flags`, which must have no
 * other flags. Writes the number of mapped bytes, unless `mapped` is null.
 *
 * Errors: INVALID_ARGUMENT. */
tessera_result tessera_protect(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    uint64_t *mapped);

/** Sets the status of pages that are not mapped: a number with a meaning of the kernel's choice,
 * such as zero on demand, or a swap slot.
 *
 * Errors: ALREADY_MAPPED. */
tessera_result tessera_set_status(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t status,
    tessera_conflict *conflict);

/** Copies the mappings and statuses of `source` to the same addresses of `space`, for a fork with
 * copy-on-write: frames are shared, and become read-only in both spaces. The range of `space` must
 * be empty.
 *
 * Errors: ALREADY_MAPPED, INVALID_ARGUMENT if the spaces are the same, KERNEL_SPACE if one is the
 * kernel space. */
tessera_result tessera_copy(
    const tessera_space *space, const tessera_space *source, uint64_t address, uint64_t length,
    tessera_conflict *conflict);

/** Describes the page at `address`, and the pages after it that the same entry covers.
 *
 * Errors: INVALID_SIZE. */
tessera_result tessera_query(
    const tessera_space *space, uint64_t address, tessera_page *page);

/** Called with a run of pages. `page` is valid until it returns. */
typedef void (*tessera_visit_fn)(void *context, const tessera_page *page);

/** Calls `visit` with each run of pages of the range, absent ones too, in ascending order. The
 * range is locked and interrupts are off: the callback must not operate on the range. */
tessera_result tessera_visit(
    const tessera_space *space, uint64_t address, uint64_t length, tessera_visit_fn visit,
    void *context);

/** Translates any virtual address: writes its physical address, and the flags of the page unless
 * `flags` is null. Takes no lock, so the result may be stale.
 *
 * Errors, no others: INVALID_POINTER, INVALID_SPACE, NOT_MAPPED. */
tessera_result tessera_translate(
    const tessera_space *space, uint64_t address, uint64_t *physical,
    uint32_t *flags);

/* The kernel virtual area --------------------------------------------------------------------- */

/* 512 GiB in the middle of the upper half, at 0xffffc00000000000, or at 0xff80000000000000 with
 * 5-level paging. It must be unmapped at the start. */

/** Maps `length` bytes of new zeroed memory, rounded up to pages, at a free range of the area, and
 * writes the address. The page after them stays unmapped as a guard.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, EMPTY, INVALID_ARGUMENT, OUT_OF_FRAMES,
 * OUT_OF_ADDRESSES. */
tessera_result tessera_kernel_allocate(uint64_t length, uint32_t flags, void **address);

/** Maps device memory at physical address `physical`, a multiple of 4096, in the same way.
 *
 * Errors: as `tessera_kernel_allocate` and `tessera_map_device`. */
tessera_result tessera_kernel_map_device(
    uint64_t physical, uint64_t length, uint32_t flags, void **address);

/** Unmaps what one of these functions mapped, with the address it wrote and the same length.
 *
 * Errors: NOT_STARTED, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_MAPPED. */
tessera_result tessera_kernel_free(void *address, uint64_t length);

/* Cursors ------------------------------------------------------------------------------------- */

/** A locked range of a space with a position in it, for changes that take effect together
 * and share one TLB flush.
 *
 * The kernel supplies the memory, which must not move. Every open cursor must be closed, on the
 * processor that opened it. Until then the caller must not migrate to another processor, and must
 * not open a second cursor over the same pages, which panics or deadlocks. What a cursor unmaps is
 * flushed and freed when it is closed. */
typedef struct {
  uint64_t opaque[96];
} tessera_cursor;

enum {
  /** Allocate all page tables that the range may need before locking it, so that no operation of
   * the cursor fails with OUT_OF_FRAMES. */
  TESSERA_RESERVE_TABLES = 1,
};

/** Opens a cursor: locks `length` bytes at `address`, with the position at the start. Spins while
 * another cursor has part of the range.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, INVALID_ARGUMENT, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS,
 * OUT_OF_FRAMES, IN_USE if `cursor` is already open. */
tessera_result tessera_cursor_open(
    tessera_cursor *cursor, const tessera_space *space, uint64_t address, uint64_t length,
    uint32_t flags);

/** Closes a cursor: flushes the TLB as required, unlocks the range, and drops the references of
 * what was unmapped.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR. */
tessera_result tessera_cursor_close(tessera_cursor *cursor);

/** Returns the address of the position: a page of the range or its end. Zero if `cursor` is not
 * open. */
uint64_t tessera_cursor_address(const tessera_cursor *cursor);

/** Moves to `address`, a page of the range or its end.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_jump(tessera_cursor *cursor, uint64_t address);

/* Each of these functions performs the operation of the same name at the position, and moves past
 * the pages; `tessera_cursor_query` does not move. On failure the position stays.
 *
 * Errors: those listed there, INVALID_CURSOR instead of INVALID_SPACE, and OUT_OF_BOUNDS beyond the
 * range. */

tessera_result tessera_cursor_map(
    tessera_cursor *cursor, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);
tessera_result tessera_cursor_map_run(
    tessera_cursor *cursor, tessera_frame first, uint64_t count, uint32_t flags,
    tessera_conflict *conflict);
tessera_result tessera_cursor_map_zeroed(
    tessera_cursor *cursor, uint64_t length, uint32_t flags, tessera_conflict *conflict);
tessera_result tessera_cursor_map_device(
    tessera_cursor *cursor, uint64_t physical, uint64_t length, uint32_t flags,
    tessera_conflict *conflict);
tessera_result tessera_cursor_replace(
    tessera_cursor *cursor, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);
tessera_result tessera_cursor_unmap(
    tessera_cursor *cursor, uint64_t length, uint64_t *unmapped);
tessera_result tessera_cursor_protect(
    tessera_cursor *cursor, uint64_t length, uint32_t flags, uint64_t *mapped);
tessera_result tessera_cursor_set_status(
    tessera_cursor *cursor, uint64_t length, uint32_t status,
    tessera_conflict *conflict);
tessera_result tessera_cursor_query(tessera_cursor *cursor, tessera_page *page);

/** Copies the next `length` bytes at the position of `source`, as `tessera_copy`. Both cursors move
 * past them; on failure neither moves. */
tessera_result tessera_cursor_copy(
    tessera_cursor *cursor, tessera_cursor *source, uint64_t length,
    tessera_conflict *conflict);

/** Moves to the first mapped page of the next `length` bytes, or past them, and writes whether
 * there is one.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_find_next(tessera_cursor *cursor, uint64_t length, bool *found);

/** Clears the accessed bits, the dirty bits or both, as `flags` says with TESSERA_ACCESSED and
 * TESSERA_DIRTY, in the next `length` bytes. Writes the number of bytes of the pages that had one
 * of them set, unless `cleared` is null.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR, INVALID_ARGUMENT, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_clear_access_bits(
    tessera_cursor *cursor, uint64_t length, uint32_t flags, uint64_t *cleared);

/* Inspection ---------------------------------------------------------------------------------- */

/** Writes `length` bytes of text, which may be part of a line. Called in order. */
typedef void (*tessera_write_fn)(void *context, const char *text, size_t length);

/** Prints the memory map of `config` as Tessera reads it: sorted and merged, a line per region. May
 * be called before the start.
 *
 * Errors: INVALID_POINTER, INVALID_SIZE, INVALID_ARGUMENT, INVALID_MEMORY_MAP. */
tessera_result tessera_print_memory_map(
    const tessera_config *config, tessera_write_fn write, void *context);

/** Prints the mappings of `space`: a line per range of pages that differ only in their addresses.
 * Takes no lock.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_dump(
    const tessera_space *space, tessera_write_fn write, void *context);

/** Prints the same as lines of JSON. */
tessera_result tessera_dump_json(
    const tessera_space *space, tessera_write_fn write, void *context);

/** Prints the page-table walk of any virtual address: a line per entry, from the root down. Takes
 * no lock, so page-fault handlers and panic code may call it.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_print_walk(
    const tessera_space *space, uint64_t address, tessera_write_fn write,
    void *context);

/** Checks the invariants of the frame metadata, the free lists and the kernel's page tables. Prints
 * a line per violation, and writes their number. Tessera must not be used meanwhile.
 *
 * Errors: NOT_STARTED, INVALID_POINTER. */
tessera_result tessera_audit(
    tessera_write_fn write, void *context, uint64_t *violations);

/** Checks the invariants of the page tables of `space`, which must not be used meanwhile.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_audit_space(
    const tessera_space *space, tessera_write_fn write, void *context,
    uint64_t *violations);

/** Statistics. Frames are counted in units of 4 KiB. */
typedef struct {
  /** sizeof(tessera_statistics), set by the caller. */
  uint64_t size;
  /** Frames that the allocator manages, those of them that are free, and those of these that lie in
   * the caches of processors. If the kernel has its own allocator, all frames that Tessera does not
   * use count as free. */
  uint64_t managed_frames, free_frames, cached_frames;
  /** Frames of the largest free block. Zero if the kernel has its own allocator. */
  uint64_t largest_free_block;
  /** Page tables that are in no space and are pooled for reuse. They do not count as free. */
  uint64_t pooled_tables;
  /** Frames of metadata; of the kernel image, modules and the loader; and of the firmware, with
   * those below 1 MiB. */
  uint64_t metadata_frames, kernel_frames, reserved_frames;
  /** Usable frames beyond the end of the direct map, which are not used. */
  uint64_t unreachable_frames;
  /** Since the start: TLB flushes, pages that were flushed one by one, and full flushes. */
  uint64_t flushes, flushed_pages, full_flushes;
  /** Frames whose reference count overflowed, and which are never freed. */
  uint64_t saturated_frames;
} tessera_statistics;

/** Writes the current statistics.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE. */
tessera_result tessera_get_statistics(tessera_statistics *statistics);

#undef TESSERA_NORETURN

#ifdef __cplusplus
}
#endif
#endif
