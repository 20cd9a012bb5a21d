// The program around the benchmarks: what they need from the host, and their command line.
#define _GNU_SOURCE
#include "CBenchmarks.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

// Main.swift
void benchmarks_time(void);
void benchmarks_count(size_t frame_count);

void *host_reserve(size_t byte_count) {
  void *memory = mmap(NULL, byte_count, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    perror("benchmarks: no memory");
    exit(1);
  }
  return memory;
}

uint64_t host_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void host_write(uint8_t byte) { putchar(byte); }

void host_keep(uint64_t value) { __asm__ volatile("" : : "r"(value)); }

// Stays on the last processor that it may use: interrupts of devices mostly go to the first.
static void stay_on_one_processor(void) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int number = CPU_SETSIZE - 1; number >= 0; number--) {
    if (!CPU_ISSET(number, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(number, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "time") == 0) {
    stay_on_one_processor();
    benchmarks_time();
  } else if (argc == 3 && strcmp(argv[1], "count") == 0) {
    benchmarks_count(strtoul(argv[2], NULL, 10));
  } else {
    fprintf(stderr, "usage: benchmarks time | benchmarks count FRAMES\n");
    return 2;
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
