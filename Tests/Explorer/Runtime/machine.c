// What the simulated machine does differently while schedules are explored. These definitions
// replace those of simulated.c, which are weak in an explorer.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "runtime.h"

static void (*handler)(void);
static simulated_observer inner;
static bool has_inner;
uint8_t *machine_memory;

void simulated_set_interrupt_handler(void (*new_handler)(void)) { handler = new_handler; }

void explorer_answer(void) {
  if (handler != NULL) handler();
}

static void handle(void) {
  if (scenario->handler != NULL) scenario->handler(); else explorer_answer();
}

void take_interrupt(fiber *self) {
  simulated_processor *mine = &simulated_this_processor;
  self->interrupt_pending = false;
  self->in_handler = true;
  self->context = context_of(self->number, true);
  mine->interrupts_enabled = false;
  mine->interrupts_taken += 1;
  handle();
  mine->interrupts_enabled = true;
  self->in_handler = false;
  self->context = context_of(self->number, false);
  // It may have changed what a loop waits for.
  note_change(self);
}

static void interrupt(uint32_t number) {
  if (running == NULL) {
    simulated_processor *mine = &simulated_this_processor;
    simulated_processor kept = *mine;
    *mine = (simulated_processor){.number = number};
    handle();
    *mine = kept;
    return;
  }
  running->access_count += 1;
  operation op = {.kind = op_send, .touch_count = 1, .new = number,
                  .code = (uintptr_t)__builtin_return_address(0) - 1};
  op.touches[0] = (touch){(uint16_t)(line_of_first + number), true};
  point(&op);
  fibers[number].interrupt_pending = true;
  note_change(running);
}

void simulated_interrupt(uint64_t processors, uint32_t first) {
  for (uint32_t bit = 0; bit < 64; bit += 1)
    if (processors >> bit & 1) interrupt(first + bit);
}

void simulated_take_interrupt(void) {}

void simulated_pause(void) { explorer_pause(); }

_Noreturn void tessera_host_panic(const char *message, size_t length) {
  if (running == NULL) {
    leave_check(message, (int)length);
    fprintf(stderr, "explore: panic outside a schedule: %.*s\n", (int)length, message);
    exit(2);
  }
  fail("panic", "%.*s", (int)length, message);
  leave_schedule();
  abort();
}

void explorer_fail(const char *kind, const char *message) {
  fail(kind, "%s", message);
  if (running != NULL) leave_schedule();
}

// Translations ------------------------------------------------------------------------------------

void note_entry(uint32_t processor, uintptr_t address, uint64_t old) {
  if (!has_inner) return;
  uint64_t new;
  memcpy(&new, (const void *)address, 8);
  inner.entry_write(inner.context, processor, address - (uintptr_t)machine_memory, old, new);
}

static void entry_was_written(void *context, uint32_t processor, uint64_t entry, uint64_t old,
                              uint64_t new) {
  (void)context, (void)new;
  uintptr_t address = (uintptr_t)machine_memory + entry;
  if (running != NULL) {
    mark_entry(address);
    buffered_store *store = find_buffered(running, address);
    if (store != NULL) {
      store->is_entry = true;
      store->old_entry = old;
      return;
    }
  }
  note_entry(processor, address, old);
}

enum { level_count = 4 };
_Static_assert(1 + level_count + EXPLORER_WORDS <= touch_limit, "an access touches what it may");
static const uint64_t address_bits = 0x000ffffffffff000;

// Lists the entries that translate `address`, and returns how many there are.
static int list_entries(uint64_t root, uint64_t address, uintptr_t entries[level_count]) {
  uint64_t table = root & address_bits;
  for (int level = 0; level < level_count; level += 1) {
    uint64_t index = address >> (39 - 9 * level) & 511;
    entries[level] = (uintptr_t)machine_memory + table + index * 8;
    uint64_t entry = *(volatile uint64_t *)entries[level];
    bool is_page = level > 0 && (entry & 0x80) != 0;
    if ((entry & 1) == 0 || is_page) return level + 1;
    table = entry & address_bits;
  }
  return level_count;
}

static void add_touch(operation *op, uintptr_t address, bool is_write, uint16_t context) {
  known_word *known = known_at(address);
  if (known == NULL) return;
  uint16_t place = place_of(known, address, is_write, context);
  if (place != 0) op->touches[op->touch_count++] = (touch){place, is_write};
}

