// The machine of a hosted build: simulated processors, one for each thread (simulated.c).
//
// Included by CTessera.h alone.
#pragma once
#pragma clang assume_nonnull begin

/// The state of a processor that belongs to its thread.
typedef struct {
  uint32_t number;
  bool interrupts_enabled;
  /// EFLAGS.AC: the kernel may access user pages although SMAP is enabled.
  bool user_access_allowed;
  /// Numbers of instructions that this thread has executed.
  uint64_t interrupt_disables, page_invalidations, root_loads;
  /// How often preemption is off at this moment, and how often it was turned off.
  uint64_t preemption_depth, preemption_disables;
  /// Called whenever preemption has just been turned on again: what another thread does then.
  void (*_Nullable preemption_point)(void);
  /// The interrupt line of the processor, if this thread has said that it runs it.
  const uint32_t *_Nullable interrupt_line;
  /// The number of interrupts that this thread has taken.
  uint64_t interrupts_taken;
} simulated_processor;

/// The largest number of processors of a simulated machine.
#define SIMULATED_PROCESSOR_LIMIT 512

/// The registers of one simulated processor, which any thread may run.
typedef struct {
  uint64_t cr0, cr2, cr3, cr4, efer, pat;
  uint64_t stack_pointer, instruction_pointer;
  hw_descriptor_table segments, interrupts;
  uint16_t task_selector;
  /// Whether CR3 has been loaded; no table is used before.
  bool has_root;
} simulated_registers;

/// An instruction that writes a register or flushes translations.
typedef enum : uint32_t {
  /// INVLPG; the new value is the operand, a virtual address.
  simulated_page_invalidation,
  /// INVPCID of type 2.
  simulated_context_invalidation,
  simulated_cr0_write,
  simulated_cr3_write,
  simulated_cr4_write,
  simulated_efer_write,
  simulated_pat_write,
} simulated_control_kind;

/// Callbacks of the observer, invoked on the acting thread after the action.
///
/// Several threads may call them at once. They must not write entries, free frames or execute
/// instructions of this seam.
typedef struct {
  void *_Nullable context;
  /// A page-table entry was written.
  void (*entry_write)(void *_Nullable context, uint32_t processor, uint64_t entry_address,
                      uint64_t old_value, uint64_t new_value);
  /// Frames were freed and may be reused.
  void (*frame_free)(void *_Nullable context, uint32_t processor, uint64_t frame_address,
                     uint64_t byte_count);
  /// A processor executed an instruction that affects its translations.
  void (*control)(void *_Nullable context, uint32_t processor, simulated_control_kind kind,
                  uint64_t old_value, uint64_t new_value);
  /// The kernel copies `byte_count` bytes between `buffer` and the virtual address `user_address`.
  /// Returns the number copied. The observer is the machine's MMU and performs the copy.
  size_t (*user_copy)(void *_Nullable context, uint32_t processor, uint64_t user_address,
                      void *buffer, size_t byte_count, bool is_write);
} simulated_observer;

/// The features of the simulated processors that CPUID reports.
typedef struct {
  uint32_t physical_address_width;
  bool has_five_levels, has_one_gib_pages;
  /// PCID, and INVPCID.
  bool has_context_identifiers, has_context_invalidation;
} simulated_features;

/// The processor that the calling thread runs.
extern _Thread_local simulated_processor simulated_this_processor;

// Variables that every allocation or change reads are hidden, so that they are addressed directly.
#define SIMULATED_SWITCH __attribute__((visibility("hidden")))

/// Counts down with each allocation; the one that reaches zero fails. If zero, none fails.
extern SIMULATED_SWITCH _Atomic uint64_t simulated_allocations_until_failure;
/// The number of allocations that have failed because of this.
extern _Atomic uint64_t simulated_allocation_failures;
/// Whether freed frames are filled with a pattern that is checked at their next allocation.
extern SIMULATED_SWITCH _Atomic bool simulated_frame_poisoning;
/// The observer, or null.
extern SIMULATED_SWITCH const simulated_observer *_Nullable simulated_installed_observer;

