/* Threads that a timer switches between any two instructions. */
#ifndef THREADS_H
#define THREADS_H

#include <stdbool.h>
#include <stdint.h>

enum { THREADS = 8 };

/** What a thread knows of itself. */
struct thread {
  uint64_t stack_pointer;
  uint64_t number;
  /** The state of its random numbers. */
  uint64_t random;
  /** The rounds that it has finished. */
  uint64_t rounds;
  volatile bool is_finished;
};

/** Adds a thread that runs `body` once, and keeps the processor busy no longer. */
void add_thread(void (*body)(struct thread *self));
/** Starts the timer, runs the threads for `seconds`, and then until all have finished. The caller
 * is a thread too. */
void run_threads(uint64_t seconds);
/** Whether threads should finish. */
extern volatile bool is_time_up;
/** How often a thread was switched to another, and by the timer. */
extern uint64_t switches, ticks;

/** Calls `call` with the timer interrupting every `interval` units of its time, and returns by how
 * many the latest interrupt was late: how long interrupts were off, up to that interval. For QEMU
 * with `-icount shift=0`, where an instruction takes one unit. */
uint64_t longest_delay(void (*call)(void), uint64_t interval);

/** Returns a random number below `limit`. */
uint64_t random_below(struct thread *self, uint64_t limit);

/** Whether the timer may switch threads, as hooks.c says. */
bool may_switch(void);
/** Called by the timer when it may not. */
void switch_later(void);
/** Lets another thread run. */
static inline void yield(void) { __asm__ volatile("int $33" : : : "memory"); }
/** Called by the timer, with interrupts off. */
void on_tick(void);

/** Entry points in switch.S. */
void timer_entry(void);
void yield_entry(void);

#endif
