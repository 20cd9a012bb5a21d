// The seam between Tessera and the machine: instructions, and what the kernel around Tessera
// supplies.
//
// This is the only place where a host build and a freestanding build differ. Freestanding, each
// instruction is one `asm` statement that inlines into its Swift caller. Hosted, the privileged
// ones act on the simulated processor of the calling thread (simulated.c).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What the kernel around Tessera supplies is told where kernels look.
#include "tessera.h"
#pragma clang assume_nonnull begin

#define TESSERA_INLINE static inline __attribute__((always_inline))

// Instructions that need no privilege: the same on a host -----------------------------------------

/// Stores `value` in each of `count` words from `destination` on (REP STOSQ).
TESSERA_INLINE void hw_fill_words(void *destination, uint64_t value, size_t count) {
  __asm__ volatile("rep stosq" : "+D"(destination), "+c"(count) : "a"(value) : "memory");
}

/// 12 KiB of memory that hold zeros at first and are aligned to 64.
///
/// Swift begins a large variable with a function that runs at its first use, and a kernel has none
/// who calls it in time.
extern __attribute__((visibility("hidden"))) uint64_t hw_static_words[1536];
TESSERA_INLINE void *hw_static_memory(void) { return hw_static_words; }

/// Tells the processor that the caller spins (PAUSE).
TESSERA_INLINE void hw_pause(void) { __asm__ volatile("pause"); }

