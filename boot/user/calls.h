// The system calls of the user program.
#pragma once
#include <stdint.h>
#include "user.h"

static inline uint64_t call(uint64_t number, uint64_t first, uint64_t second, uint64_t third) {
  uint64_t result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "memory");
  return result;
}

static inline uint64_t wait(uint64_t child) { return call(PROGRAM_WAIT, child, 0, 0); }

static inline uint64_t map(uint64_t address, uint64_t size) {
  return call(PROGRAM_MAP, address, size, 0);
}

static inline uint64_t unmap(uint64_t address, uint64_t size) {
  return call(PROGRAM_UNMAP, address, size, 0);
}

static inline uint64_t sum(uint64_t address, uint64_t size) {
  return call(PROGRAM_SUM, address, size, 0);
}

static inline uint64_t fill(uint64_t address, uint64_t size, uint8_t byte) {
  return call(PROGRAM_FILL, address, size, byte);
}

static inline void print(const char *text, uint64_t length) {
  call(PROGRAM_WRITE, (uint64_t)text, length, 0);
}
