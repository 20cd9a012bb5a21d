// mimalloc, if this computer has it.
#include "heaps.h"
#include <dlfcn.h>

struct heap mimalloc;

// The beginning of mimalloc's mi_heap_area_t: objects of one size.
struct area {
  void *blocks;
  size_t reserved, committed;
};

typedef _Bool (*visitor)(const void *heap, const struct area *area, void *block, size_t block_size,
                         void *argument);

static void *(*default_heap)(void);
static _Bool (*visit_blocks)(const void *heap, _Bool each_block, visitor visit, void *argument);
static int version;

// Not linked: it would replace malloc in the whole program, and there would be no program without
// it. The functions' types are those of mimalloc.h, version 2.
static void find_mimalloc(void) {
  void *library = dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return;
  int (*get_version)(void) = (int (*)(void))dlsym(library, "mi_version");
  mimalloc.allocate = (void *(*)(size_t))dlsym(library, "mi_malloc");
  mimalloc.release = (void (*)(void *))dlsym(library, "mi_free");
  default_heap = (void *(*)(void))dlsym(library, "mi_heap_get_default");
  visit_blocks =
      (_Bool(*)(const void *, _Bool, visitor, void *))dlsym(library, "mi_heap_visit_blocks");
  if (get_version && mimalloc.allocate && mimalloc.release && default_heap && visit_blocks)
    version = get_version();
}

void heap_start(void) {
  find_mimalloc();
  trace_draw();
}

int heap_mimalloc_version(void) { return version; }

static _Bool add_area(const void *heap, const struct area *area, void *block, size_t block_size,
                      void *sum) {
  (void)heap, (void)block, (void)block_size;
  *(size_t *)sum += area->committed;
  return 1;
}

size_t heap_mimalloc_committed(void) {
  size_t sum = 0;
  visit_blocks(default_heap(), 0, add_area, &sum);
  return sum;
}
