/* What ends the kernel if a call fails or something is not as it should be. */
#ifndef CHECKS_H
#define CHECKS_H

#include "processors.h"
#include "tessera.h"

/** Fail the kernel if `call` fails, or `condition` is false. The watchdog sees what is called. */
#define TRY(call) (begin_call(#call), check_result(call, #call))
#define EXPECT(condition) check_condition(condition, #condition)

_Noreturn void fail(const char *what, const char *why);
void check_condition(bool condition, const char *what);
/** Prints Tessera's output. */
void write_text(void *context, const char *text, size_t length);

static inline void begin_call(const char *call) {
  struct processor *self = this_processor();
  self->has_interrupted = 0;
  self->calls++;
  self->call = call;
}

static inline void check_result(tessera_result result, const char *call) {
  if (result != TESSERA_OK) fail(call, tessera_strerror(result));
  this_processor()->call = NULL;
}

static const uint32_t read_write = TESSERA_READ | TESSERA_WRITE;

/** Each checks one thing on all processors, and fails the kernel if it is not as it should be. */
void check_coherence(void);
void check_diagonal(void);
void check_sleep(void);
void check_own_pages(void);
void check_moving_tables(void);
void check_kernel_memory(void);
void run_storm(void);
void check_heap(void);

#endif
