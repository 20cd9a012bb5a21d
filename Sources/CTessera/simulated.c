// The processors of the simulated machine, for hosted builds. Empty when freestanding.
#include "CTessera.h"

#if __STDC_HOSTED__
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local simulated_processor simulated_this_processor = {.interrupts_enabled = true};
_Atomic uint64_t simulated_allocations_until_failure;
_Atomic uint64_t simulated_allocation_failures;
_Atomic bool simulated_frame_poisoning;

static simulated_registers registers[SIMULATED_PROCESSOR_LIMIT];
static simulated_observer observer_storage;
const simulated_observer *simulated_installed_observer;
// A typical processor, except for its narrow physical addresses.
static simulated_features features = {.physical_address_width = 40, .has_one_gib_pages = true};
static bool hides_no_execute, hides_attribute_table;

simulated_processor *simulated_current_processor(void) { return &simulated_this_processor; }

void simulated_require_first_processor(void) {
  uint32_t number = simulated_this_processor.number;
  if (number != 0) {
    fprintf(stderr, "a test left its thread as processor %u of the simulated machine\n", number);
    abort();
  }
  simulated_this_processor.interrupts_enabled = true;
}

simulated_registers *simulated_registers_of(uint32_t number) {
  if (number >= SIMULATED_PROCESSOR_LIMIT) {
    fputs("processor number of the simulated machine is above 511\n", stderr);
    abort();
  }
  return &registers[number];
}

// CR0: paging, write protection, numeric errors, protected mode. CR4: SMAP, SMEP, UMIP, global
// pages, physical-address extension, and LA57 with five levels. EFER: no-execute, long mode. The
// kernel runs in the top 2 GiB of the address space.
void simulated_reset_registers(void) {
  simulated_hide_features(false, false);
  uint64_t five_levels = features.has_five_levels ? 1u << 12 : 0;
  const uint64_t kernel_base = 0xffffffff80000000;
  for (int i = 0; i < SIMULATED_PROCESSOR_LIMIT; i += 1)
    registers[i] = (simulated_registers){
        .cr0 = 0x80010033,
        .cr4 = 0x3008a0 | five_levels,
        .efer = 0xd01,
        .pat = 0x0007040600070406,
        .stack_pointer = kernel_base + 0x3000,
        .instruction_pointer = kernel_base,
        .segments = {.base = kernel_base + 0x1000, .limit = 0x37},
        .interrupts = {.base = kernel_base + 0x2000, .limit = 0xfff},
    };
}

// Code that runs before the first machine is created finds the same registers.
__attribute__((constructor)) static void start(void) { simulated_reset_registers(); }

void simulated_set_features(simulated_features new_features) { features = new_features; }
simulated_features simulated_current_features(void) { return features; }

void simulated_hide_features(bool no_execute, bool attribute_table) {
  hides_no_execute = no_execute;
  hides_attribute_table = attribute_table;
}

void simulated_install_observer(const simulated_observer *observer) {
  __atomic_store_n(&simulated_installed_observer, NULL, __ATOMIC_RELEASE);
  if (observer == NULL) return;
  observer_storage = *observer;
  __atomic_store_n(&simulated_installed_observer, &observer_storage, __ATOMIC_RELEASE);
}

static void (*_Atomic interrupt_handler)(void);

void simulated_set_interrupt_handler(void (*handler)(void)) { interrupt_handler = handler; }

// Interrupts between processors. Each has a line: a word with a bit that is set while an interrupt
// is pending, one while a thread of its own runs the processor, and one while another thread runs
// the handler for it, which one does at a time.
enum { line_pending = SIMULATED_PENDING, line_threaded = 2, line_borrowed = 4 };
static struct {
  _Alignas(64) uint32_t word;
} lines[SIMULATED_PROCESSOR_LIMIT];

