// What the files of the explorer share.
#pragma once
#include <stdio.h>

#include "CTessera.h"
#include "explorer.h"

#pragma clang diagnostic ignored "-Wnullability-completeness"

// Who can take a step: the code of a processor, the delivery of its interrupt, and its store
// buffer. A step is one operation that others can tell, and what follows it up to the next.
enum {
  code_of_first = 0,
  interrupt_of_first = EXPLORER_PROCESSORS,
  buffer_of_first = 2 * EXPLORER_PROCESSORS,
  actor_limit = 3 * EXPLORER_PROCESSORS,
  no_actor = -1,
};
static inline int processor_of(int actor) { return actor % EXPLORER_PROCESSORS; }
static inline bool is_code(int actor) { return actor < interrupt_of_first; }
static inline bool is_interrupt(int actor) {
  return actor >= interrupt_of_first && actor < buffer_of_first;
}
static inline bool is_buffer(int actor) { return actor >= buffer_of_first; }

enum {
  step_limit = 20000,
  // Places: what accesses can conflict at. The first stand for no memory.
  translations_of_first = 1,
  line_of_first = translations_of_first + EXPLORER_PROCESSORS,
  first_word_place = line_of_first + EXPLORER_PROCESSORS,
  place_limit = 4096,
  touch_limit = 12,
  buffer_limit = 16,
  watch_limit = 48,
};

typedef enum : uint8_t {
  op_load, op_store, op_update, op_read, op_write, op_fence,
  op_flush, op_free, op_send, op_take, op_commit, op_wait, op_touch, op_call, op_end,
} operation_kind;

typedef struct {
  uint16_t place;
  bool is_write;
} touch;

/// What an actor does in its next step.
typedef struct {
  operation_kind kind;
  uint8_t size, order, touch_count;
  touch touches[touch_limit];
  uintptr_t address;
  uintptr_t code;  // where the access is
  uint64_t access; // its number among all accesses of the processor
  uint64_t old, new;
} operation;

/// A store that has not reached memory.
typedef struct {
  uintptr_t address;
  uint64_t value, access;
  uintptr_t code;
  uint16_t place;
  uint8_t size;
  bool is_entry;
  uint64_t old_entry;
  uint16_t clock[actor_limit];
} buffered_store;

typedef struct {
  uintptr_t word;
  uint64_t value;
} watched_word;

typedef struct {
  void *stack_pointer;
  char *stack;
  simulated_processor processor;
  bool has_ended, takes_interrupt, in_handler;
  // Its number, and a bit for its code, or for its handler while that runs.
  uint8_t number;
  uint16_t context;
  bool interrupt_pending;
  operation next;
  uint64_t access_count;
  buffered_store buffer[buffer_limit];
  int buffered;
  // What it has read since it spun last, and whether it has changed anything since.
  watched_word watched[watch_limit];
  int watched_count;
  watched_word written[watch_limit];
  int written_count;
  bool has_changed_memory, is_woken;
  uint64_t wakes;
} fiber;

/// One step of a schedule that has been taken.
typedef struct {
  int8_t actor;
  // Whether its processor could have taken an interrupt instead.
  bool has_interrupts_on;
  operation op;
  uint16_t clock[actor_limit];
} event;

// fibers.c
extern fiber fibers[EXPLORER_PROCESSORS];
extern fiber *_Nullable running;
extern uintptr_t running_stack;
void fibers_start(void (*body)(uint32_t));
void fibers_resume(fiber *_Nullable next);
fiber *_Nullable fibers_step_aside(void);
void fibers_step_back(fiber *_Nullable self);
enum { stack_size = 256 << 10 };
static inline bool is_on_own_stack(uintptr_t address) {
  return address - running_stack < stack_size
      || address - (uintptr_t)&simulated_this_processor < sizeof simulated_this_processor;
}

// places.c
void places_add_region(uintptr_t start, size_t byte_count);
/// What is known of a word in the memory of the scenario.
typedef struct {
  // The contexts that have read it, and that have written it, in any schedule.
  uint16_t readers, writers;
  // 0 unless it is shared.
  uint16_t place;
  bool is_entry;
  // The fibers in whose list of watched words it is, and behind them those in whose list of written
  // words it is.
  uint8_t remembered;
} known_word;
// The part of a page that is in the memory of the scenario, and what is known of its words.
typedef struct {
  uintptr_t page, start, size;
  known_word *words;
} known_part;
enum { known_part_limit = 1024 };
extern known_part known_parts[known_part_limit];
known_word *find_word(uintptr_t address);
// What is known of the word at an address; null if it is not in the memory of the scenario.
static inline known_word *known_at(uintptr_t address) {
  const known_part *part = &known_parts[address / 4096 % known_part_limit];
  if (__builtin_expect(part->page != address / 4096, false)) return find_word(address);
  uintptr_t offset = address - part->start;
  return offset < part->size ? part->words + offset / 8 : NULL;
}
enum { hardware_context = 1 << 15 };
static inline uint16_t context_of(uint32_t number, bool in_handler) {
  return (uint16_t)(1 << (number + (in_handler ? EXPLORER_PROCESSORS : 0)));
}
void note_access(known_word *known, uintptr_t address, bool is_write, uint16_t context);
// The place of an access to a word by `context`: 0 if it is none.
static inline uint16_t place_of(known_word *known, uintptr_t address, bool is_write,
                                uint16_t context) {
  if (((is_write ? known->writers : known->readers) & context) == 0)
    note_access(known, address, is_write, context);
  return known->place;
}
uint16_t place_if_shared(uintptr_t address);
uintptr_t word_of_place(uint16_t place);
bool places_settle(void);
bool places_have_grown(void);
bool place_is_entry(uint16_t place);
void mark_entry(uintptr_t address);
int places_count(void);

