#include "threads.h"

#include "machine.h"

enum { STACK = 32768, TIMER_VECTOR = 32, YIELD_VECTOR = 33, SPURIOUS_VECTOR = 39 };

volatile bool is_time_up;
uint64_t switches, ticks;

static struct thread threads[THREADS];
static _Alignas(16) char stacks[THREADS][STACK];
static uint64_t thread_count = 1, current;
static bool is_running;

/* The timer: that of the local APIC, in the direct map of boot.S. ------------------------------ */

enum { EOI = 0x0b0, SPURIOUS = 0x0f0, TIMER = 0x320, INITIAL_COUNT = 0x380, DIVIDER = 0x3e0 };

static void write_apic(uint64_t offset, uint32_t value) {
  *(volatile uint32_t *)(0xffff8000fee00000 + offset) = value;
}

static void write_port(uint16_t port, uint8_t byte) {
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static uint8_t read_port(uint16_t port) {
  uint8_t byte;
  __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
  return byte;
}

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

uint64_t random_below(struct thread *self, uint64_t limit) {
  return next_random(&self->random) % limit;
}

/** Has the timer interrupt once, after a random time of some microseconds. */
static void start_timer(void) {
  static uint64_t state = 0x2545f4914f6cdd1d;
  write_apic(INITIAL_COUNT, (uint32_t)(4000 + next_random(&state) % 16000));
}

static void prepare_timer(void) {
  write_port(0x21, 0xff); /* the old interrupt controllers are silent */
  write_port(0xa1, 0xff);
  set_gate(TIMER_VECTOR, timer_entry);
  set_gate(YIELD_VECTOR, yield_entry);
  write_apic(SPURIOUS, 0x100 | SPURIOUS_VECTOR);
  write_apic(DIVIDER, 0x0b); /* by one */
  write_apic(TIMER, TIMER_VECTOR);
}

/* How late interrupts come -------------------------------------------------------------------- */

static uint64_t measured_interval, deadline;
static int64_t latest;

static uint64_t read_timestamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

static void start_measured_timer(void) {
  write_apic(INITIAL_COUNT, (uint32_t)measured_interval);
  deadline = read_timestamp() + measured_interval;
}

static void note_delay(void) {
  int64_t delay = (int64_t)(read_timestamp() - deadline);
  if (delay > latest) latest = delay;
  start_measured_timer();
}

uint64_t longest_delay(void (*call)(void), uint64_t interval) {
  prepare_timer();
  latest = 0;
  measured_interval = interval;
  start_measured_timer();
  __asm__ volatile("sti");
  call();
  /* An interrupt that was late at the end comes now. */
  for (uint64_t start = read_timestamp(); read_timestamp() - start < 2 * interval;) {}
  write_apic(INITIAL_COUNT, 0);
  __asm__ volatile("nop; nop; cli");
  measured_interval = 0;
  return (uint64_t)latest;
}

/* Threads -------------------------------------------------------------------------------------- */

/** Returns the stack pointer of the thread that runs next. Called by yield_entry too. */
uint64_t choose_thread(uint64_t stack_pointer) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  threads[current].stack_pointer = stack_pointer;
  uint64_t next = next_random(&state) % thread_count;
  while (threads[next].is_finished) next = (next + 1) % thread_count;
  if (next != current) switches++;
  current = next;
  return threads[next].stack_pointer;
}

uint64_t timer_interrupt(uint64_t stack_pointer) {
  if (measured_interval > 0) note_delay();
  write_apic(EOI, 0);
  if (!is_running) return stack_pointer;
  ticks++;
  on_tick();
  start_timer();
  if (may_switch()) return choose_thread(stack_pointer);
  switch_later();
  return stack_pointer;
}

static void begin(struct thread *self, void (*body)(struct thread *)) {
  body(self);
  self->is_finished = true;
  for (;;) yield();
}

void add_thread(void (*body)(struct thread *)) {
  struct thread *thread = &threads[thread_count];
  thread->number = thread_count;
  thread->random = 0xda942042e4dd58b5 * (thread_count + 1);
  uint64_t *top = (uint64_t *)(stacks[thread_count] + STACK);
  *--top = 0; /* where a caller would return to, for the alignment of the stack */
  uint64_t start = (uint64_t)top;
  *--top = 0x10; /* SS, RSP, RFLAGS with interrupts on, CS and RIP, as the processor pushes them */
  *--top = start;
  *--top = 0x202;
  *--top = 0x08;
  *--top = (uint64_t)begin;
  for (int i = 0; i < 15; i++) *--top = 0;
  top[8] = (uint64_t)thread; /* RDI and RSI, in the order of switch.S */
  top[9] = (uint64_t)body;
  thread->stack_pointer = (uint64_t)top;
  thread_count++;
}

/** The seconds of the clock, in binary coded decimal. */
static uint8_t clock_second(void) {
  write_port(0x70, 0);
  return read_port(0x71);
}

static bool all_others_finished(void) {
  for (uint64_t i = 1; i < thread_count; i++) {
    if (!threads[i].is_finished) return false;
  }
  return true;
}

void run_threads(uint64_t seconds) {
  prepare_timer();
  is_running = true;
  start_timer();
  __asm__ volatile("sti");
  uint8_t last = clock_second();
  while (seconds > 0) {
    yield();
    uint8_t now = clock_second();
    if (now != last) seconds--;
    last = now;
  }
  is_time_up = true;
  while (!all_others_finished()) yield();
  is_running = false;
  __asm__ volatile("cli");
  for (uint64_t i = 1; i < thread_count; i++) {
    print("  thread ");
    print_count(threads[i].number, ": ");
    print_count(threads[i].rounds, " rounds\n");
  }
}
