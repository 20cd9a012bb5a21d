// The loops that the benchmarks are compared with; see CBenchmarks.h.
#include "CBenchmarks.h"
#include <stdatomic.h>

#define NOT_INLINE __attribute__((noinline))

// The library's states. What is stored does not matter, that it is stored does.
enum { KIND_IN_USE = 1, KIND_CACHED = 2 };
#define COUNT_FREE (UINT64_MAX - 2)

struct slot {
  uint64_t storage[5];
  _Atomic uint64_t count;
  _Atomic uint64_t kind;
  uint64_t list;
};

struct segment {
  struct slot *first;
  size_t frame_count;
};

static struct slot *slots;
static size_t total;
static char *window;

// The free slots, or first slots of free segments: those from free_end - 1 down are next.
static struct slot **free_slots;
static struct slot **free_end;

// What is allocated, as the benchmarks of the library keep it too.
static struct slot **held;
static struct segment *held_segments;

void limit_start(size_t frame_count, void *memory) {
  total = frame_count;
  window = memory;
  slots = host_reserve(frame_count * sizeof(struct slot));
  free_slots = host_reserve(frame_count * sizeof(struct slot *));
  held = host_reserve(frame_count * sizeof(struct slot *));
  held_segments = host_reserve(frame_count * sizeof(struct segment));
}

static inline void put_to_use(struct slot *slot) {
  atomic_store_explicit(&slot->kind, KIND_IN_USE, memory_order_relaxed);
  atomic_store_explicit(&slot->count, 1, memory_order_release);
}

static inline void make_free(struct slot *slot) {
  atomic_store_explicit(&slot->kind, KIND_CACHED, memory_order_relaxed);
  atomic_store_explicit(&slot->count, COUNT_FREE, memory_order_release);
}

static inline int is_last_release(struct slot *slot) {
  return atomic_fetch_sub_explicit(&slot->count, 1, memory_order_acq_rel) == 1;
}

void limit_reset(size_t frames_each) {
  for (size_t i = 0; i < total; i++) make_free(&slots[i]);
  free_end = free_slots;
  for (size_t i = total / frames_each; i-- > 0;) *free_end++ = &slots[i * frames_each];
}

NOT_INLINE void limit_frame_alloc(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = *--next;
    put_to_use(slot);
    held[i] = slot;
  }
  free_end = next;
}

NOT_INLINE void limit_frame_alloc_zeroed(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = *--next;
    void *destination = window + (slot - slots) * 4096;
    size_t words = 512;
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(0ul) : "memory");
    put_to_use(slot);
    held[i] = slot;
  }
  free_end = next;
}

NOT_INLINE void limit_share_drop(size_t count) {
  for (size_t i = 0; i < count; i++) {
    atomic_fetch_add_explicit(&held[i]->count, 1, memory_order_relaxed);
    if (is_last_release(held[i])) __builtin_trap();
  }
}

NOT_INLINE void limit_frame_free(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = held[i];
    if (!is_last_release(slot)) continue;
    make_free(slot);
    *next++ = slot;
  }
  free_end = next;
}

// In the order of the library's loop. `count` is a power of two.
NOT_INLINE void limit_frame_free_scattered(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = held[i * 5003 & (count - 1)];
    if (!is_last_release(slot)) continue;
    make_free(slot);
    *next++ = slot;
  }
  free_end = next;
}

NOT_INLINE void limit_unique_free(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = held[i];
    make_free(slot);
    *next++ = slot;
  }
  free_end = next;
}

static inline void allocate_segments(size_t count, size_t frame_count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *first = *--next;
    for (size_t j = 0; j < frame_count; j++) put_to_use(first + j);
    held_segments[i] = (struct segment){first, frame_count};
  }
  free_end = next;
}

static inline void free_segments(size_t count) {
  struct slot **next = free_end;
  for (size_t i = 0; i < count; i++) {
    struct segment segment = held_segments[i];
    for (size_t j = 0; j < segment.frame_count; j++) {
      if (!is_last_release(segment.first + j)) __builtin_trap();
      make_free(segment.first + j);
    }
    *next++ = segment.first;
  }
  free_end = next;
}

NOT_INLINE void limit_segment16_alloc(size_t count) { allocate_segments(count, 16); }
NOT_INLINE void limit_segment16_free(size_t count) { free_segments(count); }
NOT_INLINE void limit_segment512_alloc(size_t count) { allocate_segments(count, 512); }
NOT_INLINE void limit_segment512_free(size_t count) { free_segments(count); }

NOT_INLINE void limit_known(size_t count) {
  __asm__ volatile("nop; 1: nop; nop; nop; nop; nop; dec %0; jnz 1b" : "+r"(count) : : "cc");
}