void explorer_touch_memory(uint64_t root, uint64_t address, const uint64_t *words, uint32_t count,
                           bool is_write) {
  fiber *self = running;
  if (self == NULL) return;
  if (count > EXPLORER_WORDS)
    explorer_fail("explorer", "one address may lead a processor to more words than EXPLORER_WORDS");
  uintptr_t entries[level_count], again[level_count];
  int entry_count = list_entries(root, address, entries);
  for (;;) {
    self->access_count += 1;
    operation op = {.kind = op_touch, .address = entries[entry_count - 1], .touch_count = 1,
                    .code = (uintptr_t)__builtin_return_address(0) - 1};
    op.touches[0] = (touch){(uint16_t)(translations_of_first + (self - fibers)), false};
    for (int level = 0; level < entry_count; level += 1)
      add_touch(&op, entries[level], is_write && level + 1 == entry_count, hardware_context);
    for (uint32_t word = 0; word < count; word += 1)
      add_touch(&op, (uintptr_t)machine_memory + words[word], is_write, self->context);
    point(&op);
    // Others may have changed the tables before this processor's turn.
    int new_count = list_entries(root, address, again);
    if (new_count == entry_count &&
        memcmp(entries, again, (size_t)entry_count * sizeof *entries) == 0)
      return;
    entry_count = new_count;
    memcpy(entries, again, sizeof entries);
  }
}

// A step that depends on what all TLBs hold.
static void read_translations(uintptr_t address, uintptr_t code) {
  running->access_count += 1;
  operation op = {.kind = op_free, .address = address, .code = code};
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    op.touches[op.touch_count++] = (touch){(uint16_t)(translations_of_first + number), false};
  point(&op);
}

void explorer_check_translations(void) {
  if (running != NULL) read_translations(0, (uintptr_t)__builtin_return_address(0) - 1);
}

static void frames_were_freed(void *context, uint32_t processor, uint64_t address, uint64_t size) {
  (void)context;
  if (running != NULL)
    read_translations((uintptr_t)machine_memory + address,
                      (uintptr_t)__builtin_return_address(0) - 1);
  inner.frame_free(inner.context, processor, address, size);
}

static void control(void *context, uint32_t processor, simulated_control_kind kind, uint64_t old,
                    uint64_t new) {
  (void)context;
  if (running != NULL) {
    running->access_count += 1;
    operation op = {.kind = op_flush, .touch_count = 1, .new = new, .size = (uint8_t)kind,
                    .code = (uintptr_t)__builtin_return_address(0) - 1};
    op.touches[0] = (touch){(uint16_t)(translations_of_first + processor), true};
    point(&op);
  }
  inner.control(inner.context, processor, kind, old, new);
}

static size_t copy(void *context, uint32_t processor, uint64_t address, void *buffer, size_t count,
                   bool is_write) {
  (void)context;
  return inner.user_copy(inner.context, processor, address, buffer, count, is_write);
}

static void crash(int number, siginfo_t *information, void *context) {
  if (number == SIGSEGV && memory_permit((uintptr_t)information->si_addr)) return;
  uintptr_t code = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (running == NULL) {
    leave_check(strsignal(number), 100);
    fprintf(stderr, "explore: %s outside a schedule\n", strsignal(number));
    _Exit(2);
  }
  fail("crash", "%s at address %p @%lx", strsignal(number), information->si_addr,
       (unsigned long)code);
  leave_schedule();
}

void machine_catch_signals(void) {
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
  struct sigaction action = {.sa_sigaction = crash, .sa_flags = SA_NODEFER | SA_SIGINFO};
  for (unsigned index = 0; index < sizeof signals / sizeof signals[0]; index += 1)
    sigaction(signals[index], &action, NULL);
}

void machine_observe(void) {
  machine_memory = memory_named("memory");
  const simulated_observer *installed = simulated_current_observer();
  if (installed == NULL) return;
  inner = *installed;
  has_inner = true;
  simulated_observer outer = {.entry_write = entry_was_written, .frame_free = frames_were_freed,
                              .control = control, .user_copy = copy};
  simulated_install_observer(&outer);
}
