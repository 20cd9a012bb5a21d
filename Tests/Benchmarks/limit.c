// The loops that the benchmarks are compared with; see CBenchmarks.h.
#include "limit.h"

struct segment {
  struct slot *first;
  size_t frame_count;
};

struct slot *limit_slots;
struct slot **limit_free_end;
struct slot **limit_held;

static size_t total;
static char *memory_start;
static struct slot **free_slots;
static struct segment *held_segments;

void limit_start(size_t frame_count, void *memory) {
  total = frame_count;
  memory_start = memory;
  limit_slots = host_reserve(frame_count * sizeof(struct slot));
  free_slots = host_reserve(frame_count * sizeof(struct slot *));
  limit_held = host_reserve(frame_count * sizeof(struct slot *));
  held_segments = host_reserve(frame_count * sizeof(struct segment));
  limit_start_tables(frame_count);
}

void limit_reset(size_t frames_each) {
  for (size_t i = 0; i < total; i++) make_free(&limit_slots[i]);
  limit_free_end = free_slots;
  for (size_t i = total / frames_each; i-- > 0;) *limit_free_end++ = &limit_slots[i * frames_each];
}

NOT_INLINE void limit_frame_alloc(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = *--next;
    put_to_use(slot);
    limit_held[i] = slot;
  }
  limit_free_end = next;
}

NOT_INLINE void limit_frame_alloc_zeroed(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = *--next;
    void *destination = memory_start + (slot - limit_slots) * 4096;
    size_t words = 512;
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(0ul) : "memory");
    put_to_use(slot);
    limit_held[i] = slot;
  }
  limit_free_end = next;
}

NOT_INLINE void limit_copy_page(size_t count) {
  static char bytes[4096];
  for (size_t i = 0; i < count; i++) {
    void *destination = memory_start + i * 4096;
    void *source = bytes;
    size_t size = sizeof(bytes);
    __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(size) : : "memory");
  }
}

NOT_INLINE void limit_share_drop(size_t count) {
  for (size_t i = 0; i < count; i++) {
    atomic_fetch_add_explicit(&limit_held[i]->count, 1, memory_order_relaxed);
    if (is_last_release(limit_held[i])) __builtin_trap();
  }
}

NOT_INLINE void limit_frame_free(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = limit_held[i];
    if (!is_last_release(slot)) continue;
    make_free(slot);
    *next++ = slot;
  }
  limit_free_end = next;
}

// In the order of the library's loop. `count` is a power of two.
NOT_INLINE void limit_frame_free_scattered(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = limit_held[i * 5003 & (count - 1)];
    if (!is_last_release(slot)) continue;
    make_free(slot);
    *next++ = slot;
  }
  limit_free_end = next;
}

NOT_INLINE void limit_unique_free(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *slot = limit_held[i];
    make_free(slot);
    *next++ = slot;
  }
  limit_free_end = next;
}

static inline void allocate_segments(size_t count, size_t frame_count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *first = *--next;
    for (size_t j = 0; j < frame_count; j++) put_to_use(first + j);
    held_segments[i] = (struct segment){first, frame_count};
  }
  limit_free_end = next;
}

static inline void free_segments(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct segment segment = held_segments[i];
    for (size_t j = 0; j < segment.frame_count; j++) {
      if (!is_last_release(segment.first + j)) __builtin_trap();
      make_free(segment.first + j);
    }
    *next++ = segment.first;
  }
  limit_free_end = next;
}

NOT_INLINE void limit_segment16_alloc(size_t count) { allocate_segments(count, 16); }
NOT_INLINE void limit_segment16_free(size_t count) { free_segments(count); }
NOT_INLINE void limit_segment512_alloc(size_t count) { allocate_segments(count, 512); }
NOT_INLINE void limit_segment512_free(size_t count) { free_segments(count); }

NOT_INLINE void limit_nothing(size_t count) { (void)count; }

NOT_INLINE void limit_known(size_t count) {
  __asm__ volatile("nop; 1: nop; nop; nop; nop; nop; dec %0; jnz 1b" : "+r"(count) : : "cc");
}
