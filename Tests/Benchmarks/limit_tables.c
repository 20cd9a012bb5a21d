// The loops over page tables that the benchmarks are compared with; see CBenchmarks.h.
#include "limit.h"
#include <string.h>

enum { ENTRIES = 512, USED = 0x67, WRITABLE = 2, PRESENT = 1 };
#define ADDRESS_MASK 0x000ffffffffff000ull

typedef _Atomic uint64_t entry;

// A table's address in an entry counts from here, as physical addresses do in the direct map.
static char *base;
// A slot for each table, found by arithmetic: storage[0] is its lock, storage[1] its entries.
static struct slot *table_slots;
static size_t table_count;

static entry *root;
// The leaf tables are contiguous, so that a range is one array; those of a copy too.
static entry *leaves;
static entry *copied_leaves;
// What large leaves are in.
static entry *large_leaves;
// Tables that are there but not linked, one for each operation that links one.
static size_t spare_tables;
static entry *spare_parents;
// What the kernel's half of a root is copied from.
static entry *kernel_root;

// Keeps what was read from being left out.
static volatile uint64_t sink;

static inline entry *table_at(uint64_t value) { return (entry *)(base + (value & ADDRESS_MASK)); }
static inline uint64_t address_of(const entry *table) { return (uint64_t)((char *)table - base); }
static inline uint64_t load(const entry *place) {
  return atomic_load_explicit(place, memory_order_acquire);
}
static inline void store(entry *place, uint64_t value) {
  atomic_store_explicit(place, value, memory_order_release);
}

static entry *take_tables(size_t count) {
  entry *first = (entry *)(base + table_count * 4096);
  table_count += count;
  return first;
}

void limit_start_tables(size_t page_count) {
  size_t leaf_count = page_count / ENTRIES;
  size_t all = 4 * leaf_count + page_count / 128 + 64;
  base = host_reserve(all * 4096);
  table_slots = host_reserve(all * sizeof(struct slot));
  root = take_tables(1);
  kernel_root = take_tables(1);
  leaves = take_tables(leaf_count);
  copied_leaves = take_tables(leaf_count);
  large_leaves = take_tables(leaf_count);
  spare_parents = take_tables(leaf_count / 128 + 1);
  spare_tables = table_count * 4096;
  entry *third = take_tables(1);
  store(&root[0], address_of(third) | USED);
  for (size_t i = 0; i < leaf_count; i += ENTRIES) {
    entry *second = take_tables(1);
    store(&third[i / ENTRIES], address_of(second) | USED);
    for (size_t j = 0; j < ENTRIES && i + j < leaf_count; j++)
      store(&second[j], address_of(leaves + (i + j) * ENTRIES) | USED);
  }
  for (size_t i = 256; i < ENTRIES; i++) store(&kernel_root[i], i << 12 | USED);
}

static inline uint64_t address_of_slot(const struct slot *slot) {
  return (uint64_t)(slot - limit_slots) << 12;
}
static inline struct slot *slot_of(uint64_t value) {
  return limit_slots + ((value & ADDRESS_MASK) >> 12);
}

NOT_INLINE void limit_map_range(size_t count) {
  for (size_t i = 0; i < count; i++) store(&leaves[i], address_of_slot(limit_held[i]) | USED);
}

NOT_INLINE void limit_map_huge(size_t count) {
  for (size_t i = 0; i < count; i++) store(&large_leaves[i], (uint64_t)i << 21 | USED);
}

NOT_INLINE void limit_unmap_huge(size_t count) {
  for (size_t i = 0; i < count; i++) store(&large_leaves[i], 0);
}

// The leaf table of page `page`, down from the root.
static inline entry *walk(size_t page) {
  uint64_t address = (uint64_t)page << 12;
  entry *table = table_at(load(&root[address >> 39 & 511]));
  table = table_at(load(&table[address >> 30 & 511]));
  return table_at(load(&table[address >> 21 & 511]));
}

