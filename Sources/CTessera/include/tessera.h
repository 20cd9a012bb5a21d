/* Tessera: memory management for x86-64 kernels.
 *
 * This header is the whole of what a kernel needs to know, in whatever language it is written. It
 * is plain C11 and C++17, needs three headers that every compiler brings, and contains no code.
 *
 * Words. A frame is a piece of physical memory of 4 KiB, 2 MiB or 1 GiB that begins at a multiple
 * of its size; a page is the same of virtual addresses. A frame is named by the physical address of
 * its first byte, a `tessera_frame`. A handle is a share of a frame: `tessera_allocate` gives one,
 * `tessera_share` another, `tessera_drop` takes one back, and mapping a frame uses one up. The
 * frame is freed when it has neither handles nor mappings. A space is what a program can reach. A
 * cursor locks a range of a space and works on it.
 *
 * Refusals. A function that can be refused returns a `tessera_result`. Unless it is TESSERA_OK,
 * nothing has changed: all handles are still the caller's, and results have not been written. A
 * broken rule of which it is said here that it stops the kernel ends in `tessera_host_panic`.
 *
 * Context. Unless it says otherwise, a function may be called with interrupts on or off, on any
 * processor; it turns them off for moments, leaves them as they were, never sleeps, never allocates
 * from a heap and never calls back except through the hooks and what it is given to call. The
 * functions of spaces and cursors may wait for another processor's cursor over the same pages. None
 * may be called by an interrupt handler that can come while the same processor is inside one of
 * them, but for the functions of frames, which may be called anywhere.
 *
 * Registers. Tessera uses general registers alone, no red zone, and about 4 KiB of stack.
 *
 *  */
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

/* Version: 10000 * major + 100 * minor + patch. Minor versions add; major ones may break. */
#define TESSERA_VERSION 200

/** The version that was linked, to be compared with TESSERA_VERSION. */
uint32_t tessera_version(void);

/* Hooks: what the kernel supplies ------------------------------------------------------------- */

/** Stops the kernel, because its own code broke a rule of Tessera. Must not return.
 *
 * `message` is `length` bytes of text without a terminator. Called with interrupts in any state and
 * possibly with Tessera's locks held: print it and halt, and do not call Tessera again. Every
 * kernel has to supply this one. */
TESSERA_NORETURN void tessera_host_panic(const char *message, size_t length);

/** The number of the calling processor: 0 up to the processor count given at the start, less one.
 *
 * Called with interrupts off, very often. A higher number stops the kernel. A kernel that runs on
 * one processor need not supply it: then it is always 0. */
uint32_t tessera_host_processor_id(void);

/* Status -------------------------------------------------------------------------------------- */

typedef int32_t tessera_result;