// Waits until no other thread runs the handler for the processor, and then replaces the line by
// `bits`, or sets `bits_of_threaded` if the processor has a thread. Returns the old line.
static uint32_t change_line(uint32_t number, uint32_t bits, uint32_t bits_of_threaded) {
  uint32_t *line = &lines[number].word;
  uint32_t old = __atomic_load_n(line, __ATOMIC_RELAXED);
  for (;;) {
    if (old & line_borrowed) {
      __builtin_ia32_pause();
      old = __atomic_load_n(line, __ATOMIC_RELAXED);
      continue;
    }
    uint32_t new = old & line_threaded ? old | bits_of_threaded : bits;
    // Acquiring, pairs with `release_line`: what ran as this processor before is seen. Not
    // releasing, since a processor that is interrupted sees nothing of the sender by that.
    if (__atomic_compare_exchange_n(line, &old, new, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      return old;
  }
}

static void release_line(uint32_t number) {
  __atomic_store_n(&lines[number].word, 0, __ATOMIC_RELEASE);
}

// Runs the handler as processor `number`.
static void handle_interrupt(uint32_t number) {
  simulated_processor *mine = &simulated_this_processor;
  void (*handler)(void) = interrupt_handler;
  if (handler == NULL) {
    fputs("a simulated processor was interrupted, but there is no handler\n", stderr);
    abort();
  }
  uint32_t own_number = mine->number;
  bool enabled = mine->interrupts_enabled;
  mine->number = number;
  mine->interrupts_enabled = false;
  handler();
  mine->number = own_number;
  mine->interrupts_enabled = enabled;
}

static uint32_t number_of_line(const uint32_t *line) {
  return (uint32_t)(((uintptr_t)line - (uintptr_t)lines) / sizeof lines[0]);
}

void simulated_begin_thread(uint32_t number) {
  simulated_this_processor.number = number;
  if (change_line(number, line_threaded, 0) & line_threaded) {
    fprintf(stderr, "two threads run processor %u of the simulated machine\n", number);
    abort();
  }
  simulated_this_processor.interrupt_line = &lines[number].word;
}

void simulated_end_thread(void) {
  uint32_t number = number_of_line(simulated_this_processor.interrupt_line);
  simulated_this_processor.interrupt_line = NULL;
  // Until the pending interrupt has been taken, no other thread takes one.
  uint32_t old = __atomic_exchange_n(&lines[number].word, line_borrowed, __ATOMIC_ACQ_REL);
  if (old & line_pending) handle_interrupt(number);
  release_line(number);
}

void simulated_take_interrupt(void) {
  simulated_processor *mine = &simulated_this_processor;
  uint32_t number = number_of_line(mine->interrupt_line);
  // The thread may do something in the name of another processor meanwhile.
  if (!mine->interrupts_enabled || mine->number != number) return;
  __atomic_fetch_and(&lines[number].word, ~line_pending, __ATOMIC_RELAXED);
  mine->interrupts_taken += 1;
  handle_interrupt(number);
}

void simulated_pause(void) {
  __builtin_ia32_pause();
  simulated_end_instruction();
}

void simulated_interrupt(uint64_t processors, uint32_t first) {
  for (uint32_t bit = 0; bit < 64; bit += 1) {
    if ((processors >> bit & 1) == 0) continue;
    uint32_t number = first + bit;
    if (change_line(number, line_borrowed, line_pending) & line_threaded) continue;
    handle_interrupt(number);
    release_line(number);
  }
}

static uint64_t *register_of_kind(simulated_control_kind kind) {
  simulated_registers *mine = simulated_these_registers();
  switch (kind) {
    case simulated_cr0_write: return &mine->cr0;
    case simulated_cr3_write: return &mine->cr3;
    case simulated_cr4_write: return &mine->cr4;
    case simulated_efer_write: return &mine->efer;
    case simulated_pat_write: return &mine->pat;
    case simulated_page_invalidation:
    case simulated_context_invalidation: break;
  }
  abort();
}

void simulated_write_register(simulated_control_kind kind, uint64_t value) {
  uint64_t *place = register_of_kind(kind);
  uint64_t old_value = *place;
  // The bit that keeps translations is not stored.
  *place = kind == simulated_cr3_write ? value & ~(UINT64_C(1) << 63) : value;
  if (kind == simulated_cr3_write) simulated_these_registers()->has_root = true;
  const simulated_observer *observer = simulated_current_observer();
  if (observer != NULL)
    observer->control(observer->context, simulated_this_processor.number, kind, old_value, value);
}

void simulated_fail_allocation(uint64_t ordinal) {
  simulated_allocation_failures = 0;
  simulated_allocations_until_failure = ordinal;
}

uint64_t simulated_failed_allocations(void) { return simulated_allocation_failures; }

void simulated_set_frame_poisoning(bool on) { simulated_frame_poisoning = on; }

bool simulated_allocation_fails(void) {
  if (--simulated_allocations_until_failure != 0) return false;
  simulated_allocation_failures += 1;
  return true;
}

// Reports PGE, PAT, NX, SMEP, SMAP and UMIP unless they are hidden, besides the features that are
// set.
hw_cpuid_result simulated_cpuid(uint32_t leaf, uint32_t subleaf) {
  (void)subleaf;
  hw_cpuid_result r = {0, 0, 0, 0};
  switch (leaf) {
    case 0x0: r.eax = 7; break;
    case 0x1:
      r.ecx = features.has_context_identifiers ? 1u << 17 : 0;
      r.edx = 1u << 13 | (hides_attribute_table ? 0 : 1u << 16);
      break;
    case 0x7:
      r.ebx = 1u << 7 | 1u << 20 | (features.has_context_invalidation ? 1u << 10 : 0);
      r.ecx = 1u << 2 | (features.has_five_levels ? 1u << 16 : 0);
      break;
    case 0x80000000: r.eax = 0x80000008; break;
    case 0x80000001:
      r.edx = (hides_no_execute ? 0 : 1u << 20) | 1u << 29
              | (features.has_one_gib_pages ? 1u << 26 : 0);
      break;
    case 0x80000008:
      r.eax = features.physical_address_width | (features.has_five_levels ? 57 : 48) << 8;
      break;
    default: break;
  }
  return r;
}

// The kernel tells without an access whether a page is mapped.
bool simulated_try_read_word(uint64_t address, uint64_t *value) {
  unsigned char is_resident;
  *value = 0;
  if (mincore((void *)(address & ~4095), 1, &is_resident) != 0) return false;
  memcpy(value, (const void *)address, sizeof *value);
  return true;
}

void simulated_write_port(uint16_t port, uint32_t value) {
  (void)port;
  (void)value;
}

// Memory management accesses EFER and PAT; all other registers read as zero and ignore writes.
uint64_t simulated_read_msr(uint32_t number) {
  switch (number) {
    case 0xc0000080: return simulated_these_registers()->efer;
    case 0x277: return simulated_these_registers()->pat;
    default: return 0;
  }
}

void simulated_write_msr(uint32_t number, uint64_t value) {
  switch (number) {
    case 0xc0000080: simulated_write_register(simulated_efer_write, value); break;
    case 0x277: simulated_write_register(simulated_pat_write, value); break;
    default: break;
  }
}

size_t simulated_copy_user(uint64_t user_address, void *buffer, size_t byte_count, bool is_write) {
  const simulated_observer *observer = simulated_current_observer();
  if (observer == NULL || observer->user_copy == NULL) {
    fputs("user memory was accessed on a simulated machine without an MMU\n", stderr);
    abort();
  }
  return observer->user_copy(observer->context, simulated_this_processor.number, user_address,
                             buffer, byte_count, is_write);
}

void simulated_halt(void) { abort(); }

uint32_t tessera_host_processor_id(void) { return simulated_this_processor.number; }

uint64_t tessera_host_preempt_disable(void) {
  simulated_end_instruction();
  simulated_this_processor.preemption_disables += 1;
  return simulated_this_processor.preemption_depth++;
}

void tessera_host_preempt_enable(uint64_t state) {
  simulated_processor *mine = &simulated_this_processor;
  if (--mine->preemption_depth != state) {
    fputs("preemption was not enabled in the reverse order\n", stderr);
    abort();
  }
  simulated_end_instruction();
  void (*other_thread)(void) = mine->preemption_point;
  if (state > 0 || other_thread == NULL) return;
  mine->preemption_point = NULL;
  other_thread();
  mine->preemption_point = other_thread;
}

void tessera_host_panic(const char *message, size_t length) {
  fprintf(stderr, "tessera: panic: %.*s\n", (int)length, message);
  fflush(stderr);
  abort();
}
#endif