static inline struct slot *lock(entry *table) {
  struct slot *slot = table_slots + (address_of(table) >> 12);
  while (atomic_exchange_explicit((entry *)&slot->storage[0], 1, memory_order_acquire) != 0) {}
  return slot;
}

static inline void unlock(struct slot *slot) { store((entry *)&slot->storage[0], 0); }

static inline void map_page(size_t page, const struct slot *frame) {
  entry *table = walk(page);
  struct slot *slot = lock(table);
  if (load(&table[page & 511]) != 0) __builtin_trap();
  store(&table[page & 511], address_of_slot(frame) | USED);
  slot->storage[1] += 1;
  unlock(slot);
}

NOT_INLINE void limit_map_page(size_t count) {
  for (size_t i = 0; i < count; i++) map_page(i, limit_held[i]);
}

NOT_INLINE void limit_alloc_map_page(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    struct slot *frame = *--next;
    put_to_use(frame);
    map_page(i, frame);
  }
  limit_free_end = next;
}

NOT_INLINE void limit_map_table_each(size_t count) {
  for (size_t i = 0; i < count; i++) {
    entry *table = (entry *)(base + spare_tables + i * 4096);
    void *destination = table;
    size_t words = ENTRIES;
    __asm__ volatile("rep stosq" : "+D"(destination), "+c"(words) : "a"(0ul) : "memory");
    store(&table[0], address_of_slot(limit_held[i]) | USED);
    store(&spare_parents[i], address_of(table) | USED);
  }
}

NOT_INLINE void limit_query_range(size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += load(&leaves[i]) & ADDRESS_MASK;
  sink = sum;
}

NOT_INLINE void limit_translate(size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += load(&walk(i)[i & 511]) & ADDRESS_MASK;
  sink = sum;
}

NOT_INLINE void limit_protect_range(size_t count) {
  for (size_t i = 0; i < count; i++) store(&leaves[i], load(&leaves[i]) & ~(uint64_t)WRITABLE);
}

NOT_INLINE void limit_fork_range(size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint64_t value = load(&leaves[i]) & ~(uint64_t)WRITABLE;
    atomic_fetch_add_explicit(&slot_of(value)->count, 1, memory_order_relaxed);
    store(&leaves[i], value);
    store(&copied_leaves[i], value);
  }
}

NOT_INLINE void limit_drop_fork(size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (is_last_release(slot_of(load(&copied_leaves[i])))) __builtin_trap();
    store(&copied_leaves[i], 0);
  }
}

static inline struct slot **take_out(entry *place, struct slot **next) {
  struct slot *frame = slot_of(load(place));
  store(place, 0);
  if (!is_last_release(frame)) return next;
  make_free(frame);
  *next = frame;
  return next + 1;
}

NOT_INLINE void limit_unmap_range(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) next = take_out(&leaves[i], next);
  limit_free_end = next;
}

NOT_INLINE void limit_unmap_page(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    entry *table = walk(i);
    struct slot *slot = lock(table);
    next = take_out(&table[i & 511], next);
    slot->storage[1] -= 1;
    unlock(slot);
  }
  limit_free_end = next;
}

// Frames stay held: the table is what the operation is about.
NOT_INLINE void limit_unmap_tables(size_t count) {
  for (size_t i = 0; i < count; i++) store(&spare_parents[i], 0);
  limit_frame_free(count);
}

// A root: its lower half cleared, the kernel's half copied.
NOT_INLINE void limit_space_new(size_t count) {
  struct slot **next = limit_free_end;
  for (size_t i = 0; i < count; i++) {
    entry *table = (entry *)(base + spare_tables + (i & 63) * 4096);
    memset((void *)table, 0, 2048);
    memcpy((void *)(table + 256), (void *)(kernel_root + 256), 2048);
    struct slot *slot = *--next;
    put_to_use(slot);
    limit_held[i] = slot;
  }
  limit_free_end = next;
}
