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
 * Context. The comment of each function names its class after `Context:`.
 *
 *     class   other      with a  in an      in a page-  in an NMI   waits     for how long
 *             threads    cursor  interrupt  fault       or machine  for       preemption
 *             meanwhile  open    handler    handler     check                 is off
 *
 *     pure    yes        yes     yes        yes         yes         nothing   not at all
 *     frames  yes        yes     yes        yes         no          (a)       bounded
 *     lookup  yes        yes     yes        yes         no          nothing   bounded
 *     thread  yes        (b)     no         (c)         no          (a)       bounded
 *     pager   yes        no      no         (c)         no          (a), (d)  bounded
 *     cursor  no         (b)     no         (c)         no          (a)       by the caller
 *     quiet   no         no      no         yes         no          (a)       see the function
 *     boot    no         no      no         no          no          nothing   by the caller
 *
 * Other threads: the timer of this processor may interrupt the function anywhere and switch to
 * another thread that calls functions of these classes too. (a) Spins while another processor holds
 * a lock, that of the allocator or of the page tables that it needs, and until other processors
 * have flushed their TLBs; meanwhile it answers their requests. Before it fails for want of frames,
 * it waits up to a millisecond for those in the caches of other processors. It never sleeps.
 * (b) Unless the cursor is over the same pages; see `tessera_cursor`. (c) Yes for faults of
 * programs and of the kernel's own code, no if the fault interrupted Tessera: the kernel has then
 * passed an invalid pointer, or changed page tables itself. (d) And for as long as functions of the
 * stores wait that the kernel has passed; see "Paging".
 *
 * Bounded: preemption or interrupts are never off for more than 20 microseconds at a time on a
 * processor of 3 GHz, taking an instruction as one cycle; a frame that is filled with zeros is
 * filled with both as they were. What the kernel's own functions take comes on top: its hooks, its
 * frame allocator, and what it has called when a frame is freed; so do the waits of (a) for other
 * processors. Where a function may exceed this, its comment says so.
 *
 * An interrupt handler must not call functions of `thread`, `pager`, `cursor` and `quiet` if it may
 * have interrupted one of them. No function allocates from a heap, but those of the heap itself and
 * of paging. Each calls only the hooks and the functions that it was passed, or that a store has.
 * With interrupts off they may all be called, and leave them off.
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

/** Returns the version of the library that was linked, to be compared with TESSERA_VERSION.
 *
 * Context: pure. */
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
 * processor need not supply this hook: the default returns 0. A kernel that uses several must, in
 * an object file that is linked: the default is weak, and the linker prefers it to a definition in
 * an archive that nothing else needs. `tessera_start_processor` then fails.
 *
 * A library that was built with `make lib PROCESSOR_NUMBER_AT_GS=offset` does not call it: it reads
 * the number, 32 bits, at that offset of the segment that the GS base points to whenever the kernel
 * runs, before `tessera_start` already. */
uint32_t tessera_host_processor_id(void);

/** Interrupts `processors`, a bit for each, with a vector of the kernel's choice, whose handler
 * calls `tessera_serve`. Bit 0 stands for processor `first`, a multiple of 64: always 0 with up to
 * 64 processors. Returns without waiting for them.
 *
 * Called when this processor has changed pages that others may have in their TLBs; it then waits
 * until they have flushed. Called, too, before a request for frames fails, for those in the caches
 * of other processors; it then waits a millisecond at most. With interrupts on or off, possibly
 * with page tables locked: the hook must not call Tessera, nor wait for a lock whose owner may wait
 * for Tessera. A processor whose interrupts are off is interrupted once they are on, or calls
 * `tessera_serve`; one that does neither for minutes has Tessera panic, with its number. A kernel
 * that uses one processor need not supply this hook: the default panics. */
void tessera_host_interrupt(uint64_t processors, uint32_t first);

/** Turns preemption off: until the matching call of `tessera_host_preempt_enable`, the calling
 * thread stays on its processor, and no other thread runs there. Returns a state for that call.
 *
 * Tessera locks page tables with a spin lock, and does so between these two hooks only: were the
 * thread switched away, the next thread that wants the lock would never get it. They may be called
 * with preemption or interrupts already off, and are nested; the state says what to return to. They
 * must not sleep, switch threads, or call Tessera. If a switch becomes due meanwhile, the second
 * may make it before it returns, unless its state says that preemption stays off.
 *
 * The default turns interrupts off, and returns whether they were on. A kernel with a counter that
 * its scheduler respects supplies both, and so takes interrupts while Tessera has preemption off;
 * its interrupt handlers must then not call functions of the class `thread`. */
uint64_t tessera_host_preempt_disable(void);

/** Ends what the latest `tessera_host_preempt_disable` began. `state` is what that returned. */
void tessera_host_preempt_enable(uint64_t state);

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
  /** No free memory fits the request. Pooled page tables and the free frames in the caches of all
   * processors have been returned before. Only a processor that did not answer for about a
   * millisecond, with interrupts off, or that was never started, may still have up to 63. They lie
   * below 16 MiB only if no memory above was known when they were freed. */
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
  /** A page of the range is mapped, or has a status that the call does not replace. */
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
  /** `tessera_host_processor_id` returned a number that is not below the processor count. */
  TESSERA_ERROR_PROCESSOR_NUMBER_OUT_OF_BOUNDS = 29,
  /** A processor with the number that `tessera_host_processor_id` returned has been started. If the
   * kernel's function was not linked, every processor has number 0. */
  TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE = 30,
  /** The processor differs from the one that started Tessera, and cannot use the same page tables:
   * in the number of levels (LA57), in pages of 1 GiB, in the number of physical address bits, or
   * in the page attribute table (PAT). */
  TESSERA_ERROR_DIFFERENT_PAGING_LEVELS = 31,
  TESSERA_ERROR_DIFFERENT_PAGE_SIZES = 32,
  TESSERA_ERROR_DIFFERENT_ADDRESS_WIDTH = 33,
  TESSERA_ERROR_DIFFERENT_MEMORY_TYPES = 34,
  /** What the processor uses at the start lies in memory that the memory map calls usable, and
   * would be overwritten: the running code or Tessera's variables, the stack, the GDT, the IDT, the
   * TSS, a page table. */
  TESSERA_ERROR_IMAGE_IN_USABLE_MEMORY = 35,
  TESSERA_ERROR_STACK_IN_USABLE_MEMORY = 36,
  TESSERA_ERROR_GDT_IN_USABLE_MEMORY = 37,
  TESSERA_ERROR_IDT_IN_USABLE_MEMORY = 38,
  TESSERA_ERROR_TSS_IN_USABLE_MEMORY = 39,
  TESSERA_ERROR_PAGE_TABLE_IN_USABLE_MEMORY = 40,
  /** A page table of the kernel's part of the address space is reachable at two levels, as by an
   * entry of the root that leads to the root. */
  TESSERA_ERROR_PAGE_TABLE_AT_TWO_LEVELS = 41,
  /** No region of usable memory has room for the frame metadata, which is contiguous. */
  TESSERA_ERROR_NO_ROOM_FOR_METADATA = 42,
  /** The rights are TESSERA_WRITE and TESSERA_EXECUTE without TESSERA_ALLOW_WX. */
  TESSERA_ERROR_WRITE_AND_EXECUTE = 43,
  /** The rights are TESSERA_WRITE or TESSERA_EXECUTE without TESSERA_READ, or TESSERA_ALLOW_WX
   * without both. */
  TESSERA_ERROR_INVALID_RIGHTS = 44,
  /** The code that calls Tessera, or that a gate of the IDT leads to, is outside of the code that
   * stays executable. */
  TESSERA_ERROR_CODE_NOT_EXECUTABLE = 45,
  /** The processor or Tessera uses memory with a right that would be taken away: code, the stack,
   * variables, descriptor tables, page tables, memory of an allocator. */
  TESSERA_ERROR_RIGHTS_IN_USE = 46,
  /** A page table of the loader maps pages at several addresses, whose rights have to differ. */
  TESSERA_ERROR_PAGE_TABLE_SHARED = 47,
  /** What the processor or Tessera uses lies in the page at virtual address 0. */
  TESSERA_ERROR_PAGE_ZERO_IN_USE = 48,
  /** The running page tables map pages where the direct map would be built, or leave no room. */
  TESSERA_ERROR_DIRECT_MAP_IN_USE = 49,
  /** Nothing is mapped there or will be, or the rights of the page forbid the access. */
  TESSERA_ERROR_DENIED = 50,
  /** The kernel has to supply the page; see `tessera_set_pending`. */
  TESSERA_ERROR_PENDING = 51,
  /** The calling processor does not run on the space. */
  TESSERA_ERROR_NOT_ACTIVE = 52,
  /** The string has no end in the bytes that there is room for. */
  TESSERA_ERROR_TOO_LONG = 53,
  /** The page is being read from its store or written to it; try again later. */
  TESSERA_ERROR_PAGE_BUSY = 54,
  /** The store of pages could not read or write. */
  TESSERA_ERROR_STORE = 55,
  /** No memory object has this handle, or not any more. */
  TESSERA_ERROR_INVALID_OBJECT = 56,
  /** The space is not paged; see `tessera_space_page`. */
  TESSERA_ERROR_NOT_PAGED = 57,
};

/** Returns a description of `result` in English: a static, null-terminated string. Never null.
 *
 * Context: pure. */
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