/// The time-stamp counter, read after everything before it is done (LFENCE; RDTSC).
TESSERA_INLINE uint64_t hw_read_timestamp(void) {
  uint32_t low, high;
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

/// The four registers that CPUID leaves.
typedef struct {
  uint32_t eax, ebx, ecx, edx;
} hw_cpuid_result;

/// Where a table of descriptors is, and how many bytes it has, less one.
typedef struct {
  uint64_t base;
  uint16_t limit;
} hw_descriptor_table;

// Everything below exists twice -------------------------------------------------------------------
//
// Two of them tell whoever looks on at a simulated machine what Tessera did, and are nothing at all
// when freestanding: `hw_note_entry_write`, after each store to an entry of a page table, with the
// physical address of the entry; and `hw_note_frame_free`, whenever a frame is taken back;
// `hw_is_observed` says whether there is somebody to be told.
//
// Three are for the memory of programs. `hw_set_user_access` allows or forbids the kernel to touch
// it where SMAP is on (EFLAGS.AC). `hw_copy_from_user` and `hw_copy_to_user` copy `count` bytes and
// return how many were copied: fewer if the next one faulted, once the kernel around Tessera goes
// on behind the instruction that did (REP MOVSB, which has counted what is left).

#if __STDC_HOSTED__

/// What a thread must know of the processor that it is. Each thread has its own.
typedef struct {
  uint32_t number;
  bool interrupts_enabled;
  /// EFLAGS.AC: the kernel may touch the memory of programs although SMAP is on.
  bool user_access_allowed;
  /// How many instructions of each kind this thread has executed.
  uint64_t interrupt_disables, page_invalidations, root_loads;
} simulated_processor;

/// How many processors a simulated machine can have.
#define SIMULATED_PROCESSOR_LIMIT 64

/// The registers of one simulated processor, whichever thread is that processor at the moment.
typedef struct {
  uint64_t cr0, cr2, cr3, cr4, efer, pat;
  uint64_t stack_pointer, instruction_pointer;
  hw_descriptor_table segments, interrupts;
  /// Whether CR3 was loaded since the start: no table is used before.
  bool has_root;
} simulated_registers;

/// What changed a register, or what removed translations.
typedef enum : uint32_t {
  /// INVLPG; the new value is the operand, a virtual address.
  simulated_page_invalidation,
  simulated_cr0_write,
  simulated_cr3_write,
  simulated_cr4_write,
  simulated_efer_write,
  simulated_pat_write,
} simulated_control_kind;

/// Who looks on: functions that are called by the thread that did the thing, after it was done.
///
/// They may be called by several threads at once. They must not write entries, free frames or
/// execute instructions of this seam themselves.
typedef struct {
  void *_Nullable context;
  /// An entry of a page table was stored to.
  void (*entry_write)(void *_Nullable context, uint32_t processor, uint64_t entry_address,
                      uint64_t old_value, uint64_t new_value);
  /// Frames were taken back, and may be used for something else from now on.
  void (*frame_free)(void *_Nullable context, uint32_t processor, uint64_t frame_address,
                     uint64_t byte_count);
  /// A processor executed an instruction that concerns its translations.
  void (*control)(void *_Nullable context, uint32_t processor, simulated_control_kind kind,
                  uint64_t old_value, uint64_t new_value);
  /// The kernel copies `byte_count` bytes between `buffer` and the virtual address `user_address`.
  /// Returns how many could be copied. Whoever looks on is the machine's MMU, which does it.
  size_t (*user_copy)(void *_Nullable context, uint32_t processor, uint64_t user_address,
                      void *buffer, size_t byte_count, bool is_write);
} simulated_observer;

/// What the simulated processors are like, as far as CPUID says.
typedef struct {
  uint32_t physical_address_width;
  bool has_five_levels, has_one_gib_pages;
} simulated_features;

/// The processor that the calling thread is.
extern _Thread_local simulated_processor simulated_this_processor;

// What every allocation or change reads is hidden, so that it need not be looked up where it is.
#define SIMULATED_SWITCH __attribute__((visibility("hidden")))

/// Counts down with each allocation; the one that brings it to zero fails. Zero: none fails.
extern SIMULATED_SWITCH _Atomic uint64_t simulated_allocations_until_failure;
/// How many allocations were made to fail.
extern _Atomic uint64_t simulated_allocation_failures;
/// Whether freed frames are filled with a pattern that is checked when they are allocated again.
extern SIMULATED_SWITCH _Atomic bool simulated_frame_poisoning;
/// Who looks on, or null.
extern SIMULATED_SWITCH const simulated_observer *_Nullable simulated_installed_observer;

simulated_processor *simulated_current_processor(void);
/// The registers of processor `number`, which is below the limit.
simulated_registers *simulated_registers_of(uint32_t number);
/// Gives all processors the registers that a kernel finds once it runs: paging and no-execute on.
void simulated_reset_registers(void);
/// Changes what CPUID says, from the next time it is asked.
void simulated_set_features(simulated_features features);
simulated_features simulated_current_features(void);
/// Makes `observer`, which is copied, look on; null makes nobody. No other thread runs meanwhile.
void simulated_install_observer(const simulated_observer *_Nullable observer);
/// Stores a register of the calling processor and tells the observer.
void simulated_write_register(simulated_control_kind kind, uint64_t value);
void simulated_fail_allocation(uint64_t ordinal);
uint64_t simulated_failed_allocations(void);
void simulated_set_frame_poisoning(bool on);
bool simulated_allocation_is_refused(void);
hw_cpuid_result simulated_cpuid(uint32_t leaf, uint32_t subleaf);
void simulated_write_port(uint16_t port, uint32_t value);
uint64_t simulated_read_msr(uint32_t number);
void simulated_write_msr(uint32_t number, uint64_t value);
_Noreturn void simulated_halt(void);
/// Copies by the MMU of whoever looks on; stops the program if nobody does.
size_t simulated_copy_user(uint64_t user_address, void *buffer, size_t byte_count, bool is_write);

TESSERA_INLINE uint32_t hw_processor_id(void) { return simulated_this_processor.number; }
TESSERA_INLINE bool hw_disable_interrupts(void) {
  bool enabled = simulated_this_processor.interrupts_enabled;
  simulated_this_processor.interrupts_enabled = false;
  simulated_this_processor.interrupt_disables += 1;
  return enabled;
}
TESSERA_INLINE void hw_restore_interrupts(bool enabled) {
  simulated_this_processor.interrupts_enabled = enabled;
}
TESSERA_INLINE const simulated_observer *_Nullable simulated_current_observer(void) {
  return __atomic_load_n(&simulated_installed_observer, __ATOMIC_ACQUIRE);
}
TESSERA_INLINE void hw_note_entry_write(uint64_t entry_address, uint64_t old_value,
                                        uint64_t new_value) {
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->entry_write(observer->context, hw_processor_id(), entry_address, old_value,
                          new_value);
}
TESSERA_INLINE void hw_note_frame_free(uint64_t frame_address, uint64_t byte_count) {
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->frame_free(observer->context, hw_processor_id(), frame_address, byte_count);
}
TESSERA_INLINE bool hw_is_observed(void) { return simulated_current_observer() != NULL; }
TESSERA_INLINE void hw_invalidate_page(uint64_t address) {
  simulated_this_processor.page_invalidations += 1;
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->control(observer->context, hw_processor_id(), simulated_page_invalidation, 0,
                      address);
}
TESSERA_INLINE simulated_registers *simulated_these_registers(void) {
  return simulated_registers_of(hw_processor_id());
}
TESSERA_INLINE uint64_t hw_read_cr0(void) { return simulated_these_registers()->cr0; }
TESSERA_INLINE uint64_t hw_read_cr2(void) { return simulated_these_registers()->cr2; }
TESSERA_INLINE uint64_t hw_read_cr3(void) { return simulated_these_registers()->cr3; }
TESSERA_INLINE uint64_t hw_read_cr4(void) { return simulated_these_registers()->cr4; }
TESSERA_INLINE void hw_write_cr0(uint64_t value) {
  simulated_write_register(simulated_cr0_write, value);
}
TESSERA_INLINE void hw_write_cr3(uint64_t value) {
  simulated_this_processor.root_loads += 1;
  simulated_write_register(simulated_cr3_write, value);
}
TESSERA_INLINE void hw_write_cr4(uint64_t value) {
  simulated_write_register(simulated_cr4_write, value);
}
TESSERA_INLINE uint64_t hw_read_msr(uint32_t number) { return simulated_read_msr(number); }
TESSERA_INLINE void hw_write_msr(uint32_t number, uint64_t value) {
  simulated_write_msr(number, value);
}
TESSERA_INLINE uint64_t hw_stack_pointer(void) {
  return simulated_these_registers()->stack_pointer;
}
TESSERA_INLINE uint64_t hw_instruction_pointer(void) {
  return simulated_these_registers()->instruction_pointer;
}
TESSERA_INLINE hw_descriptor_table hw_segment_table(void) {
  return simulated_these_registers()->segments;
}
TESSERA_INLINE hw_descriptor_table hw_interrupt_table(void) {
  return simulated_these_registers()->interrupts;
}
TESSERA_INLINE void hw_flush_caches(void) {}
TESSERA_INLINE hw_cpuid_result hw_cpuid(uint32_t leaf, uint32_t subleaf) {
  return simulated_cpuid(leaf, subleaf);
}
TESSERA_INLINE void hw_write_port8(uint16_t port, uint8_t value) {
  simulated_write_port(port, value);
}
TESSERA_INLINE void hw_write_port32(uint16_t port, uint32_t value) {
  simulated_write_port(port, value);
}
TESSERA_INLINE uint8_t hw_read_port8(uint16_t port) { (void)port; return 0xff; }
TESSERA_INLINE void hw_set_user_access(bool allowed) {
  simulated_this_processor.user_access_allowed = allowed;
}
TESSERA_INLINE size_t hw_copy_from_user(void *destination, uint64_t source, size_t count) {
  return simulated_copy_user(source, destination, count, false);
}
TESSERA_INLINE size_t hw_copy_to_user(uint64_t destination, const void *source, size_t count) {
  return simulated_copy_user(destination, (void *)source, count, true);
}
TESSERA_INLINE _Noreturn void hw_halt_forever(void) { simulated_halt(); }
TESSERA_INLINE bool hw_allocation_is_refused(void) {
  return __builtin_expect(simulated_allocations_until_failure != 0, 0)
      && simulated_allocation_is_refused();
}
TESSERA_INLINE bool hw_frames_are_poisoned(void) { return simulated_frame_poisoning; }

#else

#ifndef TESSERA_CHECK
#define TESSERA_CHECK 0
#endif

TESSERA_INLINE uint32_t hw_processor_id(void) { return tessera_host_processor_id(); }
TESSERA_INLINE bool hw_disable_interrupts(void) {
  uint64_t flags;
  __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
  return flags & 0x200;
}
TESSERA_INLINE void hw_restore_interrupts(bool enabled) {
  if (enabled) __asm__ volatile("sti" : : : "memory");
}
TESSERA_INLINE void hw_note_entry_write(uint64_t entry_address, uint64_t old_value,
                                        uint64_t new_value) {
  (void)entry_address;
  (void)old_value;
  (void)new_value;
}
TESSERA_INLINE void hw_note_frame_free(uint64_t frame_address, uint64_t byte_count) {
  (void)frame_address;
  (void)byte_count;
}
TESSERA_INLINE bool hw_is_observed(void) { return false; }
TESSERA_INLINE void hw_invalidate_page(uint64_t address) {
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}
#define TESSERA_CONTROL_REGISTER(n)                                                      \
  TESSERA_INLINE uint64_t hw_read_cr##n(void) {                                          \
    uint64_t value;                                                                      \
    __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                   \
    return value;                                                                        \
  }                                                                                      \
  TESSERA_INLINE void hw_write_cr##n(uint64_t value) {                                   \
    __asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                       \
  }
