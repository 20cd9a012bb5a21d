/* What programs have in common: system calls, and accesses to memory that are counted. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calls.h"

int64_t call(enum call number, uint64_t first, uint64_t second, uint64_t third);

_Noreturn void leave(uint64_t status);
/** Returns the child's number, 0 in the child, or an error. Both have all pages to themselves
 * afterwards. */
int64_t fork(void);
int64_t exec(const char *path, const char *const *arguments);
/** Waits for a child to end. Returns its number, and writes why it has ended. */
int64_t wait(uint64_t *status);
int64_t sbrk(int64_t length);
/** Writes the descriptors of the end that is read, and of the end that is written. */
int64_t open_pipe(int32_t ends[2]);
int64_t read(int32_t descriptor, void *buffer, uint64_t length);
int64_t write(int32_t descriptor, const void *buffer, uint64_t length);
int64_t close(int32_t descriptor);

/** Ends the program, with a message, if `condition` is false. */
#define CHECK(condition) ((condition) ? (void)0 : complain(__FILE__ ": " #condition "\n"))
_Noreturn void complain(const char *message);

/** Counts in the page that all programs share. */
void count(enum event event, uint64_t number);

/** Whether a program has found that memory has run out. On the shared page, too. */
bool is_memory_exhausted(void);
void note_exhaustion(void);

/** Adds pages to the heap. Reads every other one before it writes all of them. */
void grow_heap(uint64_t pages);
/** Returns false if the kernel has no memory to begin with. */
bool grow_heap_if_possible(uint64_t pages);
/** Takes pages from the end of the heap. */
void shrink_heap(uint64_t pages);
extern uint64_t heap_end;

/** The lowest page of the stack that has been used. */
extern uint64_t lowest_stack_page;

/** Writes to the pages of the stack down to the one below that of the stack pointer, as far as they
 * are not in use. A function with a large frame begins with it: it is part of that function,
 * because a call would write before it counts. */
static inline __attribute__((always_inline)) void grow_stack(void) {
  uint64_t stack_pointer;
  __asm__ volatile("movq %%rsp, %0" : "=r"(stack_pointer));
  while (lowest_stack_page > (stack_pointer & -(uint64_t)PAGE) - PAGE) {
    lowest_stack_page -= PAGE;
    __asm__ volatile("movb $0, (%0)" : : "r"(lowest_stack_page) : "memory");
    __asm__ volatile("lock incq (%0)" : : "r"(LEDGER + 8 * PAGES_ZEROED) : "memory");
  }
}

uint64_t number_of(const char *text);
/** Writes a decimal number to `text`, of at least 21 bytes. */
void write_number(uint64_t number, char *text);

/** The byte at `index` of what worker `number` writes to its pipe. */
static inline uint8_t pipe_byte(uint64_t number, uint64_t index) {
  return (uint8_t)(number * 31 + index * 7 + (index >> 8));
}

/** How many bytes worker `number` writes: none, a few, or more than there is room for. */
static inline uint64_t pipe_length(uint64_t number) { return number * 373 % 9001; }

int main(int argument_count, char **arguments);

#endif
