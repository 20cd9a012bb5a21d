// The symbols of the assembly and the linker script that Swift uses.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "layout.h"
#pragma clang assume_nonnull begin

/// The registers of interrupted code, as the processor and boot_interrupt push them.
///
/// They are loaded when the handler returns, with its changes.
typedef struct {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
  uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error_code;
  uint64_t rip, cs, rflags, rsp, ss;
} boot_interrupt_frame;

/// Loads the GDT of `limit` + 1 bytes at `table`, its code and data selectors, and the task
/// register.
void boot_load_segments(const void *table, uint16_t limit, uint16_t task);

/// Loads the IDT of `limit` + 1 bytes at `table`.
void boot_load_interrupt_table(const void *table, uint16_t limit);

/// Enters ring 3 with `registers`, and returns when boot_handle_interrupt has returned true, for an
/// exception or an interrupt of ring 3.
///
/// Interrupts are off until then; afterwards they are as before.
void boot_run_program(boot_interrupt_frame *registers);

/// Reads 8 bytes at `address` into `value`. Returns false if that faults.
bool boot_probe_read(uint64_t address, uint64_t *value);

/// Writes 8 bytes at `address`. Returns false if that faults.
bool boot_probe_write(uint64_t address, uint64_t value);

/// Calls `address`, where a return instruction is. Returns false if executing it faults.
bool boot_probe_execute(uint64_t address);

// The address of a symbol. A function, because Swift rejects a mutable C global.
#define BOOT_SYMBOL(name)                                                                \
  static inline __attribute__((always_inline)) uint64_t name##_address(void) {           \
    extern char name[] __attribute__((visibility("hidden")));                            \
    return (uint64_t)name;                                                               \
  }

BOOT_SYMBOL(boot_interrupt_stubs)
BOOT_SYMBOL(boot_interrupt_table)
BOOT_SYMBOL(boot_processor_records)
BOOT_SYMBOL(boot_trampoline)
BOOT_SYMBOL(boot_trampoline_arguments)
BOOT_SYMBOL(boot_trampoline_end)
BOOT_SYMBOL(boot_trampoline_tables)
BOOT_SYMBOL(boot_probe_executed)
BOOT_SYMBOL(boot_probe_not_executed)
BOOT_SYMBOL(boot_program)
BOOT_SYMBOL(boot_program_end)
BOOT_SYMBOL(kernel_image_start)
BOOT_SYMBOL(kernel_boot_tables_start)
BOOT_SYMBOL(kernel_boot_tables_end)
BOOT_SYMBOL(kernel_text_start)
BOOT_SYMBOL(kernel_tessera_text_end)
BOOT_SYMBOL(kernel_text_end)
BOOT_SYMBOL(kernel_rodata_start)
BOOT_SYMBOL(kernel_rodata_end)
BOOT_SYMBOL(kernel_data_start)
BOOT_SYMBOL(kernel_data_end)
BOOT_SYMBOL(kernel_extable_start)
BOOT_SYMBOL(kernel_extable_end)
BOOT_SYMBOL(kernel_end)
BOOT_SYMBOL(kernel_stack)
BOOT_SYMBOL(kernel_stack_top)
BOOT_SYMBOL(kernel_stack_guard)
BOOT_SYMBOL(double_fault_stack_guard)
BOOT_SYMBOL(double_fault_stack_top)
BOOT_SYMBOL(nmi_stack_guard)
BOOT_SYMBOL(nmi_stack_top)
BOOT_SYMBOL(machine_check_stack_guard)
BOOT_SYMBOL(machine_check_stack_top)
#undef BOOT_SYMBOL

/// The frame pointer of the calling function, which heads the chain of stack frames.
static inline __attribute__((always_inline)) uint64_t boot_frame_pointer(void) {
  uint64_t value;
  __asm__ volatile("mov %%rbp, %0" : "=r"(value));
  return value;
}

/// The virtual address at which the boot code maps physical byte zero, and with it the first 4 GiB:
/// the first of the upper half, which depends on the number of levels of page tables.
static inline __attribute__((always_inline)) uint64_t boot_direct_map_base(void) {
  uint64_t cr4;
  __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
  return cr4 >> 12 & 1 ? 0xff00000000000000 : 0xffff800000000000;
}

#pragma clang assume_nonnull end
