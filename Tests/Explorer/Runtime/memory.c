// The memory of a scenario: kept once it is prepared, and put back before each schedule.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime.h"

enum { region_limit = 32, page_size = 4096, own_size = 16 << 10 };

typedef struct {
  uint8_t *start, *kept;
  size_t byte_count;
  const char *name;
  // Only words that the explored code has written: the language's runtime has variables there, too,
  // and would be surprised.
  bool is_by_word;
  uint8_t *is_written;
} region;

static region regions[region_limit];
static int region_count;
// All variables lie between these.
static uintptr_t variables_start, variables_size;
static _Alignas(4096) uint8_t own_memory[own_size];
static size_t own_used;
static void (*before_each)(void);
uint64_t results[EXPLORER_PROCESSORS + 1][EXPLORER_RESULTS];

void explorer_before_each(void (*body)(void)) { before_each = body; }

void explorer_add_memory(void *start, size_t byte_count, const char *name) {
  if (region_count == region_limit) abort();
  regions[region_count++] = (region){start, malloc(byte_count), byte_count, name,
                                      strcmp(name, "variables") == 0,
                                      calloc(byte_count / 8 + 1, 1)};
}

void *explorer_allocate(size_t byte_count) {
  byte_count = (byte_count + 63) & ~(size_t)63;
  if (own_used + byte_count > own_size) abort();
  own_used += byte_count;
  return own_memory + own_used - byte_count;
}

// The variables of what is explored are in sections of their own.
extern uint8_t __start_explored_data[] __attribute__((weak));
extern uint8_t __stop_explored_data[] __attribute__((weak));
extern uint8_t __start_explored_bss[] __attribute__((weak));
extern uint8_t __stop_explored_bss[] __attribute__((weak));

// The parts of memory that any schedule has written: whole pages, each of which can be read only
// until the first write to it; and what lies beside pages at the ends of regions.
typedef struct {
  uint8_t *start;
  const uint8_t *kept;
  size_t size;
} part;
enum { part_limit = 1 << 12 };
static part parts[part_limit];
static int part_count;

static void add_part(const region *owner, size_t offset, size_t end) {
  if (offset >= end) return;
  if (part_count == part_limit) abort();
  parts[part_count++] = (part){owner->start + offset, owner->kept + offset, end - offset};
}

static void watch_pages(const region *owner) {
  uintptr_t start = (uintptr_t)owner->start;
  size_t before = -start % page_size;
  if (before + page_size > owner->byte_count) return add_part(owner, 0, owner->byte_count);
  size_t end = before + (owner->byte_count - before) / page_size * page_size;
  add_part(owner, 0, before);
  add_part(owner, end, owner->byte_count);
  if (mprotect(owner->start + before, end - before, PROT_READ) != 0) abort();
}

// Permits writes to the page of an address from now on. Returns false if that was not why one has
// failed.
bool memory_permit(uintptr_t address) {
  for (int index = 0; index < region_count; index += 1) {
    const region *now = &regions[index];
    uintptr_t page = address & -(uintptr_t)page_size, offset = page - (uintptr_t)now->start;
    if (now->is_by_word || offset >= now->byte_count || now->byte_count - offset < page_size)
      continue;
    for (int known = 0; known < part_count; known += 1)
      if (parts[known].start == (uint8_t *)page) return false;
    if (mprotect((void *)page, page_size, PROT_READ | PROT_WRITE) != 0) abort();
    add_part(now, offset, offset + page_size);
    return true;
  }
  return false;
}

void memory_keep(void) {
  explorer_add_memory(own_memory, own_size, "scenario");
  explorer_add_memory(results, sizeof results, "results");
  explorer_add_memory(simulated_registers_of(0),
                      EXPLORER_PROCESSORS * sizeof(simulated_registers), "registers");
  if (__stop_explored_data > __start_explored_data)
    explorer_add_memory(__start_explored_data,
                        (size_t)(__stop_explored_data - __start_explored_data), "variables");
  if (__stop_explored_bss > __start_explored_bss)
    explorer_add_memory(__start_explored_bss,
                        (size_t)(__stop_explored_bss - __start_explored_bss), "variables");
  for (int index = 0; index < region_count; index += 1) {
    const region *now = &regions[index];
    if (!now->is_by_word) continue;
    uintptr_t start = (uintptr_t)now->start, end = start + now->byte_count;
    if (variables_size > 0 && variables_start + variables_size > end)
      end = variables_start + variables_size;
    if (variables_size == 0 || start < variables_start) variables_start = start;
    variables_size = end - variables_start;
  }
  for (int index = 0; index < region_count; index += 1)
    if (regions[index].start != (uint8_t *)results)
      places_add_region((uintptr_t)regions[index].start, regions[index].byte_count);
  for (int index = 0; index < region_count; index += 1) {
    memcpy(regions[index].kept, regions[index].start, regions[index].byte_count);
    if (!regions[index].is_by_word) watch_pages(&regions[index]);
  }
}

// The words of variables that any schedule has written.
enum { written_limit = 1 << 14 };
static uint8_t *written[written_limit], *written_kept[written_limit];
static int written_count;

