// A user program, in ring 3, that tests what its kernel does with its memory.
//
// It counts what it does, so that the kernel can compare that with what it has counted. So which
// page is written when is not left to chance: all variables but those on the stack are in `counts`
// and in `data`, and the stack in use is one page.
#include "program.h"

volatile program_counts counts __attribute__((aligned(PAGE)));
static volatile uint64_t data[512] __attribute__((aligned(PAGE))) = {0x0123456789abcdef, 0};
static const uint64_t constants[64] = {7, 8, 9};

#define WORD(page, turn) (0x1111111111111111 * (turn) + (page))

_Noreturn void leave(void) {
  call(PROGRAM_EXIT, (uint64_t)&counts, 0, 0);
  __builtin_trap();
}

uint64_t fork(void) {
  uint64_t child = call(PROGRAM_FORK, 0, 0, 0);
  volatile uint64_t mark = child;
  if (mark == 0) {
    volatile uint64_t *words = (volatile uint64_t *)&counts;
    for (uint64_t index = 0; index < sizeof(counts) / 8; index++) words[index] = 0;
  } else {
    counts.forks++;
    CHECK(child != PROGRAM_FAILED);
  }
  counts.shared_writes += 2;
  return child;
}

static bool is_zero(uint64_t page) {
  for (uint64_t offset = 0; offset < PAGE; offset += 8)
    if (*word(page + offset) != 0) return false;
  return true;
}

static void read_fresh(uint64_t page) {
  CHECK(is_zero(page));
  counts.zero_reads++;
}

static void write_fresh(uint64_t page, uint64_t value) {
  *word(page + PAGE - 8) = value;
  *word(page) = value;
  counts.zero_writes++;
  CHECK(*word(page) == value && *word(page + 8) == 0 && *word(page + PAGE - 8) == value);
}

static void write_shared(uint64_t turn) {
  for (uint64_t page = 0; page < SHARED_PAGES; page++)
    *word(SHARED + page * PAGE) = WORD(page, turn);
  counts.shared_writes += SHARED_PAGES;
}

// Whether the shared pages have what was written in that turn, and at their ends what was written
// first.
static bool has_shared(uint64_t turn) {
  for (uint64_t page = 0; page < SHARED_PAGES; page++) {
    if (*word(SHARED + page * PAGE) != WORD(page, turn)) return false;
    if (*word(SHARED + page * PAGE + PAGE - 8) != WORD(page, 1)) return false;
  }
  return true;
}

// Memory is zero when it is used first, and again after it was unmapped; the stack grows.
void test_memory(void) {
  CHECK(map(PROGRAM_HEAP, HEAP_PAGES * PAGE) == 0);
  for (uint64_t page = 0; page < 8; page++) read_fresh(HEAP(page));
  for (uint64_t page = 8; page < READ_PAGES; page++) write_fresh(HEAP(page), page);
  CHECK(unmap(HEAP(8), (READ_PAGES - 8) * PAGE) == 0);
  CHECK(map(HEAP(8), (READ_PAGES - 8) * PAGE) == 0);
  for (uint64_t page = 8; page < READ_PAGES; page++) read_fresh(HEAP(page));
  // All pages that were only read are one frame.
  for (uint64_t page = 0; page < 4; page++) write_fresh(HEAP(page), page + 1);
  for (uint64_t page = 4; page < 8; page++) CHECK(is_zero(HEAP(page)));
  for (uint64_t page = 2; page < 10; page++) write_fresh(PROGRAM_STACK_END - page * PAGE, page);
}

// What one side of a fork writes, the other one does not see.
void test_sharing(void) {
  CHECK(data[0] == 0x0123456789abcdef);
  data[1] = 1;  // the program itself is a copy
  counts.shared_writes++;
  for (uint64_t page = 0; page < SHARED_PAGES; page++)
    write_fresh(SHARED + page * PAGE, WORD(page, 1));

  // Both write at once.
  read_fresh(UNTOUCHED + 2 * PAGE);
  uint64_t child = fork();
  if (child == 0) {
    CHECK(has_shared(1) && data[1] == 1);
    write_shared(2);
    data[1] = 2;
    counts.shared_writes++;
    read_fresh(UNTOUCHED);
    write_fresh(UNTOUCHED + PAGE, 3);
    write_fresh(UNTOUCHED + 2 * PAGE, 4);
    CHECK(has_shared(2) && data[1] == 2 && data[0] == 0x0123456789abcdef);
    leave();
  }
  write_shared(3);
  data[1] = 3;
  counts.shared_writes++;
  CHECK(has_shared(3) && data[1] == 3);
  CHECK(wait(child) == 0);
  CHECK(has_shared(3) && data[1] == 3);
  read_fresh(UNTOUCHED);
  CHECK(is_zero(UNTOUCHED + 2 * PAGE));

  // The original writes when it is alone again.
  child = fork();
  if (child == 0) {
    CHECK(has_shared(3));
    leave();
  }
  CHECK(wait(child) == 0);
  write_shared(4);
  CHECK(has_shared(4));
}

// A child that does what it must not is ended, and nothing else is.
void test_faults(void) {
  for (uint64_t kind = 0; kind < FAULT_KINDS; kind++) {
    uint64_t child = fork();
    if (child == 0) {
      fault(kind, true);
      leave();
    }
    uint64_t vector = fault(kind, false);
    CHECK(wait(child) == PROGRAM_ENDED_BY + vector);
    if (vector == 14) counts.rejected++;
    else counts.exceptions++;
    counts.shared_writes += 2;  // which the child cannot report
  }
  CHECK(has_shared(4));
}

