// What Embedded Swift's classes, closures, arrays, strings, dictionaries and sets are made of.
//
// This folder is what the Swift compiler calls by name and no kernel has. It becomes a library of
// its own, libtessera-swift-runtime.a: a kernel that has a heap of its own leaves it out.
#include "runtime.h"

#include "tessera.h"
#include <stdint.h>

static _Noreturn void stop(const char *message) {
  size_t length = 0;
  while (message[length] != 0) length++;
  tessera_host_panic(message, length);
}

// A multiple of the size of a pointer, and a power of two, as POSIX has it: Swift passes no other.
int posix_memalign(void **object, size_t alignment, size_t size) {
  *object = tessera_malloc_aligned(alignment, size);
  // Swift does not check the result: an array would be written to address zero.
  if (*object == NULL) stop("Swift's runtime cannot go on: the heap has no memory for an object");
  // Swift does not count references to an object whose address has bit 63, and keeps marks of its
  // own in the upper byte of others. Arrays would change that are copies of each other.
  if ((uintptr_t)*object >> 56 != 0)
    stop("Swift's runtime got an object in the upper half: the direct map has to be in the lower");
  return 0;
}

void free(void *object) { tessera_free(object); }
