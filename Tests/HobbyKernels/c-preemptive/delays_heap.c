/* Measures for how long the functions of the heap keep interrupts off. */
#include "delays.h"
#include "machine.h"

/* Objects of all sizes of up to 2,048 bytes, and objects of several pages that are never mapped. */
enum { SMALL = 4001, LARGE = 200 };

static const size_t length = PAGES * TESSERA_4K;
static void *small[SMALL], *large[LARGE], *range;

static tessera_heap_info query_heap(void) {
  tessera_heap_info info = {.size = sizeof info};
  TRY(tessera_heap_query(&info));
  return info;
}
static tessera_heap_class query_class(uint32_t index) {
  tessera_heap_class info = {.size = sizeof info};
  TRY(tessera_heap_query_class(index, &info));
  return info;
}

/* Small objects -------------------------------------------------------------------------------- */

static size_t small_size(size_t index) { return 1 + index * 37 % 2048; }

/** The first object of a processor, with which the heap makes its record. */
static void allocate_first(void) { tessera_free(tessera_malloc(1)); }
static void allocate_small(void) {
  for (size_t i = 0; i < SMALL; i++) EXPECT((small[i] = tessera_malloc(small_size(i))));
}
static void allocate_small_zeroed(void) {
  for (size_t i = 0; i < SMALL; i++) EXPECT((small[i] = tessera_calloc(1, small_size(i))));
}
static void allocate_small_aligned(void) {
  for (size_t i = 0; i < SMALL; i++)
    EXPECT((small[i] = tessera_malloc_aligned(1ul << i % 12, small_size(i))));
}
static void resize_small(void) {
  for (size_t i = 0; i < SMALL; i++)
    EXPECT((small[i] = tessera_realloc(small[i], small_size(i + 1000))));
}
static void ask_small(void) {
  for (size_t i = 0; i < SMALL; i++) EXPECT(tessera_usable_size(small[i]) >= small_size(i + 1000));
}
/** Frees them in an order in which slabs become empty late; 1,000 and their number are coprime. */
static void free_small(void) {
  for (size_t i = 0; i < SMALL; i++) tessera_free(small[i * 1000 % SMALL]);
}
/** Has an empty slab of each size kept. */
static void keep_slabs(void) {
  for (uint32_t i = 0; i < TESSERA_HEAP_CLASSES; i++)
    tessera_free(tessera_malloc(query_class(i).object_size));
  EXPECT(query_heap().slabs == TESSERA_HEAP_CLASSES);
}

/* Larger objects ------------------------------------------------------------------------------- */

static size_t large_size(size_t index) { return TESSERA_4K * (2 + index % 7); }

static void allocate_large(void) {
  for (size_t i = 0; i < LARGE; i++) EXPECT((large[i] = tessera_malloc(large_size(i))));
}
static void allocate_large_zeroed(void) {
  for (size_t i = 0; i < LARGE; i++) EXPECT((large[i] = tessera_calloc(1, large_size(i))));
}
static void allocate_large_aligned(void) {
  for (size_t i = 0; i < LARGE; i++)
    EXPECT((large[i] = tessera_malloc_aligned(TESSERA_4K << i % 3, large_size(i))));
}
/** Some become smaller where they are, others are copied. */
static void resize_large(void) {
  for (size_t i = 0; i < LARGE; i++)
    EXPECT((large[i] = tessera_realloc(large[i], large_size(i + 100))));
}
static void ask_large(void) {
  for (size_t i = 0; i < LARGE; i++) EXPECT(tessera_usable_size(large[i]) == large_size(i + 100));
}
static void free_large(void) {
  for (size_t i = 0; i < LARGE; i++) tessera_free(large[i * 7 % LARGE]);
}
static void fail_large(void) { EXPECT(!tessera_malloc(2 * TESSERA_4K)); }