static void check_good(bool is_as_expected, uint64_t line) {
  check(is_as_expected, line);
  counts.good_pointers++;
}

static void check_bad(uint64_t address, uint64_t size, uint64_t line) {
  check(sum(address, size) == PROGRAM_FAILED, line);
  check(fill(address, size, 1) == PROGRAM_FAILED, line);
  counts.bad_pointers += 2;
}

static void test_good_pointers(void) {
  check_good(sum((uint64_t)constants, sizeof(constants)) == 24, __LINE__);
  check_good(sum(FOR_CALLS, 2 * PAGE) == 0, __LINE__);
  check_good(fill(FOR_CALLS + 2 * PAGE + 100, 2 * PAGE, 0x5a) == 2 * PAGE, __LINE__);
  CHECK(*word(FOR_CALLS + 2 * PAGE) == 0 && *word(FOR_CALLS + 3 * PAGE) == 0x5a5a5a5a5a5a5a5a);
  check_good(sum(FOR_CALLS + 2 * PAGE, 3 * PAGE) == 2 * PAGE * 0x5a, __LINE__);

  uint64_t child = fork();
  if (child == 0) {
    check_good(fill(SHARED + 8, 2 * PAGE, 2) == 2 * PAGE, __LINE__);
    CHECK(*word(SHARED) == WORD(0, 4) && *word(SHARED + 8) == 0x0202020202020202);
    CHECK(*word(SHARED + 3 * PAGE) == WORD(3, 4));
    leave();
  }
  CHECK(wait(child) == 0);
  CHECK(has_shared(4) && *word(SHARED + 8) == 0);
}

// Calls the kernel with flags, segments and a stack pointer that are not its own.
static void test_state(void) {
  uint64_t result = PROGRAM_FILL;
  uint64_t address = FOR_CALLS + 6 * PAGE, size = 256, flags, byte = 9;
  __asm__ volatile(
      "pushfq; orq $0x40400, (%%rsp); popfq\n\t"  // AC and DF
      "movl $0x2b, %%ecx; movl %%ecx, %%ds; movl %%ecx, %%gs\n\t"
      "movq %%rsp, %%r12; movabsq $0x8000000000000000, %%rsp\n\t"
      "int $0x80\n\t"
      "movq %%r12, %%rsp; xorl %%ecx, %%ecx; movl %%ecx, %%ds; movl %%ecx, %%gs\n\t"
      "pushfq; popq %1; cld; pushfq; andq $~0x40000, (%%rsp); popfq"
      : "+a"(result), "=r"(flags), "+D"(address), "+S"(size), "+d"(byte)
      :
      : "rcx", "r12", "memory", "cc");
  check_good(result == 256, __LINE__);
  CHECK((flags & 0x40400) == 0x40400);
  CHECK(*word(FOR_CALLS + 6 * PAGE) == 0x0909090909090909);
}

// The kernel uses a program's pointers as the program could.
void test_pointers(void) {
  test_good_pointers();
  test_state();
  check_bad(0x1000, 8, __LINE__);
  check_bad(0, 1, __LINE__);
  check_bad(0xffffffff80000000, 8, __LINE__);
  check_bad(0xffff800000000000, 8, __LINE__);
  check_bad(0x4000000000000000, 8, __LINE__);
  check_bad(0xfffffffffffff000, 0x2000, __LINE__);
  check_bad(SHARED, 0xffffffffffffffff, __LINE__);
  check_bad(SHARED, 0xffffffffffffffff - SHARED + 9, __LINE__);
  check_bad(HEAP(HEAP_PAGES - 1), 2 * PAGE, __LINE__);
  CHECK(has_shared(4));

  CHECK(fill(PROGRAM_START, 8, 0) == PROGRAM_FAILED);
  CHECK(fill((uint64_t)constants, 8, 0) == PROGRAM_FAILED);
  counts.bad_pointers += 2;
  CHECK(sum((uint64_t)constants, sizeof(constants)) == 24);
  counts.good_pointers++;
}

void test_family(uint64_t depth) {
  if (depth == 0) return;
  uint64_t children[2];
  for (uint64_t index = 0; index < 2; index++) {
    children[index] = fork();
    if (children[index] == 0) {
      write_shared(5 + 2 * depth + index);
      write_fresh(FOR_FAMILY + 2 * depth * PAGE, depth);
      read_fresh(FOR_FAMILY + (2 * depth + 1) * PAGE);
      test_family(depth - 1);
      CHECK(has_shared(5 + 2 * depth + index));
      leave();
    }
  }
  for (uint64_t index = 0; index < 2; index++) CHECK(wait(children[index]) == 0);
}

// The entry: `number` is that of the program. If `task` is not zero, it is what to measure, or the
// number of threads to start, and nothing else is done. `leaked` has all bits that are set in the
// other registers.
_Noreturn void program_main(uint64_t number, uint64_t task, uint64_t leaked) {
  if (task >= PROGRAM_COST_READ) measure(task);
  counts.zero_writes = 2;  // this page, and the stack
  CHECK(leaked == 0);
  if (task > 0) {
    run_threads(task);
    leave();
  }
  if (number == 0) {
    static const char greeting[] = "hello from ring 3";
    print(greeting, sizeof(greeting) - 1);
  }
  test_memory();
  test_sharing();
  test_faults();
  test_pointers();
  test_family(2);
  leave();
}
