// The parts of the user program.
#pragma once
#include <stdbool.h>
#include "calls.h"

#define PAGE 4096ul

/// The heap, by the use of its pages: read only; written and shared by forks; never used before
/// the second kind of test; touched by the kernel; two for each generation of a family.
#define HEAP(page) (PROGRAM_HEAP + (page) * PAGE)
#define HEAP_PAGES 48
#define READ_PAGES 24
#define SHARED_PAGES 4
#define SHARED HEAP(24)
#define UNTOUCHED HEAP(28)
#define FOR_CALLS HEAP(32)
#define FOR_FAMILY HEAP(40)

/// What this process has done. On a page of its own, which is written after every fork.
extern volatile program_counts counts;

/// Counts a comparison, and notes the line of the first that fails.
#define CHECK(condition) check(condition, __LINE__)

static inline void check(bool condition, uint64_t line) {
  counts.checks++;
  if (condition) return;
  counts.failures++;
  if (counts.failed_line == 0) counts.failed_line = line;
}

static inline volatile uint64_t *word(uint64_t address) { return (volatile uint64_t *)address; }

/// Ends the process.
_Noreturn void leave(void);
/// Forks. Both sides write to the stack and to the counts, and count that.
uint64_t fork(void);

void test_memory(void);
void test_sharing(void);
void test_faults(void);
void test_pointers(void);
/// Forks two children, each of which does that, too, until `depth` is 0.
void test_family(uint64_t depth);
/// Causes one of the faults that end a program. Returns the vector of its exception, for `kind`
/// below FAULT_KINDS, if `perform` is false.
uint64_t fault(uint64_t kind, bool perform);
#define FAULT_KINDS 26

/// Starts threads, and forks while they write.
void run_threads(uint64_t thread_count);

/// Measures the cost of `kind`, and ends the program.
_Noreturn void measure(uint64_t kind);
