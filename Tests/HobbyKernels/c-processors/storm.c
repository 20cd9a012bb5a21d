/* All processors at once, on the same kernel memory and the same pages. */
#include "checks.h"
#include "machine.h"

static void fill(volatile uint64_t *words, uint64_t length, uint64_t pattern) {
  for (uint64_t i = 0; i < length / 8; i += 128) {
    EXPECT(words[i] == 0);
    words[i] = pattern + i;
  }
}

static void verify(volatile uint64_t *words, uint64_t length, uint64_t pattern) {
  for (uint64_t i = 0; i < length / 8; i += 128) EXPECT(words[i] == pattern + i);
}

/* Kernel memory -------------------------------------------------------------------------------- */

/** Allocates kernel memory or a stack, and frees it. Every one frees what all might have cached. */
static void use_kernel_memory(struct processor *self, uint64_t pattern) {
  const uint64_t length = TESSERA_4K * (1 + random_below(self, 12));
  if (random_below(self, 4) == 0) {
    tessera_kernel_stack stack;
    TRY(tessera_kernel_stack_allocate(length, &stack));
    fill(stack.bottom, length, pattern);
    verify(stack.bottom, length, pattern);
    TRY(tessera_kernel_stack_free(&stack));
  } else {
    void *memory;
    TRY(tessera_kernel_allocate(length, read_write, &memory));
    fill(memory, length, pattern);
    verify(memory, length, pattern);
    TRY(tessera_kernel_free(memory, length));
  }
}

enum { MEMORY_ROUNDS = 1000 };

static void use_memory(struct processor *self) {
  for (uint64_t round = 0; round < MEMORY_ROUNDS / brevity; round++) {
    turn_interrupts(random_below(self, 2) == 0);
    use_kernel_memory(self, (uint64_t)self->number << 56 | round << 24);
    turn_interrupts(true);
  }
}

void check_kernel_memory(void) {
  run_on(PROCESSORS, use_memory);
  print_count(MEMORY_ROUNDS / brevity * PROCESSORS, " times kernel memory allocated and freed\n");
}

/* Processors that stop ------------------------------------------------------------------------- */

/** Stops the calling processor, as for a deep sleep, until `is_over`, and starts it again. */
static void sleep_until(bool (*is_over)(void)) {
  turn_interrupts(false);
  if (mistake != ASLEEP) {
    TRY(tessera_stop_processor());
    EXPECT(tessera_stop_processor() == TESSERA_ERROR_NOT_STARTED);
  }
  while (!is_over()) wait_a_little();
  if (mistake != ASLEEP) TRY(tessera_start_processor());
  turn_interrupts(true);
}

static atomic_uint awake_count;
static bool all_others_are_done(void) { return awake_count == 0; }
static bool immediately(void) { return true; }

/** The last processor sleeps while the others change what it has used. */
static void sleep_or_work(struct processor *self) {
  static tessera_space space;
  static void *memory;
  if (self->number == 0) {
    TRY(tessera_space_create(&space));
    TRY(tessera_map_zeroed(&space, 0x40000000, TESSERA_4K, read_write, NULL));
    TRY(tessera_kernel_allocate(TESSERA_4K, read_write, &memory));
    awake_count = PROCESSORS - 1;
  }
  meet(PROCESSORS);
  uint64_t word;
  TRY(tessera_space_activate(&space));
  EXPECT(read_if_mapped((uint64_t *)0x40000000, &word) && read_if_mapped(memory, &word));
  meet(PROCESSORS);
  if (self->number == PROCESSORS - 1) {
    sleep_until(all_others_are_done);
    /* It has left the space, and its memory. */
    EXPECT(!read_if_mapped((uint64_t *)0x40000000, &word) && !read_if_mapped(memory, &word));
  } else {
    if (self->number == 0) {
      TRY(tessera_unmap(&space, 0x40000000, TESSERA_4K, NULL));
      TRY(tessera_kernel_free(memory, TESSERA_4K));
    }
    use_kernel_memory(self, (uint64_t)self->number << 56);
    awake_count--;
  }
  TRY(tessera_space_activate(tessera_kernel_space()));
  meet(PROCESSORS);
  if (self->number == 0) TRY(tessera_space_destroy(&space));
}

void check_sleep(void) {
  run_on(PROCESSORS, sleep_or_work);
  print("a processor stopped, was neither asked nor waited for, and started again\n");
}

/* Everything at once --------------------------------------------------------------------------- */

enum { SPACES = 2, PAGES = 16, ROUNDS = 4000 };
static const uint64_t start = 0x40000000, freed_word = 0xdeaddeaddeaddead;
static tessera_space spaces[SPACES];
static struct lock swap_lock;
static atomic_uint mapped_count, unmapped_count, found_count, copied_count, left_count;

/** What a processor does in a round. `space` is the shared one that it runs on. */
struct step {
  struct processor *self;
  tessera_space *space;
  uint64_t page, address, pattern;
};

/** The first word of a shared page, by any processor that maps it. */
static uint64_t word_of(uint64_t page) { return 0x5a5a0000 + page; }

/** Called when a frame is freed: who still reads it through a stale translation finds this. */
static void mark_as_freed(tessera_frame frame, void *data) {
  (void)data;
  *(uint64_t *)(0xffff800000000000 + frame) = freed_word; /* in the direct map */
}