/** Flags of `tessera_config`. */
enum {
  /** Nothing of the kernel's part of the address space stays executable but the code from
   * `text_start` to `text_end`, at these addresses, which becomes read-only. No mapping of that
   * memory, nor of the constants from `rodata_start` to `rodata_end`, stays writable: the direct
   * map neither, unless it is where the code is; there it is executable and read-only. All else
   * keeps its right to write. Large pages are split at the borders, which takes a frame for each
   * table.
   *
   * Both ranges are contiguous in physical memory, and the map does not call them usable. The code
   * that calls `tessera_start` and the handlers of all gates of the IDT, if it has one for page
   * faults, must be in the code; Tessera's code is linked there, too. The stack and Tessera's
   * variables must not be in either range, nor a page table that stays in use, nor a GDT with a
   * segment that is not marked as accessed, or with a task that is not busy: the processor would
   * write it. Other variables, stacks of exceptions and other code are not checked.
   *
   * With TESSERA_ADOPT, the page tables of the code must be reachable from one address each;
   * TESSERA_COPY gives each address a table of its own. */
  TESSERA_NO_OTHER_EXECUTION = 1,
  /** The page at virtual address 0 is unmapped, so that a null pointer faults, if the kernel keeps
   * low addresses (`kernel_low_end`); otherwise it is a program's already. A large page there is
   * split. Physical address 0 stays mapped in the direct map, which has to be elsewhere: the start
   * fails with PAGE_ZERO_IN_USE if `direct_map` is zero. It also fails so if the code, the stack,
   * Tessera's variables, the GDT, the IDT or the TSS lies in the page, and with PAGE_TABLE_SHARED
   * as above. */
  TESSERA_NO_PAGE_ZERO = 2,
  /** Tessera builds a direct map of its own, for a kernel whose page tables map a part of memory
   * only: the first `direct_map_end` bytes, at `direct_map`. That mapping is used to read the
   * kernel's page tables and to write the new ones. It does not have to stay, and may be in the
   * part of the lower half that is unmapped; `regions` must not be there.
   *
   * The direct map has all memory of the memory map, and the first mebibyte, in the largest pages
   * that fit; reserved memory is not mapped. It is readable, writable and not executable; but see
   * TESSERA_NO_OTHER_EXECUTION. It begins at `built_direct_map`, a multiple of 1 GiB in the upper
   * half; if that is zero, at 0xffff900000000000, or at 0xff20000000000000 with 5-level paging. It
   * shares no entry of the root with other mappings, and lies below the last entry: it covers
   * multiples of 512 GiB (256 TiB with 5-level paging) in which the running tables map nothing, nor
   * the kernel virtual area. A place that is in use is DIRECT_MAP_IN_USE, or, if it is the kernel
   * virtual area, KERNEL_AREA_IN_USE; the place for zero is then the next that is free.
   *
   * Its page tables are allocated from the largest region of usable memory below 4 GiB, below
   * `direct_map_end`, or if that has no room, from the largest above: one frame for each part of
   * 512 GiB, of 1 GiB and of 2 MiB that is not mapped by one page, and two for roots. They count as
   * metadata. The other mappings of the kernel's part stay, `direct_map` too if it is there.
   * `tessera_get_direct_map` says what was built. Not together with `allocate_frames`, which is
   * INVALID_ARGUMENT. */
  TESSERA_BUILD_DIRECT_MAP = 4,
  /** Processors use no process-context identifiers (PCID), for a kernel that loads CR3 with low
   * bits of its own, or expects them to be zero. Without this flag, CR4.PCIDE is set on each
   * processor that has them, so that one that goes back to a space need not flush its TLB: CR3 then
   * holds the root and, in its low 12 bits, an identifier. A kernel may load CR3 itself with a
   * value that it has read there while the same space was active, or with a root alone. */
  TESSERA_NO_PROCESS_CONTEXTS = 8,
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
   * permanently, in the part of the address space that the kernel keeps; with
   * TESSERA_BUILD_DIRECT_MAP, during the start. Zero: memory is identity mapped. */
  uint64_t direct_map;
  /** The end of the physical memory that is mapped there. Usable memory beyond is not used. Zero:
   * the whole memory map is mapped. */
  uint64_t direct_map_end;
  /** The physical range of the kernel image, which is reserved. Both zero: the memory map already
   * has it. */
  uint64_t image_start, image_end;
  /** The number of processors that will call Tessera, at most 512. Zero: one. */
  uint32_t processor_count;
  /** TESSERA_ADOPT or TESSERA_COPY. */
  uint32_t kernel_half;
  /** For a kernel that runs at low addresses: addresses below this one belong to the kernel in
   * every space, rounded up to a multiple of 512 GiB (256 TiB with 5-level paging). Programs start
   * there, and must be left at least as much: otherwise the start fails with INVALID_ARGUMENT.
   * Zero: the whole lower half belongs to programs, and its current mappings are dropped. */
  uint64_t kernel_low_end;
  /** TESSERA_NO_OTHER_EXECUTION, TESSERA_NO_PAGE_ZERO, TESSERA_BUILD_DIRECT_MAP and
   * TESSERA_NO_PROCESS_CONTEXTS. */
  uint64_t flags;
  /** The kernel's own frame allocator, and the context of its functions. The memory map still lists
   * all memory; usable memory belongs to this allocator. Tessera allocates all its memory from it,
   * and frees memory that is not needed at once, without caches. Both functions null: Tessera
   * manages the usable memory itself. */
  tessera_allocate_frames_fn allocate_frames;
  tessera_free_frames_fn free_frames;
  void *frames_context;
  /** For TESSERA_NO_OTHER_EXECUTION, ignored otherwise: the virtual addresses of the kernel's code,
   * and of its constants, which may be none. Multiples of 4096. */
  uint64_t text_start, text_end, rodata_start, rodata_end;
  /** For TESSERA_BUILD_DIRECT_MAP, ignored otherwise: the address at which the direct map begins.
   * Zero: one that is free. */
  uint64_t built_direct_map;
} tessera_config;

/** Starts Tessera: takes over the memory of `config->regions` and the running page tables.
 *
 * Reserves 64 bytes of metadata, contiguous, per 4 KiB below the end of what can be allocated, adds
 * the other usable frames to the allocator, and loads CR3 with a new root. Enables no-execute
 * pages, write protection, global pages and process-context identifiers, and programs the page
 * attribute table for the cache policies below; existing mappings keep their memory types. Memory
 * below 1 MiB is not allocated, but can be claimed.
 *
 * The lower half of the address space is unmapped, except for addresses below `kernel_low_end`.
 * Before the call, the kernel must move its code, its stack, the descriptor tables (GDT, IDT, TSS)
 * and the stacks of exceptions out of it: with a GDT that boot code placed low, the next exception
 * would be a triple fault. The code, the stack and the GDT are checked, and the IDT if it has a
 * gate for page faults; the others are not.
 *
 * What the processor uses must not lie in memory that the memory map calls usable, because that is
 * overwritten at once: the code, the page of the stack, the GDT, the IDT, the TSS, and every page
 * table of the part of the address space that is kept are looked up. Stacks of exceptions are not,
 * nor is anything if the kernel has its own allocator, which may have allocated it. Page tables in
 * low memory are reserved.
 *
 * The tables of that part are adopted once each, however many entries lead to one, but none may be
 * reachable at two levels. Entries that give access to user programs lose it.
 *
 * A wrong `direct_map` is an error, too, as long as the GDT and the stack are valid: page tables
 * are read with a page-fault handler of Tessera's for the length of each read, in which an NMI is
 * lost. Only a device that is mapped there would notice the reads.
 *
 * Call it once, on one processor, with interrupts off. On failure, all frames are returned to the
 * kernel's allocator, the kernel runs on its own page tables, and it may start again; no-execute
 * pages, write protection and global pages may be enabled already if the error is OUT_OF_FRAMES.
 *
 * Context: boot.
 *
 * Errors: ALREADY_STARTED, INVALID_POINTER (also if one function of the allocator is null and the
 * other is not), INVALID_SIZE, INVALID_ARGUMENT, UNSUPPORTED_PROCESSOR, INVALID_MEMORY_MAP,
 * NOT_IN_DIRECT_MAP, CODE_IN_LOWER_HALF, STACK_IN_LOWER_HALF, GDT_IN_LOWER_HALF, IDT_IN_LOWER_HALF,
 * KERNEL_AREA_IN_USE, IMAGE_IN_USABLE_MEMORY, STACK_IN_USABLE_MEMORY, GDT_IN_USABLE_MEMORY,
 * IDT_IN_USABLE_MEMORY, TSS_IN_USABLE_MEMORY, PAGE_TABLE_IN_USABLE_MEMORY,
 * PAGE_TABLE_AT_TWO_LEVELS, PROCESSOR_NUMBER_OUT_OF_BOUNDS, NO_ROOM_FOR_METADATA,
 * OUT_OF_FRAMES; with flags also NOT_MAPPED for code or constants that are not mapped, not
 * executable if they are code, or not contiguous, CODE_NOT_EXECUTABLE, RIGHTS_IN_USE,
 * PAGE_TABLE_SHARED, PAGE_ZERO_IN_USE, DIRECT_MAP_IN_USE. */
tessera_result tessera_start(const tessera_config *config);

/** Says why the last call of `tessera_start` failed: a sentence that names the field of the
 * configuration, or what the processor uses. Writes the address or the index of the region that it
 * is about, or zero, to `number`, unless that is null.
 *
 * A static, null-terminated string; empty if no call has failed. To be called by the processor that
 * called `tessera_start`.
 *
 * Context: boot. */
const char *tessera_start_error(uint64_t *number);

/** The direct map that Tessera uses. */
typedef struct {
  /** sizeof(tessera_direct_map), set by the caller. */
  uint64_t size;
  /** The virtual address of physical address 0. */
  uint64_t base;
  /** The physical address after the last that is mapped, or that Tessera reads or writes if it has
   * not built the direct map. Not all below it is mapped. */
  uint64_t end;
  /** Page tables of the direct map as it was built, with one for the root, and its pages of 4 KiB,
   * 2 MiB and 1 GiB; what was split afterwards, as for TESSERA_NO_OTHER_EXECUTION, is not counted.
   * All zero if the start had no TESSERA_BUILD_DIRECT_MAP. */
  uint64_t tables, pages_4k, pages_2m, pages_1g;
} tessera_direct_map;

/** Writes where the direct map is.
 *
 * Context: pure.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE. */
tessera_result tessera_get_direct_map(tessera_direct_map *direct_map);

/** Prepares a further processor, one of the configured count, to use Tessera: loads CR3 with the
 * kernel's root, enables no-execute pages, write protection and global pages, and programs the page
 * attribute table.
 *
 * Call it once on each processor but the one that called `tessera_start`, with interrupts off,
 * before any other function of spaces; and again once it has been stopped. The processor may run on
 * any page tables, whether Tessera's or a trampoline's own, but its code, stack, GDT and IDT must
 * be at addresses that the kernel half maps. `tessera_host_processor_id` must return a number of
 * its own for each processor. SMEP and SMAP are not compared: they are the kernel's choice on each
 * processor. On failure nothing has changed. From then on, the processor has to answer when
 * `tessera_host_interrupt` interrupts it: its local APIC must be on before.
 *
 * Context: boot.
 *
 * Errors: NOT_STARTED, PROCESSOR_NUMBER_OUT_OF_BOUNDS, PROCESSOR_NUMBER_IN_USE, also for a second
 * call on one processor, DIFFERENT_PAGING_LEVELS, UNSUPPORTED_PROCESSOR, DIFFERENT_PAGE_SIZES,
 * DIFFERENT_ADDRESS_WIDTH, DIFFERENT_MEMORY_TYPES, CODE_IN_LOWER_HALF, STACK_IN_LOWER_HALF,
 * GDT_IN_LOWER_HALF, IDT_IN_LOWER_HALF, CODE_NOT_EXECUTABLE if the kernel half does not let the
 * calling code run, as far as the running page tables map the direct map to look. */
