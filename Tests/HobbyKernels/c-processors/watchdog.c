/* A timer on each processor, which looks whether the calls of the other processors return. */
#include "checks.h"
#include "machine.h"
#include "processors.h"

enum { TIMER = 0x320, INITIAL_COUNT = 0x380, DIVIDER = 0x3e0 };
enum {
  PERIODIC = 1 << 17,
  INTERVAL = 20000000, /* in units of the APIC's clock: with QEMU, 20 ms */
};

/** For how many intervals a call may take: with QEMU, 10 seconds, or 2 if it is a mistake's. */
static uint64_t patience(void) { return mistake == NO_MISTAKE ? 500 : 100; }

/** What a processor has seen of another one. */
struct view {
  uint64_t calls, unchanged;
};
static struct view views[PROCESSORS][PROCESSORS];

static void print_set(uint64_t set) {
  for (uint32_t number = 0; number < PROCESSORS; number++) {
    if (set >> number & 1) print_count(number, " ");
  }
}

/** Prints who is in which call, and for whom it may wait. The first processor that notices does. */
_Noreturn static void report(const struct processor *late) {
  static bool is_reported;
  while (__atomic_exchange_n(&is_reported, true, __ATOMIC_RELAXED)) __builtin_ia32_pause();
  for (uint32_t number = 0; number < PROCESSORS; number++) {
    const struct processor *other = &processors[number];
    const char *call = other->call;
    print("  processor ");
    print_count(number, call ? " is in " : " is in no call");
    if (call) print(call);
    if (call && other->has_interrupted) {
      print(", and has interrupted ");
      print_set(other->has_interrupted);
    }
    print("\n");
  }
  fail(late->call ? late->call : "a call", late->has_interrupted
      ? "waits for a processor that does not answer" : "waits for a lock");
}

struct interrupted;
__attribute__((interrupt)) static void timer_interrupt(struct interrupted *interrupted) {
  (void)interrupted;
  struct processor *self = this_processor();
  self->ticks++;
  for (uint32_t number = 0; number < PROCESSORS; number++) {
    const struct processor *other = &processors[number];
    struct view *view = &views[self->number][number];
    if (!other->call || other->calls != view->calls) view->unchanged = 0;
    else if (++view->unchanged == patience()) report(other);
    view->calls = other->calls;
  }
  end_of_interrupt();
}

void start_watchdog(void) {
  if (this_processor()->number == 0) set_gate(TIMER_VECTOR, (void (*)(void))timer_interrupt);
  write_apic(DIVIDER, 0x0b); /* by one */
  write_apic(TIMER, PERIODIC | TIMER_VECTOR);
  write_apic(INITIAL_COUNT, INTERVAL);
}
