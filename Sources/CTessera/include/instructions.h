// The machine of a freestanding build: instructions of the processor.
//
// Included by CTessera.h alone.
#pragma once
#pragma clang assume_nonnull begin

#ifndef TESSERA_CHECK
#define TESSERA_CHECK 0
#endif

/// Tells the processor that the caller spins (PAUSE).
TESSERA_INLINE void hw_pause(void) { __asm__ volatile("pause"); }
// One instruction instead of a call, in a library that was built for a kernel that keeps the number
// there.
TESSERA_INLINE uint32_t hw_processor_id(void) {
#ifdef TESSERA_PROCESSOR_NUMBER_AT_GS
  uint32_t number;
  __asm__ volatile("movl %%gs:%c1, %0" : "=r"(number) : "i"(TESSERA_PROCESSOR_NUMBER_AT_GS));
  return number;
#else
  return tessera_host_processor_id();
#endif
}
TESSERA_INLINE void hw_interrupt_processors(uint64_t processors, uint32_t first) {
  tessera_host_interrupt(processors, first);
}
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
/// Invalidates all that is cached, under all process-context identifiers (INVPCID, type 2).
TESSERA_INLINE void hw_invalidate_all_contexts(void) {
  const struct { uint64_t identifier, address; } descriptor = {0, 0};
  __asm__ volatile("invpcid %0, %1" : : "m"(descriptor), "r"(UINT64_C(2)) : "memory");
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
  // By way of the stack: the value is a number from which others are computed, and not a base by
  // which the stack is accessed.
  __asm__ volatile("pushq %%rsp; popq %0" : "=r"(value));
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
TESSERA_INLINE uint16_t hw_task_selector(void) {
  uint16_t selector;
  __asm__ volatile("str %0" : "=r"(selector));
  return selector;
}
// The kernel may have no handler for page faults yet, so this brings its own table for the length
// of the read. A fault continues at label 2 on the same stack, below the error code, RIP, CS,
// RFLAGS, RSP and SS. It is not left by IRET, which would load a stale SS. An NMI is lost.
#define TESSERA_GATE(vector, label)                                                      \
  "leaq " label "(%%rip), %%rax; movw %%ax, 16*" vector "(%[gates])\n\t"              \
  "shrq $16, %%rax; movw %%ax, 16*" vector "+6(%[gates])\n\t"                         \
  "shrq $16, %%rax; movl %%eax, 16*" vector "+8(%[gates])\n\t"
TESSERA_INLINE bool hw_try_read_word(uint64_t address, uint64_t *value) {
  uint64_t gates[2 * 15] = {0}, selector;
  struct __attribute__((packed)) { uint16_t limit; uint64_t base; } kernels, own;
  bool is_read;
  __asm__ volatile("xorl %k0, %k0; movw %%cs, %w0" : "=r"(selector));
  gates[2 * 2] = gates[2 * 12] = gates[2 * 13] = gates[2 * 14] = selector << 16 | 0x8e0000000000;
  own.limit = sizeof gates - 1;
  own.base = (uint64_t)gates;
  __asm__ volatile(
      // NMI, stack-segment fault, general protection, page fault.
      TESSERA_GATE("2", "4f") TESSERA_GATE("12", "2f") TESSERA_GATE("13", "2f")
      TESSERA_GATE("14", "2f")
      "sidt %[kernels]; lidt %[own]\n\t"
      "movq (%[address]), %%rax; movb $1, %%dl; jmp 3f\n"
      "2:\tmovq 24(%%rsp), %%rcx; movq 32(%%rsp), %%rsp; pushq %%rcx; popfq\n\t"
      "xorl %%eax, %%eax; xorl %%edx, %%edx; jmp 3f\n"
      "4:\tiretq\n"
      "3:\tlidt %[kernels]"
      : "=&a"(*value), "=&d"(is_read), [kernels] "=&m"(kernels)
      : [gates] "r"(gates), [own] "m"(own), [address] "r"(address)
      : "rcx", "memory", "cc");
  return is_read;
}
#undef TESSERA_GATE
/// Writes back and invalidates all caches (WBINVD).
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
// Not by STAC and CLAC, which some virtual machines cannot execute.
TESSERA_INLINE void hw_set_user_access(bool allowed) {
  if (allowed)
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" : : : "memory", "cc");
  else
    __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" : : : "memory", "cc");
}
// In user.c.
__attribute__((visibility("hidden")))
size_t hw_user_copy(void *destination, const void *source, size_t count);
__attribute__((visibility("hidden"))) extern const char hw_user_copy_end[];
TESSERA_INLINE size_t hw_copy_from_user(void *destination, uint64_t source, size_t count) {
  return count - hw_user_copy(destination, (const void *)source, count);
}
TESSERA_INLINE size_t hw_copy_to_user(uint64_t destination, const void *source, size_t count) {
  return count - hw_user_copy((void *)destination, source, count);
}
TESSERA_INLINE uint64_t hw_user_copy_recovery(uint64_t instruction) {
  bool is_copy =
      instruction >= (uint64_t)hw_user_copy && instruction < (uint64_t)hw_user_copy_end;
  return is_copy ? (uint64_t)hw_user_copy_end : 0;
}
TESSERA_INLINE _Noreturn void hw_halt_forever(void) {
  for (;;) __asm__ volatile("cli; hlt");
}
TESSERA_INLINE bool hw_allocation_fails(void) { return false; }
TESSERA_INLINE bool hw_frames_are_poisoned(void) { return TESSERA_CHECK; }

#pragma clang assume_nonnull end