TESSERA_CONTROL_REGISTER(0)
TESSERA_CONTROL_REGISTER(2)
TESSERA_CONTROL_REGISTER(3)
TESSERA_CONTROL_REGISTER(4)
#undef TESSERA_CONTROL_REGISTER
TESSERA_INLINE uint64_t hw_read_msr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}
TESSERA_INLINE void hw_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                   : "memory");
}
TESSERA_INLINE uint64_t hw_stack_pointer(void) {
  uint64_t value;
  __asm__ volatile("mov %%rsp, %0" : "=r"(value));
  return value;
}
TESSERA_INLINE uint64_t hw_instruction_pointer(void) {
  uint64_t value;
  __asm__ volatile("lea (%%rip), %0" : "=r"(value));
  return value;
}
#define TESSERA_DESCRIPTOR_TABLE(name, instruction)                                      \
  TESSERA_INLINE hw_descriptor_table hw_##name##_table(void) {                           \
    struct __attribute__((packed)) { uint16_t limit; uint64_t base; } stored;            \
    __asm__ volatile(instruction " %0" : "=m"(stored));                                  \
    return (hw_descriptor_table){.base = stored.base, .limit = stored.limit};            \
  }
TESSERA_DESCRIPTOR_TABLE(segment, "sgdt")
TESSERA_DESCRIPTOR_TABLE(interrupt, "sidt")
#undef TESSERA_DESCRIPTOR_TABLE
/// Writes back and empties all caches (WBINVD).
TESSERA_INLINE void hw_flush_caches(void) { __asm__ volatile("wbinvd" : : : "memory"); }
TESSERA_INLINE hw_cpuid_result hw_cpuid(uint32_t leaf, uint32_t subleaf) {
  hw_cpuid_result r;
  __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                   : "a"(leaf), "c"(subleaf));
  return r;
}
TESSERA_INLINE void hw_write_port8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
TESSERA_INLINE void hw_write_port32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
TESSERA_INLINE uint8_t hw_read_port8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
// Not STAC and CLAC, which are for that: some virtual machines cannot execute them.
TESSERA_INLINE void hw_set_user_access(bool allowed) {
  if (allowed)
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" : : : "memory", "cc");
  else
    __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" : : : "memory", "cc");
}
TESSERA_INLINE size_t hw_copy_from_user(void *destination, uint64_t source, size_t count) {
  size_t left = count;
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(left) : : "memory");
  return count - left;
}
TESSERA_INLINE size_t hw_copy_to_user(uint64_t destination, const void *source, size_t count) {
  size_t left = count;
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(left) : : "memory");
  return count - left;
}
TESSERA_INLINE _Noreturn void hw_halt_forever(void) {
  for (;;) __asm__ volatile("cli; hlt");
}
TESSERA_INLINE bool hw_allocation_is_refused(void) { return false; }
TESSERA_INLINE bool hw_frames_are_poisoned(void) { return TESSERA_CHECK; }

#endif
#pragma clang assume_nonnull end
