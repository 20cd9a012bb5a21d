// One schedule: which actor takes the next step, until all code has ended.
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

enum { wake_limit = 600 };

static event all_events[step_limit + 1];
event *events = all_events;
int step_count;
search_mode mode;
bool has_buffers;
int preemption_bound = -1;
int preemption_count;
const explorer_scenario *scenario;

// The actor whose code ran last.
static int last;
static bool is_launching, has_left;
// Operations of whole calls.
enum { operation_limit = 20 * step_limit };
static int operation_count;

// A random schedule: priorities, and the steps at which the running actor's drops.
static uint64_t random_state;
static int priorities[actor_limit];
static uint32_t change_points[4];
static int lowest;

void random_seed(uint64_t seed) { random_state = seed * 2 + 1; }

uint32_t random_below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)((random_state * UINT64_C(0x2545f4914f6cdd1d) >> 32) * limit >> 32);
}

// Enabled actors ----------------------------------------------------------------------------------

const operation *next_operation(int actor) {
  static operation takes[EXPLORER_PROCESSORS];
  fiber *self = &fibers[processor_of(actor)];
  if (is_code(actor)) return &self->next;
  if (is_buffer(actor)) return next_commit(self);
  operation *take = &takes[processor_of(actor)];
  *take = (operation){.kind = op_take, .access = self->next.access, .touch_count = 1};
  take->touches[0] = (touch){(uint16_t)(line_of_first + processor_of(actor)), true};
  return take;
}

static bool is_awake(const fiber *self) {
  if (self->is_woken) return true;
  for (int index = 0; index < self->watched_count; index += 1)
    if (get(self->watched[index].word, 8) != self->watched[index].value) return true;
  return false;
}

bool interrupts_are_on(const fiber *self) {
  return self == running ? simulated_this_processor.interrupts_enabled
                         : self->processor.interrupts_enabled;
}

bool is_enabled(int actor) {
  const fiber *self = &fibers[processor_of(actor)];
  if (is_buffer(actor)) return self->buffered > 0;
  if (is_interrupt(actor))
    return self->interrupt_pending && self->buffered == 0 && interrupts_are_on(self);
  if (self->next.kind == op_end) return false;
  if (self->next.kind == op_wait) return is_awake(self);
  return self->buffered == 0 || !needs_empty_buffer(&self->next);
}

uint16_t enabled_actors(void) {
  uint16_t enabled = 0;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1) {
    int code = (int)number, interrupt = code + interrupt_of_first, buffer = code + buffer_of_first;
    if (is_enabled(code)) enabled |= 1 << code;
    if (fibers[number].interrupt_pending && is_enabled(interrupt)) enabled |= 1 << interrupt;
    if (fibers[number].buffered > 0) enabled |= 1 << buffer;
  }
  return enabled;
}

static bool has_everything_ended(void) {
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    if (!fibers[number].has_ended || fibers[number].next.kind != op_end) return false;
  return true;
}

// Wakes those who wait for a change, as if their loops gave up one day. Returns false if they have
// looked for as long as any loop that does, and nothing has changed.
static bool wake_waiters(void) {
  bool any = false;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1) {
    fiber *self = &fibers[number];
    if (self->next.kind != op_wait || self->wakes >= wake_limit) continue;
    self->wakes += 1;
    self->is_woken = true;
    any = true;
  }
  return any;
}

static void report_deadlock(void) {
  char text[400] = "";
  size_t length = 0;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1) {
    const fiber *self = &fibers[number];
    const char *state = self->next.kind == op_end ? "has ended" : "waits for ever";
    if (self->interrupt_pending) state = "waits with interrupts off, and has an interrupt pending";
    length += (size_t)snprintf(text + length, sizeof text - length, "%sprocessor %u %s",
                               length > 0 ? "; " : "", number, state);
  }
  fail("deadlock", "%s", text);
}

// Choices -----------------------------------------------------------------------------------------

static segment guidance[segment_limit];
static int guidance_count, guidance_position;

void guide(const segment *segments, int count) {
  memcpy(guidance, segments, (unsigned)count * sizeof *segments);
  guidance_count = count;
}

