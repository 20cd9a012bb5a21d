/* Several processors: what each knows of itself, how they start, and how they work together. */
#ifndef PROCESSORS_H
#define PROCESSORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  PROCESSORS = 4, /* as in trampoline.S, like the next */
  TRAMPOLINE = 0x8000,
  FLUSH_VECTOR = 48, /* the interrupt whose handler calls tessera_serve */
  TIMER_VECTOR = 49,
  SPURIOUS_VECTOR = 63,
};

/** What a processor knows of itself. The GS base of each points to its own. */
struct processor {
  struct processor *self;
  uint32_t number, apic_id;
  uint64_t random;
  /** What it has to do; null while it waits for something. */
  void (*_Atomic task)(struct processor *self);
  /** The call of Tessera that it is in, or null; the number of calls so far; and the processors
   * that it has interrupted since it called. The watchdog reads them. */
  const char *volatile call;
  volatile uint64_t calls, has_interrupted;
  /** How often the watchdog's timer has interrupted it. */
  volatile uint64_t ticks;
};

extern struct processor processors[PROCESSORS];

static inline struct processor *this_processor(void) {
  struct processor *self;
  __asm__ volatile("movq %%gs:0, %0" : "=r"(self));
  return self;
}

/** Mistakes that the command line names, each with which the kernel has to fail. */
extern enum mistake {
  NO_MISTAKE,
  SILENT, /* the hook sends no interrupt */
  DEAF,   /* the handler does not call tessera_serve */
  UNTOLD, /* processors load CR3 themselves, and Tessera does not know what they run on */
  UNNUMBERED, /* the hook returns 0 for all, which does no harm if the library reads GS */
  ASLEEP, /* a processor sleeps without calling tessera_stop_processor */
  TWICE,  /* an object is freed twice where it was allocated */
  ELSEWHERE, /* or on another processor */
  FORGOTTEN, /* an object is not freed */
  SPOILT, /* an object is changed */
} mistake;

/** Divides the numbers of rounds: 10 with the word `brief` on the command line, otherwise 1. */
extern uint64_t brevity;

/** Prepares the calling processor, whose number is given: GS, interrupts, its local APIC. */
void prepare_processor(uint32_t number);
/** Starts the others. `roots` are the page tables that they use when they call Tessera first. */
void start_processors(const uint64_t roots[PROCESSORS]);
/** Runs `task` on the first `count` processors, and returns when all have finished. */
void run_on(uint32_t count, void (*task)(struct processor *self));
/** Waits until `count` processors are here. With interrupts on: requests are answered meanwhile. */
void meet(uint32_t count);
/** Returns a random number below `limit`. */
uint64_t random_below(struct processor *self, uint64_t limit);

/** Has the calling processor watch whether the others' calls return. */
void start_watchdog(void);
/** Tells the local APIC that the handler of an interrupt has finished. */
void end_of_interrupt(void);
void write_apic(uint32_t offset, uint32_t value);

static inline void wait_a_little(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void turn_interrupts(bool on) {
  if (on) __asm__ volatile("sti" : : : "memory");
  else __asm__ volatile("cli" : : : "memory");
}

/** A lock for which processors wait with interrupts off, and whose owner calls Tessera. */
struct lock {
  atomic_bool is_taken;
};
void take(struct lock *lock);
void release(struct lock *lock);

#endif