enum {
  TESSERA_OK = 0,
  /** A pointer that has to lead somewhere is null, or not aligned for what it leads to. */
  TESSERA_ERROR_INVALID_POINTER = 1,
  /** The `size` of a structure is none that this version knows. */
  TESSERA_ERROR_INVALID_SIZE = 2,
  /** Tessera was not started. */
  TESSERA_ERROR_NOT_STARTED = 3,
  /** Tessera was started before. */
  TESSERA_ERROR_ALREADY_STARTED = 4,
  /** The processor lacks what Tessera needs: paging in long mode, and no-execute pages. */
  TESSERA_ERROR_UNSUPPORTED_PROCESSOR = 5,
  /** A number, flag or kind has no meaning, or must be zero. */
  TESSERA_ERROR_INVALID_ARGUMENT = 6,
  /** The memory map names no usable memory, or a region that wraps around. */
  TESSERA_ERROR_INVALID_MEMORY_MAP = 7,
  /** Memory that has to be visible through the direct map is not. */
  TESSERA_ERROR_NOT_IN_DIRECT_MAP = 8,
  /** No memory is left that fits the request. */
  TESSERA_ERROR_OUT_OF_FRAMES = 9,
  /** No free addresses are left in the kernel's area. */
  TESSERA_ERROR_OUT_OF_ADDRESSES = 10,
  /** The range holds nothing, or a count is zero. */
  TESSERA_ERROR_EMPTY = 11,
  /** An address or a length is not a multiple of what it has to be one of. */
  TESSERA_ERROR_NOT_ALIGNED = 12,
  /** An address or a range lies outside what it has to lie in, or wraps around. */
  TESSERA_ERROR_OUT_OF_BOUNDS = 13,
  /** The frame has owners already, or the structure is a space or an open cursor already. */
  TESSERA_ERROR_IN_USE = 14,
  /** No handle of the frame is out: it was dropped or mapped before, or never allocated. */
  TESSERA_ERROR_NO_HANDLE = 15,
  /** The frame is not a client's: a page table, the kernel's image, Tessera's records, a hole. */
  TESSERA_ERROR_NOT_CLIENT = 16,
  /** The frame is just being made or unmade, or waits in another processor's cache. */
  TESSERA_ERROR_IN_TRANSITION = 17,
  /** A page of the range is mapped, or has a mark. */
  TESSERA_ERROR_ALREADY_MAPPED = 18,
  /** The page is not mapped. */
  TESSERA_ERROR_NOT_MAPPED = 19,
  /** The structure is not a space, or none any more; or it was copied from where it was made. */
  TESSERA_ERROR_INVALID_SPACE = 20,
  /** The structure is not an open cursor; or it was copied from where it was opened. */
  TESSERA_ERROR_INVALID_CURSOR = 21,
  /** This cannot be done to the kernel's space. */
  TESSERA_ERROR_KERNEL_SPACE = 22,
  /** The kernel's area is used by what runs already; it must be free at the start. */
  TESSERA_ERROR_KERNEL_AREA_IN_USE = 23,
  /** What the boot loader left is damaged. */
  TESSERA_ERROR_INVALID_BOOT_INFORMATION = 24,
  /** What the processor runs on lies in the part of the lower half that the start leaves behind:
   * the code, the stack, the table of segments, or that of interrupts. */
  TESSERA_ERROR_CODE_IN_LOWER_HALF = 25,
  TESSERA_ERROR_STACK_IN_LOWER_HALF = 26,
  TESSERA_ERROR_GDT_IN_LOWER_HALF = 27,
  TESSERA_ERROR_IDT_IN_LOWER_HALF = 28,
};

/** A sentence in English about `status`, for people, that ends in a zero byte and lives for ever.
 * Never null, whatever `status` is. */
const char *tessera_strerror(tessera_result status);

/* Start --------------------------------------------------------------------------------------- */

/** What the bytes of a region are for. */
enum {
  /** Free for everybody. */
  TESSERA_USABLE = 0,
  /* Memory that stays as it is, until it is given to `tessera_add_memory`. */
  TESSERA_KERNEL_IMAGE = 1,
  /** A file that the loader read. */
  TESSERA_MODULE = 2,
  /** What else the loader left: its tables, its memory map, the first stack. */
  TESSERA_LOADER = 3,
  /* Memory that is visible and never handed out. */
  /** ACPI tables. */
  TESSERA_ACPI = 4,
  /** Kept by the firmware. */
  TESSERA_FIRMWARE = 5,
  /* What is never touched. */
  /** Devices, holes, and whatever has no other name. */
  TESSERA_RESERVED = 6,
  TESSERA_BAD_MEMORY = 7,
};

/** A piece of the memory map: `length` bytes of physical memory from `start` on.
 *
 * Regions may come in any order, overlap, and begin and end anywhere. Where they overlap, what is
 * kept or reserved wins over what is usable. */
typedef struct {
  uint64_t start;
  uint64_t length;
  uint32_t kind;
  uint32_t reserved;
} tessera_region;

/** How the new tables get the upper half of the address space, where the kernel is. */
enum {
  /** The tables below the running root's upper half are used on, and stay for good. */
  TESSERA_ADOPT = 0,
  /** They are copied into frames of Tessera's, so that the loader's may be given back. */
  TESSERA_COPY = 1,
};

/* A kernel that has an allocator of frames already can have Tessera use that. Both functions are
 * called from within a call of Tessera, on its processor: interrupts may be off, page tables may be
 * locked, and several processors may be there at once. They must not sleep, nor wait for anything
 * but a lock that is held for moments, nor call Tessera. They are called in an interrupt handler
 * only if the kernel calls Tessera there. */

/** Answers the physical address of `count` frames of 4 KiB in one piece that nobody else has, or
 * zero if there are none; then Tessera answers OUT_OF_FRAMES.
 *
 * The address is a multiple of `alignment`, a power of two from 4096 up; the last byte lies below
 * `limit`, a multiple of 4096 that is never beyond the memory that Tessera knows. The frames are
 * usable according to the map, and not below 1 MiB. They may hold anything. Tessera checks the
 * answer, and stops the kernel if it is wrong. The first call is for the records, about 64 bytes
 * for each frame; later ones are for one frame each, unless the kernel asks Tessera for more. So an
 * allocator that knows no runs may keep memory for the first call aside, and refuse the others. */