/** Maps a shared page, unless another processor has. */
static void map_shared(struct step *step) {
  tessera_request request = {.size = sizeof request, .on_free = mark_as_freed};
  tessera_frame frame;
  TRY(tessera_allocate_as(&request, &frame));
  *(uint64_t *)tessera_frame_bytes(frame) = word_of(step->page);
  begin_call("tessera_map of a shared page");
  tessera_result result = tessera_map(step->space, step->address, frame, read_write, NULL);
  if (result == TESSERA_ERROR_ALREADY_MAPPED) TRY(tessera_drop(frame));
  else check_result(result, "tessera_map"), mapped_count++;
}

static void unmap_shared(struct step *step) {
  const uint64_t count = 1 + random_below(step->self, 3);
  uint64_t unmapped;
  TRY(tessera_unmap(step->space, step->address, count * TESSERA_4K, &unmapped));
  unmapped_count += unmapped / TESSERA_4K;
}

static void protect_shared(struct step *step) {
  const uint32_t rights = random_below(step->self, 2) == 0 ? TESSERA_READ : read_write;
  TRY(tessera_protect(step->space, step->address, TESSERA_4K, rights, NULL));
}

/** Reads all shared pages: each is the one that belongs there, or none. */
static void read_shared(struct step *step) {
  (void)step;
  for (uint64_t page = 0; page < PAGES; page++) {
    uint64_t *words = (uint64_t *)(start + page * TESSERA_4K), word;
    if (!read_if_mapped(words, &word)) continue;
    if (word == freed_word) fail("a freed frame", "was read through a stale translation");
    EXPECT(word == word_of(page));
    found_count++;
  }
}

static void write_shared(struct step *step) {
  write_if_allowed((uint64_t *)step->address, word_of(step->page));
}

/** Moves to another space, or to none for a while. */
static void change_space(struct step *step) {
  TRY(tessera_space_activate(tessera_kernel_space()));
  if (random_below(step->self, 2) == 0) step->space = &spaces[random_below(step->self, SPACES)];
  TRY(tessera_space_activate(step->space));
}

/** Destroys a space on which it runs. */
static void leave_destroyed_space(struct step *step) {
  const uint64_t length = TESSERA_4K * (1 + random_below(step->self, 4));
  tessera_space space;
  TRY(tessera_space_create(&space));
  TRY(tessera_map_zeroed(&space, start, length, read_write, NULL));
  TRY(tessera_space_activate(&space));
  fill((uint64_t *)start, length, step->pattern);
  verify((uint64_t *)start, length, step->pattern);
  TRY(tessera_space_destroy(&space));
  TRY(tessera_space_activate(step->space));
  left_count++;
}

/** Copies the shared pages for a fork, and reads the copy. */
static void copy_shared(struct step *step) {
  tessera_space child;
  TRY(tessera_space_create(&child));
  TRY(tessera_copy(&child, step->space, start, PAGES * TESSERA_4K, NULL));
  TRY(tessera_space_activate(&child));
  read_shared(step);
  TRY(tessera_space_activate(step->space));
  TRY(tessera_space_destroy(&child));
  copied_count++;
}

/** Unmaps a page and maps it again, with the kernel's own lock held and interrupts off. */
static void swap_locked(struct step *step) {
  turn_interrupts(false);
  take(&swap_lock);
  unmap_shared(step);
  map_shared(step);
  release(&swap_lock);
}

/** Stops and starts, while others may be about to ask this processor. */
static void stop_and_start(struct step *step) {
  sleep_until(immediately);
  TRY(tessera_space_activate(step->space));
}

static void use_memory_too(struct step *step) { use_kernel_memory(step->self, step->pattern); }

static void storm(struct processor *self) {
  static void (*const actions[])(struct step *) = {
      map_shared, map_shared, map_shared, unmap_shared, unmap_shared, protect_shared, read_shared,
      read_shared, write_shared, change_space, leave_destroyed_space, copy_shared, swap_locked,
      use_memory_too, stop_and_start,
  };
  struct step step = {.self = self, .space = &spaces[self->number % SPACES]};
  TRY(tessera_space_activate(step.space));
  for (uint64_t round = 0; round < ROUNDS / brevity; round++) {
    step.page = random_below(self, PAGES);
    step.address = start + step.page * TESSERA_4K;
    step.pattern = (uint64_t)self->number << 56 | round << 24;
    turn_interrupts(random_below(self, 2) == 0);
    actions[random_below(self, sizeof actions / sizeof actions[0])](&step);
    turn_interrupts(true);
  }
  TRY(tessera_space_activate(tessera_kernel_space()));
}

void run_storm(void) {
  for (int i = 0; i < SPACES; i++) TRY(tessera_space_create(&spaces[i]));
  run_on(PROCESSORS, storm);
  for (int i = 0; i < SPACES; i++) {
    uint64_t violations;
    TRY(tessera_audit_space(&spaces[i], write_text, NULL, &violations));
    EXPECT(violations == 0);
    TRY(tessera_space_destroy(&spaces[i]));
  }
  print_count(ROUNDS / brevity * PROCESSORS, " rounds of a storm: ");
  print_count(mapped_count, " shared pages mapped, ");
  print_count(unmapped_count, " unmapped, ");
  print_count(found_count, " read, ");
  print_count(copied_count, " forks, ");
  print_count(left_count, " spaces destroyed by who runs there\n");
  EXPECT(mapped_count > 0 && unmapped_count > 0 && found_count > 0);
}
