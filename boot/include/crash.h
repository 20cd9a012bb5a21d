// Instructions that go wrong, for a kernel that is asked to show what a crash leaves.
#pragma once
#include <stdint.h>

#define CRASH_INLINE static inline __attribute__((always_inline))

/// Divides by zero (#DE). Swift would check before it divides.
CRASH_INLINE void crash_divide(void) {
  __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" : : "a"(1), "d"(0) : "ecx", "cc");
}

/// Reads 8 bytes at `address`.
CRASH_INLINE void crash_read(uint64_t address) {
  __asm__ volatile("movq (%0), %%rax" : : "r"(address) : "rax", "memory");
}

/// Writes 8 bytes at `address`.
CRASH_INLINE void crash_write(uint64_t address) {
  __asm__ volatile("movq %0, (%0)" : : "r"(address) : "memory");
}

/// Executes what is at `address`.
CRASH_INLINE void crash_execute(uint64_t address) {
  __asm__ volatile("call *%0" : : "r"(address) : "memory");
}

/// Loads a floating-point constant: x87 is off.
///
/// Not inlined: it is the only function that may hold such an instruction, and is known by its
/// name.
static __attribute__((noinline, used)) void crash_floating_point(void) {
  __asm__ volatile("fld1");
}

/// Loads a selector beyond the end of the GDT (#GP).
CRASH_INLINE void crash_selector(void) {
  __asm__ volatile("movw %w0, %%ds" : : "r"(0x1230) : "memory");
}

/// Raises an interrupt that has no meaning.
CRASH_INLINE void crash_interrupt(void) { __asm__ volatile("int $0x77"); }

/// Raises an NMI where GS is already that of a program, as between an exchange and ring 3.
CRASH_INLINE void crash_exchanged(void) { __asm__ volatile("cli; swapgs; int $2" : : : "memory"); }

/// Takes the descriptor tables away and faults: the processor resets.
CRASH_INLINE void crash_triple_fault(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) empty = {0, 0};
  __asm__ volatile("lidt %0; ud2" : : "m"(empty));
}

#undef CRASH_INLINE