// schedule.c
typedef enum { mode_all, mode_reduced, mode_random, mode_calls, mode_guided } search_mode;
typedef struct {
  int actor;
  uint64_t until;
} segment;
extern event *events;
extern int step_count;
extern search_mode mode;
extern bool has_buffers;
extern int preemption_bound;
extern int preemption_count;
extern const explorer_scenario *scenario;
void point(operation *op);
bool is_enabled(int actor);
bool interrupts_are_on(const fiber *self);
uint16_t enabled_actors(void);
const operation *next_operation(int actor);
void run_schedule(void);
void guide(const segment *segments, int count);
bool guided_stop(const fiber *self);
int segments_of_run(segment *segments, int limit);
void leave_schedule(void);
void note_change(fiber *self);
void forget_remembered(fiber *self);
uint16_t choices_without_preemption(uint16_t enabled);
int preferred_choice(uint16_t enabled);
void random_seed(uint64_t seed);
uint32_t random_below(uint32_t limit);

// search.c
void search_reset(void);
void search_begin(void);
enum { pick_none = -1, pick_impossible = -2 };
int search_pick(uint16_t enabled);
void search_record(int step);
bool search_next(void);
bool search_is_repeating(void);
void search_copy_clock(int actor, uint16_t clock[actor_limit]);
bool are_dependent(int first, const operation *a, int second, const operation *b);

// stores.c
uint64_t buffered_load(fiber *self, uintptr_t address, int size, bool *was_forwarded);
static inline void put(uintptr_t address, uint64_t value, int size) {
  switch (size) {
    case 1: *(uint8_t *)address = (uint8_t)value; break;
    case 2: *(uint16_t *)address = (uint16_t)value; break;
    case 4: *(uint32_t *)address = (uint32_t)value; break;
    default: *(uint64_t *)address = value; break;
  }
}
static inline uint64_t get(uintptr_t address, int size) {
  switch (size) {
    case 1: return *(uint8_t *)address;
    case 2: return *(uint16_t *)address;
    case 4: return *(uint32_t *)address;
    default: return *(uint64_t *)address;
  }
}
bool needs_empty_buffer(const operation *op);
void commit_oldest(fiber *owner);
const operation *next_commit(const fiber *owner);
void add_touches_of_store(operation *op, uint16_t place);
buffered_store *find_buffered(fiber *self, uintptr_t address);

// hashes.c
typedef struct {
  uint64_t *slots;
  size_t size, count;
} hash_set;
bool hashes_contain(const hash_set *set, uint64_t hash);
void hashes_insert(hash_set *set, uint64_t hash);
void hashes_empty(hash_set *set);

// main.c
const char *check_safely(const char *(*check)(bool is_calm), bool is_calm);
void check_waits(void);
void leave_check(const char *how, int length);

// moments.c
void moments_begin(void);
void moments_note_store(uintptr_t address, uint64_t old, uint64_t new);
bool moments_check(void);

// races.c
void races_reset(void);
void races_note(const fiber *self, const operation *op);

// memory.c
void memory_keep(void);
void memory_restore(void);
bool memory_permit(uintptr_t address);
void memory_note_written(uintptr_t word);
void memory_note_initial(uintptr_t address, size_t size);
uint64_t memory_hash(void);
uint64_t hash_of_results(void);
uint8_t *memory_named(const char *name);
const char *name_of_memory(uintptr_t address, uintptr_t *offset);
extern uint64_t results[EXPLORER_PROCESSORS + 1][EXPLORER_RESULTS];

// machine.c
void machine_catch_signals(void);
void machine_observe(void);
void note_entry(uint32_t processor, uintptr_t address, uint64_t old);
void take_interrupt(fiber *self);
extern uint8_t *machine_memory;

// report.c
typedef struct {
  char kind[24];
  char text[1000];
  bool is_set;
} failure;
extern failure found;
__attribute__((format(printf, 2, 3))) void fail(const char *kind, const char *format, ...);
void print_trace(FILE *out);
void print_failure(FILE *out);
void format_segments(const segment *segments, int count, char *text, size_t limit);
int parse_segments(const char *text, segment *segments, int limit);
enum { segment_limit = 4096 };
