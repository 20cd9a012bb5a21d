// The loops over objects, for each heap.
#include "heaps.h"
#include <stdatomic.h>

#define INLINE static inline __attribute__((always_inline))
#define LOOP __attribute__((noinline)) void

// Each object is written once: it is in the processor's caches then, as in a program that uses it.
INLINE void *make(struct heap heap, size_t size) {
  volatile uint64_t *object = heap.allocate(size);
  *object = size;
  return (void *)object;
}

// An object is freed before the next one is allocated. Another one lives longer: no heap gives
// memory back, or thinks of it, each time.
INLINE void pairs(struct heap heap, size_t size, size_t count) {
  void *other = make(heap, size);
  for (size_t i = 0; i < count; i++) heap.release(make(heap, size));
  heap.release(other);
}

enum { BATCH = 1000 };

INLINE void batches(struct heap heap, size_t size, size_t count) {
  static void *objects[BATCH];
  for (size_t done = 0; done < count; done += BATCH) {
    for (size_t i = 0; i < BATCH; i++) objects[i] = make(heap, size);
    for (size_t i = 0; i < BATCH; i++) heap.release(objects[i]);
  }
}

// A heap's place in the trace, and what it has allocated.
struct replay {
  size_t next, live_bytes;
  struct {
    void *object;
    size_t size;
  } live[TRACE_LIVE];
};

// In each pass, the first steps replace all objects in the order of places.
INLINE void replay(struct heap heap, struct replay *it, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct trace_step step = trace[it->next++ % TRACE_STEPS];
    heap.release(it->live[step.place].object);
    it->live_bytes += step.size - it->live[step.place].size;
    it->live[step.place].object = make(heap, step.size);
    it->live[step.place].size = step.size;
  }
}

INLINE void end_replay(struct heap heap, struct replay *it) {
  for (size_t i = 0; i < TRACE_LIVE; i++) heap.release(it->live[i].object);
  *it = (struct replay){0};
}

// One processor allocates, the other one frees: through a ring, of which each has one end.
enum { RING = 256 };
static struct {
  _Alignas(64) void *_Atomic slots[RING];
} ring;

INLINE void hand_over(struct heap heap, size_t processor, size_t count) {
  for (size_t i = 0; i < count; i++) {
    void *_Atomic *slot = &ring.slots[i % RING];
    void *object;
    if (processor == 0) {
      object = make(heap, 64);
      while (atomic_load_explicit(slot, memory_order_acquire)) __builtin_ia32_pause();
      atomic_store_explicit(slot, object, memory_order_release);
    } else {
      while (!(object = atomic_load_explicit(slot, memory_order_acquire))) __builtin_ia32_pause();
      atomic_store_explicit(slot, NULL, memory_order_release);
      heap.release(object);
    }
  }
}

// Both processors allocate and free objects of their own, of several sizes.
INLINE void apart(struct heap heap, size_t count) {
  void *objects[64];
  for (size_t done = 0; done < count; done += 64) {
    for (size_t i = 0; i < 64; i++) objects[i] = make(heap, 16 + i % 8 * 32);
    for (size_t i = 0; i < 64; i++) heap.release(objects[i]);
  }
}

// Functions of their own, so that a profiler can tell them apart.
#define ONE_PROCESSOR(name, heap)                                                                  \
  LOOP benchmark_##name##_batch_64(size_t count) { batches(heap, 64, count); }                     \
  static struct replay name##_replay;                                                              \
  LOOP benchmark_##name##_trace(size_t count) { replay(heap, &name##_replay, count); }             \
  void name##_begin_trace(void) { replay(heap, &name##_replay, TRACE_LIVE); }                      \
  size_t name##_trace_bytes(void) { return name##_replay.live_bytes; }                             \
  void name##_end_trace(void) { end_replay(heap, &name##_replay); }

#define TWO_PROCESSORS(name, heap)                                                                 \
  LOOP benchmark_two_##name(size_t processor, size_t count) {                                      \
    (void)processor;                                                                               \
    apart(heap, count);                                                                            \
  }                                                                                                \
  LOOP benchmark_##name##_hand_over(size_t processor, size_t count) {                              \
    hand_over(heap, processor, count);                                                             \
  }

static const struct heap tessera = {heap_allocate, heap_release};
static const struct heap first_fit = {first_fit_allocate, first_fit_release};
ONE_PROCESSOR(heap, tessera)
ONE_PROCESSOR(mimalloc, mimalloc)
ONE_PROCESSOR(first_fit, first_fit)
TWO_PROCESSORS(heap, tessera)
TWO_PROCESSORS(mimalloc, mimalloc)

// The sizes of Tessera's classes.
#define CLASSES(DO)                                                                                \
  DO(16) DO(32) DO(48) DO(64) DO(80) DO(96) DO(112) DO(128) DO(160) DO(192) DO(224) DO(256)        \
  DO(288) DO(336) DO(400) DO(448) DO(512) DO(576) DO(672) DO(816) DO(1024) DO(1360) DO(2048)

#define PAIRS(size)                                                                                \
  LOOP benchmark_heap_pair_##size(size_t count) { pairs(tessera, size, count); }                   \
  LOOP benchmark_mimalloc_pair_##size(size_t count) { pairs(mimalloc, size, count); }              \
  LOOP benchmark_first_fit_pair_##size(size_t count) { pairs(first_fit, size, count); }
CLASSES(PAIRS)

static const struct heap_pair heap_pairs[] = {
#define ROW(size)                                                                                  \
  {size, benchmark_heap_pair_##size, benchmark_mimalloc_pair_##size,                               \
   benchmark_first_fit_pair_##size},
    CLASSES(ROW)};

size_t heap_pair_count(void) { return sizeof heap_pairs / sizeof *heap_pairs; }
struct heap_pair heap_pair(size_t index) { return heap_pairs[index]; }