typedef uint64_t (*tessera_allocate_frames_fn)(
    void *context, uint64_t count, uint64_t alignment, uint64_t limit);

/** Takes back `count` frames of 4 KiB from the physical address `first` on. Each frame comes back
 * once; but what was given in one piece may come back in several, and neighbours that were given
 * apart may come back together. */
typedef void (*tessera_free_frames_fn)(void *context, uint64_t first, uint64_t count);

/** How Tessera is started. Fields that are zero mean what is said of zero. */
typedef struct {
  /** sizeof(tessera_config). It may be that of an earlier version: the rest is zero then. */
  uint64_t size;
  /** The memory map: `region_count` regions. Read during the start alone. */
  const tessera_region *regions;
  uint64_t region_count;
  /** The virtual address at which physical byte 0 is visible, readable and writable, now and for
   * ever, in the half that is kept. Zero if memory is mapped where it is. */
  uint64_t direct_map;
  /** Where physical memory ends that is visible there. Usable memory beyond is left alone. Zero:
   * all of the map's is visible. */
  uint64_t direct_map_end;
  /** The kernel's image, from its first physical byte to the one after its last: kept. Both zero if
   * the map says so itself. */
  uint64_t image_start, image_end;
  /** How many processors will call. Zero: one. At most 64. */
  uint32_t processor_count;
  /** TESSERA_ADOPT or TESSERA_COPY. */
  uint32_t kernel_half;
  /** For a kernel that runs at low addresses: those below this one stay the kernel's in every
   * space, rounded up to a multiple of 512 GiB (of 256 TiB if the tables have five levels), and
   * programs begin after it. Zero: the lower half belongs to programs, and what is mapped there now
   * is left behind. */
  uint64_t kernel_low_end;
  /** Must be zero. */
  uint64_t flags;
  /** The kernel's own allocator of frames, and what its functions are given. The map still names
   * all memory; what is usable there is the allocator's, whoever has it from there. All memory of
   * Tessera's comes from it, and what is not needed any more goes back at once: nothing waits in
   * caches. Both functions null: Tessera's own allocator, which has all that is usable. */
  tessera_allocate_frames_fn allocate_frames;
  tessera_free_frames_fn free_frames;
  void *frames_context;
} tessera_config;

/** Takes over the memory of `config->regions` and the page tables that the processor runs on.
 *
 * Keeps 64 bytes for each 4 KiB below the end of memory, gives the other usable frames to the
 * allocator, and loads CR3 with a root of its own. Turns on no-execute pages, write protection and
 * global pages, and programs the page attribute table as the cache policies below say; pages that
 * are mapped already keep their memory types. Memory below 1 MiB is nobody's: it can be claimed.
 *
 * The lower half of the address space is left behind, but for what `kernel_low_end` keeps. Before
 * the call the kernel moves out of there with its code, its stack, the descriptor tables (GDT, IDT,
 * TSS), and the stacks that exceptions switch to: with a GDT where boot code put it, the next
 * exception would be a triple fault. It is looked where the code, the stack and the GDT are, and
 * the IDT if it has a gate for page faults; not where the rest is.
 *
 * Call it once, on one processor, with interrupts off. If it is refused, an allocator of the
 * kernel's has all its frames back. Refused with STARTED, NULL, also if one of the allocator's
 * functions is there without the other, SIZE, ARGUMENT, PROCESSOR, MEMORY_MAP, NOT_VISIBLE,
 * CODE_NOT_KEPT, STACK_NOT_KEPT, GDT_NOT_KEPT, IDT_NOT_KEPT, OUT_OF_FRAMES, ADDRESS_IN_USE. */
tessera_result tessera_start(const tessera_config *config);

/** Makes the calling processor ready, one of those that were counted at the start but is not the
 * one that started. It must run on a root with the kernel's half. Refused with NOT_STARTED. */
tessera_result tessera_start_processor(void);

/** Writes the memory map that a multiboot 1 or 2 loader left into `regions`, of which there is room
 * for `capacity`, and their number into `count`.
 *
 * `magic` and `address` are what the loader left in EAX and EBX. All it left for the kernel is
 * among the regions. `direct_map` is where the first `direct_map_end` bytes of physical
 * memory are visible. May be called before the start. Refused with NULL, BOOT_INFORMATION, and
 * OUT_OF_BOUNDS if there are more regions than room; `count` then says how many. */