simulated_processor *simulated_current_processor(void);
/// Enables interrupts on the calling processor, and aborts unless it is the first.
///
/// A machine calls this when it is created and when it ends, since threads outlive machines.
void simulated_require_first_processor(void);
/// The registers of processor `number`; aborts at or above the limit.
simulated_registers *simulated_registers_of(uint32_t number);
/// Sets all registers to the values of a running kernel, with paging and no-execute enabled.
void simulated_reset_registers(void);
/// Sets the features that CPUID reports.
void simulated_set_features(simulated_features features);
simulated_features simulated_current_features(void);
/// Hides features that all simulated processors have, until the registers are reset.
void simulated_hide_features(bool no_execute, bool attribute_table);
/// Installs a copy of `observer`, or none if null. No other thread runs meanwhile.
void simulated_install_observer(const simulated_observer *_Nullable observer);
/// Writes a register of the calling processor and notifies the observer.
void simulated_write_register(simulated_control_kind kind, uint64_t value);
void simulated_fail_allocation(uint64_t ordinal);
uint64_t simulated_failed_allocations(void);
void simulated_set_frame_poisoning(bool on);
bool simulated_allocation_fails(void);
hw_cpuid_result simulated_cpuid(uint32_t leaf, uint32_t subleaf);
void simulated_write_port(uint16_t port, uint32_t value);
uint64_t simulated_read_msr(uint32_t number);
void simulated_write_msr(uint32_t number, uint64_t value);
_Noreturn void simulated_halt(void);
/// Reads the 8 bytes at `address` of this process; returns false if nothing is mapped there.
bool simulated_try_read_word(uint64_t address, uint64_t *value);
/// Copies through the observer; aborts if there is none.
size_t simulated_copy_user(uint64_t user_address, void *buffer, size_t byte_count, bool is_write);

/// Sets the handler of the interrupt that processors send each other.
void simulated_set_interrupt_handler(void (*_Nullable handler)(void));
/// Interrupts each of `processors`, of which bit 0 is processor `first`. One that has a thread of
/// its own takes the interrupt itself, at its next instruction of this seam with interrupts on. For
/// the others the calling thread runs the handler, before this returns.
void simulated_interrupt(uint64_t processors, uint32_t first);
/// Makes the calling thread run processor `number`, and take its interrupts from now on.
void simulated_begin_thread(uint32_t number);
/// Ends what `simulated_begin_thread` began: others take the interrupts of the processor, and this
/// thread one that is pending. It may block then.
void simulated_end_thread(void);
/// Takes the interrupt that is pending, unless interrupts are off.
void simulated_take_interrupt(void);

/// Tells the processor that the caller spins. No inline function, because a test that decides which
/// processor runs next has to know.
void simulated_pause(void);

/// Whether interrupts reach the threads of processors. Not where instructions are counted: a real
/// processor executes none to see that no interrupt is pending.
#ifndef SIMULATED_INTERRUPTS
#define SIMULATED_INTERRUPTS 1
#endif
/// A bit of an interrupt line: an interrupt is pending.
#define SIMULATED_PENDING 1u

/// The boundary between two instructions, where an interrupt may come.
TESSERA_INLINE void simulated_end_instruction(void) {
#if SIMULATED_INTERRUPTS
  const uint32_t *line = simulated_this_processor.interrupt_line;
  // Ordering: relaxed; an interrupt orders nothing.
  if (__builtin_expect(line != NULL, 0)
      && __atomic_load_n(line, __ATOMIC_RELAXED) & SIMULATED_PENDING)
    simulated_take_interrupt();
#endif
}

