// Fibers: each processor of a scenario is one, and one thread runs them all.
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

fiber fibers[EXPLORER_PROCESSORS];
fiber *running;
uintptr_t running_stack;
static void *scheduler_stack_pointer;
static simulated_processor scheduler_processor;
static void (*fiber_body)(uint32_t);

// Pushes the registers that a function has to keep, changes stacks, and pops those of the other.
__attribute__((naked)) static void switch_stacks(void **kept, void *next) {
  __asm__("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
          "movq %rsp, (%rdi)\n"
          "movq %rsi, %rsp\n"
          "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n"
          "retq");
}

static void run_fiber(void) {
  fiber *self = running;
  fiber_body(self->number);
  self->has_ended = true;
  // From now on it takes interrupts and nothing else.
  for (;;) {
    operation end = {.kind = op_end};
    point(&end);
  }
}

void fibers_start(void (*body)(uint32_t)) {
  fiber_body = body;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1) {
    fiber *self = &fibers[number];
    if (self->stack == NULL) self->stack = aligned_alloc(4096, stack_size);
    forget_remembered(self);
    *self = (fiber){.stack = self->stack, .number = (uint8_t)number,
                    .context = context_of(number, false),
                    .processor = {.number = number, .interrupts_enabled = true}};
    // Six registers, the address that `switch_stacks` returns to, and one that is not used.
    void **top = (void **)(self->stack + stack_size) - 8;
    memset(top, 0, 8 * sizeof *top);
    top[6] = (void *)run_fiber;
    self->stack_pointer = top;
  }
}

void fibers_resume(fiber *next) {
  fiber *self = running;
  if (self == next) return;
  *(self != NULL ? &self->processor : &scheduler_processor) = simulated_this_processor;
  simulated_this_processor = next != NULL ? next->processor : scheduler_processor;
  running = next;
  running_stack = next != NULL ? (uintptr_t)next->stack : 0;
  switch_stacks(self != NULL ? &self->stack_pointer : &scheduler_stack_pointer,
                next != NULL ? next->stack_pointer : scheduler_stack_pointer);
}

// From now on, until it steps back, the running code is that of no processor: for a check within a
// schedule.
fiber *fibers_step_aside(void) {
  fiber *self = running;
  running = NULL;
  running_stack = 0;
  if (self == NULL) return NULL;
  self->processor = simulated_this_processor;
  simulated_this_processor = scheduler_processor;
  return self;
}

void fibers_step_back(fiber *self) {
  if (self == NULL) return;
  scheduler_processor = simulated_this_processor;
  simulated_this_processor = self->processor;
  running = self;
  running_stack = (uintptr_t)self->stack;
}
