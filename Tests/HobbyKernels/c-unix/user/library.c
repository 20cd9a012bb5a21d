#include "program.h"

/* From program.ld. */
extern char constants_end[], later[], data_end[], zero_end[];

uint64_t heap_end = HEAP_START;
uint64_t lowest_stack_page = STACK_TOP - PAGE;

/* System calls --------------------------------------------------------------------------------- */

int64_t call(enum call number, uint64_t first, uint64_t second, uint64_t third) {
  int64_t result;
  __asm__ volatile("int %1"
                   : "=a"(result)
                   : "i"(SYSTEM_CALL), "a"(number), "D"(first), "S"(second), "d"(third)
                   : "memory");
  if (result == BAD_ADDRESS) count(BAD_ADDRESSES, 1);
  if (result == NO_MEMORY) count(CALLS_WITHOUT_MEMORY, 1);
  return result;
}

void leave(uint64_t status) {
  call(CALL_EXIT, status, 0, 0);
  for (;;) {}
}

struct forked {
  int64_t result;
  uint64_t written_page;
};

/** Forks. All pages are shared then, and the first write of each faults and is counted. The stack
 * is written first, before the compiler can write it; nothing but the ledger is written before. */
static inline struct forked call_fork(void) {
  struct forked forked;
  __asm__ volatile("int %[call]\n"
                   "movq %%rsp, %[page]\n"
                   "andq %[mask], %[page]\n"
                   "testq %%rax, %%rax\n"
                   "js 2f\n"
                   "jz 1f\n"
                   "lock incq %c[forks]\n"
                   "1: lock orb $0, (%%rsp)\n"
                   "lock incq %c[copied]\n"
                   "2:"
                   : "=a"(forked.result), [page] "=&r"(forked.written_page)
                   : "a"(CALL_FORK), [call] "i"(SYSTEM_CALL), [mask] "i"(-PAGE),
                     [forks] "i"(LEDGER + 8 * FORKS), [copied] "i"(LEDGER + 8 * PAGES_COPIED)
                   : "memory", "cc");
  return forked;
}

/** Writes to a page that is shared since a fork, without changing it. */
static void write_shared_page(uint64_t page) {
  __asm__ volatile("lock orb $0, (%0)" : : "r"(page) : "memory");
  count(PAGES_COPIED, 1);
}

int64_t fork(void) {
  struct forked forked = call_fork();
  if (forked.result == NO_MEMORY) count(CALLS_WITHOUT_MEMORY, 1);
  if (forked.result < 0) return forked.result;
  for (uint64_t page = lowest_stack_page; page < STACK_TOP; page += PAGE) {
    if (page != forked.written_page) write_shared_page(page);
  }
  for (uint64_t page = (uint64_t)constants_end; page < (uint64_t)zero_end; page += PAGE) {
    write_shared_page(page);
  }
  for (uint64_t page = HEAP_START; page < heap_end; page += PAGE) write_shared_page(page);
  return forked.result;
}

int64_t exec(const char *path, const char *const *arguments) {
  return call(CALL_EXEC, (uint64_t)path, (uint64_t)arguments, 0);
}

int64_t wait(uint64_t *status) {
  int64_t child = call(CALL_WAIT, (uint64_t)status, 0, 0);
  if (child > 0) count(PROCESSES_ENDED, 1);
  if (child > 0 && *status == FOR_MEMORY) count(ENDED_FOR_MEMORY, 1);
  return child;
}

int64_t sbrk(int64_t length) { return call(CALL_SBRK, (uint64_t)length, 0, 0); }

int64_t open_pipe(int32_t ends[2]) { return call(CALL_PIPE, (uint64_t)ends, 0, 0); }

int64_t read(int32_t descriptor, void *buffer, uint64_t length) {
  int64_t result = call(CALL_READ, (uint64_t)descriptor, (uint64_t)buffer, length);
  if (result > 0) count(BYTES_READ, (uint64_t)result);
  return result;
}

int64_t write(int32_t descriptor, const void *buffer, uint64_t length) {
  int64_t result = call(CALL_WRITE, (uint64_t)descriptor, (uint64_t)buffer, length);
  if (result > 0 && descriptor != CONSOLE) count(BYTES_WRITTEN, (uint64_t)result);
  return result;
}

int64_t close(int32_t descriptor) { return call(CALL_CLOSE, (uint64_t)descriptor, 0, 0); }

void complain(const char *message) {
  size_t length = 0;
  while (message[length]) length++;
  call(CALL_WRITE, CONSOLE, (uint64_t)message, length);
  leave(255);
}

/* The ledger ----------------------------------------------------------------------------------- */

void count(enum event event, uint64_t number) {
  __atomic_fetch_add((uint64_t *)LEDGER + event, number, __ATOMIC_RELAXED);
}

static volatile uint64_t *exhaustion(void) { return (volatile uint64_t *)LEDGER + EVENT_COUNT; }

bool is_memory_exhausted(void) { return *exhaustion() != 0; }

void note_exhaustion(void) { *exhaustion() = 1; }

/* Memory --------------------------------------------------------------------------------------- */

/** Writes to a page that has not been written yet. */
static void write_new_page(uint64_t page) {
  *(volatile uint64_t *)page = page;
  count(PAGES_ZEROED, 1);
}

bool grow_heap_if_possible(uint64_t pages) {
  int64_t end = sbrk((int64_t)(pages * PAGE));
  if (end == NO_MEMORY) return false;
  CHECK(end == (int64_t)heap_end);
  for (uint64_t i = 0; i < pages; i++, heap_end += PAGE) {
    if (i % 2 == 0) {
      CHECK(*(volatile uint64_t *)(heap_end + 8 * i) == 0);
      count(ZEROS_READ, 1);
    }
    write_new_page(heap_end);
  }
  return true;
}

void grow_heap(uint64_t pages) { CHECK(grow_heap_if_possible(pages)); }

void shrink_heap(uint64_t pages) {
  CHECK(sbrk(-(int64_t)(pages * PAGE)) == (int64_t)heap_end);
  heap_end -= pages * PAGE;
}

/* Text ----------------------------------------------------------------------------------------- */

uint64_t number_of(const char *text) {
  uint64_t number = 0;
  while (*text) number = 10 * number + (uint64_t)(*text++ - '0');
  return number;
}

void write_number(uint64_t number, char *text) {
  uint64_t divisor = 1;
  while (number / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) *text++ = (char)('0' + number / divisor % 10);
  *text = 0;
}

/** The start of a program. Its arguments are on the first page of the stack. */
_Noreturn void begin(int argument_count, char **arguments);
void begin(int argument_count, char **arguments) {
  count(PROGRAMS_STARTED, 1);
  for (uint64_t page = PROGRAM_START; page < (uint64_t)later; page += PAGE) {
    (void)*(volatile uint8_t *)page;
    count(PAGES_LOADED, 1);
  }
  for (uint64_t page = (uint64_t)data_end; page < (uint64_t)zero_end; page += PAGE) {
    write_new_page(page);
    *(volatile uint64_t *)page = 0;
  }
  grow_stack();
  leave((uint64_t)main(argument_count, arguments));
}

/* Functions that the compiler calls ------------------------------------------------------------ */

void *memcpy(void *to, const void *from, size_t length) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
  return result;
}

void *memset(void *to, int byte, size_t length) {
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(byte) : "memory");
  return result;
}