/// Tells the processor that the caller spins (PAUSE).
TESSERA_INLINE void hw_pause(void) { simulated_pause(); }
TESSERA_INLINE uint32_t hw_processor_id(void) {
  simulated_end_instruction();
  return simulated_this_processor.number;
}
TESSERA_INLINE void hw_interrupt_processors(uint64_t processors, uint32_t first) {
  simulated_interrupt(processors, first);
  simulated_end_instruction();
}
TESSERA_INLINE bool hw_disable_interrupts(void) {
  simulated_end_instruction();
  bool enabled = simulated_this_processor.interrupts_enabled;
  simulated_this_processor.interrupts_enabled = false;
  simulated_this_processor.interrupt_disables += 1;
  return enabled;
}
TESSERA_INLINE void hw_restore_interrupts(bool enabled) {
  simulated_this_processor.interrupts_enabled = enabled;
  simulated_end_instruction();
}
TESSERA_INLINE const simulated_observer *_Nullable simulated_current_observer(void) {
  return __atomic_load_n(&simulated_installed_observer, __ATOMIC_ACQUIRE);
}
TESSERA_INLINE void hw_note_entry_write(uint64_t entry_address, uint64_t old_value,
                                        uint64_t new_value) {
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->entry_write(observer->context, simulated_this_processor.number, entry_address,
                          old_value, new_value);
  simulated_end_instruction();
}
TESSERA_INLINE void hw_note_frame_free(uint64_t frame_address, uint64_t byte_count) {
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->frame_free(observer->context, simulated_this_processor.number, frame_address,
                         byte_count);
  simulated_end_instruction();
}
TESSERA_INLINE bool hw_is_observed(void) { return simulated_current_observer() != NULL; }
TESSERA_INLINE void hw_invalidate_page(uint64_t address) {
  simulated_this_processor.page_invalidations += 1;
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->control(observer->context, simulated_this_processor.number,
                      simulated_page_invalidation, 0, address);
  simulated_end_instruction();
}
TESSERA_INLINE void hw_invalidate_all_contexts(void) {
  const simulated_observer *observer = simulated_current_observer();
  if (__builtin_expect(observer != NULL, 0))
    observer->control(observer->context, simulated_this_processor.number,
                      simulated_context_invalidation, 0, 0);
  simulated_end_instruction();
}
TESSERA_INLINE simulated_registers *simulated_these_registers(void) {
  return simulated_registers_of(simulated_this_processor.number);
}
TESSERA_INLINE uint64_t hw_read_cr0(void) { return simulated_these_registers()->cr0; }
TESSERA_INLINE uint64_t hw_read_cr2(void) { return simulated_these_registers()->cr2; }
TESSERA_INLINE uint64_t hw_read_cr3(void) { return simulated_these_registers()->cr3; }
TESSERA_INLINE uint64_t hw_read_cr4(void) { return simulated_these_registers()->cr4; }
TESSERA_INLINE void hw_write_cr0(uint64_t value) {
  simulated_write_register(simulated_cr0_write, value);
  simulated_end_instruction();
}
TESSERA_INLINE void hw_write_cr3(uint64_t value) {
  simulated_this_processor.root_loads += 1;
  simulated_write_register(simulated_cr3_write, value);
  simulated_end_instruction();
}
TESSERA_INLINE void hw_write_cr4(uint64_t value) {
  simulated_write_register(simulated_cr4_write, value);
  simulated_end_instruction();
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
TESSERA_INLINE uint16_t hw_task_selector(void) {
  return simulated_these_registers()->task_selector;
}
TESSERA_INLINE bool hw_try_read_word(uint64_t address, uint64_t *value) {
  return simulated_try_read_word(address, value);
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
  simulated_end_instruction();
}
TESSERA_INLINE size_t hw_copy_from_user(void *destination, uint64_t source, size_t count) {
  return simulated_copy_user(source, destination, count, false);
}
TESSERA_INLINE size_t hw_copy_to_user(uint64_t destination, const void *source, size_t count) {
  return simulated_copy_user(destination, (void *)source, count, true);
}
TESSERA_INLINE uint64_t hw_user_copy_recovery(uint64_t instruction) {
  (void)instruction;
  return 0;
}
TESSERA_INLINE _Noreturn void hw_halt_forever(void) { simulated_halt(); }
TESSERA_INLINE bool hw_allocation_fails(void) {
  return __builtin_expect(simulated_allocations_until_failure != 0, 0)
      && simulated_allocation_fails();
}
TESSERA_INLINE bool hw_frames_are_poisoned(void) { return simulated_frame_poisoning; }

#pragma clang assume_nonnull end
