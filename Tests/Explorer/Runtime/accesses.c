// What the compiler calls at each access of code compiled with -sanitize=thread, instead of
// functions of ThreadSanitizer's library.
#include <string.h>

#include "runtime.h"

#define CODE ((uintptr_t)__builtin_return_address(0) - 1)

// What a processor has read and written since it last spun, with the values before. Where it has
// read alone, a change may end its loop.
enum { in_watched = 0, in_written = EXPLORER_PROCESSORS };

static void remember(watched_word *list, int *count, int which, fiber *self, known_word *known,
                     uintptr_t address) {
  if (self->has_changed_memory) return;
  uint8_t bit = (uint8_t)(1 << (which + self->number));
  if ((known->remembered & bit) != 0) return;
  // With too many words to watch, it does not wait.
  if (*count == watch_limit) {
    self->has_changed_memory = true;
    return;
  }
  known->remembered |= bit;
  uintptr_t word = address & ~(uintptr_t)7;
  list[(*count)++] = (watched_word){word, get(word, 8)};
}

static inline void remember_read(fiber *self, known_word *known, uintptr_t address) {
  remember(self->watched, &self->watched_count, in_watched, self, known, address);
}
static inline void remember_write(fiber *self, known_word *known, uintptr_t address) {
  remember(self->written, &self->written_count, in_written, self, known, address);
}

static void forget(fiber *self, int which, uintptr_t word) {
  known_at(word)->remembered &= (uint8_t)~(1 << (which + self->number));
}

void forget_remembered(fiber *self) {
  for (int index = 0; index < self->watched_count; index += 1)
    forget(self, in_watched, self->watched[index].word);
  for (int index = 0; index < self->written_count; index += 1)
    forget(self, in_written, self->written[index].word);
  self->watched_count = self->written_count = 0;
}

// An access of the running code: to what, and whether others can tell it.
typedef struct {
  // Null if it does not count: what is not in the memory of the scenario is not the same in all
  // schedules, since the language's runtime accesses more of it the first time.
  known_word *known;
  bool is_shared;
} access_kind;

// Fills `op` if others can tell the access.
static inline access_kind classify(operation *op, operation_kind kind, uintptr_t address, int size,
                                   int order, uintptr_t code) {
  if (is_on_own_stack(address)) return (access_kind){NULL, false};
  known_word *known = known_at(address);
  if (known == NULL) return (access_kind){NULL, false};
  bool is_write = kind != op_load && kind != op_read;
  uint16_t place = place_of(known, address, is_write, running->context);
  running->access_count += 1;
  if (place == 0 && (mode != mode_guided || !guided_stop(running)))
    return (access_kind){known, false};
  *op = (operation){.kind = kind, .size = (uint8_t)size, .order = (uint8_t)order,
                    .address = address, .code = code};
  if (is_write) {
    add_touches_of_store(op, place);
  } else if (place != 0) {
    op->touches[op->touch_count++] = (touch){place, false};
  }
  return (access_kind){known, true};
}

// Notes the values of the step that the running code has just taken.
static void note_values(uint64_t old, uint64_t new) {
  if (mode == mode_calls) return;
  events[step_count - 1].op.old = old;
  events[step_count - 1].op.new = new;
}

static uint64_t load(uintptr_t address, int size, int order, uintptr_t code) {
  if (running == NULL) return get(address, size);
  operation op;
  access_kind kind = classify(&op, op_load, address, size, order, code);
  if (kind.known == NULL) return get(address, size);
  if (kind.is_shared) point(&op);
  fiber *self = running;
  remember_read(self, kind.known, address);
  bool was_forwarded = false;
  uint64_t value = self->buffered == 0 ? get(address, size)
                                       : buffered_load(self, address, size, &was_forwarded);
  if (kind.is_shared) note_values(value, value);
  return value;
}

static void store(uintptr_t address, uint64_t value, int size, int order, uintptr_t code) {
  if (running == NULL) {
    memory_note_initial(address, (size_t)size);
    return put(address, value, size);
  }
  operation op;
  access_kind kind = classify(&op, op_store, address, size, order, code);
  if (kind.known == NULL) return put(address, value, size);
  fiber *self = running;
  if (kind.is_shared && has_buffers && order != __ATOMIC_SEQ_CST && mode != mode_calls) {
    // Only the commit is a step that others can tell. With a full buffer, it comes first.
    if (self->buffered == buffer_limit) {
      operation wait = {.kind = op_fence, .order = __ATOMIC_SEQ_CST, .address = address};
      point(&wait);
    }
    races_note(self, &op);
    buffered_store *next = &self->buffer[self->buffered++];
    *next = (buffered_store){.address = address, .value = value, .size = (uint8_t)size,
                             .code = code, .access = self->access_count,
                             .place = kind.known->place};
    search_copy_clock(self->number, next->clock);
    if (get(address, size) != value) note_change(self);
    return;
  }
  if (kind.is_shared) point(&op);
  uint64_t old = get(address, size);
  remember_write(self, kind.known, address);
  moments_note_store(address, old, value);
  put(address, value, size);
  if (kind.is_shared) note_values(old, value);
}

