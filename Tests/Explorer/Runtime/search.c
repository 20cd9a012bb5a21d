// The search through all schedules: depth first, each schedule from the start.
//
// With reduction, schedules that differ only in the order of steps that are independent of each
// other are tried once. After each step, its races are found: earlier steps that conflict with it
// and that nothing else orders before it. For each, one that begins the other order is added to
// what has to be tried before the earlier step (source sets: Abdulla, Aronis, Jonsson, Sagonas,
// "Optimal Dynamic Partial Order Reduction", 2014). A sleep set holds what was tried in a sibling
// and has conflicted with nothing since.
#include <string.h>

#include "runtime.h"

typedef struct {
  uint16_t enabled, backtrack, done, sleep;
  uint16_t without_preemption;
  int8_t chosen;
  int16_t preemptions;
} node;

static node nodes[step_limit + 1];
static int prefix;

// What orders the steps of the current schedule: for each actor and each place.
typedef struct {
  int write;
  // The last read of each actor in `readers`.
  uint16_t readers;
  int reads[actor_limit];
} place_history;
static uint16_t clocks[actor_limit][actor_limit];
static place_history histories[place_limit];
static uint16_t used_places[place_limit];
static int used_place_count;
static bool is_used[place_limit];

void search_reset(void) { prefix = 0; }

// Choices -----------------------------------------------------------------------------------------

static bool conflict(const operation *a, const operation *b) {
  for (int i = 0; i < a->touch_count; i += 1)
    for (int j = 0; j < b->touch_count; j += 1)
      if (a->touches[i].place == b->touches[j].place
          && (a->touches[i].is_write || b->touches[j].is_write))
        return true;
  return false;
}

static bool wakes(const operation *op, const fiber *waiting) {
  for (int i = 0; i < op->touch_count; i += 1) {
    if (!op->touches[i].is_write) continue;
    uintptr_t word = word_of_place(op->touches[i].place);
    for (int j = 0; j < waiting->watched_count; j += 1)
      if (waiting->watched[j].word == word) return true;
  }
  return false;
}

bool are_dependent(int first, const operation *a, int second, const operation *b) {
  if (processor_of(first) == processor_of(second)) {
    if (!is_buffer(first) && !is_buffer(second)) return true;
    const operation *other = is_buffer(first) ? b : a;
    return is_interrupt(first) || is_interrupt(second) || needs_empty_buffer(other)
        || conflict(a, b);
  }
  if (a->kind == op_wait && wakes(b, &fibers[processor_of(first)])) return true;
  if (b->kind == op_wait && wakes(a, &fibers[processor_of(second)])) return true;
  return conflict(a, b);
}

static uint16_t sleep_before(int step) {
  if (step == 0 || mode != mode_reduced || preemption_bound >= 0) return 0;
  const node *before = &nodes[step - 1];
  uint16_t candidates = before->sleep | (before->done & ~(1 << before->chosen));
  uint16_t sleep = 0;
  for (int actor = 0; actor < actor_limit; actor += 1)
    if (candidates >> actor & 1
        && !are_dependent(actor, next_operation(actor), before->chosen, &events[step - 1].op))
      sleep |= 1 << actor;
  return sleep;
}

// The enabled actors that may take the next step without one preemption too many.
static uint16_t within_bound(const node *now) {
  bool is_free = preemption_bound < 0 || now->preemptions < preemption_bound;
  return is_free ? now->enabled : now->without_preemption;
}

int search_pick(uint16_t enabled) {
  node *now = &nodes[step_count];
  if (step_count < prefix) {
    if (now->enabled != enabled) return pick_impossible;
    return now->chosen;
  }
  *now = (node){.enabled = enabled, .sleep = sleep_before(step_count),
                .without_preemption = choices_without_preemption(enabled),
                .preemptions = (int16_t)preemption_count};
  uint16_t candidates = within_bound(now) & ~now->sleep;
  if (candidates == 0) return pick_none;
  now->chosen = (int8_t)preferred_choice(candidates);
  now->done = 1 << now->chosen;
  now->backtrack = mode == mode_reduced ? now->done : candidates;
  return now->chosen;
}

bool search_next(void) {
  for (int step = step_count - 1; step >= 0; step -= 1) {
    node *now = &nodes[step];
    uint16_t rest = now->backtrack & ~now->done & ~now->sleep & within_bound(now);
    if (rest == 0) continue;
    now->chosen = (int8_t)__builtin_ctz(rest);
    now->done |= 1 << now->chosen;
    prefix = step + 1;
    return true;
  }
  return false;
}

// Whether the schedule is still the same as the one before.
bool search_is_repeating(void) {
  return (mode == mode_all || mode == mode_reduced) && step_count < prefix;
}

// Order -------------------------------------------------------------------------------------------

void search_begin(void) {
  memset(clocks, 0, sizeof clocks);
  for (int index = 0; index < used_place_count; index += 1) is_used[used_places[index]] = false;
  used_place_count = 0;
}

static place_history *history_of(uint16_t place) {
  place_history *history = &histories[place];
  if (!is_used[place]) {
    is_used[place] = true;
    used_places[used_place_count++] = place;
    history->write = -1;
    history->readers = 0;
  }
  return history;
}