bool guided_stop(const fiber *self) {
  if (mode != mode_guided) return false;
  for (int index = guidance_position; index < guidance_count; index += 1)
    if (guidance[index].actor == (int)(self - fibers))
      return self->access_count == guidance[index].until;
  return false;
}

// Who runs by default: the code that ran last, then other code, then interrupts, then
// what leaves store buffers. Those who spin come after all who do not.
static int default_choice(uint16_t enabled) {
  if (enabled >> last & 1 && fibers[last].next.kind != op_wait) return last;
  int spinning = no_actor;
  for (int actor = 0; actor < actor_limit; actor += 1) {
    if ((enabled >> actor & 1) == 0) continue;
    if (!is_code(actor) || fibers[actor].next.kind != op_wait) return actor;
    if (spinning == no_actor || spinning == last) spinning = actor;
  }
  return spinning;
}

static int guided_choice(uint16_t enabled) {
  while (guidance_position < guidance_count) {
    segment now = guidance[guidance_position];
    const fiber *self = &fibers[processor_of(now.actor)];
    bool is_over = is_code(now.actor)     ? self->next.access >= now.until
                   : is_buffer(now.actor) ? self->buffered == 0
                                                || self->buffer[0].access > now.until
                                          : !self->interrupt_pending;
    // Code that runs to its end does not keep others from what it spins for.
    if (is_code(now.actor) && now.until == UINT64_MAX && self->next.kind == op_wait
        && (enabled & ~(1 << now.actor)) != 0)
      return default_choice(enabled);
    if (is_over || (enabled >> now.actor & 1) == 0) {
      guidance_position += 1;
      continue;
    }
    if (is_interrupt(now.actor)) guidance_position += 1;
    return now.actor;
  }
  return default_choice(enabled);
}

static int random_choice(uint16_t enabled) {
  for (unsigned index = 0; index < sizeof change_points / sizeof change_points[0]; index += 1)
    if (change_points[index] == (uint32_t)step_count) priorities[last] = --lowest;
  int best = no_actor;
  for (int actor = 0; actor < actor_limit; actor += 1) {
    if ((enabled >> actor & 1) == 0) continue;
    if (is_code(actor) && fibers[actor].next.kind == op_wait) priorities[actor] = --lowest;
    // Interrupts and stores leave after a random while.
    if (!is_code(actor) && random_below(4) != 0 && (enabled & 0xf) != 0) continue;
    if (best == no_actor || priorities[actor] > priorities[best]) best = actor;
  }
  return best == no_actor ? default_choice(enabled) : best;
}

static void begin_random(void) {
  lowest = 0;
  for (int actor = 0; actor < actor_limit; actor += 1)
    priorities[actor] = 1 + (int)random_below(1000);
  uint32_t length = step_count > 20 ? (uint32_t)step_count : 20;
  for (unsigned index = 0; index < sizeof change_points / sizeof change_points[0]; index += 1)
    change_points[index] = random_below(length);
}

// Whole calls one after another: a processor that is in a call stays, unless it waits for others.
static uint16_t choices_between_calls(uint16_t enabled) {
  uint16_t interrupts = enabled & 0xff0;
  if (interrupts != 0) return interrupts & -interrupts;
  if (enabled >> last & 1 && fibers[last].next.kind != op_call) return 1 << last;
  return enabled;
}

static int choose(uint16_t enabled) {
  switch (mode) {
    case mode_guided: return guided_choice(enabled);
    case mode_random: return random_choice(enabled);
    case mode_calls: return search_pick(choices_between_calls(enabled));
    default: return search_pick(enabled);
  }
}

int preferred_choice(uint16_t enabled) { return default_choice(enabled); }

// Steps -------------------------------------------------------------------------------------------