tessera_result tessera_start_processor(void);

/** Makes Tessera forget the calling processor, for one that goes offline or sleeps for long: others
 * neither interrupt it nor wait for it, even if they do already. It leaves the space it runs on,
 * loads CR3 with the kernel's root, and returns the free frames in its cache, which others can
 * allocate then.
 *
 * Call it with interrupts off, no cursor open, and not in an interrupt handler, which may have
 * interrupted Tessera. Afterwards its TLB is not kept coherent: until it is started again, it must
 * access only what stays mapped, as the kernel's image does, and its stack if that is not freed. Of
 * Tessera it may call functions of the classes `pure`, `frames` and `lookup`, and
 * `tessera_start_processor`, which starts it again. Another processor may be started with its
 * number instead. An interrupt that was sent before may still arrive, and does no harm.
 *
 * Spins while another processor holds the lock of the allocator, and for nothing else.
 *
 * Context: quiet.
 *
 * Errors: NOT_STARTED, also if the processor has been stopped. */
tessera_result tessera_stop_processor(void);

/** Flushes what other processors have asked this one to flush, and lends them the free frames in
 * its cache, if they have asked.
 *
 * The handler of the interrupt that `tessera_host_interrupt` sends calls it, and then acknowledges
 * the interrupt. So does a loop of the kernel that waits, with interrupts off, for what another
 * processor does: that may be waiting in Tessera for this one. Does nothing before the start.
 *
 * Context: lookup. */
void tessera_serve(void);

/** Reads the memory map of a multiboot 1 or 2 loader into `regions`, an array of `capacity`
 * elements, and writes the number of regions to `count`.
 *
 * `magic` and `address` are the values that the loader left in EAX and EBX. The regions include
 * everything else that the loader left in memory: its information with all that it points to,
 * modules, the sections of the kernel that it loaded beside the image, such as symbols, and the
 * frame buffer. `direct_map` is the virtual address at which the first `direct_map_end` bytes of
 * physical memory are mapped. May be called before the start.
 *
 * Context: pure.
 *
 * Errors: INVALID_POINTER, INVALID_BOOT_INFORMATION, OUT_OF_BOUNDS if `capacity` is too small;
 * `count` is then written too. */
tessera_result tessera_read_multiboot(
    uint32_t magic, uint32_t address, uint64_t direct_map, uint64_t direct_map_end,
    tessera_region *regions, uint64_t capacity, uint64_t *count);

/** Returns the kind of a region of an E820 or multiboot memory map, by its type there.
 *
 * Context: pure. */
uint32_t tessera_kind_of_e820(uint32_t type);

/** Returns the kind of a region of a Limine memory map, by its type there. Memory that the loader
 * calls reclaimable is TESSERA_LOADER: pass it to `tessera_add_memory` once it is not needed.
 *
 * Context: pure. */
uint32_t tessera_kind_of_limine(uint64_t type);

/** Adds memory of the kernel image, of modules or of the loader to the allocator: `length` bytes at
 * `start`, both multiples of 4096.
 *
 * The caller guarantees that the memory is not used any more, nor mapped as device memory, and that
 * no other call adds it at the same time. If the kernel has its own allocator,
 * that may return the memory from now on, but is not called here.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT if the memory is of another
 * kind, IN_USE if it has a page table of the kernel half, as after TESSERA_ADOPT, or is not
 * writable in the direct map, as after TESSERA_NO_OTHER_EXECUTION. */
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

/** Called when the last reference to a frame is dropped, before the frame is free. Its contents, in
 * the direct map, and its `data` are still valid; the frame has no handle any more, so that
 * `tessera_frame_bytes` is null.
 *
 * Runs inside the call that drops that reference, before the call returns: for pages that the call
 * unmaps, at its end, after the TLB flush. Interrupts are off meanwhile, and nothing of Tessera is
 * locked but the cursors that the caller has open. It must not sleep or turn interrupts on, and of
 * Tessera may call functions of the classes `pure` and `frames` only.
 *
 * It may drop other frames. For those that are freed by that, the function is called once it has
 * returned, for one after the other, before the outermost drop returns: a chain of frames that drop
 * each other takes no more stack than one frame, and between two calls interrupts are as the
 * outermost drop found them. */
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
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, OUT_OF_FRAMES. */
tessera_result tessera_allocate(tessera_frame *frame);

/** Allocates frames as `request` says, with one handle each, and writes the first one.
 *
 * The frames may lie anywhere below the limit and at any multiple of the alignment; below 16 MiB
 * only if nothing above that, and below the limit, is free and large enough. In fragmented
 * memory they are searched for, as long as it takes, in pieces between which preemption and
 * interrupts are as the caller left them. What is free during the whole call and not in another
 * processor's cache is found.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, INVALID_ARGUMENT, OUT_OF_FRAMES. */
tessera_result tessera_allocate_as(const tessera_request *request, tessera_frame *frame);

/** Adds a handle to `frame`. The caller must have a handle or know that the frame stays mapped.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT, NO_HANDLE if the frame is free. */
tessera_result tessera_share(tessera_frame frame);

/** Drops a handle of `frame`. Dropping the last reference frees the frame.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_CLIENT, NO_HANDLE if it has no handle:
 * mappings keep their references. */
tessera_result tessera_drop(tessera_frame frame);

/** Drops a handle of each of `count` contiguous 4 KiB frames, or none on failure.
 *
 * Context: frames.
 *
 * Errors: as `tessera_drop`, EMPTY, INVALID_ARGUMENT if a frame is larger. */
tessera_result tessera_drop_run(tessera_frame first, uint64_t count);

/** Allocates a particular 4 KiB frame, which must be free or unowned, as memory below 1 MiB is. Its
 * contents stay. If the kernel has its own allocator, the frame must have been allocated there, and
 * is freed there with its last reference.
 *
 * Context: frames.
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
  /** Brought by a fault, and owned by its mappings alone; see `tessera_resolve_fault`. */
  TESSERA_FRAME_SUPPLIED = 8,
  /** Of the heap: a slab, a part of a larger object, or a record. */
  TESSERA_FRAME_HEAP = 9,
};

/** Describes any frame. The counts may be stale.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_frame_query(tessera_frame frame, tessera_frame_info *info);

/** Returns the contents of `frame` in the direct map, or null if the frame is not a client's, not
 * aligned or out of bounds, or Tessera has not been started.
 *
 * Context: frames. */
void *tessera_frame_bytes(tessera_frame frame);

/** Returns the kernel's own data about `frame`: TESSERA_FRAME_DATA_SIZE bytes, aligned to 8, zero
 * after allocation, and valid until the frame is freed. Null as for `tessera_frame_bytes`.
 *
 * Context: frames. */
void *tessera_frame_data(tessera_frame frame);

/* Pages --------------------------------------------------------------------------------------- */

/** Access rights, cache policy and attributes of a page. These are not the bits of its entry.
 *
 * Where a function takes them, rights that no page can have fail with INVALID_RIGHTS, or with
 * WRITE_AND_EXECUTE, and other invalid flags with INVALID_ARGUMENT. */
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
  /** All bits of the cache policy, for masks. */
  TESSERA_CACHE_POLICY = 3 << 4,
  /** Two software bits for the kernel's use: 0 to 3 times this. */
  TESSERA_SOFTWARE = 1 << 6,
  /** A fork leaves the page to both spaces as it is: each sees what the other writes. */
  TESSERA_SHARED = 1 << 13,

  /* In results only. */
  TESSERA_ACCESSED = 1 << 8,
  TESSERA_DIRTY = 1 << 9,
  /** Accessible in user mode. Follows from the space. */
  TESSERA_USER = 1 << 10,
  TESSERA_GLOBAL = 1 << 11,
  /** A fork has shared the frame of the page, which is not writable but would be otherwise:
   * `tessera_resolve_fault` copies the frame before it is written. `tessera_protect` makes it
   * writable once nothing else refers to the frame. A page without access that was shared has the
   * flag too: whether it would be writable is not known. A page with the contents
   * TESSERA_PAGE_DEVICE and this flag maps the frame of zeros, until it is written. */
  TESSERA_COPY_ON_WRITE = 1 << 12,
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
  /** The page is not mapped, and appears filled with zeros when it is used. */
  TESSERA_PAGE_DEMAND_ZERO = 4,
  /** The page is not mapped, and the kernel supplies it when it is used. */
  TESSERA_PAGE_PENDING = 5,
  /** The page is not mapped, and its contents are in the swap store. */
  TESSERA_PAGE_SWAPPED = 6,
  /** The page is not mapped, and is one of a memory object. */
  TESSERA_PAGE_OBJECT = 7,
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
  /** The flags of the pages, or those that they will have if they are TESSERA_PAGE_DEMAND_ZERO,
   * TESSERA_PAGE_PENDING, TESSERA_PAGE_SWAPPED or TESSERA_PAGE_OBJECT; zero for the others. */
  uint32_t flags;
  /** The status of TESSERA_PAGE_STATUS, the payload of TESSERA_PAGE_PENDING, the slot of
   * TESSERA_PAGE_SWAPPED, or the number of the attachment of TESSERA_PAGE_OBJECT; zero for the
   * others. */
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

/** An address space. Its memory is the kernel's, for `tessera_space_create`, and must not move; or
 * Tessera's, for `tessera_space_new`. It is accessed through the functions below only. */
typedef struct {
  uint64_t opaque[8];
} tessera_space;

/** Creates an empty space in memory that the kernel supplies, whatever it contains.
 *
 * Of several calls with the same memory at once, one succeeds.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, OUT_OF_FRAMES, IN_USE if `space` already is one, or is
 * being created or destroyed. */
tessera_result tessera_space_create(tessera_space *space);

/** Creates an empty space in memory of Tessera's own, 64 spaces in a frame, and writes a pointer to
 * it. `tessera_space_destroy` frees the memory too: the pointer must not be used afterwards.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, OUT_OF_FRAMES. */
