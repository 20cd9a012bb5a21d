// The heaps that the benchmarks compare, and the sizes of objects that they are asked for.
#pragma once
#include "CBenchmarks.h"

/// A heap: what the loops call. Loops are inlined for each, so that they call its functions as a
/// program does: those of Tessera and of the first fit directly, mimalloc's through a table, as one
/// calls a shared library.
struct heap {
  void *_Nullable (*_Nonnull allocate)(size_t size);
  void (*_Nonnull release)(void *_Nullable object);
};

/// Functions of mimalloc, or null.
extern struct heap mimalloc;

/// The first fit of first_fit.c.
void *_Nullable first_fit_allocate(size_t size);
void first_fit_release(void *_Nullable object);

enum { TRACE_STEPS = 1 << 17, TRACE_LIVE = 10000 };

/// A step of the trace: the object in place `place` of those that are live is freed, and one of
/// `size` bytes is allocated in its stead.
struct trace_step {
  uint16_t place, size;
};

/// The steps, which repeat.
extern struct trace_step trace[TRACE_STEPS];
void trace_draw(void);

/// `Heap.allocate` and `Heap.free` (HeapFunctions.swift): what tessera_malloc and tessera_free call
/// once they have checked that Tessera is started, which by its own `Boot` it is not here.
void *_Nullable heap_allocate(size_t size);
void heap_release(void *_Nullable object);
