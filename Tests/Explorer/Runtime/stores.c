// Store buffers, as those of x86: a store is seen by its own processor at once, and by others when
// it is committed to memory, which happens in order, but at any time. Locked instructions, fences,
// and what flushes translations wait until the buffer is empty; so does an interrupt.
#include <string.h>

#include "runtime.h"

uint64_t buffered_load(fiber *self, uintptr_t address, int size, bool *was_forwarded) {
  uint64_t value = get(address, size);
  *was_forwarded = false;
  for (int index = 0; index < self->buffered; index += 1) {
    const buffered_store *store = &self->buffer[index];
    if (store->address + store->size <= address || address + (unsigned)size <= store->address)
      continue;
    // Byte by byte, for a load that the store covers in part.
    for (int byte = 0; byte < size; byte += 1) {
      uintptr_t offset = address + (unsigned)byte - store->address;
      if (offset >= store->size) continue;
      value &= ~(UINT64_C(0xff) << 8 * byte);
      value |= (store->value >> 8 * offset & 0xff) << 8 * byte;
    }
    *was_forwarded = true;
  }
  return value;
}

bool needs_empty_buffer(const operation *op) {
  switch (op->kind) {
    case op_update: case op_flush: case op_send: case op_take: case op_write: return true;
    case op_fence: case op_store: return op->order == __ATOMIC_SEQ_CST;
    default: return false;
  }
}

buffered_store *find_buffered(fiber *self, uintptr_t address) {
  for (int index = self->buffered - 1; index >= 0; index -= 1)
    if (self->buffer[index].address == address) return &self->buffer[index];
  return NULL;
}

const operation *next_commit(const fiber *owner) {
  static operation ops[EXPLORER_PROCESSORS];
  operation *op = &ops[owner - fibers];
  const buffered_store *store = &owner->buffer[0];
  *op = (operation){.kind = op_commit, .size = store->size, .address = store->address,
                    .code = store->code, .access = store->access, .new = store->value};
  add_touches_of_store(op, store->place);
  return op;
}

void add_touches_of_store(operation *op, uint16_t place) {
  if (place == 0) return;
  op->touches[op->touch_count++] = (touch){place, true};
  // All processors may cache what an entry says, at once.
  if (!place_is_entry(place)) return;
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    op->touches[op->touch_count++] = (touch){(uint16_t)(translations_of_first + number), false};
}

void commit_oldest(fiber *owner) {
  buffered_store store = owner->buffer[0];
  owner->buffered -= 1;
  memmove(owner->buffer, owner->buffer + 1, (unsigned)owner->buffered * sizeof store);
  events[step_count - 1].op.old = get(store.address, store.size);
  moments_note_store(store.address, events[step_count - 1].op.old, store.value);
  put(store.address, store.value, store.size);
  if (store.is_entry) note_entry((uint32_t)(owner - fibers), store.address, store.old_entry);
}
