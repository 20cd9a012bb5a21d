// Threads that write while their space is forked: what a copy holds must not change any more.
#include "program.h"

#define FORKS 24
#define TURNS 3
#define MOST_COMPARISONS 20000

// Each thread has a page of its own: a number that grows, and how often it was not as written.
#define NUMBER(thread) word(HEAP(thread))
#define FAILURES(thread) word(HEAP(thread) + 8)
#define STACK_END(thread) HEAP(2 * PROGRAM_MOST_THREADS + (thread))

static _Noreturn void write_numbers(uint64_t thread) {
  for (uint64_t number = 1; call(PROGRAM_TURN, 0, 0, 0) == 0; number++) {
    for (uint64_t turn = 0; turn < 64; turn++) {
      *NUMBER(thread) = number << 6 | turn;
      // The turn goes to the next processor here, if they are emulated one by one.
      if (turn % 4 == 0) __asm__ volatile("pause");
      if (*NUMBER(thread) != (number << 6 | turn)) ++*FAILURES(thread);
    }
  }
  call(PROGRAM_EXIT, 0, 0, 0);
  __builtin_trap();
}

// Compares the numbers until the threads have had some turns, which they may get seldom.
static void watch(uint64_t thread_count) {
  uint64_t seen[PROGRAM_MOST_THREADS];
  for (uint64_t thread = 0; thread < thread_count; thread++) seen[thread] = *NUMBER(thread);
  uint64_t end = call(PROGRAM_TURNS, 0, 0, 0) + TURNS * thread_count;
  for (uint64_t look = 0; look < MOST_COMPARISONS && call(PROGRAM_TURNS, 0, 0, 0) < end; look++) {
    __asm__ volatile("pause");
    for (uint64_t thread = 0; thread < thread_count; thread++)
      CHECK(*NUMBER(thread) == seen[thread]);
  }
}

void run_threads(uint64_t thread_count) {
  uint64_t threads[PROGRAM_MOST_THREADS];
  CHECK(map(PROGRAM_HEAP, HEAP_PAGES * PAGE) == 0);
  for (uint64_t thread = 0; thread < thread_count; thread++) {
    // A function is called with a stack that is misaligned by the return address.
    threads[thread] =
        call(PROGRAM_THREAD, (uint64_t)write_numbers, STACK_END(thread) - 8, thread);
    CHECK(threads[thread] != PROGRAM_FAILED);
  }
  for (uint64_t round = 0; round < FORKS; round++) {
    uint64_t child = fork();
    if (child == 0) {
      watch(thread_count);
      leave();
    }
    CHECK(wait(child) == 0);
  }
  call(PROGRAM_STOP, 0, 0, 0);
  for (uint64_t thread = 0; thread < thread_count; thread++) {
    CHECK(wait(threads[thread]) == 0);
    CHECK(*FAILURES(thread) == 0);
  }
}
