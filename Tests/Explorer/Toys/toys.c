// Small programs whose schedules can be counted, and which have the mistakes that the explorer has
// to find. Compiled with -sanitize=thread, as the library is.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "CTessera.h"
#include "explorer.h"

static _Atomic uint64_t words[8];
static uint64_t plain[4];
static _Atomic uint32_t lock;

// What it points to is no memory of the scenario.
static uint64_t *volatile not_put_back;

static void prepare(void) { not_put_back = calloc(1, sizeof *not_put_back); }

static bool scenario_is(const char *name) { return strcmp(explorer_scenario_name(), name) == 0; }

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

// Each sets a flag and reads the other's: not both can miss it, unless stores are buffered.
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

// Writers of words of their own, which are not read until the end: one order is as good as all.
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

// An interrupt that comes between any two steps of its processor, or after them.
static void count_steps(uint32_t number) {
  if (number == 0) {
    atomic_store(&words[0], 1);
    simulated_interrupt(1 << 1, 0);
    return;
  }
  for (uint64_t step = 1; step < 4; step += 1) atomic_store(&words[1], step);
  explorer_set_result(0, atomic_load(&words[0]));
}
// The same, but its last step is one before which it takes no interrupt.
static void count_steps_and_mask(uint32_t number) {
  if (number == 0) return count_steps(number);
  for (uint64_t step = 1; step < 3; step += 1) atomic_store(&words[1], step);
  bool were_on = hw_disable_interrupts();
  atomic_store(&words[1], 3);
  hw_restore_interrupts(were_on);
}
static void note_step(void) { explorer_set_result(1, 1 + atomic_load(&words[1])); }

// Each interrupts the other, and waits with interrupts on.
static void ask_each_other(uint32_t number) {
  simulated_interrupt(1 << (1 - number), 0);
  while (atomic_load_explicit(&words[number], memory_order_acquire) == 0) explorer_pause();
}
static void answer(void) {
  uint32_t own = simulated_this_processor.number;
  atomic_store_explicit(&words[1 - own], 1, memory_order_release);
}
// The same, with interrupts off.
static void ask_with_interrupts_off(uint32_t number) {
  hw_disable_interrupts();
  ask_each_other(number);
  hw_restore_interrupts(true);
}
static void leave_interrupts_off(uint32_t number) {
  if (number == 1 && atomic_load(&words[0]) != 0) hw_disable_interrupts();
  if (number == 0) atomic_store(&words[0], 1);
}
static void leave_preemption_off(uint32_t number) {
  if (number == 1 && atomic_load(&words[0]) != 0) simulated_this_processor.preemption_depth = 1;
  if (number == 0) atomic_store(&words[0], 1);
}
// One accesses a word after the other one, as time goes; but nothing orders the two.
static volatile uint64_t *plain_word(void) { return (volatile uint64_t *)&words[0]; }
static void pass_turn(void) { atomic_store_explicit(&words[7], 1, memory_order_relaxed); }
static void await_turn(void) {
  while (atomic_load_explicit(&words[7], memory_order_relaxed) == 0) explorer_pause();
}
static void read_what_is_stored(uint32_t number) {
  if (number == 0) {
    atomic_store_explicit(&words[0], 1, memory_order_release);
    pass_turn();
  } else {
    await_turn();
    explorer_set_result(0, *plain_word());
  }
}
static void write_what_is_loaded(uint32_t number) {
  if (number == 0) {
    explorer_set_result(0, atomic_load_explicit(&words[0], memory_order_acquire));
    pass_turn();
  } else {
    await_turn();
    *plain_word() = 1;
  }
}
static void store_what_is_read(uint32_t number) {
  if (number == 0) {
    explorer_set_result(0, *plain_word());
    pass_turn();
  } else {
    await_turn();
    atomic_store_explicit(&words[0], 1, memory_order_release);
  }
}
// What it does depends on what it did in the schedule before.
static void go_another_way(uint32_t number) {
  if (number == 0) *not_put_back += 1;
  uint64_t count = *not_put_back % 2 == 1 ? 1 : 3;
  for (uint64_t index = 0; index < count; index += 1) atomic_store(&words[0], number);
}
static void panic_if_second(uint32_t number) {
  if (atomic_exchange(&words[0], number + 1) == 1) tessera_host_panic("second", 6);
}
static void crash_if_second(uint32_t number) {
  if (atomic_exchange(&words[0], number + 1) == 1) *(volatile int *)8 = 1;
}
// Its outcome is none that whole calls one after another have.
static void count_in_a_call(uint32_t number) {
  explorer_begin_call();
  count_loaded(number);
  explorer_set_result(0, atomic_load(&words[0]));
}

