// Data races: a plain access and another one of the same bytes, one of them a write, that the
// orderings of atomic operations do not order. By the rules of the language, not of the processor.
#include <string.h>

#include "runtime.h"

enum { processors = EXPLORER_PROCESSORS };
typedef uint32_t vector[processors];
typedef struct {
  uint32_t time;
  uint8_t bytes;
  uintptr_t code;
} last_access;
typedef struct {
  bool is_used;
  vector released;
  // By processor, plain and atomic.
  last_access reads[2][processors], writes[2][processors];
} place_accesses;

static vector now[processors], fence_acquired[processors], fence_released[processors];
static place_accesses accesses[place_limit];
static uint16_t used[place_limit];
static int used_count;

void races_reset(void) {
  for (int index = 0; index < used_count; index += 1)
    memset(&accesses[used[index]], 0, sizeof accesses[0]);
  used_count = 0;
  memset(now, 0, sizeof now);
  memset(fence_acquired, 0, sizeof fence_acquired);
  memset(fence_released, 0, sizeof fence_released);
  for (int number = 0; number < processors; number += 1) now[number][number] = 1;
}

static void join(vector into, const vector other) {
  for (int number = 0; number < processors; number += 1)
    if (other[number] > into[number]) into[number] = other[number];
}

static bool acquires(int order) {
  return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order >= __ATOMIC_ACQ_REL;
}
static bool releases(int order) { return order >= __ATOMIC_RELEASE; }

static void check(const operation *op, int self, const last_access list[processors], uint8_t bytes,
                  const char *what) {
  for (int other = 0; other < processors; other += 1) {
    if (other == self || list[other].time <= now[self][other]) continue;
    if ((list[other].bytes & bytes) == 0) continue;
    fail("race", "processor %d %s what processor %d %s without order @%lx @%lx", self,
         op->kind == op_read || op->kind == op_load ? "reads" : "writes", other, what,
         (unsigned long)op->code, (unsigned long)list[other].code);
    return;
  }
}

void races_note(const fiber *fiber, const operation *op) {
  int self = (int)(fiber - fibers);
  if (op->kind == op_fence) {
    if (acquires(op->order)) join(now[self], fence_acquired[self]);
    if (releases(op->order)) memcpy(fence_released[self], now[self], sizeof(vector));
    now[self][self] += 1;
    return;
  }
  if (op->kind > op_write || op->touch_count == 0) return;
  place_accesses *place = &accesses[op->touches[0].place];
  if (!place->is_used) {
    place->is_used = true;
    used[used_count++] = op->touches[0].place;
  }
  bool is_atomic = op->kind <= op_update;
  bool is_write = op->kind != op_read && op->kind != op_load;
  uint8_t bytes = (uint8_t)(((1u << op->size) - 1) << (op->address & 7));
  if (is_atomic && is_write && op->kind != op_update) {
    // A store ends what earlier ones have released.
    memcpy(place->released, releases(op->order) ? now[self] : fence_released[self], sizeof(vector));
  } else if (is_atomic) {
    join(acquires(op->order) ? now[self] : fence_acquired[self], place->released);
    if (op->kind == op_update)
      join(place->released, releases(op->order) ? now[self] : fence_released[self]);
  }
  check(op, self, place->writes[0], bytes, "has written");
  if (!is_atomic) check(op, self, place->writes[1], bytes, "has written");
  if (is_write) check(op, self, place->reads[0], bytes, "has read");
  if (is_write && !is_atomic) check(op, self, place->reads[1], bytes, "has read");
  last_access *kept = is_write ? &place->writes[is_atomic][self] : &place->reads[is_atomic][self];
  *kept = (last_access){now[self][self], bytes, op->code};
  now[self][self] += 1;
}
