/* All processors allocate objects, pass them to each other, and free what they get. */
#include "checks.h"
#include "machine.h"

static void *kmalloc(size_t size) { return tessera_malloc(size); }
static void kfree(void *object) { tessera_free(object); }

enum { PLACES = 128, ROUNDS = 8000 };

/** An object, which knows what it contains. */
struct object {
  /** Its size in bytes: this structure, and as many words as there is room for. */
  uint64_t size;
  /** The first of its words, and the others follow; the processor that filled it is in bits 56 and
   * above. */
  uint64_t pattern;
  uint64_t words[];
};

/** Where an object is for any processor to take. */
static struct object *_Atomic places[PLACES];
static atomic_uint allocated_count, freed_count, passed_count, resized_count;

/** Ends what began with `begin_call`, of a function that has no result to check. */
static void end_call(void) { this_processor()->call = NULL; }

static uint64_t word_count(const struct object *object) {
  return (object->size - sizeof *object) / sizeof object->words[0];
}

static void fill(struct object *object, uint64_t size, uint64_t pattern) {
  *object = (struct object){.size = size, .pattern = pattern};
  for (uint64_t i = 0; i < word_count(object); i++) object->words[i] = pattern + i;
}

static void verify(const struct object *object, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) EXPECT(object->words[i] == object->pattern + i);
}

/** Most objects are small, and some have more bytes than an object that is never mapped. */
static uint64_t random_size(struct processor *self) {
  static const uint64_t limits[] = {128, 128, 128, 128, 2048, 2048, 32768, 100000};
  return sizeof(struct object) + random_below(self, limits[random_below(self, 8)]);
}

static struct object *allocate(struct processor *self, uint64_t size) {
  struct object *object;
  begin_call("kmalloc, or tessera_calloc or tessera_malloc_aligned");
  switch (random_below(self, 8)) {
  case 0:
    object = tessera_calloc(1, size);
    for (uint64_t i = 0; object && i < size / 8; i++) EXPECT(((uint64_t *)object)[i] == 0);
    break;
  case 1:
    object = tessera_malloc_aligned(64, size);
    EXPECT((uint64_t)object % 64 == 0);
    break;
  default: object = kmalloc(size);
  }
  end_call();
  EXPECT(object != NULL && tessera_usable_size(object) >= size);
  allocated_count++;
  return object;
}

/** Frees an object that any processor has filled. */
static void retire(struct processor *self, struct object *object) {
  verify(object, word_count(object));
  if (object->pattern >> 56 != self->number) passed_count++;
  begin_call("kfree");
  kfree(object);
  end_call();
  freed_count++;
}

/** Leaves `object` in any place, and returns the one that was there. */
static struct object *exchange(struct processor *self, struct object *object) {
  return atomic_exchange(&places[random_below(self, PLACES)], object);
}

static void resize(struct processor *self, struct object *object, uint64_t pattern) {
  const uint64_t before = word_count(object), size = random_size(self);
  verify(object, before);
  begin_call("tessera_realloc");
  object = tessera_realloc(object, size);
  end_call();
  EXPECT(object != NULL);
  object->size = size;
  verify(object, before < word_count(object) ? before : word_count(object));
  fill(object, size, pattern);
  resized_count++;
  object = exchange(self, object);
  if (object) retire(self, object);
}

static void use_heap(struct processor *self) {
  for (uint64_t round = 0; round < ROUNDS / brevity; round++) {
    const uint64_t pattern = (uint64_t)self->number << 56 | round << 24;
    struct object *object = NULL;
    /* Otherwise a processor may do many rounds alone, and find its own objects only. */
    if (round % 64 == 0) meet(PROCESSORS);
    turn_interrupts(random_below(self, 2) == 0);
    if (random_below(self, 4) > 0) {
      const uint64_t size = random_size(self);
      object = allocate(self, size);
      fill(object, size, pattern);
      if (mistake == SPOILT && round == 100 && word_count(object) > 0) object->words[0]--;
    }
    const bool is_new = object != NULL;
    object = exchange(self, object);
    if (object && !is_new && round % 2 == 0) resize(self, object, pattern);
    else if (object) retire(self, object);
    turn_interrupts(true);
  }
}

/* What is left --------------------------------------------------------------------------------- */

static tessera_heap_info query_heap(void) {
  tessera_heap_info info = {.size = sizeof info};
  TRY(tessera_heap_query(&info));
  return info;
}

static uint64_t free_frames(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  TRY(tessera_get_statistics(&statistics));
  return statistics.free_frames + statistics.pooled_tables;
}

static void trim(struct processor *self) {
  (void)self;
  begin_call("tessera_heap_trim");
  tessera_heap_trim();
  end_call();
}

/** Has each processor take back what others have freed, a part of it at a time. */
static void trim_all(void) {
  for (int i = 0; i < 100 && query_heap().slabs > 0; i++) run_on(PROCESSORS, trim);
}

/** Makes the heap's record of each processor, which stays. */
static void make_record(struct processor *self) {
  (void)self;
  kfree(kmalloc(1));
}

/** Mistakes that Tessera has to find: an object of the first processor that is freed twice there,
 * or by another one. */
static void *object_freed_twice;

static void free_twice(struct processor *self) {
  if (self->number != (mistake == TWICE ? 0 : PROCESSORS - 1)) return;
  kfree(object_freed_twice);
  kfree(object_freed_twice);
}

void check_heap(void) {
  run_on(PROCESSORS, make_record);
  trim_all();
  EXPECT(query_heap().frames == PROCESSORS);
  const uint64_t free_before = free_frames();
  run_on(PROCESSORS, use_heap);
  if (mistake == TWICE || mistake == ELSEWHERE) {
    object_freed_twice = kmalloc(100);
    run_on(PROCESSORS, free_twice);
  }
  if (mistake == FORGOTTEN) kmalloc(100);
  for (int i = 0; i < PLACES; i++) {
    if (places[i]) retire(this_processor(), places[i]);
  }
  trim_all();
  print_count(allocated_count, " objects allocated, ");
  print_count(resized_count, " resized, ");
  print_count(freed_count, " freed, ");
  print_count(passed_count, " of them by another processor\n");
  EXPECT(allocated_count == freed_count && resized_count > 0 && passed_count > freed_count / 4);
  if (query_heap().used_bytes > 0) fail("objects", "are left in the heap");
  EXPECT(query_heap().frames == PROCESSORS && free_frames() == free_before);
}
