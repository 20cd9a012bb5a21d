// Sets of hashes.
#include <stdlib.h>

#include "runtime.h"

bool hashes_contain(const hash_set *set, uint64_t hash) {
  if (set->size == 0) return false;
  size_t index = hash & (set->size - 1);
  for (; set->slots[index] != 0; index = (index + 1) & (set->size - 1))
    if (set->slots[index] == hash) return true;
  return false;
}

void hashes_insert(hash_set *set, uint64_t hash) {
  if (hash == 0) hash = 1;
  if (hashes_contain(set, hash)) return;
  if (set->count * 2 >= set->size) {
    hash_set larger = {NULL, set->size == 0 ? 1024 : set->size * 2, 0};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    for (size_t index = 0; index < set->size; index += 1)
      if (set->slots[index] != 0) hashes_insert(&larger, set->slots[index]);
    free(set->slots);
    *set = larger;
  }
  size_t index = hash & (set->size - 1);
  while (set->slots[index] != 0) index = (index + 1) & (set->size - 1);
  set->slots[index] = hash;
  set->count += 1;
}

void hashes_empty(hash_set *set) {
  free(set->slots);
  *set = (hash_set){NULL, 0, 0};
}
