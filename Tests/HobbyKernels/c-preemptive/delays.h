/* What measurements of delays share. */
#ifndef DELAYS_H
#define DELAYS_H

#include "checks.h"

/** How many pages a large range has. */
enum { PAGES = 3000 };

/** Measures for how long `call` keeps interrupts off, and prints it with `what`. */
void measure(const char *what, void (*call)(void));
/** Passed where something prints: nothing is printed. */
void write_nothing(void *context, const char *text, size_t size);

/** Measure the functions of the heap, the second while no two free frames touch. */
void measure_heap(void);
void measure_heap_in_fragments(void);
/** Measures the functions of paging, which is started and stays so. */
void measure_pager(void);

#endif
