// What the assembly and Swift share about the processors, and instructions that only a kernel with
// several of them needs.
#pragma once
#include <stdint.h>
#include "layout.h"

#define PROCESSOR_INLINE static inline __attribute__((always_inline))

/// The number of the calling processor: the first word of its record, at which its GS begins.
PROCESSOR_INLINE uint32_t boot_processor_number(void) {
  uint32_t value;
  __asm__ volatile("movl %%gs:0, %0" : "=r"(value));
  return value;
}

/// Counts a call that turns preemption off, or one that turns it on again, in the second word of
/// the record: one instruction each, which an interrupt cannot divide.
PROCESSOR_INLINE void boot_count_preemption_off(void) {
  __asm__ volatile("incq %%gs:8" : : : "memory", "cc");
}
PROCESSOR_INLINE void boot_count_preemption_on(void) {
  __asm__ volatile("decq %%gs:8" : : : "memory", "cc");
}

/// Writes a model-specific register.
PROCESSOR_INLINE void boot_write_msr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                   : "memory");
}

/// Writes the command register of an x2APIC, after all earlier writes to memory: unlike a write to
/// the memory of a controller, it does not wait for them.
PROCESSOR_INLINE void boot_send_interrupt(uint64_t command) {
  __asm__ volatile("mfence; lfence" : : : "memory");
  boot_write_msr(0x830, command);
}

/// Reads a register of a device at `address`, with one access of that width.
PROCESSOR_INLINE uint32_t boot_read_device(uint64_t address) {
  return *(volatile uint32_t *)address;
}

/// Writes a register of a device at `address`, with one access of that width.
PROCESSOR_INLINE void boot_write_device(uint64_t address, uint32_t value) {
  *(volatile uint32_t *)address = value;
}

// The same, of narrower registers.
PROCESSOR_INLINE uint16_t boot_read_device16(uint64_t address) {
  return *(volatile uint16_t *)address;
}
PROCESSOR_INLINE void boot_write_device16(uint64_t address, uint16_t value) {
  *(volatile uint16_t *)address = value;
}
PROCESSOR_INLINE uint8_t boot_read_device8(uint64_t address) {
  return *(volatile uint8_t *)address;
}
PROCESSOR_INLINE void boot_write_device8(uint64_t address, uint8_t value) {
  *(volatile uint8_t *)address = value;
}

/// Turns interrupts on.
PROCESSOR_INLINE void boot_enable_interrupts(void) { __asm__ volatile("sti" : : : "memory"); }

/// Turns interrupts off.
PROCESSOR_INLINE void boot_disable_interrupts(void) { __asm__ volatile("cli" : : : "memory"); }

/// Halts until an interrupt, with interrupts on meanwhile. One that came since they were turned off
/// ends it at once: STI takes effect after the instruction that follows it.
PROCESSOR_INLINE void boot_wait_for_interrupt(void) {
  __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/// Executes two instructions `count` times, which is not zero.
PROCESSOR_INLINE void boot_repeat(uint64_t count) {
  __asm__ volatile("1: dec %0; jnz 1b" : "+r"(count) : : "cc");
}

#undef PROCESSOR_INLINE