tessera_result tessera_read_multiboot(
    uint32_t magic, uint32_t address, uint64_t direct_map, uint64_t direct_map_end,
    tessera_region *regions, uint64_t capacity, uint64_t *count);

/** The kind of a region whose type in an E820 or multiboot memory map is `type`. */
uint32_t tessera_kind_of_e820(uint32_t type);

/** The kind of a region whose type in the answer of the Limine protocol is `type`. What the loader
 * calls reclaimable is TESSERA_LOADER: give it to `tessera_add_memory` once it is not needed. */
uint32_t tessera_kind_of_limine(uint64_t type);

/** Gives `length` bytes of the kernel's image, of modules or of the loader's memory from `start`
 * on, multiples of 4096, to the allocator.
 *
 * The caller promises that nothing is needed any more that lies there. An allocator of the kernel's
 * may give it from now on; it is not called for this. Refused with NOT_STARTED,
 * EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENTS if a frame of it is anything else, and IN_USE if a
 * page table of the kernel's half lies there, as it does after TESSERA_ADOPT. */
tessera_result tessera_add_memory(uint64_t start, uint64_t length);

/* Frames -------------------------------------------------------------------------------------- */

/** The physical address of a frame's first byte. */
typedef uint64_t tessera_frame;

/** The sizes in which frames and pages come. */
#define TESSERA_4K UINT64_C(0x1000)
#define TESSERA_2M UINT64_C(0x200000)
#define TESSERA_1G UINT64_C(0x40000000)

/** How many bytes of its own the kernel can keep about each frame. */
#define TESSERA_FRAME_DATA_SIZE 24

/** Called when the last share of a frame is gone, before the frame is free.
 *
 * `notes` are the kernel's own bytes about it. Runs in the context of whoever let go, possibly with
 * interrupts off and inside Tessera; it must not wait, nor call Tessera but for the functions of
 * frames. The contents are still there. */
typedef void (*tessera_on_free_fn)(tessera_frame frame, void *data);

/** What is asked of an allocation. Fields that are zero mean what is said of zero. */
typedef struct {
  /** sizeof(tessera_request). */
  uint64_t size;
  /** TESSERA_4K, TESSERA_2M or TESSERA_1G. Zero: 4 KiB. */
  uint64_t frame_size;
  /** How many frames, in one piece. More than one: of 4 KiB. Zero: one. */
  uint64_t count;
  /** The first byte is a multiple of this power of two. Zero: of the frame's size. */
  uint64_t alignment;
  /** The last byte lies below this address. Zero: anywhere. */
  uint64_t limit;
  /** Called when a frame is freed. Null: nothing. */
  tessera_on_free_fn on_free;
  /** Zero: the memory is filled with zeros. Or TESSERA_NO_ZERO. */
  uint64_t flags;
} tessera_request;

enum {
  /** The memory holds whatever it held. */
  TESSERA_NO_ZERO = 1,
};

/** Allocates a frame of 4 KiB filled with zeros, with one handle for the caller.
 * Refused with NOT_STARTED, NULL, OUT_OF_FRAMES. */
tessera_result tessera_allocate(tessera_frame *frame);

/** Allocates what `request` asks for, with one handle for each frame, and writes the first frame.
 * Refused with NOT_STARTED, NULL, SIZE, ARGUMENT, OUT_OF_FRAMES. */
tessera_result tessera_allocate_as(const tessera_request *request, tessera_frame *frame);

/** Makes another handle of `frame`, of which the caller has a handle or that it sees mapped.
 * Refused with NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENTS, NO_HANDLE if it is free. */
tessera_result tessera_share(tessera_frame frame);

/** Drops one handle of `frame`. The last share frees it.
 * Refused with NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENTS, and NO_HANDLE if none is out:
 * what is mapped stays mapped however often this is called. */
tessera_result tessera_drop(tessera_frame frame);

/** Drops one handle of each of the `count` frames of 4 KiB from `first` on. Refused as
 * `tessera_drop`, before any of them is dropped, and with EMPTY, and ARGUMENT if one is larger. */
tessera_result tessera_drop_run(tessera_frame first, uint64_t count);

/** Allocates this very frame of 4 KiB, which must be free or nobody's, as memory below 1 MiB is.
 * Its contents stay. With an allocator of the kernel's: a frame that the caller has from there, and
 * that goes back there when its last share is gone. Refused with NOT_STARTED, NOT_ALIGNED,
 * OUT_OF_BOUNDS, IN_USE, NOT_CLIENTS, BUSY. */