tessera_result tessera_space_new(tessera_space **space);

/** Creates a space that maps what `parent` maps, for a fork, in memory of Tessera's own, and writes
 * a pointer to it. Frames are copied before either space writes them, by `tessera_resolve_fault`;
 * those of pages with TESSERA_SHARED and device memory are not; statuses are each space's own.
 *
 * One pass and one flush of the TLBs: the whole parent is locked, and preemption is off, for as
 * long as it takes, some 60 instructions for each page that is mapped. On failure the parent is
 * exactly as before.
 *
 * Context: thread.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE, OUT_OF_FRAMES. */
tessera_result tessera_space_fork(const tessera_space *parent, tessera_space **child);

/** Destroys a space: unmaps everything, and drops the references of its mappings. A processor that
 * runs on the space keeps its root, without any pages, until it activates another. If other
 * processors run on it, the pages stay until they have left.
 *
 * Panics if a cursor is open on it. Of several calls at once, one succeeds.
 *
 * Context: thread.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE. */
tessera_result tessera_space_destroy(tessera_space *space);

/** Returns the kernel space: the kernel virtual area, which all spaces share. Null before the
 * start. The functions below accept it unless they list KERNEL_SPACE.
 *
 * Context: lookup. */
tessera_space *tessera_kernel_space(void);

/** Activates `space` on the calling processor: loads CR3 with its root, and with a process-context
 * identifier if there are some, see TESSERA_NO_PROCESS_CONTEXTS. With the kernel space, no
 * program's space stays active. Does nothing if the space is already active.
 *
 * Tessera records what each processor runs on, and flushes the TLB accordingly. Activate spaces
 * with this function. A kernel that loads CR3 itself must call it before Tessera changes the space.
 * With interrupts off, as on a context switch, it takes little longer than a load of CR3, and waits
 * for nothing.
 *
 * Context: thread.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, NOT_STARTED if `tessera_start_processor` has not been
 * called on this processor. */
tessera_result tessera_space_activate(const tessera_space *space);

/** Returns the physical address of the root page table, which CR3 holds while the space is active.
 * Zero if `space` is not a space.
 *
 * Context: lookup. */
uint64_t tessera_space_root(const tessera_space *space);

/** Writes the range of addresses at which pages can be mapped: `*start` up to, not including,
 * `*end`.
 *
 * Context: lookup.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_space_bounds(const tessera_space *space, uint64_t *start, uint64_t *end);

/* Each of the following functions performs one operation on the pages, and flushes the TLB as
 * required before it returns. `address` and `length` are multiples of 4096.
 *
 * A single page is locked for the whole call. A longer range is locked, changed and flushed in
 * pieces of at most 128 pages, large ones included. What was unmapped is freed with nothing locked,
 * and with preemption as it was before the call. Before the first change all pieces are checked,
 * and all memory that the call needs is allocated; so on failure nothing has changed, however long
 * the range, as long as no other thread changes the range during the call. If one does, then
 *  - a call that maps unmaps what it has mapped so far, unless that was changed again meanwhile,
 *    and fails as if nothing had been mapped: the caller keeps its handles;
 *  - `tessera_set_status` has set the status of all pages before `conflict->address`;
 *  - `tessera_unmap`, `tessera_protect` and `tessera_change` fail only if a large page was mapped
 *    across the end of the range meanwhile and cannot be split: they have then changed all pages
 *    before it, and can be repeated;
 *  - `tessera_copy` may have copied a first part.
 *
 * Spurious page faults. Nothing is flushed where rights are added, or where a page that was absent
 * is mapped: a processor may still have the old entry in its TLB, and fault once. The page-fault
 * handler sees from `tessera_translate` that the page has the rights by now, and returns: the fault
 * has removed the stale entry. Handlers of copy-on-write and of pages on demand must expect this.
 * The same holds while a large user page is split, or small ones are collapsed into one, on another
 * processor: `tessera_translate` says all the time what they map. The kernel's own accesses to user
 * pages meet such faults, too.
 *
 * Errors of all of them: INVALID_POINTER, INVALID_SPACE, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, and
 * OUT_OF_FRAMES if no frame is left for a page table. With ALREADY_MAPPED and NOT_MAPPED,
 * `conflict` is written, unless it is null. */

/** Maps `frame`, of any size, at `address`, a multiple of that size. Consumes one handle; on
 * failure the caller keeps it. As with all functions that map, what is mapped takes the place of
 * statuses, such as those of `tessera_set_pending`.
 *
 * Where page tables of smaller pages are, the frame is mapped as its parts. For a frame of 1 GiB,
 * that keeps preemption off for longer than 20 microseconds.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED, NOT_CLIENT, NO_HANDLE. */