/* Ranges: contiguous if there are such frames, otherwise mapped. */
static void allocate_range(void) { EXPECT((range = tessera_malloc(length))); }
static void allocate_range_zeroed(void) { EXPECT((range = tessera_calloc(PAGES, TESSERA_4K))); }
static void shrink_range(void) { EXPECT((range = tessera_realloc(range, length / 2))); }
static void ask_range(void) { EXPECT(tessera_usable_size(range) == length / 2); }
static void free_range(void) { tessera_free(range); }
static void allocate_range_aligned(void) {
  EXPECT((range = tessera_malloc_aligned(TESSERA_4K, length)));
}
/** Half of a range becomes a whole one, which is copied. */
static void grow_range(void) { EXPECT((range = tessera_realloc(range, length))); }
/** Takes half of the machine's memory, page by page, until there is no more. */
static void fail_mapped(void) { EXPECT(!tessera_malloc(40ul << 20)); }
static void fail_range(void) { EXPECT(!tessera_malloc(TESSERA_1G)); }

/* What the heap says --------------------------------------------------------------------------- */

static void query(void) { query_heap(); }
static void query_classes(void) {
  for (uint32_t i = 0; i < TESSERA_HEAP_CLASSES; i++) query_class(i);
}
static void dump(void) { TRY(tessera_heap_dump(write_nothing, NULL)); }

/** Nothing is in use, and no frame is kept but the records. */
static void expect_empty(void) {
  tessera_heap_trim();
  const tessera_heap_info info = query_heap();
  EXPECT(info.used_bytes == 0 && info.slabs == 0);
  EXPECT(info.large_frames == 0 && info.mapped_frames == 0);
}

static void measure_small(void) {
  measure("tessera_malloc, of small objects", allocate_small);
  measure("tessera_realloc, of small objects", resize_small);
  measure("tessera_usable_size, of small objects", ask_small);
  measure("tessera_heap_query", query);
  measure("tessera_heap_query_class", query_classes);
  measure("tessera_heap_dump", dump);
  measure("tessera_free, of small objects", free_small);
  measure("tessera_calloc, of small objects", allocate_small_zeroed);
  free_small();
  measure("tessera_malloc_aligned, of small objects", allocate_small_aligned);
  free_small();
  tessera_heap_trim();
  keep_slabs();
  measure("tessera_heap_trim, with a slab of each size", tessera_heap_trim);
  expect_empty();
}

static void measure_range(void) {
  allocate_range_zeroed();
  free_range();
  measure("tessera_malloc, of a range", allocate_range);
  measure("tessera_realloc, of a range to half of it", shrink_range);
  measure("tessera_usable_size, of a range", ask_range);
  measure("tessera_realloc, of half a range to all of it", grow_range);
  measure("tessera_free, of a range", free_range);
  measure("tessera_calloc, of a range", allocate_range_zeroed);
  free_range();
  measure("tessera_malloc_aligned, of a range", allocate_range_aligned);
  free_range();
  measure("tessera_malloc, of more than there is", fail_range);
  expect_empty();
}

void measure_heap(void) {
  EXPECT(query_heap().frames == 0);
  measure("tessera_malloc, of the first object", allocate_first);
  EXPECT(query_heap().frames == 2);
  measure_small();
  measure("tessera_malloc, of several pages", allocate_large);
  measure("tessera_realloc, of several pages", resize_large);
  measure("tessera_usable_size, of several pages", ask_large);
  measure("tessera_free, of several pages", free_large);
  measure("tessera_calloc, of several pages", allocate_large_zeroed);
  free_large();
  measure("tessera_malloc_aligned, of several pages", allocate_large_aligned);
  free_large();
  measure_range();
}

void measure_heap_in_fragments(void) {
  print("  where no two free frames touch:\n");
  measure_small();
  keep_slabs();
  measure("tessera_malloc, of two pages, with a slab of each size", fail_large);
  allocate_range();
  EXPECT(query_heap().mapped_frames == PAGES && query_heap().large_frames == 0);
  free_range();
  measure("tessera_malloc, of more than is free", fail_mapped);
  measure_range();
}