void memory_note_written(uintptr_t address) {
  if (address - variables_start >= variables_size) return;
  uintptr_t word = address & ~(uintptr_t)7;
  for (int index = 0; index < region_count; index += 1) {
    uintptr_t offset = word - (uintptr_t)regions[index].start;
    if (!regions[index].is_by_word || offset >= regions[index].byte_count) continue;
    if (regions[index].is_written[offset / 8]) return;
    regions[index].is_written[offset / 8] = 1;
    if (written_count == written_limit) abort();
    written[written_count] = regions[index].start + offset;
    written_kept[written_count++] = regions[index].kept + offset;
  }
}

// Variables that are initialized at their first use: once for all schedules, by no processor.
enum { initial_limit = 1 << 14 };
static struct {
  uintptr_t address;
  size_t size;
} initial[initial_limit];
static int initial_count;
static bool is_initializing;

void memory_note_initial(uintptr_t address, size_t size) {
  if (!is_initializing) {
    // By a check, which may change what the next schedule begins with.
    for (uintptr_t word = address & ~(uintptr_t)7; word < address + size; word += 8)
      memory_note_written(word);
    return;
  }
  if (initial_count == initial_limit) abort();
  initial[initial_count].address = address;
  initial[initial_count++].size = size;
}

static void keep_now(uintptr_t address, size_t size) {
  for (int index = 0; index < region_count; index += 1) {
    region *now = &regions[index];
    uintptr_t offset = address - (uintptr_t)now->start;
    if (offset < now->byte_count) memcpy(now->kept + offset, now->start + offset, size);
  }
}

// Replaces the function of Swift's runtime that the compiler calls at each use of such a variable.
void swift_once(int64_t *token, void (*initialize)(void *), void *context);
void swift_once(int64_t *token, void (*initialize)(void *), void *context) {
  if (*token < 0) return;
  fiber *self = running;
  bool is_nested = is_initializing;
  running = NULL;
  is_initializing = true;
  initialize(context);
  *token = -1;
  memory_note_initial((uintptr_t)token, sizeof *token);
  is_initializing = is_nested;
  running = self;
  if (is_nested) return;
  for (int index = 0; index < initial_count; index += 1)
    keep_now(initial[index].address, initial[index].size);
  initial_count = 0;
}

static uint64_t hash_words(uint64_t hash, const uint8_t *start, size_t byte_count) {
  for (size_t offset = 0; offset + 8 <= byte_count; offset += 8) {
    uint64_t word;
    memcpy(&word, start + offset, 8);
    if (word == 0) continue;
    hash = (hash ^ word ^ offset << 32) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

// Calls `body` with each part that is not as it was kept, and its number.
static void visit_changed(void (*body)(uint8_t *now, const uint8_t *kept, size_t, uint64_t)) {
  for (int index = 0; index < part_count; index += 1) {
    const part *now = &parts[index];
    if (memcmp(now->start, now->kept, now->size) != 0)
      body(now->start, now->kept, now->size, (unsigned)index + 1);
  }
  for (int index = 0; index < written_count; index += 1)
    if (memcmp(written[index], written_kept[index], 8) != 0)
      body(written[index], written_kept[index], 8, part_limit + (unsigned)index + 1);
}

static uint64_t state_hash;

// Words that are as they were kept do not count. What each of the others adds does not depend on
// the rest, so that a processor works on several at once.
static void add_to_hash(uint8_t *now, const uint8_t *kept, size_t size, uint64_t number) {
  const uint64_t *words = (const uint64_t *)now, *old = (const uint64_t *)kept;
  uint64_t place = number << 44, sum = 0;
  for (size_t index = 0; index < size / 8; index += 1) {
    uint64_t mixed = (words[index] + (place | index << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    sum += words[index] == old[index] ? 0 : mixed ^ mixed >> 29;
  }
  state_hash += sum;
}
static void put_back(uint8_t *now, const uint8_t *kept, size_t size, uint64_t number) {
  (void)number;
  memcpy(now, kept, size);
}

// A hash of all memory that has changed.
uint64_t memory_hash(void) {
  state_hash = 0;
  visit_changed(add_to_hash);
  return state_hash ^ state_hash >> 32;
}

// Puts all memory back.
void memory_restore(void) {
  visit_changed(put_back);
  if (before_each != NULL) before_each();
}

uint64_t hash_of_results(void) { return hash_words(1, (const uint8_t *)results, sizeof results); }

const char *name_of_memory(uintptr_t address, uintptr_t *offset) {
  for (int index = 0; index < region_count; index += 1)
    if (address - (uintptr_t)regions[index].start < regions[index].byte_count) {
      *offset = address - (uintptr_t)regions[index].start;
      return regions[index].name;
    }
  return NULL;
}

uint8_t *memory_named(const char *name) {
  for (int index = 0; index < region_count; index += 1)
    if (strcmp(regions[index].name, name) == 0) return regions[index].start;
  return NULL;
}

static uint32_t own_number(void) { return simulated_this_processor.number; }

void explorer_set_result(uint32_t index, uint64_t value) { results[own_number()][index] = value; }
uint64_t explorer_result(uint32_t processor, uint32_t index) { return results[processor][index]; }
void explorer_add_result(uint64_t value) {
  uint64_t *own = results[own_number()];
  uint64_t *count = &own[EXPLORER_RESULTS - 1];
  if (*count < EXPLORER_RESULTS - 1) own[(*count)++] = value;
}
void explorer_set_outcome(uint32_t index, uint64_t value) {
  results[EXPLORER_PROCESSORS][index] = value;
}