typedef enum { replace, add, subtract, set_bits, clear_bits, flip_bits } change;

static uint64_t changed(change change, uint64_t old, uint64_t operand) {
  switch (change) {
    case replace: return operand;
    case add: return old + operand;
    case subtract: return old - operand;
    case set_bits: return old | operand;
    case clear_bits: return old & operand;
    case flip_bits: return old ^ operand;
  }
  return old;
}

// Stores what an update has found to be new. One that changes nothing is as good as a load.
static void finish_update(uintptr_t address, uint64_t old, uint64_t new, int size,
                          access_kind kind) {
  fiber *self = running;
  if (self == NULL) {
    memory_note_initial(address, (size_t)size);
  } else if (kind.known != NULL) {
    if (old == new) remember_read(self, kind.known, address);
    else remember_write(self, kind.known, address);
    moments_note_store(address, old, new);
  }
  put(address, new, size);
  if (kind.is_shared) note_values(old, new);
}

static access_kind begin_update(uintptr_t address, int size, int order, uintptr_t code) {
  if (running == NULL) return (access_kind){NULL, false};
  operation op;
  access_kind kind = classify(&op, op_update, address, size, order, code);
  if (kind.is_shared) point(&op);
  return kind;
}

static uint64_t update(uintptr_t address, change change, uint64_t operand, int size, int order,
                       uintptr_t code) {
  access_kind kind = begin_update(address, size, order, code);
  uint64_t old = get(address, size);
  uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
  finish_update(address, old, changed(change, old, operand) & mask, size, kind);
  return old;
}

static uint64_t compare_exchange(uintptr_t address, uint64_t expected, uint64_t desired, int size,
                                 int order, uintptr_t code) {
  access_kind kind = begin_update(address, size, order, code);
  uint64_t old = get(address, size);
  finish_update(address, old, old == expected ? desired : old, size, kind);
  return old;
}