static void handle(void) {
  bool counts = scenario_is("toy-interrupt") || scenario_is("toy-interrupt-masked");
  if (counts) note_step(); else answer();
}

#define TOY(NAME, ABOUT, COUNT, BODY, CHECK, EXPECTED, WITH_BUFFERS)                              \
  {                                                                                               \
    .name = NAME, .about = ABOUT, .processor_count = COUNT, .prepare = prepare, .body = BODY,     \
    .check = CHECK, .handler = handle, .expected = EXPECTED,                                      \
    .expected_with_buffers = WITH_BUFFERS, .has_store_buffers = EXPECTED == NULL,                 \
    .is_compared = EXPECTED == NULL && WITH_BUFFERS == NULL && BODY != ask_each_other,            \
    .is_linear = BODY == count_in_a_call                                                          \
  }

const explorer_scenario explorer_toys[] = {
    TOY("toy-locked-count", "two count locked", 2, count_locked, both_counted_plain, NULL, NULL),
    TOY("toy-locked-count-3", "three count under a lock", 3, count_locked, NULL, NULL, NULL),
    TOY("toy-lost-count", "two load and store it", 2, count_loaded, both_counted, "check", NULL),
    TOY("toy-interrupt", "an interrupt comes at any step", 2, count_steps, NULL, NULL, NULL),
    TOY("toy-interrupt-masked", "or while they are on", 2, count_steps_and_mask, NULL, NULL, NULL),
    TOY("toy-ask", "two interrupt each other, and wait", 2, ask_each_other, NULL, NULL, NULL),
    TOY("toy-ask-off", "they wait with interrupts off", 2, ask_with_interrupts_off, NULL,
        "deadlock", NULL),
    TOY("toy-interrupts-off", "they stay off", 2, leave_interrupts_off, NULL, "interrupts", NULL),
    TOY("toy-preemption-off", "it stays off", 2, leave_preemption_off, NULL, "preemption", NULL),
    TOY("toy-panic", "a panic in one order", 2, panic_if_second, NULL, "panic", NULL),
    TOY("toy-crash", "a crash in one order", 2, crash_if_second, NULL, "crash", NULL),
    TOY("toy-order", "a lost count between whole calls", 2, count_in_a_call, NULL, "order", NULL),
    TOY("toy-race", "two count in plain memory", 2, count_plain, NULL, "race", NULL),
    TOY("toy-race-store", "a plain read after a store", 2, read_what_is_stored, NULL, "race", NULL),
    TOY("toy-race-load", "a plain write after a load", 2, write_what_is_loaded, NULL, "race", NULL),
    TOY("toy-race-read", "a store after a plain read", 2, store_what_is_read, NULL, "race", NULL),
    TOY("toy-another-way", "it depends on the schedule before", 2, go_another_way, NULL,
        "explorer", NULL),
    TOY("toy-flags", "two flags without a fence", 2, set_and_look, one_has_seen, NULL,
        "check"),
    TOY("toy-flags-fence", "two flags with a fence", 2, set_fence_look, one_has_seen, NULL, NULL),
    TOY("toy-own-words", "three write words of their own", 3, write_own, NULL, NULL, NULL),
    TOY("toy-shift", "two read and write in a chain", 2, shift, NULL, NULL, NULL),
    TOY("toy-deadlock", "two locks in two orders", 2, lock_two, NULL, "deadlock", NULL),
    TOY("toy-livelock", "each waits and counts", 2, count_and_wait, NULL, "livelock", NULL),
    TOY("toy-message", "a message that is released", 2, send_message, seven_arrived, NULL, NULL),
    TOY("toy-message-unordered", "a message that is not", 2, send_unordered, NULL, "race", NULL),
};
const uint32_t explorer_toy_count = sizeof explorer_toys / sizeof explorer_toys[0];
