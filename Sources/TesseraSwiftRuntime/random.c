// Random bytes, which `Dictionary` and `Set` hash with, and `SystemRandomNumberGenerator` returns.
//
// If the processor has RDRAND, each word is from it: as good as its manufacturer says. Otherwise
// they follow from the time-stamp counter at each call, which is worth little: who knows about when
// the kernel was booted and what it did tries some millions of values. That varies the order of
// dictionaries from one boot to the next, and does not stop who chooses keys that collide. It is
// not for secret keys, tokens or addresses.
#include "runtime.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

static bool has_rdrand(void) {
  uint32_t eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_RDRND;
}

// RDRAND may have nothing for a moment: ten tries, as Intel's manual says. There are processors on
// which it returns all ones for ever after they have slept.
static bool draw(uint64_t *word) {
  for (int tries = 0; tries < 10; tries++) {
    bool is_valid;
    __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(is_valid));
    if (is_valid && *word != UINT64_MAX) return true;
  }
  return false;
}

// The next output of SplitMix64, whose state moves on by the time as well.
static uint64_t draw_from_time(void) {
  static uint64_t state;
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  uint64_t time = (uint64_t)high << 32 | low;
  // Ordering: relaxed, with no partner: two processors must not get the same word, no more.
  uint64_t word = __atomic_add_fetch(&state, time | 1, __ATOMIC_RELAXED);
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

void arc4random_buf(void *buffer, size_t size) {
  uint8_t *bytes = buffer;
  const bool has_generator = has_rdrand();
  while (size > 0) {
    uint64_t word;
    if (!has_generator || !draw(&word)) word = draw_from_time();
    for (size_t i = 0; i < sizeof word && size > 0; i++, size--)
      *bytes++ = (uint8_t)(word >> i * 8);
  }
}