static void join(uint16_t *clock, const uint16_t *other) {
  for (int actor = 0; actor < actor_limit; actor += 1)
    if (other[actor] > clock[actor]) clock[actor] = other[actor];
}

void search_copy_clock(int actor, uint16_t clock[actor_limit]) {
  memcpy(clock, clocks[actor], sizeof clocks[actor]);
}

// Whether step `earlier` is ordered before what has `clock`.
static bool is_before(int earlier, const uint16_t *clock) {
  return clock[events[earlier].actor] > earlier;
}

// The steps after `earlier` that it is not ordered before, and then `step`: which actors can take
// the first of them.
static uint16_t initials(int earlier, int step) {
  int first[actor_limit];
  uint16_t seen = 0, result = 0;
  for (int index = earlier + 1; index <= step; index += 1) {
    int actor = events[index].actor;
    if (seen >> actor & 1) continue;
    if (index < step && is_before(earlier, events[index].clock)) continue;
    bool is_initial = true;
    for (int other = 0; other < actor_limit && is_initial; other += 1)
      if (seen >> other & 1 && is_before(first[other], events[index].clock)) is_initial = false;
    seen |= 1 << actor;
    first[actor] = index;
    if (is_initial) result |= 1 << actor;
  }
  return result;
}

static void add_choice(node *now, uint16_t choices, int preferred) {
  choices &= now->enabled;
  if (choices == 0 || (now->backtrack & choices) != 0) return;
  now->backtrack |= choices >> preferred & 1 ? 1 << preferred : choices & -choices;
}

static void reverse(int earlier, int step) {
  uint16_t choices = initials(earlier, step);
  int actor = events[step].actor;
  add_choice(&nodes[earlier], choices, actor);
  if (preemption_bound < 0) return;
  // Within a bound, the other order may be out of reach there, but not where the actor of the
  // earlier step took over.
  int start = earlier;
  while (start > 0 && events[start - 1].actor == events[start].actor) start -= 1;
  node *now = &nodes[start];
  if (now->enabled >> actor & 1) now->backtrack |= 1 << actor; else now->backtrack |= now->enabled;
}

// An interrupt could have come before the last operation of its processor before which interrupts
// were on, unless it was sent because of that. From there the one before that is found.
static void reverse_interrupt(int step) {
  int actor = events[step].actor;
  uint16_t line = (uint16_t)(line_of_first + processor_of(actor));
  int sent = -1;
  for (int earlier = step - 1; earlier >= 0; earlier -= 1) {
    if (sent < 0 && events[earlier].op.kind == op_send
        && events[earlier].op.touches[0].place == line)
      sent = earlier;
    if (events[earlier].actor != processor_of(actor)) continue;
    if (!events[earlier].has_interrupts_on) continue;
    if (nodes[earlier].enabled >> actor & 1) nodes[earlier].backtrack |= 1 << actor;
    else if (sent >= 0 && !is_before(earlier, events[sent].clock)) reverse(earlier, step);
    return;
  }
}

static void order_on_processor(int step, uint16_t *clock) {
  int actor = events[step].actor;
  const operation *op = &events[step].op;
  int code = processor_of(actor);
  if (is_interrupt(actor)) {
    join(clock, clocks[code]);
    join(clock, clocks[buffer_of_first + code]);
  } else if (is_buffer(actor)) {
    join(clock, fibers[code].buffer[0].clock);
  } else if (needs_empty_buffer(op)) {
    join(clock, clocks[buffer_of_first + code]);
  }
}

void search_record(int step) {
  int actor = events[step].actor;
  operation *op = &events[step].op;
  uint16_t *own = clocks[actor];
  order_on_processor(step, own);
  uint16_t before[actor_limit];
  memcpy(before, own, sizeof before);
  int races[place_limit], race_count = 0;
  for (int index = 0; index < op->touch_count; index += 1) {
    place_history *history = history_of(op->touches[index].place);
    int write = history->write;
    if (write >= 0 && events[write].actor != actor) {
      if (!is_before(write, before)) races[race_count++] = write;
      join(own, events[write].clock);
    }
    if (!op->touches[index].is_write) {
      history->reads[actor] = step;
      history->readers |= 1 << actor;
      continue;
    }
    for (uint16_t readers = history->readers; readers != 0; readers &= readers - 1) {
      int reader = __builtin_ctz(readers);
      int read = history->reads[reader];
      if (reader == actor || read == step) continue;
      if (!is_before(read, before)) races[race_count++] = read;
      join(own, events[read].clock);
    }
    history->readers = 0;
    history->write = step;
  }
  if (op->kind == op_wait) {
    const fiber *self = &fibers[actor];
    for (int index = 0; index < self->watched_count; index += 1) {
      uint16_t place = place_if_shared(self->watched[index].word);
      if (place != 0 && history_of(place)->write >= 0)
        join(own, events[history_of(place)->write].clock);
    }
  }
  own[actor] = (uint16_t)(step + 1);
  memcpy(events[step].clock, own, sizeof events[step].clock);
  if (is_interrupt(actor)) join(clocks[processor_of(actor)], own);
  if (mode != mode_reduced || step < prefix - 1) return;
  for (int index = 0; index < race_count; index += 1) reverse(races[index], step);
  if (is_interrupt(actor)) reverse_interrupt(step);
}
