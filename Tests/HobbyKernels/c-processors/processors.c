#include "processors.h"

#include "checks.h"
#include "machine.h"
#include "tessera.h"

struct processor processors[PROCESSORS];
enum mistake mistake;
uint64_t brevity = 1;

/* The local APIC, in the direct map of boot.S -------------------------------------------------- */

enum { ID = 0x020, EOI = 0x0b0, SPURIOUS = 0x0f0, COMMAND = 0x300, DESTINATION = 0x310 };
enum {
  IS_BEING_SENT = 1 << 12,
  INIT_ALL_OTHERS = 0xc4500, /* the shorthand for all but this one */
  STARTUP_ALL_OTHERS = 0xc4600 | TRAMPOLINE >> 12,
};

static volatile uint32_t *apic_register(uint32_t offset) {
  return (volatile uint32_t *)(0xffff8000fee00000 + offset);
}

void write_apic(uint32_t offset, uint32_t value) { *apic_register(offset) = value; }
void end_of_interrupt(void) { write_apic(EOI, 0); }

static void send(uint32_t command, uint32_t apic_id) {
  while (*apic_register(COMMAND) & IS_BEING_SENT) wait_a_little();
  write_apic(DESTINATION, apic_id << 24);
  write_apic(COMMAND, command);
}

/* What Tessera asks of a kernel with several processors ---------------------------------------- */

uint32_t tessera_host_processor_id(void) {
  if (mistake == UNNUMBERED) return 0;
  uint32_t number;
  __asm__ volatile("movl %%gs:8, %0" : "=r"(number));
  return number;
}

void tessera_host_interrupt(uint64_t set, uint32_t first) {
  (void)first; /* 0: there are no more than 64 processors. */
  this_processor()->has_interrupted |= set;
  if (mistake == SILENT) return;
  for (uint32_t number = 0; number < PROCESSORS; number++) {
    if (set >> number & 1) send(FLUSH_VECTOR, processors[number].apic_id);
  }
}

struct interrupted;
__attribute__((interrupt)) static void flush_interrupt(struct interrupted *interrupted) {
  (void)interrupted;
  if (mistake != DEAF) tessera_serve();
  end_of_interrupt();
}

/* This kernel switches threads nowhere, so that there is nothing to turn off. A timer that switches
 * threads has to respect a counter of the processor's, see c-preemptive. */
uint64_t tessera_host_preempt_disable(void) { return 0; }
void tessera_host_preempt_enable(uint64_t state) { (void)state; }

/* Starting processors -------------------------------------------------------------------------- */

static void write_port(uint16_t port, uint8_t byte) {
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

/** Waits, roughly: a write to port 0x80 takes about a microsecond. */
static void wait_microseconds(int count) {
  while (count-- > 0) {
    write_port(0x80, 0);
    wait_a_little();
  }
}

__attribute__((interrupt)) static void ignore_interrupt(struct interrupted *interrupted) {
  (void)interrupted;
}

void prepare_processor(uint32_t number) {
  struct processor *self = &processors[number];
  const uint64_t address = (uint64_t)self;
  self->self = self;
  self->number = number;
  self->random = 0xda942042e4dd58b5 * (number + 1);
  __asm__ volatile("wrmsr" /* IA32_GS_BASE */
                   : : "c"(0xc0000101), "a"((uint32_t)address), "d"((uint32_t)(address >> 32)));
  if (number == 0) {
    set_gate(FLUSH_VECTOR, (void (*)(void))flush_interrupt);
    set_gate(SPURIOUS_VECTOR, (void (*)(void))ignore_interrupt);
  }
  prepare_page_faults(); /* loads the IDT, too */
  write_port(0x21, 0xff); /* the old interrupt controllers are silent */
  write_port(0xa1, 0xff);
  self->apic_id = *apic_register(ID) >> 24;
  /* Interrupts that reach an APIC before it is turned on are lost. Tessera sends one only once. */
  write_apic(SPURIOUS, 0x100 | SPURIOUS_VECTOR);
}

extern char trampoline[], trampoline_root[], trampoline_end[];
/** The page tables that processors use when they call Tessera first. */
uint64_t arrival_roots[PROCESSORS];
static atomic_uint started_count = 1;

static void do_tasks(struct processor *self) {
  for (;;) {
    void (*task)(struct processor *) = self->task;
    if (task) {
      task(self);
      self->task = NULL;
    }
    wait_a_little();
  }
}

/** Called by trampoline.S, with interrupts off. */
_Noreturn void further_processor(uint32_t number) {
  prepare_processor(number);
  TRY(tessera_start_processor());
  EXPECT(tessera_start_processor() == TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE);
  start_watchdog();
  turn_interrupts(true);
  started_count++;
  do_tasks(this_processor());
  __builtin_unreachable();
}

void start_processors(const uint64_t roots[PROCESSORS]) {
  char *const copy = (char *)(0xffff800000000000 + TRAMPOLINE);
  for (size_t i = 0; trampoline + i < trampoline_end; i++) copy[i] = trampoline[i];
  for (int number = 1; number < PROCESSORS; number++) arrival_roots[number] = roots[number];
  *(uint32_t *)(copy + (trampoline_root - trampoline)) = (uint32_t)roots[0];
  send(INIT_ALL_OTHERS, 0);
  wait_microseconds(10000);
  send(STARTUP_ALL_OTHERS, 0);
  wait_microseconds(200);
  send(STARTUP_ALL_OTHERS, 0); /* is ignored by those that have started */
  for (int i = 0; started_count < PROCESSORS && i < 1000; i++) wait_microseconds(1000);
  EXPECT(started_count == PROCESSORS);
}

/* Working together ----------------------------------------------------------------------------- */

void run_on(uint32_t count, void (*task)(struct processor *self)) {
  for (uint32_t number = 1; number < count; number++) processors[number].task = task;
  task(this_processor());
  for (uint32_t number = 1; number < count; number++) {
    while (processors[number].task) wait_a_little();
  }
}

void meet(uint32_t count) {
  static atomic_uint arrived, meetings;
  const unsigned meeting = meetings;
  if (++arrived == count) {
    arrived = 0;
    meetings++;
  } else {
    while (meetings == meeting) wait_a_little();
  }
}

void take(struct lock *lock) {
  /* The owner may be in Tessera, waiting for this processor, whose interrupts may be off. */
  while (atomic_exchange(&lock->is_taken, true)) {
    tessera_serve();
    wait_a_little();
  }
}

void release(struct lock *lock) { lock->is_taken = false; }

uint64_t random_below(struct processor *self, uint64_t limit) {
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;
  return self->random % limit;
}
