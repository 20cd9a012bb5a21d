// The simulated machine's processors, for builds that run on a host. Empty when freestanding.
#include "CTessera.h"

#if __STDC_HOSTED__
#include <stdio.h>
#include <stdlib.h>

_Thread_local simulated_processor simulated_this_processor = {.interrupts_enabled = true};
_Atomic uint64_t simulated_allocations_until_failure;
_Atomic uint64_t simulated_allocation_failures;
_Atomic bool simulated_frame_poisoning;

simulated_processor *simulated_current_processor(void) { return &simulated_this_processor; }

void simulated_fail_allocation(uint64_t ordinal) {
  simulated_allocation_failures = 0;
  simulated_allocations_until_failure = ordinal;
}

uint64_t simulated_failed_allocations(void) { return simulated_allocation_failures; }

void simulated_set_frame_poisoning(bool on) { simulated_frame_poisoning = on; }

bool simulated_allocation_is_refused(void) {
  if (--simulated_allocations_until_failure != 0) return false;
  simulated_allocation_failures += 1;
  return true;
}

// A processor with the features of a usual one: 1 GiB pages, NX, PGE, SMEP, SMAP, UMIP, 40 bits.
hw_cpuid_result simulated_cpuid(uint32_t leaf, uint32_t subleaf) {
  (void)subleaf;
  hw_cpuid_result r = {0, 0, 0, 0};
  switch (leaf) {
    case 0x0: r.eax = 7; break;
    case 0x1: r.edx = 1u << 13 | 1u << 16; break;
    case 0x7: r.ebx = 1u << 7 | 1u << 20; r.ecx = 1u << 2; break;
    case 0x80000000: r.eax = 0x80000008; break;
    case 0x80000001: r.edx = 1u << 20 | 1u << 26 | 1u << 29; break;
    case 0x80000008: r.eax = 40 | 48 << 8; break;
    default: break;
  }
  return r;
}

void simulated_write_port(uint16_t port, uint32_t value) {
  (void)port;
  (void)value;
}

uint64_t simulated_read_msr(uint32_t number) {
  (void)number;
  return 0;
}

void simulated_write_msr(uint32_t number, uint64_t value) {
  (void)number;
  (void)value;
}

void simulated_halt(void) { abort(); }

uint32_t tessera_host_processor_id(void) { return simulated_this_processor.number; }

void tessera_host_panic(const char *message, size_t length) {
  fprintf(stderr, "tessera: panic: %.*s\n", (int)length, message);
  fflush(stderr);
  abort();
}
#endif
