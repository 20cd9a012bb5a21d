// What the benchmarks need from the host, and the loops that they are compared with.
#pragma once
#include <stddef.h>
#include <stdint.h>
#pragma clang assume_nonnull begin

// host.c ------------------------------------------------------------------------------------------

/// `byte_count` bytes of zeros, aligned to a page, that cost nothing until they are touched.
void *host_reserve(size_t byte_count);

/// The time that the calling thread has spent on a processor, in nanoseconds.
uint64_t host_nanoseconds(void);

/// How many processors this program may use.
int host_processor_count(void);

/// Runs `loop(processor, count)` for `processor_count` of two processors, from `first` on, at once,
/// each in a thread of its own on a processor of its own. Returns the nanoseconds that the slower
/// one spent there; 0 if one of them was interrupted.
uint64_t host_run_together(void (*loop)(size_t processor, size_t count), size_t first,
                           size_t processor_count, size_t count);

/// Writes a byte to the standard output.
void host_write(uint8_t byte);

/// Uses `value`, so that what computes it is not left out.
void host_keep(uint64_t value);

// limit.c -----------------------------------------------------------------------------------------
//
// The same work on a slot array of their own, with only the loads and stores that cannot be left
// out: no check, no lock, no state but a stack of free slots. `count` is a number of operations.
// The state is private to limit.c, and one table serves all of them.

/// Makes a table of `frame_count` free slots, which lie at the start of as many frames at `memory`.
void limit_start(size_t frame_count, void *memory);

/// Frees in one piece what the loops before took apart.
void limit_reset(size_t frames_each);

void limit_frame_alloc(size_t count);
void limit_frame_alloc_zeroed(size_t count);
void limit_share_drop(size_t count);
void limit_frame_free(size_t count);
void limit_frame_free_scattered(size_t count);
void limit_unique_free(size_t count);
void limit_segment16_alloc(size_t count);
void limit_segment16_free(size_t count);
void limit_segment512_alloc(size_t count);
void limit_segment512_free(size_t count);

// The same for loops over page tables, of their own too. `count` is a number of pages, or of large
// pages, tables or address spaces. What is mapped are the frames that are allocated.

void limit_map_range(size_t count);
void limit_query_range(size_t count);
void limit_translate(size_t count);
void limit_protect_range(size_t count);
void limit_fork_range(size_t count);
void limit_drop_fork(size_t count);
void limit_unmap_range(size_t count);
void limit_map_page(size_t count);
void limit_alloc_map_page(size_t count);
void limit_unmap_page(size_t count);
void limit_map_huge(size_t count);
void limit_unmap_huge(size_t count);
void limit_map_table_each(size_t count);
void limit_unmap_tables(size_t count);
void limit_space_new(size_t count);

/// Copies a page to each of `count` frames by `rep movsb`, which is what copies to user memory may
/// cost at least.
void limit_copy_page(size_t count);

/// Does nothing, for what has no limit.
void limit_nothing(size_t count);

/// Executes `7 * count` instructions and up to eight more, to show whether they are counted right.
void limit_known(size_t count);

// heaps.c, heap_loops.c, trace.c ------------------------------------------------------------------
//
// Loops over objects, for Tessera's heap, for mimalloc and for the first fit of first_fit.c. An
// operation is an object allocated and freed.

/// Looks for mimalloc and draws the trace. To be called first.
void heap_start(void);

/// The version of mimalloc, 209 for 2.0.9; 0 if it is not there.
int heap_mimalloc_version(void);

/// How many bytes mimalloc has taken for the objects of the calling thread: those of its pages that
/// it has begun to use.
size_t heap_mimalloc_committed(void);
/// How many bytes of its arena the first fit has ever used.
size_t first_fit_extent(void);

/// Loops that free an object before they allocate the next one, of the size of a class.
struct heap_pair {
  size_t size;
  void (*tessera)(size_t count), (*mimalloc)(size_t count), (*first_fit)(size_t count);
};

/// How many classes there are.
size_t heap_pair_count(void);
/// The loops for class `index`.
struct heap_pair heap_pair(size_t index);

// For one processor; `begin_trace` allocates all objects that are live in the trace, of
// `trace_bytes` bytes, and `end_trace` frees them.
#define HEAP_LOOPS(name)                          \
  void benchmark_##name##_batch_64(size_t count);  \
  void benchmark_##name##_trace(size_t count);     \
  void name##_begin_trace(void);                   \
  size_t name##_trace_bytes(void);                 \
  void name##_end_trace(void);
HEAP_LOOPS(heap)
HEAP_LOOPS(mimalloc)
HEAP_LOOPS(first_fit)

// For two processors at once: each with objects of its own; the first allocates, the second frees.
void benchmark_two_heap(size_t processor, size_t count);
void benchmark_two_mimalloc(size_t processor, size_t count);
void benchmark_heap_hand_over(size_t processor, size_t count);
void benchmark_mimalloc_hand_over(size_t processor, size_t count);

#pragma clang assume_nonnull end