tessera_result tessera_claim(tessera_frame frame);

/** What there is to know about a frame. */
typedef struct {
  /** sizeof(tessera_frame_info), set by the caller. */
  uint64_t size;
  /** One of TESSERA_FRAME_... below. */
  uint32_t usage;
  uint32_t reserved;
  /** Handles that are out, for a client's frame. */
  uint64_t handles;
  /** Handles and mappings together. Zero if it is free. */
  uint64_t references;
  /** How many bytes the frame has. */
  uint64_t frame_size;
} tessera_frame_info;

enum {
  /** Free, or nobody's. */
  TESSERA_FRAME_FREE = 0,
  /** A client's: allocated or claimed. */
  TESSERA_FRAME_CLIENT = 1,
  TESSERA_FRAME_PAGE_TABLE = 2,
  /** Tessera's own records. */
  TESSERA_FRAME_METADATA = 3,
  /** The kernel's image, a module, or the loader's. */
  TESSERA_FRAME_KERNEL = 4,
  /** The firmware's, or no memory at all. */
  TESSERA_FRAME_RESERVED = 5,
  /** A part of a frame of 2 MiB or 1 GiB, but not its first 4 KiB. */
  TESSERA_FRAME_TAIL = 6,
  /** The kernel's own allocator's, or that of whoever has it from there. */
  TESSERA_FRAME_EXTERNAL = 7,
};

/** Looks at a frame, whosesoever it is. What is shared by others may be old when it is returned.
 * Refused with NOT_STARTED, NULL, SIZE, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_frame_query(tessera_frame frame, tessera_frame_info *info);

/** The bytes of `frame` as the direct map shows them, or null if the caller can have no handle of
 * it: not started, not aligned, out of bounds, or not a client's. */
void *tessera_frame_bytes(tessera_frame frame);

/** The TESSERA_FRAME_DATA_SIZE bytes that the kernel keeps about `frame`, aligned to 8, zero when it
 * is allocated. Null as for `tessera_frame_bytes`. They live as long as the frame is not freed. */
void *tessera_frame_data(tessera_frame frame);

/* Pages --------------------------------------------------------------------------------------- */

/** What may be done with a page, and how it is cached. These are not the bits of a page table. */
enum {
  /** Without a right the page stays mapped, keeps its frame, and every access faults. */
  TESSERA_NO_ACCESS = 0,
  TESSERA_READ = 1 << 0,
  /** Together with TESSERA_READ, because the processor knows nothing else. */
  TESSERA_WRITE = 1 << 1,
  /** Together with TESSERA_READ; with TESSERA_WRITE only if TESSERA_ALLOW_WX is there too. */
  TESSERA_EXECUTE = 1 << 2,
  TESSERA_ALLOW_WX = 1 << 3,
  /** Cache policy, one of these; none: reads and writes are cached. */
  TESSERA_WRITE_THROUGH = 1 << 4,
  TESSERA_WRITE_COMBINING = 2 << 4,
  TESSERA_UNCACHEABLE = 3 << 4,
  /** Two bits that mean what the kernel wants: 0 to 3 times this. */
  TESSERA_SOFTWARE = 1 << 6,

  /* Seen in answers, and refused in questions. */
  TESSERA_ACCESSED = 1 << 8,
  TESSERA_DIRTY = 1 << 9,
  /** A program's page, rather than the kernel's. Follows from the space. */
  TESSERA_USER = 1 << 10,
  TESSERA_GLOBAL = 1 << 11,
};

/** What is at some addresses. */
enum {
  TESSERA_PAGE_ABSENT = 0,
  /** A frame is mapped, and the mapping owns a share of it. */
  TESSERA_PAGE_FRAME = 1,
  /** A device's memory, or something else that has no owners. */
  TESSERA_PAGE_DEVICE = 2,
  /** The kernel marked the pages with a number. */
  TESSERA_PAGE_STATUS = 3,
};

/** A run of pages of which the same is to be said. */
typedef struct {
  /** sizeof(tessera_page), set by the caller. */
  uint64_t size;
  /** The first address, and how many bytes there are. */
  uint64_t address, length;
  /** The physical address that the first one shows. Zero unless it is mapped. */
  uint64_t physical;
  /** How many bytes one entry of the tables shows. Zero unless it is mapped. */
  uint64_t page_size;
  /** TESSERA_PAGE_... */
  uint32_t content;
  /** Rights, cache policy and what the processor noted, if it is mapped; otherwise zero. */
  uint32_t flags;
  /** The number, if it is marked. */
  uint32_t status;
  uint32_t reserved;
} tessera_page;