#define ATOMICS(BITS, TYPE)                                                                       \
  TYPE __tsan_atomic##BITS##_load(const TYPE *p, int order) {                                     \
    return (TYPE)load((uintptr_t)p, BITS / 8, order, CODE);                                       \
  }                                                                                               \
  void __tsan_atomic##BITS##_store(TYPE *p, TYPE value, int order) {                              \
    store((uintptr_t)p, value, BITS / 8, order, CODE);                                            \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_exchange(TYPE *p, TYPE value, int order) {                           \
    return (TYPE)update((uintptr_t)p, replace, value, BITS / 8, order, CODE);                     \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_fetch_add(TYPE *p, TYPE value, int order) {                          \
    return (TYPE)update((uintptr_t)p, add, value, BITS / 8, order, CODE);                         \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_fetch_sub(TYPE *p, TYPE value, int order) {                          \
    return (TYPE)update((uintptr_t)p, subtract, value, BITS / 8, order, CODE);                    \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_fetch_or(TYPE *p, TYPE value, int order) {                           \
    return (TYPE)update((uintptr_t)p, set_bits, value, BITS / 8, order, CODE);                    \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_fetch_and(TYPE *p, TYPE value, int order) {                          \
    return (TYPE)update((uintptr_t)p, clear_bits, value, BITS / 8, order, CODE);                  \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_fetch_xor(TYPE *p, TYPE value, int order) {                          \
    return (TYPE)update((uintptr_t)p, flip_bits, value, BITS / 8, order, CODE);                   \
  }                                                                                               \
  TYPE __tsan_atomic##BITS##_compare_exchange_val(TYPE *p, TYPE expected, TYPE desired,           \
                                                  int order, int failure_order) {                 \
    (void)failure_order;                                                                          \
    return (TYPE)compare_exchange((uintptr_t)p, expected, desired, BITS / 8, order, CODE);        \
  }                                                                                               \
  bool __tsan_atomic##BITS##_compare_exchange_strong(TYPE *p, TYPE *expected, TYPE desired,       \
                                                     int order, int failure_order) {              \
    (void)failure_order;                                                                          \
    TYPE old = (TYPE)compare_exchange((uintptr_t)p, *expected, desired, BITS / 8, order, CODE);   \
    bool is_done = old == *expected;                                                              \
    *expected = old;                                                                              \
    return is_done;                                                                               \
  }
ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)

void __tsan_atomic_thread_fence(int order) {
  if (running == NULL) return;
  running->access_count += 1;
  operation op = {.kind = op_fence, .order = (uint8_t)order, .code = CODE};
  if (order == __ATOMIC_SEQ_CST && has_buffers) point(&op); else races_note(running, &op);
}
void __tsan_atomic_signal_fence(int order) { (void)order; }

// A plain access, of one or several words. The compiler's own instruction follows, so that a write
// cannot be delayed: it waits for the stores before it instead.
static void access(uintptr_t address, size_t size, bool is_write, uintptr_t code) {
  if (running == NULL) return is_write ? memory_note_initial(address, size) : (void)0;
  uintptr_t end = address + size;
  while (address < end) {
    uintptr_t next = (address | 7) + 1;
    if (next > end) next = end;
    operation op;
    access_kind kind = classify(&op, is_write ? op_write : op_read, address,
                                (int)(next - address), 0, code);
    if (kind.is_shared) {
      bool waits = running->buffered > 0 && find_buffered(running, address) != NULL;
      if (waits) op.kind = op_write;
      point(&op);
    }
    if (is_write && kind.known != NULL) remember_write(running, kind.known, address);
    address = next;
  }
}

// Most accesses are of one word, by checks between schedules or by the language's runtime.
static inline void access_word(uintptr_t address, size_t size, bool is_write, uintptr_t code) {
  if (running == NULL ? !is_write : is_on_own_stack(address)) return;
  access(address, size, is_write, code);
}

#define ACCESSES(SIZE)                                                                            \
  void __tsan_read##SIZE(const void *p) { access_word((uintptr_t)p, SIZE, false, CODE); }         \
  void __tsan_write##SIZE(void *p) { access_word((uintptr_t)p, SIZE, true, CODE); }               \
  void __tsan_unaligned_read##SIZE(const void *p) {                                               \
    access_word((uintptr_t)p, SIZE, false, CODE);                                                 \
  }                                                                                               \
  void __tsan_unaligned_write##SIZE(void *p) { access_word((uintptr_t)p, SIZE, true, CODE); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void *__tsan_memset(void *place, int value, size_t count) {
  access((uintptr_t)place, count, true, CODE);
  return memset(place, value, count);
}
void *__tsan_memcpy(void *place, const void *from, size_t count) {
  access((uintptr_t)from, count, false, CODE);
  access((uintptr_t)place, count, true, CODE);
  return memcpy(place, from, count);
}
void *__tsan_memmove(void *place, const void *from, size_t count) {
  access((uintptr_t)from, count, false, CODE);
  access((uintptr_t)place, count, true, CODE);
  return memmove(place, from, count);
}

// What ThreadSanitizer needs to know, and the explorer does not.
void __tsan_init(void) {}
void __tsan_func_entry(void *code) { (void)code; }
void __tsan_func_exit(void) {}
void __tsan_ignore_thread_begin(void) {}
void __tsan_ignore_thread_end(void) {}
void __tsan_external_read(void *place, void *code, void *tag) {
  (void)place, (void)code, (void)tag;
}
void __tsan_external_write(void *place, void *code, void *tag) {
  (void)place, (void)code, (void)tag;
}

// Spinning ----------------------------------------------------------------------------------------

void note_change(fiber *self) { self->has_changed_memory = true; }

static bool is_in(const watched_word *list, int count, uintptr_t word) {
  for (int index = 0; index < count; index += 1)
    if (list[index].word == word) return true;
  return false;
}

// Whether what the processor has done since it last spun has changed anything in the end. What it
// has written, such as a lock that it has held meanwhile, does not wake it.
static bool has_changed_anything(fiber *self) {
  bool has_changed = self->has_changed_memory;
  for (int index = 0; index < self->written_count; index += 1)
    if (get(self->written[index].word, 8) != self->written[index].value) has_changed = true;
  int kept = 0;
  for (int index = 0; index < self->watched_count; index += 1)
    if (!is_in(self->written, self->written_count, self->watched[index].word))
      self->watched[kept++] = self->watched[index];
    else
      forget(self, in_watched, self->watched[index].word);
  self->watched_count = kept;
  return has_changed || kept == 0;
}

void explorer_pause(void) {
  fiber *self = running;
  if (self == NULL) return check_waits();
  self->access_count += 1;
  if (has_changed_anything(self)) {
    self->is_woken = true;
    self->wakes = 0;
  }
  operation op = {.kind = op_wait, .code = CODE};
  point(&op);
  forget_remembered(self);
  self->has_changed_memory = self->is_woken = false;
}

void explorer_begin_call(void) {
  if (running == NULL) return;
  running->access_count += 1;
  operation op = {.kind = op_call, .code = CODE};
  if (mode == mode_calls) point(&op);
}
