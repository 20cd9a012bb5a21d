// The program around the benchmarks: what they need from the host, and their command line.
#define _GNU_SOURCE
#include "CBenchmarks.h"
#include "CTessera.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

// Main.swift
void benchmarks_time(void);
void benchmarks_count(size_t frame_count);
void benchmarks_count_others(void);

void *host_reserve(size_t byte_count) {
  void *memory = mmap(NULL, byte_count, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    perror("benchmarks: no memory");
    exit(1);
  }
  return memory;
}

static uint64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t host_nanoseconds(void) { return now(CLOCK_THREAD_CPUTIME_ID); }

void host_write(uint8_t byte) { putchar(byte); }

void host_keep(uint64_t value) { __asm__ volatile("" : : "r"(value)); }

// The processors that this program may use, from the last down: interrupts of devices mostly go to
// the first.
static cpu_set_t allowed;

static int nth_processor_from_end(size_t wanted) {
  for (int number = CPU_SETSIZE - 1; number >= 0; number--)
    if (CPU_ISSET(number, &allowed) && wanted-- == 0) return number;
  return -1;
}

static void stay_on_processor(size_t from_end) {
  int number = nth_processor_from_end(from_end);
  if (number < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(number, &one);
  sched_setaffinity(0, sizeof one, &one);
}

int host_processor_count(void) { return CPU_COUNT(&allowed); }

struct worker {
  pthread_t thread;
  void (*loop)(size_t processor, size_t count);
  size_t processor, processor_count, count;
  // Each worker writes the number of those that are ready: one variable for all.
  _Atomic size_t *ready;
  uint64_t nanoseconds;
  int was_interrupted;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  stay_on_processor(worker->processor);
  simulated_this_processor.number = (uint32_t)worker->processor;
  atomic_fetch_add(worker->ready, 1);
  while (atomic_load(worker->ready) < worker->processor_count) __builtin_ia32_pause();

  uint64_t start = now(CLOCK_MONOTONIC), spent = now(CLOCK_THREAD_CPUTIME_ID);
  worker->loop(worker->processor, worker->count);
  worker->nanoseconds = now(CLOCK_THREAD_CPUTIME_ID) - spent;
  uint64_t passed = now(CLOCK_MONOTONIC) - start;
  // Less than the shortest time that another program gets.
  worker->was_interrupted = passed > worker->nanoseconds + worker->nanoseconds / 50 + 5000;
  return NULL;
}

uint64_t host_run_together(void (*loop)(size_t processor, size_t count), size_t first,
                           size_t processor_count, size_t count) {
  _Atomic size_t ready = 0;
  struct worker workers[2];
  for (size_t i = 0; i < processor_count; i++) {
    workers[i] = (struct worker){.loop = loop, .processor = first + i, .count = count,
                                 .processor_count = processor_count, .ready = &ready};
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
      perror("benchmarks: no thread");
      exit(1);
    }
  }
  uint64_t longest = 0;
  int was_interrupted = 0;
  for (size_t i = 0; i < processor_count; i++) {
    pthread_join(workers[i].thread, NULL);
    was_interrupted |= workers[i].was_interrupted;
    if (workers[i].nanoseconds > longest) longest = workers[i].nanoseconds;
  }
  return was_interrupted ? 0 : longest;
}

int main(int argc, char **argv) {
  sched_getaffinity(0, sizeof allowed, &allowed);
  if (argc == 2 && strcmp(argv[1], "time") == 0) {
    stay_on_processor(0);
    benchmarks_time();
  } else if (argc == 3 && strcmp(argv[1], "count") == 0) {
    benchmarks_count(strtoul(argv[2], NULL, 10));
  } else if (argc == 2 && strcmp(argv[1], "count-others") == 0) {
    benchmarks_count_others();
  } else {
    fprintf(stderr, "usage: benchmarks time | count FRAMES | count-others\n");
    return 2;
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
