/* Three ways to supply Tessera's hooks for preemption: a counter that the timer respects, Tessera's
 * own default, and none, with which the kernel must fail. */
#include "tessera.h"
#include "threads.h"

#define COUNTER 0
#define DEFAULT 1
#define NONE 2
#ifndef HOOKS
#define HOOKS COUNTER
#endif

#if HOOKS == COUNTER

static volatile uint64_t depth;
static volatile bool switch_is_due;

uint64_t tessera_host_preempt_disable(void) { return depth++; }

void tessera_host_preempt_enable(uint64_t state) {
  depth = state;
  if (depth > 0 || !switch_is_due) return;
  switch_is_due = false;
  yield();
}

bool may_switch(void) { return depth == 0; }
void switch_later(void) { switch_is_due = true; }

#else

#if HOOKS == NONE
uint64_t tessera_host_preempt_disable(void) { return 0; }
void tessera_host_preempt_enable(uint64_t state) { (void)state; }
#endif

bool may_switch(void) { return true; }
void switch_later(void) {}

#endif
