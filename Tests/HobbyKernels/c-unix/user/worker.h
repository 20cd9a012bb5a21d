/* What a worker does at its end, which init expects to see. */
#ifndef WORKER_H
#define WORKER_H

#include <stdint.h>

#include "calls.h"

/** How a program can end in an error, and the status that follows. The bits of the error code are
 * those of the processor: 1 the page is present, 2 a write, 4 in user mode, 16 a fetch. */
#define MISTAKES(X) \
  X(READ_NULL, BY_FAULT + 4) \
  X(READ_KERNEL, BY_FAULT + 5) \
  X(WRITE_CODE, BY_FAULT + 7) \
  X(EXECUTE_STACK, BY_FAULT + 21) \
  X(WRITE_BELOW_STACK, BY_FAULT + 6) \
  X(READ_PAST_HEAP, BY_FAULT + 4) \
  X(WRITE_CONSTANT, BY_FAULT + 7) \
  X(USE_WILD_POINTER, BY_EXCEPTION + 13) \
  X(TURN_INTERRUPTS_OFF, BY_EXCEPTION + 13) \
  X(UNDEFINED_INSTRUCTION, BY_EXCEPTION + 6)

#define MISTAKE_NUMBER(mistake, status) mistake,
enum mistake { MISTAKES(MISTAKE_NUMBER) MISTAKE_COUNT };

/** Every tenth worker makes a mistake, each kind in turn. */
static inline int makes_mistake(uint64_t number) { return number % 10 == 9; }
static inline enum mistake mistake_of(uint64_t number) {
  return (enum mistake)(number / 10 % MISTAKE_COUNT);
}

static inline uint64_t expected_status(uint64_t number) {
#define MISTAKE_STATUS(mistake, status) status,
  static const uint64_t statuses[] = {MISTAKES(MISTAKE_STATUS)};
  return makes_mistake(number) ? statuses[mistake_of(number)] : number % 200;
}

/** Passes pointers to system calls that no program may use: each must fail, with nothing done. */
void pass_bad_pointers(uint64_t number);

#endif
