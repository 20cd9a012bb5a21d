// Defaults of the functions that a kernel may omit.
#include "tessera.h"

__attribute__((weak)) uint32_t tessera_host_processor_id(void) { return 0; }

__attribute__((weak)) void tessera_host_interrupt(uint64_t processors, uint32_t first) {
  static const char message[] =
      "tessera_host_interrupt is not linked: no other processor can be asked to flush its TLB";
  (void)processors;
  (void)first;
  tessera_host_panic(message, sizeof message - 1);
}

__attribute__((weak)) uint64_t tessera_host_preempt_disable(void) {
  uint64_t flags;
  __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
  return flags & 0x200;
}

__attribute__((weak)) void tessera_host_preempt_enable(uint64_t state) {
  if (state) __asm__ volatile("sti" : : : "memory");
}
