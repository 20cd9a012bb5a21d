// Moments: after a step, whenever no lock is held, what locks protect is as it has to be. A mistake
// that is wrong for a while and repaired before the end is seen only there.
#include "runtime.h"

static uintptr_t locks_start, locks_size, locks_stride;
static int held_count;
static bool has_changed;
static hash_set right;

void explorer_add_locks(uint8_t *first, size_t count, size_t stride) {
  locks_start = (uintptr_t)first;
  locks_size = count * stride;
  locks_stride = stride;
}

void moments_begin(void) {
  held_count = 0;
  has_changed = false;
}

// A store has reached memory.
void moments_note_store(uintptr_t address, uint64_t old, uint64_t new) {
  uintptr_t offset = address - locks_start;
  if (offset >= locks_size || offset % locks_stride != 0) return;
  held_count += (new != 0) - (old != 0);
  has_changed = true;
}

// Whether all stores have reached memory. Those to words that no other processor accesses do not
// wait for the others, so that before, a lock can be free too early.
static bool is_settled(void) {
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    if (fibers[number].buffered > 0) return false;
  return true;
}

// Whether no processor is where an interrupt would disturb it.
static bool is_calm(void) {
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    if (!interrupts_are_on(&fibers[number]) || fibers[number].in_handler) return false;
  return true;
}

// Fails, and returns false, if something is wrong at this moment, in a state that has not been seen
// to be right. What an earlier schedule had in common with this one was checked then.
bool moments_check(void) {
  if (!has_changed || held_count != 0 || scenario->check_between == NULL) return true;
  if (mode == mode_calls || search_is_repeating() || !is_settled()) return true;
  has_changed = false;
  bool calm = is_calm();
  uint64_t state = memory_hash() ^ (calm ? 0x5555 : 0);
  if (hashes_contain(&right, state)) return true;
  fiber *self = fibers_step_aside();
  const char *problem = check_safely(scenario->check_between, calm);
  fibers_step_back(self);
  if (problem == NULL) hashes_insert(&right, state);
  else fail("moment", "%s", problem);
  return problem == NULL;
}