/** What was in the way of a change. */
typedef struct {
  /** The page that was. */
  uint64_t address;
  /** The entry of the page table that was met, as the processor sees it. */
  uint64_t entry;
  /** The level of that table: 1 has pages of 4 KiB, 2 of 2 MiB, 3 of 1 GiB. Zero: nothing is known.
   * */
  uint32_t level;
  uint32_t reserved;
} tessera_conflict;

/* Spaces -------------------------------------------------------------------------------------- */

/** An address space. The kernel supplies the memory, which must stay where it is, and looks inside
 * through these functions alone. */
typedef struct {
  uint64_t opaque[8];
} tessera_space;

/** Makes a space that maps nothing. Refused with NOT_STARTED, NULL, OUT_OF_FRAMES, and IN_USE if
 * `space` is one already. */
tessera_result tessera_space_create(tessera_space *space);

/** Destroys a space: lets go of everything it maps. A processor that runs on it keeps its root, but
 * none of its pages, until it activates another. Stops the kernel if a cursor is open on the space.
 * Refused with NULL, SPACE, KERNEL_SPACE. */
tessera_result tessera_space_destroy(tessera_space *space);

/** The kernel's own space: its area, shared by all spaces. Null before the start. It can be given
 * to every function below that does not refuse it. */
tessera_space *tessera_kernel_space(void);

/** Makes the calling processor run on `space`; on the kernel's: on no program's. Nothing happens if
 * it does already. Refused with NULL, SPACE. */
tessera_result tessera_space_activate(const tessera_space *space);

/** The physical address of the root, which CR3 holds while the space is active, or zero if `space`
 * is none. */
uint64_t tessera_space_root(const tessera_space *space);

/** The addresses at which pages can be mapped in `space`: from `*start` up to `*end`.
 * Refused with NULL, SPACE. */
tessera_result tessera_space_bounds(const tessera_space *space, uint64_t *start, uint64_t *end);

/* What follows locks the pages it works on, does one thing, and flushes what has to be flushed
 * before it returns. `address` and `length` are multiples of 4096. All of them are refused with
 * NULL, SPACE, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, and OUT_OF_FRAMES if page tables are needed for
 * which no frame is left. `conflict`, if it is not null, is written when MAPPED or NOT_MAPPED is
 * returned. */

/** Maps `frame`, of whatever size, at `address`, a multiple of its size. Uses up one handle, which
 * the caller keeps if it is refused. Also refused with ARGUMENT, MAPPED, NOT_CLIENTS, NO_HANDLE. */
