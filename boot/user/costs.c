// What a page fault costs, seen from the program: from its instruction until that is done.
#include "program.h"

static inline uint64_t timestamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

// The time of an access, and of nothing else that could fault.
static inline uint64_t time_access(uint64_t kind, uint64_t address) {
  uint64_t start = timestamp();
  if (kind == PROGRAM_COST_READ) {
    (void)*word(address);
  } else if (kind == PROGRAM_COST_WRITE) {
    *word(address) = 1;
  } else {
    call(PROGRAM_TURNS, 0, 0, 0);
  }
  return timestamp() - start;
}

// The time of the first access to a page, less that of the second, which finds it there.
static uint64_t time_fault(uint64_t kind, uint64_t address) {
  uint64_t first = time_access(kind, address);
  uint64_t second = kind == PROGRAM_COST_CALL ? 0 : time_access(kind, address);
  return first < second ? 0 : first - second;
}

_Noreturn void measure(uint64_t kind) {
  uint64_t least = UINT64_MAX;
  for (uint64_t page = 0; page < PROGRAM_COST_PAGES; page++) {
    uint64_t cost = time_fault(kind, HEAP(page));
    if (cost < least) least = cost;
  }
  call(PROGRAM_EXIT, least, 0, 0);
  __builtin_trap();
}
