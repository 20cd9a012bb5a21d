// The allocator of a textbook, which many small kernels begin with: one list of free blocks, sorted
// by address; the first that is large enough is taken, and what is freed merges with its
// neighbours. It has no lock. Objects are aligned to 16 bytes.
#include "heaps.h"

// In front of each block, free or not. The object begins after it.
struct block {
  // With the header, in bytes: a multiple of 16.
  size_t size;
  // The next free block, at a higher address.
  struct block *next;
};
_Static_assert(sizeof(struct block) == 16, "objects are aligned to 16 bytes");

enum { ARENA = 64 << 20 };

static struct block *free_blocks;
static char *arena, *highest;

static void start(void) {
  arena = highest = host_reserve(ARENA);
  free_blocks = (struct block *)arena;
  *free_blocks = (struct block){.size = ARENA, .next = NULL};
}

void *first_fit_allocate(size_t size) {
  if (arena == NULL) start();
  if (size > ARENA) return NULL;
  size_t wanted = (size + 2 * sizeof(struct block) - 1) & ~(sizeof(struct block) - 1);
  for (struct block **link = &free_blocks; *link != NULL; link = &(*link)->next) {
    struct block *block = *link;
    if (block->size < wanted) continue;
    if (block->size < wanted + 2 * sizeof(struct block)) {
      *link = block->next;
    } else {
      struct block *rest = (struct block *)((char *)block + wanted);
      *rest = (struct block){.size = block->size - wanted, .next = block->next};
      *link = rest;
      block->size = wanted;
    }
    if ((char *)block + block->size > highest) highest = (char *)block + block->size;
    return block + 1;
  }
  return NULL;
}

static inline int touch(struct block *low, struct block *high) {
  return (char *)low + low->size == (char *)high;
}

void first_fit_release(void *object) {
  if (object == NULL) return;
  struct block *block = (struct block *)object - 1, *before = NULL, *after = free_blocks;
  while (after != NULL && after < block) {
    before = after;
    after = after->next;
  }
  block->next = after;
  if (after != NULL && touch(block, after)) {
    block->size += after->size;
    block->next = after->next;
  }
  if (before == NULL) {
    free_blocks = block;
  } else if (touch(before, block)) {
    before->size += block->size;
    before->next = block->next;
  } else {
    before->next = block;
  }
}

size_t first_fit_extent(void) { return (size_t)(highest - arena); }
