// What the loops of the limit share: their table of slots, and their page tables.
#pragma once
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

extern struct slot *limit_slots;

// The free slots, or first slots of free segments: those from limit_free_end - 1 down are next.
extern struct slot **limit_free_end;

// What is allocated, as the benchmarks of the library keep it too.
extern struct slot **limit_held;

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

// Makes the page tables, empty, for `page_count` pages.
void limit_start_tables(size_t page_count);