tessera_result tessera_map(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Maps `count` contiguous 4 KiB frames. Consumes one handle of each; on failure the caller keeps
 * them.
 *
 * Context: thread.
 *
 * Errors: as `tessera_map`. */
tessera_result tessera_map_run(
    const tessera_space *space, uint64_t address, tessera_frame first, uint64_t count,
    uint32_t flags, tessera_conflict *conflict);

/** Maps new zeroed 4 KiB frames without handles: unmapping a page frees its frame.
 *
 * The range is checked first, and that there are as many free frames; nothing is allocated if not.
 * Then all frames are allocated and zeroed, one by one and with nothing locked, and mapped. With
 * `tessera_cursor_map_zeroed` the range of the cursor stays locked meanwhile.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED, OUT_OF_FRAMES. */
tessera_result tessera_map_zeroed(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    tessera_conflict *conflict);

/** Maps device memory, or other memory without reference counts, at physical address `physical`, a
 * multiple of 4096, in the largest pages that fit.
 *
 * The memory must not be passed to `tessera_add_memory` while it is mapped; `tessera_audit_space`
 * reports such mappings.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, ALREADY_MAPPED, NOT_ALIGNED, OUT_OF_BOUNDS if it reaches beyond the
 * physical addresses of the processor, IN_USE if it includes memory that Tessera or the kernel's
 * own allocator allocates, or a page table of the kernel half. */
tessera_result tessera_map_device(
    const tessera_space *space, uint64_t address, uint64_t physical, uint64_t length,
    uint32_t flags, tessera_conflict *conflict);

/** Replaces the page mapped at `address` by `frame`, which has the same size. Consumes one handle;
 * on failure the caller keeps it. The reference of the old mapping is dropped after the TLB flush.
 *
 * A frame of 1 GiB that replaces pages of 4 KiB keeps preemption off for longer than 20
 * microseconds, because all of them are checked before one is replaced.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, NOT_MAPPED, NOT_CLIENT, NO_HANDLE. */
tessera_result tessera_replace(
    const tessera_space *space, uint64_t address, tessera_frame frame, uint32_t flags,
    tessera_conflict *conflict);

/** Unmaps pages, clears statuses, and drops the references of the mappings. Splits a large page
 * that is only partly in the range. Writes the number of bytes that were mapped, unless `unmapped`
 * is null.
 *
 * Context: thread. */
tessera_result tessera_unmap(
    const tessera_space *space, uint64_t address, uint64_t length,
    uint64_t *unmapped);

/** Changes the rights of all mapped pages of the range to those in `flags`, which must have no
 * other flags. Writes the number of mapped bytes, unless `mapped` is null.
 *
 * With TESSERA_WRITE, a page whose frame was shared by `tessera_copy` becomes writable only if
 * nothing else refers to the frame any more, neither a mapping nor a handle. Otherwise it gets the
 * other rights and TESSERA_COPY_ON_WRITE. A page of 4 KiB in a larger frame counts the other pages
 * of that frame. A page that was unmapped with a cursor counts until that cursor is closed.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT. */
tessera_result tessera_protect(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    uint64_t *mapped);

/** Changes what all mapped pages of the range have: the flags of each lose those in `clear`, and
 * then get those in `set`. Both may have rights, the cache policy and software bits; everything
 * else stays, and so do absent pages and statuses. Splits a large page that is only partly in the
 * range. Writes the number of bytes whose pages are not as before, unless `changed` is null.
 *
 * A page without TESSERA_READ has no other right: clearing it clears all, and setting another alone
 * has no effect on such a page. TESSERA_WRITE that a fork withholds counts as a right that the page
 * has, and is given as by `tessera_protect`. To change the cache policy, `clear` has
 * TESSERA_CACHE_POLICY and `set` the new one; lines of the memory in the processors' caches are the
 * caller's business. Nothing is flushed from the TLB for rights that are added or software bits.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT for any other flag, for a part of the cache policy, and if a page might
 * become both writable and executable that was not: `set` has one of these rights, `clear` has not
 * the other or `set` has it too, and `set` lacks TESSERA_ALLOW_WX. */
tessera_result tessera_change(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t set, uint32_t clear,
    uint64_t *changed);

/** Sets the status of pages that are not mapped: a number with a meaning of the kernel's choice,
 * such as zero on demand, or a swap slot.
 *
 * Context: thread.
 *
 * Errors: ALREADY_MAPPED. */
tessera_result tessera_set_status(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t status,
    tessera_conflict *conflict);

/** Makes pages that are not mapped appear when they are used: filled with zeros, with the rights
 * and software bits of `flags`, in a frame that `tessera_resolve_fault` allocates. The state is
 * kept in the page tables, at the highest level that fits: half of the address space takes a
 * handful of entries. `tessera_protect` and `tessera_change` change the flags, `tessera_unmap`
 * clears it, and a fork copies it.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, also for TESSERA_SHARED, KERNEL_SPACE, ALREADY_MAPPED. */
tessera_result tessera_set_demand_zero(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t flags,
    tessera_conflict *conflict);

/** Makes pages that are not mapped the kernel's to supply when they are used:
 * `tessera_resolve_fault` fails with PENDING and writes `payload`, such as a swap slot or the
 * number of a file, and the kernel maps the page. As `tessera_set_demand_zero` in all other
 * respects.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, KERNEL_SPACE, ALREADY_MAPPED. */
tessera_result tessera_set_pending(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t payload,
    uint32_t flags, tessera_conflict *conflict);

/** Copies the mappings and statuses of `source` to the same addresses of `space`, for a fork with
 * copy-on-write: frames are shared, and become read-only in both spaces. The range of `space` must
 * be empty. No later change of rights lets one space write what the other reads; see
 * TESSERA_COPY_ON_WRITE. Device memory, and pages with TESSERA_SHARED, are shared with the rights
 * they have.
 *
 * Context: thread.
 *
 * Errors: ALREADY_MAPPED, also for a page of a memory object in `source`, which only
 * `tessera_space_fork` copies; INVALID_ARGUMENT if the spaces are the same, KERNEL_SPACE if one is
 * the kernel space. */
tessera_result tessera_copy(
    const tessera_space *space, const tessera_space *source, uint64_t address, uint64_t length,
    tessera_conflict *conflict);

/** Moves the mappings and statuses of `length` bytes at `address` to `target`, where all pages must
 * be absent. What they contain is not copied; rights and flags stay. A large page stays large where
 * `target` is aligned as it is, and is mapped as its parts elsewhere.
 *
 * Both ranges and everything between them stay locked, with preemption off, for as long as it
 * takes, which has no bound. The TLBs are flushed once.
 *
 * Context: thread.
 *
 * Errors: ALREADY_MAPPED, also for a page of a memory object, which cannot be moved; OUT_OF_BOUNDS
 * also if the ranges have a page in common; KERNEL_SPACE. */
tessera_result tessera_move(
    const tessera_space *space, uint64_t address, uint64_t length, uint64_t target,
    tessera_conflict *conflict);

/** Writes the first address, at or after `hint`, of `length` bytes that are neither mapped nor have
 * a status, or else the first below `hint`. It is a multiple of `alignment`, a power of two and at
 * least 4096. The page at address 0 is found only if `hint` is 0.
 *
 * Another thread may map a page there meanwhile. Mapping then fails with ALREADY_MAPPED, and the
 * caller searches again.
 *
 * Context: thread.
 *
 * Errors: OUT_OF_BOUNDS if there is none, KERNEL_SPACE. */
tessera_result tessera_find_free(
    const tessera_space *space, uint64_t length, uint64_t alignment, uint64_t hint,
    uint64_t *address);

/** Writes how many bytes of the range are mapped to frames which the mappings own, pages without
 * rights included. Statuses, device memory and the frame of zeros do not count; a frame that
 * several pages share counts for each.
 *
 * Context: thread. */
tessera_result tessera_resident(
    const tessera_space *space, uint64_t address, uint64_t length, uint64_t *resident);

/** Writes how many bytes of the range have been accessed, and how many are dirty, unless the
 * pointer is null, and clears the bits that `clear` names with TESSERA_ACCESSED and TESSERA_DIRTY,
 * one, both or none. As `tessera_cursor_clear_access_bits` in all other respects.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT. */
tessera_result tessera_harvest(
    const tessera_space *space, uint64_t address, uint64_t length, uint32_t clear,
    uint64_t *accessed, uint64_t *dirty);

/** Describes the page at `address`, and the pages after it that the same entry covers.
 *
 * Context: thread.
 *
 * Errors: INVALID_SIZE. */
tessera_result tessera_query(
    const tessera_space *space, uint64_t address, tessera_page *page);

/** Called with a run of pages. `page` is valid until it returns. */
typedef void (*tessera_visit_fn)(void *context, const tessera_page *page);

/** Calls `visit` with each run of pages of the range, absent ones too, in ascending order.
 *
 * Nothing is locked and preemption is as it was while `visit` runs, so that it may call what its
 * caller may call, for these pages too, and change the range; it must not destroy the space. Runs
 * are read ahead in pieces: what `visit` or another thread changes is seen from the next piece on.
 *
 * Context: thread. */
tessera_result tessera_visit(
    const tessera_space *space, uint64_t address, uint64_t length, tessera_visit_fn visit,
    void *context);

/** Translates any virtual address, as a processor on `space` would for an access of the kernel that
 * reads: writes its physical address, and the flags of the page unless `flags` is null.
 *
 * A page without rights (TESSERA_NO_ACCESS) is NOT_MAPPED here, since an access to it faults;
 * `tessera_query` finds it, and the frame that it keeps. Takes no lock, so the result may be stale.
 *
 * Context: lookup.
 *
 * Errors, no others: INVALID_POINTER, INVALID_SPACE, NOT_MAPPED. */
tessera_result tessera_translate(
    const tessera_space *space, uint64_t address, uint64_t *physical,
    uint32_t *flags);

/* Page faults --------------------------------------------------------------------------------- */

/** A page fault. */
typedef struct {
  /** sizeof(tessera_fault), set by the caller. */
  uint64_t size;
  /** The address of the access, from CR2. */
  uint64_t address;
  /** What the processor pushed: the error code, and RFLAGS. */
  uint64_t error_code, rflags;
  /** The number of pages in the aligned block around the page, a power of two up to 512, that all
   * get the frame of zeros if this one does. Zero: one. */
  uint32_t zero_pages;
  /** TESSERA_LARGE_PAGES, or zero. */
  uint32_t flags;
} tessera_fault;

enum {
  /** Where 2 MiB of pages appear filled with zeros, the first write brings one page of 2 MiB, if
   * there is a frame of that size. */
  TESSERA_LARGE_PAGES = 1,
};

/** How a page was made to allow the access. */
enum {
  /** It did already: the translation in the TLB was old. */
  TESSERA_SUPPLY_NOTHING = 0,
  /** By the frame of zeros, which all pages share that were read and not written yet. */
  TESSERA_SUPPLY_ZEROS = 1,
  /** By a new frame filled with zeros. */
  TESSERA_SUPPLY_ZEROED_FRAME = 2,
  /** By a copy of its frame, which has other owners. */
  TESSERA_SUPPLY_COPY = 3,
  /** By its own frame, which had other owners and has none now. */
  TESSERA_SUPPLY_TAKEOVER = 4,
  /** By the pager, from swap or from a memory object. */
  TESSERA_SUPPLY_PAGED = 5,
};

/** The answer to a page fault. */
typedef struct {
  /** TESSERA_SUPPLY_..., if the result is TESSERA_OK. */
  uint32_t supply;
  /** What `tessera_set_pending` or `tessera_set_status` was given, if the result is
   * TESSERA_ERROR_PENDING; else zero. */
  uint32_t payload;
} tessera_resolution;

/** Answers a page fault: makes the page allow the access, as its status or a fork says. TESSERA_OK:
 * the access can be repeated. `resolution` may be null.
 *
 * To be called by the kernel's handler of page faults, for faults of a program and for those of the
 * kernel at the program's addresses, but not for those that have interrupted Tessera. The frame is
 * allocated and filled before anything is locked. The space need not be active.
 *
 * That frame has no handle and can get none: `tessera_share` fails with NOT_CLIENT, and
 * `tessera_frame_data` and `tessera_frame_bytes` return null. Nor does it have the data or the
 * `on_free` of a frame that it is a copy of.
 *
 * Context: thread.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, INVALID_SIZE, INVALID_ARGUMENT, KERNEL_SPACE; DENIED,
 * also for what SMAP or SMEP forbid to the kernel; PENDING; of spaces that are paged,
 * PAGE_BUSY and STORE; OUT_OF_FRAMES, with nothing changed. */
tessera_result tessera_resolve_fault(
    const tessera_space *space, const tessera_fault *fault, tessera_resolution *resolution);

/** Makes the page of `address` allow `access`, one of TESSERA_READ, TESSERA_WRITE and
 * TESSERA_EXECUTE, as `tessera_resolve_fault` does after a fault of the program.
 *
 * Context: thread.
 *
 * Errors: as of `tessera_resolve_fault`. */
tessera_result tessera_resolve_access(
    const tessera_space *space, uint64_t address, uint32_t access, tessera_resolution *resolution);

/** Continues a copy of `tessera_copy_in` or `tessera_copy_out` that has faulted: changes
 * `*instruction_pointer`, the RIP that the processor pushed, and returns true. Returns false if the
 * fault, with CR2 `address` and the pushed `error_code`, is another one.
 *
 * The kernel's handler of page faults calls it first, and returns from the interrupt if it is true.
 *
 * Context: pure. */
bool tessera_recover_fault(
    uint64_t address, uint64_t error_code, uint64_t *instruction_pointer);

/* User memory --------------------------------------------------------------------------------- */

/* The memory of a program, at addresses that are not trusted. What lies outside of the space, and
 * what the rights of a page forbid to the program, is not accessed: DENIED. Pages appear and are
 * copied as for the program. `done`, which may be null, is how many bytes were copied or filled
 * before the first that could not be; with TESSERA_OK, all.
 *
 * The first eight functions use the page tables: the space need not be active, and the kernel's
 * handler of page faults is not involved. A page is locked while it is used. Memory that is not in
 * the direct map, as of devices, is DENIED.
 *
 * Errors of all of them: INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE, DENIED, PENDING,
 * OUT_OF_FRAMES; of spaces that are paged, PAGE_BUSY and STORE. */

/** Copies `length` bytes at `address` of `space` to `buffer`.
 *
 * Context: thread. */
tessera_result tessera_read_user(
    const tessera_space *space, uint64_t address, void *buffer, uint64_t length, uint64_t *done);

/** Copies the `length` bytes of `buffer` to `address` of `space`.
 *
 * Context: thread. */
tessera_result tessera_write_user(
    const tessera_space *space, uint64_t address, const void *buffer, uint64_t length,
    uint64_t *done);

/** Writes `byte` to `length` bytes at `address` of `space`.
 *
 * Context: thread. */
tessera_result tessera_fill_user(
    const tessera_space *space, uint64_t address, uint64_t length, uint8_t byte, uint64_t *done);

/** Copies `length` bytes at `source_address` of `source` to `address` of `space`, in ascending
 * order. They may be the same space.
 *
 * Context: thread. */
tessera_result tessera_copy_user(
    const tessera_space *space, uint64_t address, const tessera_space *source,
    uint64_t source_address, uint64_t length, uint64_t *done);

/** Copies a string at `address` of `space` to `buffer` of `size` bytes, with the zero at its end,
 * and writes its length without the zero, or else the number of bytes that were read, unless
 * `length` is null.
 *
 * Context: thread.
 *
 * Errors: TOO_LONG if there is no zero in the first `size` bytes. */
tessera_result tessera_read_user_string(
    const tessera_space *space, uint64_t address, char *buffer, uint64_t size, uint64_t *length);

/** Loads `size` bytes, 4 or 8, at `address` of `space`, a multiple of `size`, in one access.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, NOT_ALIGNED. */
tessera_result tessera_load_user(
    const tessera_space *space, uint64_t address, uint32_t size, uint64_t *value);

/** Stores the lowest `size` bytes of `value`, as `tessera_load_user`.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, NOT_ALIGNED. */
tessera_result tessera_store_user(
    const tessera_space *space, uint64_t address, uint32_t size, uint64_t value);

/** Stores the lowest `size` bytes of `value` if those at `address` are `*expected`, in one atomic
 * operation that acquires and releases, and writes what they were to `*expected`. As
 * `tessera_load_user`.
 *
 * Context: thread.
 *
 * Errors: INVALID_ARGUMENT, NOT_ALIGNED. */
tessera_result tessera_compare_exchange_user(
    const tessera_space *space, uint64_t address, uint32_t size, uint64_t *expected,
    uint64_t value);

/** As `tessera_read_user`, at the program's own addresses, with nothing locked: for a kernel whose
 * handler of page faults calls `tessera_recover_fault`, and a space that is active. The thread must
 * not be switched to another space meanwhile without coming back to this one.
 *
 * Context: thread.
 *
 * Errors: NOT_ACTIVE; no others but those above. */
tessera_result tessera_copy_in(
    const tessera_space *space, uint64_t address, void *buffer, uint64_t length, uint64_t *done);

/** As `tessera_write_user`, in the way of `tessera_copy_in`.
 *
 * Context: thread.
 *
 * Errors: NOT_ACTIVE; no others but those above. */
tessera_result tessera_copy_out(
    const tessera_space *space, uint64_t address, const void *buffer, uint64_t length,
    uint64_t *done);

/* The kernel's own pages ---------------------------------------------------------------------- */

/** Changes the rights of `length` bytes of pages from `start` to those in `flags`, which must have
 * no other flags: pages that the kernel was loaded with, in the part of the address space that it
 * keeps, such as a section of its image, or the direct map. Pages of the kernel virtual area are
 * changed by `tessera_protect`, with `tessera_kernel_space`.
 *
 * Large pages that are only partly in the range are split, which takes a frame for each table.
 * Other addresses of the same memory keep their rights, as those in the direct map, unless the
 * loader's tables lead to the pages of several addresses by one table: those change together.
 *
 * The TLBs of all processors are flushed. The last page of the address space cannot be changed.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, EMPTY, NOT_ALIGNED; INVALID_ARGUMENT, INVALID_RIGHTS, WRITE_AND_EXECUTE for
 * the flags; OUT_OF_BOUNDS if the range wraps around, or is not in the kernel's part, or overlaps
 * the kernel virtual area; NOT_MAPPED if one of its pages is not mapped; INVALID_RIGHTS also if an
 * entry of the loader's tables above the pages withholds a right that they would get;
 * OUT_OF_FRAMES; RIGHTS_IN_USE
 *  - if a page loses a right that this processor needs: to execute the code that calls this
 *    function or that a gate of the IDT leads to; to write the stack, Tessera's variables, or a GDT
 *    with a segment that is not marked as accessed; to read the GDT, the IDT or the TSS. Other
 *    code, stacks and variables are not checked;
 *  - if a page of the direct map would not be writable whose memory is not the kernel's image, the
 *    loader's or reserved, or has a page table that is in use. */
tessera_result tessera_kernel_protect(const void *start, uint64_t length, uint32_t flags);

/* The kernel virtual area --------------------------------------------------------------------- */

/* 512 GiB in the middle of the upper half, at 0xffffc00000000000, or at 0xff80000000000000 with
 * 5-level paging. It must be unmapped at the start. */

/** Maps `length` bytes of new zeroed memory, rounded up to pages, at a free range of the area, and
 * writes the address. The pages before and after them stay unmapped as guards. Pages that the
 * kernel mapped or gave a status in the area itself are not free.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, EMPTY, INVALID_ARGUMENT, OUT_OF_FRAMES,
 * OUT_OF_ADDRESSES. */
tessera_result tessera_kernel_allocate(uint64_t length, uint32_t flags, void **address);

/** Maps device memory at physical address `physical`, a multiple of 4096, in the same way, in the
 * largest pages that fit: the address is congruent with `physical` if there is room.
 *
 * Context: thread.
 *
 * Errors: as `tessera_kernel_allocate` and `tessera_map_device`. */
tessera_result tessera_kernel_map_device(
    uint64_t physical, uint64_t length, uint32_t flags, void **address);

/** Unmaps what one of these functions mapped, with the address it wrote and the same length.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_MAPPED. */
tessera_result tessera_kernel_free(void *address, uint64_t length);

/** A stack of the kernel: the bytes from `bottom` up to, not including, `top`. */
typedef struct {
  void *bottom;
  /** The initial stack pointer, a multiple of 4096. */
  void *top;
} tessera_kernel_stack;

/** Allocates a zeroed stack of `length` bytes, rounded up to pages, readable and writable, in the
 * kernel virtual area.
 *
 * The page below `bottom` is a guard: a stack that overflows faults there instead of overwriting
 * what lies below. That page fault cannot be delivered on the same stack, so its handler, or that
 * of the double fault that follows, needs a stack of its own (IST). The page above `top` is a guard
 * too.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, EMPTY, OUT_OF_FRAMES, OUT_OF_ADDRESSES. */
tessera_result tessera_kernel_stack_allocate(uint64_t length, tessera_kernel_stack *stack);

/** Frees a stack that `tessera_kernel_stack_allocate` allocated and that no processor uses.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS, NOT_MAPPED, IN_USE if
 * the caller runs on it. */
tessera_result tessera_kernel_stack_free(const tessera_kernel_stack *stack);

/* The heap ------------------------------------------------------------------------------------ */

/* Memory for objects of any size. Of what else is in this header, only paging takes anything from
 * it, and a kernel that uses neither has none of it linked.
 *
 * Objects of up to 2,048 bytes lie in frames full of objects of one size. Each processor allocates
 * from its own such frames, with interrupts off, but with neither a lock nor a locked instruction;
 * an object may be freed on any processor. Larger objects are contiguous frames in the direct map.
 * If no such frames are free, objects of more than TESSERA_HEAP_MAPPED_THRESHOLD bytes are mapped
 * page by page in the kernel virtual area.
 *
 * Frames without objects are returned, but for a few that each processor keeps. Those are returned
 * before a request for frames fails, its own at once, and those of others as they answer.
 *
 * A wrong free always panics: of an object that is free, of an address in an object or that is not
 * the heap's. The panic says what the address is. With CONFIG=check the heap notices as well what
 * is written behind an object, and to a free one, and says by what code the object was allocated.
 *
 * Context of `tessera_malloc`, `tessera_calloc`, `tessera_realloc`, `tessera_free` and
 * `tessera_malloc_aligned`: `frames` for objects of up to TESSERA_HEAP_MAPPED_THRESHOLD bytes, and
 * `thread` for larger ones. */

#define TESSERA_HEAP_MAPPED_THRESHOLD 32768

/** Allocates an object of `size` bytes, aligned to 16, with any contents. Returns null if there is
 * no memory for it, or before the start. If `size` is 0, allocates the smallest object.
 *
 * Context: frames. */
void *tessera_malloc(size_t size);

/** Allocates an object of `count * size` bytes, filled with zeros; null as well if there are no
 * objects of as many bytes.
 *
 * Context: frames. */
void *tessera_calloc(size_t count, size_t size);

/** As `tessera_malloc`, aligned to `alignment`, a power of two; null if it is none.
 *
 * Context: frames. */
void *tessera_malloc_aligned(size_t alignment, size_t size);

/** Makes `object` have `size` bytes, and returns its new address, which may be the old one. The
 * contents are the same, as far as both sizes go. The alignment is 16. Returns null if there is no
 * memory for it: the object is then as it was. If `object` is null, as `tessera_malloc`. If `size`
 * is 0, the object gets the smallest size, and must still be freed.
 *
 * Context: frames. */
void *tessera_realloc(void *object, size_t size);

/** Frees `object`, the address that one of these functions returned. Does nothing if it is null.
 *
 * Context: frames. */
void tessera_free(void *object);

/** Returns how many bytes of `object` may be used: its size, or more. Zero if it is null. Panics
 * as `tessera_free`.
 *
 * Context: frames. */
size_t tessera_usable_size(const void *object);

/** Takes back what other processors have freed of this one's objects, and returns this processor's
 * frames without objects. There is no need to call it: it is done before a request fails.
 *
 * Context: frames. */
void tessera_heap_trim(void);

/** What the heap takes. */
typedef struct {
  /** sizeof(tessera_heap_info), set by the caller. */
  uint64_t size;
  /** The number of bytes of the objects in use, each rounded up to what it takes. */
  uint64_t used_bytes;
  /** The number of frames that the heap has: those of the next three, and its own records. */
  uint64_t frames;
  /** Frames of objects of up to 2,048 bytes. */
  uint64_t slabs;
  /** Frames of larger objects in the direct map. */
  uint64_t large_frames;
  /** Frames of larger objects in the kernel virtual area. */
  uint64_t mapped_frames;
} tessera_heap_info;

/** Writes what the heap takes. Exact while no processor uses the heap. An object that another
 * processor freed counts as in use until its own takes it back.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE. */
tessera_result tessera_heap_query(tessera_heap_info *info);

/** What the objects of one size take. */
typedef struct {
  /** sizeof(tessera_heap_class), set by the caller. */
  uint64_t size;
  /** The size of an object in bytes. */
  uint64_t object_size;
  /** The number of objects in use, and of all, free ones as well. */
  uint64_t used, objects;
  /** The number of frames that they lie in. */
  uint64_t slabs;
  /** How many objects have been allocated since the start. */
  uint64_t allocated;
} tessera_heap_class;

/** The number of sizes of objects of up to 2,048 bytes. */
#define TESSERA_HEAP_CLASSES 23

/** Writes what the objects of the size with the number `index` take, the smallest is 0. As exact as
 * `tessera_heap_query`.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, OUT_OF_BOUNDS if `index` is too large. */
tessera_result tessera_heap_query_class(uint32_t index, tessera_heap_class *info);

/* Paging -------------------------------------------------------------------------------------- */

/* Programs may have more memory than the machine. A page that nothing has used for long is written
 * to a store, and read again when it is used. A store is three functions of the kernel's: a disk, a
 * file, memory elsewhere. Anonymous pages of programs, which appear filled with zeros, go to the
 * swap store; those of a memory object, such as a file, to the object's own.
 *
 *     const tessera_store swap = {.size = sizeof swap, .read = read_page, .write = write_page};
 *     tessera_pager_start();
 *     tessera_swap_start(&swap, 65536);
 *     tessera_space_page(space);
 *
 * The pager allocates its records from the heap. Nothing of it is linked to a kernel that calls
 * none of these functions.
 *
 * Functions of the class `pager` may call functions of stores, with no lock held, and with
 * interrupts and preemption as they were when Tessera was called; `tessera_resolve_fault`,
 * `tessera_resolve_access` and those of user memory do so too, in a space that is paged. PAGE_BUSY
 * means that a page is being read or written by a store that finishes later: call again after
 * the next `tessera_transfer_done`. */

/** What the transfer functions of a store return. */
enum {
  TESSERA_TRANSFER_DONE = 0,
  /** `tessera_transfer_done` will be called with the token. */
  TESSERA_TRANSFER_LATER = 1,
  /** And all other numbers. */
  TESSERA_TRANSFER_FAILED = -1,
};

/** Transfers 4096 bytes from or to byte `offset` of a store, a multiple of 4096, to or from the
 * frame `memory`, and returns TESSERA_TRANSFER_... The frame is Tessera's: it must neither be
 * shared nor dropped, and is not used by the store after the transfer.
 *
 * Called on any number of processors at once. May wait. Must not use pages of the same store, and
 * of Tessera call functions of the classes `pure`, `frames` and `lookup` only. */
typedef int32_t (*tessera_transfer_fn)(
    void *context, uint64_t offset, tessera_frame memory, uint64_t token);

/** Is told that `length` bytes from `offset` of a store are not wanted any more. As above. */
typedef void (*tessera_release_fn)(void *context, uint64_t offset, uint64_t length);

/** Where pages are when they are not in memory. */
typedef struct {
  /** sizeof(tessera_store), set by the caller. */
  uint64_t size;
  /** The first argument of the functions. */
  void *context;
  tessera_transfer_fn read, write;
  /** May be null. */
  tessera_release_fn release;
} tessera_store;

/** Starts the pager: once, before any other function of this part.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, ALREADY_STARTED, OUT_OF_FRAMES. */
tessera_result tessera_pager_start(void);

/** Uses `store`, which is copied, as the swap store, with room for `pages` pages, from 1 to
 * 2^31 - 1. Takes 8 bytes of contiguous memory for each. Until then, anonymous pages stay in
 * memory. One call at a time.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, INVALID_ARGUMENT, IN_USE if there is one
 * already, OUT_OF_FRAMES. */
tessera_result tessera_swap_start(const tessera_store *store, uint32_t pages);

/** Has the pager page `space`: anonymous pages that appear from here on can be taken out of memory,
 * and memory objects be mapped. Children of forks are paged too. Does nothing the second time.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE, OUT_OF_FRAMES. */
tessera_result tessera_space_page(const tessera_space *space);

/** Ends the transfer with `token`, for which a function of a store has returned
 * TESSERA_TRANSFER_LATER: the page can be used, or has been written. If not `succeeded`, a read
 * fails with STORE once, and is then tried again; a page that was to be written stays in memory,
 * and will be written again.
 *
 * To be called once for each, on any processor. Panics if no such transfer is under way.
 *
 * Context: frames. */
void tessera_transfer_done(uint64_t token, bool succeeded);

/* Memory objects: files, shared memory, and what else pages can be pages of. */

/** A handle of a memory object; not an address, and never zero. The object is there for as long as
 * it has a handle, or a space maps a page of it. A handle that was dropped is INVALID_OBJECT, also
 * when there are new objects. */
typedef uint64_t tessera_object;

/** Creates a memory object of `length` bytes, which can grow to `capacity` bytes, and writes its
 * handle. Its pages are those of `store`, which is copied, from offset 0; if that is null, they
 * begin as zeros, and go to the swap store. No page is read before it is used.
 *
 * Context: pager.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE; EMPTY if `capacity` is 0; OUT_OF_BOUNDS if it
 * is less than `length`, or more than half of what a space has; OUT_OF_FRAMES. */
tessera_result tessera_object_create(
    const tessera_store *store, uint64_t length, uint64_t capacity, tessera_object *object);

/** Adds a handle of the same object, which is the same number: `tessera_object_drop` has to be
 * called once more.
 *
 * Context: pager.
 *
 * Errors: INVALID_OBJECT. */
tessera_result tessera_object_share(tessera_object object);

/** Drops a handle. What was not written to the store before the object ends is lost: see
 * `tessera_object_sync`.
 *
 * Context: pager.
 *
 * Errors: INVALID_OBJECT. */
tessera_result tessera_object_drop(tessera_object object);

/** Makes the object `length` bytes long. If it becomes shorter, pages beyond its end are taken out
 * of all spaces, but not the copies that spaces have made of them; the rest of the last page
 * becomes zeros, and that page is read first if it is not in memory. One call at a time for an
 * object.
 *
 * Context: pager.
 *
 * Errors: INVALID_OBJECT, OUT_OF_BOUNDS if it is more than the capacity, OUT_OF_FRAMES; PAGE_BUSY
 * and STORE if the page that becomes the last is being read, or cannot be. */
tessera_result tessera_object_resize(tessera_object object, uint64_t length);

/** Copies `length` bytes from `offset` of the object to `buffer`, or those up to its end. Writes
 * how many were copied to `done`, also on failure, unless that is null.
 *
 * Context: pager.
 *
 * Errors: INVALID_OBJECT, INVALID_POINTER, PAGE_BUSY, STORE, OUT_OF_FRAMES. */
tessera_result tessera_object_read(
    tessera_object object, uint64_t offset, void *buffer, uint64_t length, uint64_t *done);

/** As `tessera_object_read`, from `buffer` to the object, which does not grow.
 *
 * Context: pager.
 *
 * Errors: as of `tessera_object_read`. */
tessera_result tessera_object_write(
    tessera_object object, uint64_t offset, const void *buffer, uint64_t length, uint64_t *done);

/** What writing the pages of an object to its store has achieved, in pages. */
typedef struct {
  /** Pages that were written, that are being written, and that the store failed to write. */
  uint64_t written, being_written, failed;
} tessera_sync;

/** Writes all pages that were changed since the store last had them, by programs or by
 * `tessera_object_write`, in ascending order. They stay in memory. `sync` may be null, and is also
 * written with PAGE_BUSY and STORE. Without a store there is nothing to write.
 *
 * TESSERA_OK: the store has all that was written before the call. PAGE_BUSY: pages are being
 * written; call it again. STORE: pages that it failed to write stay in memory, and changed.
 *
 * Context: pager.
 *
 * Errors: INVALID_OBJECT, PAGE_BUSY, STORE. */
tessera_result tessera_object_sync(tessera_object object, tessera_sync *sync);

/** Maps `length` bytes of pages of `object`, from `offset` of it, in `space`: none of them now,
 * each when it is used. Uses of pages beyond the end of the object are DENIED until it grows.
 *
 * With TESSERA_SHARED, all that map the object see what is written, and so does its store.
 * Otherwise a page is copied before this space writes it, and the copy is the space's own. Forks
 * keep either. `tessera_unmap` and `tessera_protect` are as for other pages.
 *
 * Context: pager.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, KERNEL_SPACE, NOT_PAGED, INVALID_OBJECT, EMPTY,
 * NOT_ALIGNED, OUT_OF_BOUNDS, those of rights and flags, ALREADY_MAPPED if a page is mapped or has
 * a status, OUT_OF_FRAMES. */
tessera_result tessera_map_object(
    const tessera_space *space, uint64_t address, uint64_t length, tessera_object object,
    uint64_t offset, uint32_t flags, tessera_conflict *conflict);

/* Reclaim. A clock goes over all frames, makes each page that it meets older, or younger if it was
 * used since, and takes away the oldest, which are written before if they were changed. A request
 * for a frame for a program's page has frames reclaimed before it fails; one of the kernel's own
 * does not. So some are kept free for those. */

/** Takes pages out of memory until `count` frames are free, or nothing more can be done. Returns
 * how many became free, and writes how many pages are being written, after which more can, unless
 * `being_written` is null. Zero before the start.
 *
 * Context: pager. */
uint64_t tessera_reclaim(uint64_t count, uint64_t *being_written);

/** Has pages taken away when programs' pages are brought while fewer than `low` frames are free,
 * until `high` are. At first they are the 128th and the 64th part of all.
 *
 * Context: thread.
 *
 * Errors: NOT_STARTED, INVALID_ARGUMENT if `low` is more than `high`. */
tessera_result tessera_set_free_marks(uint64_t low, uint64_t high);

/** Does at once what that does: for a thread of the kernel's, so that programs need not wait.
 * Returns as `tessera_reclaim`; 0 as well if enough frames are free.
 *
 * Context: pager. */
uint64_t tessera_keep_free(uint64_t *being_written);

/** Where pages are, in numbers of pages. */
typedef struct {
  /** sizeof(tessera_page_usage), set by the caller. */
  uint64_t size;
  /** Pages in memory; those of them that were changed since their store last had them, as far as is
   * known before mappings are asked; and those that are being written. */
  uint64_t resident, dirty, being_written;
  /** Pages in the swap store, which may be in memory too if they are anonymous. */
  uint64_t swapped;
  /** The length of an object in bytes; zero for anonymous pages. */
  uint64_t length;
} tessera_page_usage;

/** Writes where the pages of `object` are; if it is 0, the anonymous pages of all spaces.
 *
 * Context: pager.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, INVALID_OBJECT. */
tessera_result tessera_query_usage(tessera_object object, tessera_page_usage *usage);

/** Flags of a page in memory. The others that the field knows, no page here has. */
enum {
  TESSERA_FLAG_LOCKED = 1 << 0,
  /** It is being written to its store. */
  TESSERA_FLAG_WRITEBACK = 1 << 1,
  /** It was used since the clock last came by. */
  TESSERA_FLAG_REFERENCED = 1 << 2,
  TESSERA_FLAG_UP_TO_DATE = 1 << 3,
  /** It was changed since its store last had it. */
  TESSERA_FLAG_DIRTY = 1 << 4,
  /** It was used more than once. */
  TESSERA_FLAG_ACTIVE = 1 << 8,
  /** It was read again after it had been taken away. */
  TESSERA_FLAG_WORKING_SET = 1 << 9,
  /** The store failed to read or to write it. */
  TESSERA_FLAG_ERROR = 1 << 10,
  /** It is being written in order to be taken away. */
  TESSERA_FLAG_RECLAIM = 1 << 18,
  /** It goes to the swap store. */
  TESSERA_FLAG_SWAP_BACKED = 1 << 19,
};

/** What is known of a page in memory. */
typedef struct {
  /** sizeof(tessera_page_record), set by the caller. */
  uint64_t size;
  /** The number of the page in its object, or its virtual page number if it is anonymous. */
  uint64_t index;
  /** The number of pages of spaces that map it. */
  uint64_t map_count;
  /** The lower half of the handle of its object; 0 if it is anonymous. */
  uint32_t object;
  /** TESSERA_FLAG_... */
  uint32_t flags;
  /** From 0, for a page that is taken away next, to 4. */
  uint32_t age;
  uint32_t reserved;
} tessera_page_record;

/** Writes what is known of the page in `frame`.
 *
 * Context: pager.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE, NOT_MAPPED if the pager has no page there. */
tessera_result tessera_query_frame_page(tessera_frame frame, tessera_page_record *page);

/** What the pager has done since the start. */
typedef struct {
  /** sizeof(tessera_pager_statistics), set by the caller. */
  uint64_t size;
  /** Pages that were begun to be read and to be written, and transfers that failed. */
  uint64_t reads, writes, store_failures;
  /** Pages that were taken out of memory, and frames that the clock has visited. */
  uint64_t evictions, examined;
  /** Uses of pages of objects that were in memory, and of those that were not. */
  uint64_t hits, misses;
  /** The number of pages that the swap store has room for, and of those in it. */
  uint64_t swap_pages, swap_used;
} tessera_pager_statistics;

/** Writes the current statistics.
 *
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE. */
tessera_result tessera_get_pager_statistics(tessera_pager_statistics *statistics);

/* Cursors ------------------------------------------------------------------------------------- */

/** A locked range of a space with a position in it, for changes that take effect together
 * and share one TLB flush.
 *
 * The kernel supplies the memory, which must not move. Every open cursor must be closed, on the
 * processor that opened it. What a cursor unmaps is flushed and freed when it is closed.
 *
 * From before it is opened until it is closed, the caller keeps preemption off, by its own means:
 * were the thread switched away, the next one that needs the same page table would wait for ever.
 * With one processor Tessera notices, and panics. How long preemption is off is the caller's
 * choice: the work on a page takes some 20 to 200 instructions.
 *
 * A cursor locks a block: the smallest of 2 MiB, 1 GiB, 512 GiB and so on, aligned to its size,
 * that contains the range and is larger than it. For a range inside one large page, it is the block
 * of that page; inside a larger aligned part that has one status throughout, that of the part.
 * While the cursor is open, the same processor may call
 *
 * - the functions that take no space, but those of the kernel virtual area only if the cursor is
 *   not on the kernel space, and not `tessera_audit`,
 * - all functions for other spaces,
 * - `tessera_translate`, the functions that print, `tessera_space_activate`, `tessera_space_root`
 *   and `tessera_space_bounds` for the same space,
 * - all other functions for the same space, and cursors on it, if the block of their range has no
 *   page in common with that of the cursor.
 *
 * A block that has pages in common panics with one processor, and waits for ever with several.
 * `tessera_space_destroy` of the same space panics. */
typedef struct {
  uint64_t opaque[96];
} tessera_cursor;

enum {
  /** Allocate the page tables that the range may need before locking it: enough to map every page
   * of it, to set statuses and to split what lies across its ends, in any order, without
   * OUT_OF_FRAMES. A table that an operation removes, because it is emptied by unmapping or a
   * larger page takes its place, does not come back: mapping there again may need a new one. Frames
   * to be mapped are not reserved, and `tessera_cursor_map_zeroed` still allocates its own. What is
   * left is freed when the cursor is closed. */
  TESSERA_RESERVE_TABLES = 1,
  /** Add no page table when opening: for looking at, changing and unmapping what is mapped. Opening
   * then never fails with OUT_OF_FRAMES, but the block may be any larger one, up to the whole
   * space, if nothing is mapped there. Not together with TESSERA_RESERVE_TABLES. */
  TESSERA_NO_NEW_TABLES = 2,
};

/** Opens a cursor: locks `length` bytes at `address`, with the position at the start. Spins while
 * another processor has a cursor over a block with pages in common.
 *
 * Adds the page tables that span the block, if they are missing, and fails with OUT_OF_FRAMES if
 * that is not possible; if any page of the range is mapped, none is missing. What is still empty
 * when the cursor is closed is freed.
 *
 * Context: cursor.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE, INVALID_ARGUMENT, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS,
 * OUT_OF_FRAMES, IN_USE if `cursor` is already open. */
tessera_result tessera_cursor_open(
    tessera_cursor *cursor, const tessera_space *space, uint64_t address, uint64_t length,
    uint32_t flags);

/** Closes a cursor: flushes the TLB as required, unlocks the range, and drops the references of
 * what was unmapped.
 *
 * Context: cursor.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR. */
tessera_result tessera_cursor_close(tessera_cursor *cursor);

/** Returns the address of the position: a page of the range or its end. Zero if `cursor` is not
 * open.
 *
 * Context: cursor. */
uint64_t tessera_cursor_address(const tessera_cursor *cursor);

/** Moves to `address`, a page of the range or its end.
 *
 * Context: cursor.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_jump(tessera_cursor *cursor, uint64_t address);

/* Each of these functions performs the operation of the same name at the position, and moves past
 * the pages; `tessera_cursor_query` does not move. On failure the position stays.
 *
 * Context: cursor.
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
tessera_result tessera_cursor_change(
    tessera_cursor *cursor, uint64_t length, uint32_t set, uint32_t clear, uint64_t *changed);
tessera_result tessera_cursor_set_status(
    tessera_cursor *cursor, uint64_t length, uint32_t status,
    tessera_conflict *conflict);
tessera_result tessera_cursor_set_demand_zero(
    tessera_cursor *cursor, uint64_t length, uint32_t flags, tessera_conflict *conflict);
tessera_result tessera_cursor_set_pending(
    tessera_cursor *cursor, uint64_t length, uint32_t payload, uint32_t flags,
    tessera_conflict *conflict);
tessera_result tessera_cursor_query(tessera_cursor *cursor, tessera_page *page);

/** Copies the next `length` bytes at the position of `source`, as `tessera_copy`. Both cursors move
 * past them; on failure neither moves.
 *
 * Context: cursor. */
tessera_result tessera_cursor_copy(
    tessera_cursor *cursor, tessera_cursor *source, uint64_t length,
    tessera_conflict *conflict);

/** Moves to the first mapped page of the next `length` bytes, or past them, and writes whether
 * there is one.
 *
 * Context: cursor.
 *
 * Errors: INVALID_POINTER, INVALID_CURSOR, EMPTY, NOT_ALIGNED, OUT_OF_BOUNDS. */
tessera_result tessera_cursor_find_next(tessera_cursor *cursor, uint64_t length, bool *found);

/** Clears the accessed bits, the dirty bits or both, as `flags` says with TESSERA_ACCESSED and
 * TESSERA_DIRTY, in the next `length` bytes. Writes the number of bytes of the pages that had one
 * of these bits set, unless `cleared` is null. Pages without access count too, and a large page
 * that is only partly in the range counts whole.
 *
 * Context: cursor.
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
 * Context: pure.
 *
 * Errors: INVALID_POINTER, INVALID_SIZE, INVALID_ARGUMENT, INVALID_MEMORY_MAP. */
tessera_result tessera_print_memory_map(
    const tessera_config *config, tessera_write_fn write, void *context);

/** Prints the mappings of `space`: a line per range of pages that differ only in their addresses.
 * For the kernel space, those of the upper half and of addresses below `kernel_low_end`.
 *
 * Takes no lock, and turns nothing off: panic code may call it. If another thread changes the space
 * meanwhile, what is printed of the changed part is of no use.
 *
 * Context: quiet.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_dump(
    const tessera_space *space, tessera_write_fn write, void *context);

/** Prints the same as lines of JSON.
 *
 * Context: quiet.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_dump_json(
    const tessera_space *space, tessera_write_fn write, void *context);

/** Prints what the heap takes, a line for each size of which there are objects, with a picture of
 * how full their frames are. Takes no lock; visits the metadata of every frame.
 *
 * Context: quiet.
 *
 * Errors: NOT_STARTED, INVALID_POINTER. */
tessera_result tessera_heap_dump(tessera_write_fn write, void *context);

/** Prints where pages are: a line for anonymous pages, and one for each object.
 *
 * Context: pager.
 *
 * Errors: NOT_STARTED, INVALID_POINTER. */
tessera_result tessera_pager_dump(tessera_write_fn write, void *context);

/** Prints the page-table walk of any virtual address: a line per entry, from the root down. Takes
 * no lock, so page-fault handlers and panic code may call it.
 *
 * Context: lookup.
 *
 * Errors: INVALID_POINTER, INVALID_SPACE. */
tessera_result tessera_print_walk(
    const tessera_space *space, uint64_t address, tessera_write_fn write,
    void *context);

/** Checks the invariants of the frame metadata, the free lists and the kernel's page tables. Prints
 * a line per violation, and writes their number. Tessera must not be used meanwhile. Interrupts are
 * off for as long as it takes to visit every free block, which may be more than 20 microseconds;
 * not while `write` is called.
 *
 * Context: quiet.
 *
 * Errors: NOT_STARTED, INVALID_POINTER. */
tessera_result tessera_audit(
    tessera_write_fn write, void *context, uint64_t *violations);

/** Checks the invariants of the page tables of `space`, which must not be used meanwhile. Takes no
 * lock, and turns nothing off. Prints a line per violation, and writes their number.
 *
 * Context: quiet.
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
   * use count as free. While other processors allocate and free, the number in caches may be off by
   * the frames that moved; no more frames than all are ever free. */
  uint64_t managed_frames, free_frames, cached_frames;
  /** Frames of the largest free block; adjacent blocks are allocated as one. Zero if the kernel has
   * its own allocator. */
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
 * Context: frames.
 *
 * Errors: NOT_STARTED, INVALID_POINTER, INVALID_SIZE. */
tessera_result tessera_get_statistics(tessera_statistics *statistics);

#undef TESSERA_NORETURN

#ifdef __cplusplus
}
#endif
#endif
