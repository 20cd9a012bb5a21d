// What Kernel.swift needs beside the machine.
#include "../swift/machine.h"

/// Brings the x87 into the state that code expects: `Dictionary` and `Set` compute with it.
static inline void start_x87(void) { __asm__ volatile("fninit"); }

/// The control word of the x87.
static inline uint16_t x87_control(void) {
  uint16_t word;
  __asm__ volatile("fnstcw %0" : "=m"(word));
  return word;
}

// Mistakes that have to be found: a kernel that is linked with one of these symbols has it.
extern char LEAKS_AN_OBJECT[] __attribute__((weak));
extern char RUNS_OUT_OF_MEMORY[] __attribute__((weak));
extern char IN_UPPER_HALF[] __attribute__((weak));
static inline bool leaks_an_object(void) { return LEAKS_AN_OBJECT; }
static inline bool runs_out_of_memory(void) { return RUNS_OUT_OF_MEMORY; }

/// Where boot.S maps the first 4 GiB: where they are, and in the upper half.
static inline uint64_t direct_map(void) { return IN_UPPER_HALF ? 0xffff800000000000 : 0; }
