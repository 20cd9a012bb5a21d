// Small programs whose schedules can be counted, and which have the mistakes that the explorer has
// to find. Compiled with -sanitize=thread, as the library is.
#include <stdatomic.h>

#include "explorer.h"

static _Atomic uint64_t words[8];
static uint64_t plain[4];
static _Atomic uint32_t lock;

static void nothing(void) {}

static void acquire(void) {
  while (atomic_exchange_explicit(&lock, 1, memory_order_acquire) != 0)
    while (atomic_load_explicit(&lock, memory_order_relaxed) != 0) explorer_pause();
}
static void release(void) { atomic_store_explicit(&lock, 0, memory_order_release); }

// Counts under a lock, and without one.
static void count_locked(uint32_t number) {
  (void)number;
  acquire();
  plain[0] += 1;
  release();
}
static void count_loaded(uint32_t number) {
  (void)number;
  uint64_t old = atomic_load_explicit(&words[0], memory_order_relaxed);
  atomic_store_explicit(&words[0], old + 1, memory_order_relaxed);
}
static void count_plain(uint32_t number) {
  (void)number;
  plain[0] += 1;
}
static const char *both_counted_plain(void) {
  return plain[0] == 2 ? NULL : "a count was lost";
}
static const char *both_counted(void) {
  return atomic_load(&words[0]) == 2 ? NULL : "a count was lost";
}

// Each sets a flag and looks at the other's: not both can miss it, unless stores are buffered.
static void set_and_look(uint32_t number) {
  atomic_store_explicit(&words[number], 1, memory_order_relaxed);
  explorer_set_result(0, atomic_load_explicit(&words[1 - number], memory_order_relaxed));
}
static void set_fence_look(uint32_t number) {
  atomic_store_explicit(&words[number], 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst);
  explorer_set_result(0, atomic_load_explicit(&words[1 - number], memory_order_relaxed));
}
static const char *one_has_seen(void) {
  return explorer_result(0, 0) + explorer_result(1, 0) > 0 ? NULL : "neither saw the other's flag";
}

// Writers of words of their own, which nobody reads until the end: one order is as good as all.
static void write_own(uint32_t number) {
  for (uint32_t index = 0; index < 2; index += 1)
    atomic_store_explicit(&words[2 * number + index], 1, memory_order_relaxed);
  explorer_set_result(0, atomic_load_explicit(&words[6], memory_order_relaxed));
  atomic_store_explicit(&words[6], number + 1, memory_order_relaxed);
}

// A chain of reads and writes with many final states.
static void shift(uint32_t number) {
  for (uint32_t index = 0; index < 2; index += 1) {
    uint64_t read = atomic_load_explicit(&words[index], memory_order_relaxed);
    atomic_store_explicit(&words[(index + 1) % 3], read * 3 + number + 1, memory_order_relaxed);
  }
}

// Two locks in different orders.
static void lock_two(uint32_t number) {
  _Atomic uint64_t *first = &words[number], *second = &words[1 - number];
  while (atomic_exchange_explicit(first, 1, memory_order_acquire) != 0) explorer_pause();
  while (atomic_exchange_explicit(second, 1, memory_order_acquire) != 0) explorer_pause();
  atomic_store_explicit(second, 0, memory_order_release);
  atomic_store_explicit(first, 0, memory_order_release);
}

// Each counts for as long as the other has not ended its loop.
static void count_and_wait(uint32_t number) {
  while (atomic_load(&words[1 - number]) == 0) {
    atomic_fetch_add(&words[2 + number], 1);
    explorer_pause();
  }
  atomic_store(&words[number], 1);
}

// A message: data and then a flag.
static void send_message(uint32_t number) {
  if (number == 0) {
    plain[1] = 7;
    atomic_store_explicit(&words[0], 1, memory_order_release);
  } else {
    while (atomic_load_explicit(&words[0], memory_order_acquire) == 0) explorer_pause();
    explorer_set_result(0, plain[1]);
  }
}
static void send_unordered(uint32_t number) {
  if (number == 0) {
    plain[1] = 7;
    atomic_store_explicit(&words[0], 1, memory_order_relaxed);
  } else {
    while (atomic_load_explicit(&words[0], memory_order_acquire) == 0) explorer_pause();
    explorer_set_result(0, plain[1]);
  }
}
static const char *seven_arrived(void) {
  return explorer_result(1, 0) == 7 ? NULL : "the message was read before it was there";
}

#define TOY(NAME, ABOUT, COUNT, BODY, CHECK, EXPECTED)                                            \
  {                                                                                               \
    .name = NAME, .about = ABOUT, .processor_count = COUNT, .preemption_bound = -1,               \
    .prepare = nothing, .body = BODY, .check = CHECK, .expected = EXPECTED                        \
  }

const explorer_scenario explorer_toys[] = {
    TOY("toy-locked-count", "two count under a lock", 2, count_locked, both_counted_plain, NULL),
    TOY("toy-locked-count-3", "three count under a lock", 3, count_locked, NULL, NULL),
    TOY("toy-lost-count", "two load and store a count", 2, count_loaded, both_counted, "check"),
    TOY("toy-race", "two count in plain memory", 2, count_plain, NULL, "race"),
    TOY("toy-flags", "two flags without a fence", 2, set_and_look, one_has_seen, NULL),
    TOY("toy-flags-fence", "two flags with a fence", 2, set_fence_look, one_has_seen, NULL),
    TOY("toy-own-words", "three write words of their own", 3, write_own, NULL, NULL),
    TOY("toy-shift", "two read and write in a chain", 2, shift, NULL, NULL),
    TOY("toy-deadlock", "two locks in two orders", 2, lock_two, NULL, "deadlock"),
    TOY("toy-livelock", "two count, and wait for each other", 2, count_and_wait, NULL, "livelock"),
    TOY("toy-message", "a message that is released", 2, send_message, seven_arrived, NULL),
    TOY("toy-message-unordered", "a message that is not", 2, send_unordered, NULL, "race"),
};
const uint32_t explorer_toy_count = sizeof explorer_toys / sizeof explorer_toys[0];