tessera_result tessera_map(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Maps the `count` frames of 4 KiB from `first` on. Uses up one handle of each. As `tessera_map`.
 * */
tessera_result tessera_map_run(
    const tessera_space *space, uint64_t address, tessera_frame first, uint64_t count,
    uint32_t flags, tessera_conflict *conflict);

/** Maps fresh frames of 4 KiB, filled with zeros, in the next `length` bytes. No handle of them is
 * out. Also refused with ARGUMENT, MAPPED. */
tessera_result tessera_map_zeroed(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    tessera_conflict *conflict);

/** Maps a device's memory, or other memory that has no owners, from the physical address `target`
 * on, in the largest pages that fit. Also refused with ARGUMENT, MAPPED, and with IN_USE if a part
 * of it is memory that Tessera, or an allocator of the kernel's, hands out. */
tessera_result tessera_map_device(
    const tessera_space *space, uint64_t address, uint64_t physical, uint64_t length,
    uint32_t flags, tessera_conflict *conflict);

/** Maps `frame` in the place of the page of the same size that is mapped at `address`, which is let
 * go once no processor can reach it. Also refused with ARGUMENT, NOT_MAPPED, NOT_CLIENTS,
 * NO_HANDLE. */
tessera_result tessera_replace(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Unmaps what is mapped or marked in the next `length` bytes, and lets go of it. A larger page
 * that lies there only in part is split first. Writes how many bytes were mapped, unless null. */
tessera_result tessera_unmap(
    const tessera_space *space, uint64_t address, uint64_t length,
    uint64_t *unmapped);

/** Gives what is mapped in the next `length` bytes other rights: the rights in `flags`, which says
 * nothing else. Writes how many bytes are mapped there, unless null. Also refused with ARGUMENT. */
tessera_result tessera_protect(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    uint64_t *mapped);

/** Marks the pages of the next `length` bytes, none of which is mapped, with a number that means
 * what the kernel wants: to be filled on demand, swapped out to there. Also refused with MAPPED. */
tessera_result tessera_set_status(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t status,
    tessera_conflict *conflict);

/** Shows in `space` what `source` shows at the same addresses, for a fork: frames are shared, and
 * are read-only in both from now on. Nothing may be mapped or marked there in `space`. Also refused
 * with MAPPED, ARGUMENT if both are the same, and KERNEL_SPACE if one of the two is the kernel's.
 * */
tessera_result tessera_copy(
    const tessera_space *space, const tessera_space *source, uint64_t address, uint64_t length,
    tessera_conflict *conflict);

/** What is at `address`, as far as one entry of the tables reaches. */
tessera_result tessera_query(
    const tessera_space *space, uint64_t address, tessera_page *page);

/** Called with a run of pages. `page` is there until it returns. */
typedef void (*tessera_visit_fn)(void *context, const tessera_page *page);

/** Calls `visit` with each run of pages in the next `length` bytes, by ascending address, absent
 * ones too. The range is locked meanwhile and interrupts are off: do not change it from there. */
tessera_result tessera_visit(
    const tessera_space *space, uint64_t address, uint64_t length, tessera_visit_fn visit,
    void *context);

/** What `address`, any address, shows: writes the physical address of that byte, and the flags of
 * its page unless null. Takes no lock, so that the answer may be old. Refused with NULL, SPACE,
 * NOT_MAPPED, and nothing else. */
tessera_result tessera_translate(
    const tessera_space *space, uint64_t address, uint64_t *physical,
    uint32_t *flags);

/* The kernel's area --------------------------------------------------------------------------- */

/* 512 GiB in the middle of the upper half: from 0xffffc00000000000 on, or from 0xff80000000000000
 * on if the running tables have five levels. Nothing may be mapped there at the start. */

/** Maps `length` bytes of fresh memory, filled with zeros, at free addresses of the kernel's area,
 * and writes the first. A page behind them stays unmapped, so that running over the end faults.
 * `length` is rounded up to pages. Refused with NOT_STARTED, NULL, EMPTY, ARGUMENT, OUT_OF_FRAMES,
 * OUT_OF_ADDRESSES. */
tessera_result tessera_kernel_allocate(uint64_t length, uint32_t flags, void **address);

/** Maps a device's memory there, from the physical address `target` on, a multiple of 4096.
 * Refused as `tessera_kernel_allocate` and `tessera_map_device`. */
tessera_result tessera_kernel_map_device(
    uint64_t physical, uint64_t length, uint32_t flags, void **address);

/** Unmaps what one of these mapped: all of it, from its first byte on, with the same length.
 * Refused with NOT_STARTED, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_MAPPED. */
tessera_result tessera_kernel_free(void *address, uint64_t length);

/* Cursors ------------------------------------------------------------------------------------- */

/** A locked range of a space and a position in it: for changes that belong together, seen by
 * others all at once, and flushed together at the end.
 *
 * The kernel supplies the memory, which must stay where it is. Every cursor that is opened must be
 * finished, on the processor that opened it; until then the caller must not be moved to another
 * one, nor open a second cursor over the same pages, which stops the kernel or waits for ever. What
 * a cursor unmaps is flushed and freed when it is finished. */
typedef struct {
  uint64_t opaque[96];
} tessera_cursor;

enum {
  /** Before the range is locked, as many page tables as it may need are allocated: then no change
   * of the cursor is refused with OUT_OF_FRAMES. */
  TESSERA_RESERVE_TABLES = 1,
};

/** Locks the pages from `address` on, `length` bytes, and stands at the first. Waits while another
 * cursor has a part of them. Refused with NULL, SPACE, ARGUMENT, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS,
 * OUT_OF_FRAMES, and IN_USE if `cursor` is open already. */
tessera_result tessera_cursor_open(
    tessera_cursor *cursor, const tessera_space *space, uint64_t address, uint64_t length,
    uint32_t flags);

/** Pays the flushes that are owed, unlocks, and then lets go of what was unmapped. Refused with
 * NULL, CURSOR. */
tessera_result tessera_cursor_close(tessera_cursor *cursor);

/** The address of the position; after the last page, the byte behind the range. Zero if `cursor` is
 * not open. */
uint64_t tessera_cursor_address(const tessera_cursor *cursor);

/** Moves to `address`, a page of the range or its end. Refused with NULL, CURSOR, NOT_ALIGNED,
 * OUT_OF_BOUNDS. */
tessera_result tessera_cursor_jump(tessera_cursor *cursor, uint64_t address);

/* Each of these does at the position what the function of the same name above does at an address,
 * and moves behind the pages it worked on; it stays where it is if it is refused. Beside what is
 * said there, all are refused with CURSOR, and with OUT_OF_BOUNDS if they would reach beyond the
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

/** Shows in the next `length` bytes what `source` shows in its next ones, as `tessera_copy`; both
 * move behind them. */
tessera_result tessera_cursor_copy(
    tessera_cursor *cursor, tessera_cursor *source, uint64_t length,
    tessera_conflict *conflict);

/** Moves to the first mapped page in the next `length` bytes and sets `*found`, or moves behind
 * them. Refused with NULL, CURSOR, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_find_next(tessera_cursor *cursor, uint64_t length, bool *found);

/** Makes the pages of the next `length` bytes look as if nobody had used them: clears
 * TESSERA_ACCESSED, TESSERA_DIRTY or both, as `flags` says. Writes how many bytes the pages have
 * that were, unless null. Refused with NULL, CURSOR, ARGUMENT, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_clear_access_bits(
    tessera_cursor *cursor, uint64_t length, uint32_t flags, uint64_t *cleared);

/* Looking at it ------------------------------------------------------------------------------- */

/** Takes `length` bytes of text. Called with pieces of lines, in order. */
typedef void (*tessera_write_fn)(void *context, const char *text, size_t length);

/** Writes the memory map of `config` as Tessera understands it: a line for each region, put in
 * order and merged. May be called before the start. Refused as `tessera_start` refuses the map. */
tessera_result tessera_print_memory_map(
    const tessera_config *config, tessera_write_fn write, void *context);

/** Writes what `space` maps: a line for each range of pages that differ in nothing but their
 * addresses. Takes no lock. Refused with NULL, SPACE. */
tessera_result tessera_dump(
    const tessera_space *space, tessera_write_fn write, void *context);

/** The same as lines of JSON, for programs. */
tessera_result tessera_dump_json(
    const tessera_space *space, tessera_write_fn write, void *context);

/** Writes how `space` translates `address`, any address: a line for each entry from the root down.
 * Takes no lock: it may be called by a handler of page faults, or on the way to a panic. Refused
 * with NULL, SPACE. */
tessera_result tessera_print_walk(
    const tessera_space *space, uint64_t address, tessera_write_fn write,
    void *context);

/** Looks whether all records keep their rules: slots, free lists, and the kernel's tables. Writes a
 * line for each broken one, and how many there are into `violations`. Nothing else may use Tessera
 * meanwhile. Refused with NOT_STARTED, NULL. */
tessera_result tessera_audit(
    tessera_write_fn write, void *context, uint64_t *violations);

/** The same for the tables of `space`, on which no cursor is open. Refused with NULL, SPACE. */
tessera_result tessera_audit_space(
    const tessera_space *space, tessera_write_fn write, void *context,
    uint64_t *violations);

/** What Tessera counts. */
typedef struct {
  /** sizeof(tessera_statistics), set by the caller. */
  uint64_t size;
  /** Frames of 4 KiB: that the allocator looks after, that are free, and of these those that wait
   * in a processor's cache. With an allocator of the kernel's all count as free that Tessera does
   * not have, whatever the kernel does with them. */
  uint64_t managed_frames, free_frames, cached_frames;
  /** How many frames the largest free block has. Zero with an allocator of the kernel's. */
  uint64_t largest_free_block;
  /** Frames of page tables that are in no space any more and wait to be used in another. They are
   * not counted as free. */
  uint64_t pooled_tables;
  /** Frames of records, of the kernel's image and what its loader left, and of the firmware. */
  uint64_t metadata_frames, kernel_frames, reserved_frames;
  /** Usable frames beyond the end of the direct map. */
  uint64_t unreachable_frames;
  /** Since the start: flushes, pages that they named, and how many flushed everything. */
  uint64_t flushes, flushed_pages, full_flushes;
  /** Frames that were shared so often that they stay for ever. */
  uint64_t saturated_frames;
} tessera_statistics;

/** Counts. Refused with NOT_STARTED, NULL, SIZE. */
tessera_result tessera_get_statistics(tessera_statistics *statistics);

#undef TESSERA_NORETURN

#ifdef __cplusplus
}
#endif
#endif
