// The functions that code compiled by Embedded Swift calls.
#pragma once
#include <stddef.h>

/// Allocates `size` bytes, aligned to `alignment`, and returns 0.
///
/// Ends in `tessera_host_panic` when memory runs out, for which Swift has no error, and if the
/// object is not in the lower half of the address space, where Swift's objects have to be.
int posix_memalign(void **object, size_t alignment, size_t size);

/// Frees what `posix_memalign` has returned; null is nothing.
void free(void *object);

/// Fills `size` bytes with random ones; see random.c for what they are worth.
void arc4random_buf(void *buffer, size_t size);

// `ceil` is in ceil.S, and not declared: C cannot call it. With it `Dictionary` and `Set` use the
// x87, whose registers no kernel saves that has no need to: each processor executes FNINIT before,
// and threads that may be interrupted meanwhile have their x87 registers saved.
