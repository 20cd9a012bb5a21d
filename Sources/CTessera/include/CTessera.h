// The seam between Tessera and the machine: instructions, and what the kernel around Tessera
// provides.
//
// This is the only place where a host build and a freestanding build differ. Freestanding, each
// instruction is one `asm` statement that is inlined into its Swift caller (instructions.h).
// Hosted, privileged instructions act on the simulated processor of the calling thread
// (simulated.h).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tessera.h"
#pragma clang assume_nonnull begin

#define TESSERA_INLINE static inline __attribute__((always_inline))

// Instructions that need no privilege -------------------------------------------------------------

/// Stores `value` in `count` words starting at `destination` (REP STOSQ).
TESSERA_INLINE void hw_fill_words(void *destination, uint64_t value, size_t count) {
  __asm__ volatile("rep stosq" : "+D"(destination), "+c"(count) : "a"(value) : "memory");
}

/// Copies `count` words from `source` to `destination`, which do not overlap (REP MOVSQ).
TESSERA_INLINE void hw_copy_words(void *destination, const void *source, size_t count) {
#if __has_feature(thread_sanitizer)
  // Which it sees, unlike an instruction of our own.
  __builtin_memcpy(destination, source, count * 8);
#else
  __asm__ volatile("rep movsq" : "+D"(destination), "+S"(source), "+c"(count) : : "memory");
#endif
}

/// Whether the aligned word at `place` is `value`. Acquiring: what follows is not done before.
///
/// One instruction, which compares with memory. Compilers load a word that is atomic by an
/// instruction of its own.
TESSERA_INLINE bool hw_word_equals(const void *place, uint64_t value) {
#if __has_feature(thread_sanitizer)
  return __atomic_load_n((const uint64_t *)place, __ATOMIC_ACQUIRE) == value;
#else
  bool is_equal;
  __asm__ volatile("cmpq %2, %1"
                   : "=@ccz"(is_equal)
                   : "m"(*(const uint64_t *)place), "r"(value)
                   : "memory");
  return is_equal;
#endif
}

/// The time-stamp counter, read once all earlier instructions have completed (LFENCE; RDTSC).
TESSERA_INLINE uint64_t hw_read_timestamp(void) {
  uint32_t low, high;
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

/// Where the function that this is inlined into returns to.
TESSERA_INLINE uint64_t hw_return_address(void) {
  return (uint64_t)__builtin_return_address(0);
}

/// The four registers that CPUID sets.
typedef struct {
  uint32_t eax, ebx, ecx, edx;
} hw_cpuid_result;

/// The base of a descriptor table, and its size in bytes minus one.
typedef struct {
  uint64_t base;
  uint16_t limit;
} hw_descriptor_table;

#pragma clang assume_nonnull end

// Both headers define the same functions ----------------------------------------------------------
//
// Hooks of the simulated machine, which are empty in instructions.h: `hw_note_entry_write` follows
// each store to a page-table entry, with the physical address of the entry; `hw_note_frame_free`
// follows each free of frames; `hw_is_observed` returns whether an observer is installed.
//
// `hw_try_read_word` reads the 8 bytes at a virtual address, and returns false if that faults. It
// needs a valid GDT and a stack, and interrupts off. `hw_task_selector` is TR.
//
// Access to user memory: `hw_set_user_access` sets or clears EFLAGS.AC, for a processor with SMAP.
// `hw_copy_from_user` and `hw_copy_to_user` copy `count` bytes and return the number copied: fewer
// if one faulted and the page-fault handler continued at `hw_user_copy_recovery` of the instruction
// that faulted (REP MOVSB, which counts down the bytes that remain). That is zero for any other.

#if __STDC_HOSTED__
#include "simulated.h"
#else
#include "instructions.h"
#endif