// Which of the enabled actors may take the next step without a preemption: the code that ran last,
// and what took the last step; or, if that code has ended or spins, all that do not spin.
uint16_t choices_without_preemption(uint16_t enabled) {
  uint16_t spinning = 0;
  for (int actor = 0; actor < EXPLORER_PROCESSORS; actor += 1)
    if (enabled >> actor & 1 && fibers[actor].next.kind == op_wait) spinning |= 1 << actor;
  uint16_t others = enabled & ~spinning;
  uint16_t choices = others;
  if (others >> last & 1) {
    choices = 1 << last;
    if (step_count > 0) choices |= 1 << events[step_count - 1].actor;
  }
  choices &= enabled;
  return choices != 0 ? choices : enabled;
}

static void take_step(int actor, uint16_t enabled) {
  if ((choices_without_preemption(enabled) >> actor & 1) == 0) preemption_count += 1;
  event *now = &events[step_count];
  now->actor = (int8_t)actor;
  now->has_interrupts_on = interrupts_are_on(&fibers[processor_of(actor)]);
  now->op = *next_operation(actor);
  search_record(step_count);
  step_count += 1;
  if (is_code(actor)) last = actor;
}

// Gives the turn to whom the search chooses. Returns when it is this fiber's: for its own next
// operation, or to take an interrupt.
static void dispatch(void) {
  fiber *self = running;
  if (is_launching) return fibers_resume(NULL);
  for (;;) {
    if (step_count == step_limit) {
      fail("livelock", "no end after %d steps", step_limit);
      return fibers_resume(NULL);
    }
    if (!moments_check()) return fibers_resume(NULL);
    uint16_t enabled = enabled_actors();
    if (enabled == 0) {
      if (has_everything_ended()) return fibers_resume(NULL);
      if (wake_waiters()) continue;
      report_deadlock();
      return fibers_resume(NULL);
    }
    int actor = choose(enabled);
    if (actor < 0) {
      if (actor == pick_impossible) fail("explorer", "a schedule went another way the second time");
      return fibers_resume(NULL);
    }
    take_step(actor, enabled);
    fiber *next = &fibers[processor_of(actor)];
    if (is_buffer(actor)) {
      commit_oldest(next);
      continue;
    }
    if (is_interrupt(actor)) next->takes_interrupt = true;
    if (next != self) fibers_resume(next);
    return;
  }
}

void point(operation *op) {
  fiber *self = running;
  op->access = self->access_count;
  if (mode == mode_calls && op->kind != op_call && op->kind != op_end && op->kind != op_wait) {
    // These are no steps, but they come to an end as well.
    if (++operation_count < operation_limit) return;
    fail("livelock", "no end after %d operations", operation_limit);
    leave_schedule();
  }
  for (;;) {
    self->next = *op;
    dispatch();
    if (!self->takes_interrupt) break;
    self->takes_interrupt = false;
    take_interrupt(self);
    // The access has another number from here on, so that numbers ascend.
    op->access = ++self->access_count;
  }
  if (op->kind != op_wait && op->kind != op_call) races_note(self, op);
}

// The fiber that calls this never goes on.
void leave_schedule(void) {
  has_left = true;
  fibers_resume(NULL);
}

void run_schedule(void) {
  step_count = 0;
  preemption_count = 0;
  operation_count = 0;
  last = 0;
  guidance_position = 0;
  if (mode == mode_random) begin_random();
  races_reset();
  search_begin();
  moments_begin();
  fibers_start(scenario->body);
  is_launching = true;
  has_left = false;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    if (!has_left) fibers_resume(&fibers[number]);
  is_launching = false;
  if (!has_left) dispatch();
}

int segments_of_run(segment *segments, int limit) {
  int count = 0;
  for (int step = 0; step < step_count && count < limit; step += 1) {
    int actor = events[step].actor;
    bool is_new = count == 0 || segments[count - 1].actor != actor || is_interrupt(actor);
    if (is_new) segments[count++] = (segment){actor, 0};
    uint64_t until = UINT64_MAX;
    if (is_buffer(actor)) until = events[step].op.access;
    if (is_code(actor))
      for (int later = step + 1; later < step_count; later += 1)
        if (processor_of(events[later].actor) == actor && !is_buffer(events[later].actor)) {
          until = events[later].op.access;
          break;
        }
    segments[count - 1].until = until;
  }
  return count;
}
