/* What ends the kernel if a call fails or something is not as it should be. */
#ifndef CHECKS_H
#define CHECKS_H

#include "tessera.h"

/* Fail the kernel if `call` fails, or `condition` is false. */
#define TRY(call) check_result(call, #call)
#define EXPECT(condition) check_condition(condition, #condition)

_Noreturn void fail(const char *what, const char *why);
void check_result(tessera_result result, const char *call);
void check_condition(bool condition, const char *what);

/** Where all physical memory is mapped. */
static const uint64_t direct_map = 0xffff800000000000;

/** Memory that is reserved at the start, if delays are measured, to be added later. */
#define ADDED_MEMORY UINT64_C(0x2000000)
#define ADDED_LENGTH UINT64_C(0x800000)

/** Measures for how long each function keeps interrupts off; fails above the documented bound. */
void measure_delays(void);

#endif
