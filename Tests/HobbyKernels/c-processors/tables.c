/* Page tables that come and go while other processors use them and their neighbours. */
#include "checks.h"
#include "machine.h"

enum { PAGES = 50, ROUNDS = 1500 };

static void fill(uint64_t address, uint64_t pages, uint64_t pattern) {
  for (uint64_t page = 0; page < pages; page++) {
    volatile uint64_t *words = (volatile uint64_t *)(address + page * TESSERA_4K);
    EXPECT(words[0] == 0 && words[511] == 0);
    words[0] = words[511] = pattern + page;
  }
}

static void verify(uint64_t address, uint64_t pages, uint64_t pattern) {
  for (uint64_t page = 0; page < pages; page++) {
    volatile uint64_t *words = (volatile uint64_t *)(address + page * TESSERA_4K);
    EXPECT(words[0] == pattern + page && words[511] == pattern + page);
  }
}

static void unmap(tessera_space *space, uint64_t address, uint64_t pages) {
  uint64_t unmapped, word;
  TRY(tessera_unmap(space, address, pages * TESSERA_4K, &unmapped));
  EXPECT(unmapped == pages * TESSERA_4K);
  EXPECT(!read_if_mapped((uint64_t *)address, &word));
}

static void check_spaces(tessera_space *spaces, int count) {
  for (int i = 0; i < count; i++) {
    uint64_t violations, start, end;
    TRY(tessera_audit_space(&spaces[i], write_text, NULL, &violations));
    EXPECT(violations == 0);
    TRY(tessera_space_bounds(&spaces[i], &start, &end));
    tessera_page page = {.size = sizeof page};
    TRY(tessera_query(&spaces[i], 0x40000000, &page));
    EXPECT(page.content == TESSERA_PAGE_ABSENT);
  }
}

/* Pages of each processor's own ---------------------------------------------------------------- */

/** What two processors that work on an otherwise empty space have in common. */
static const struct {
  const char *name;
  uint64_t bases[2];
} layouts[] = {
    {"a leaf table", {0x40000000, 0x40100000}},
    {"a directory", {0x40000000, 0x40600000}},
    {"the top", {0x40000000, 0x80000000}},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };
static uint64_t layout;
static tessera_space spaces[2];

/** Maps and unmaps some of its 50 pages, most often one: their tables come and go. */
static void use_own_pages(struct processor *self) {
  tessera_space *space = &spaces[self->number / 2];
  /* The other two processors have the next layout. */
  const uint64_t own = (layout + self->number / 2) % LAYOUTS;
  const uint64_t base = layouts[own].bases[self->number % 2];
  TRY(tessera_space_activate(space));
  for (uint64_t round = 0; round < ROUNDS / brevity; round++) {
    const uint64_t first = random_below(self, PAGES);
    const uint64_t limit = random_below(self, 16) == 0 ? PAGES - first : 1;
    const uint64_t count = 1 + random_below(self, limit);
    const uint64_t address = base + first * TESSERA_4K;
    const uint64_t pattern = (uint64_t)self->number << 56 | round << 24 | first;
    turn_interrupts(random_below(self, 2) == 0);
    TRY(tessera_map_zeroed(space, address, count * TESSERA_4K, read_write, NULL));
    fill(address, count, pattern);
    verify(address, count, pattern);
    unmap(space, address, count);
    turn_interrupts(true);
  }
  TRY(tessera_space_activate(tessera_kernel_space()));
}

void check_own_pages(void) {
  for (int i = 0; i < 2; i++) TRY(tessera_space_create(&spaces[i]));
  for (layout = 0; layout < LAYOUTS; layout++) {
    run_on(PROCESSORS, use_own_pages);
    check_spaces(spaces, 2);
  }
  for (int i = 0; i < 2; i++) TRY(tessera_space_destroy(&spaces[i]));
  print_count(LAYOUTS * (ROUNDS / brevity) * PROCESSORS, " rounds of two processors that share ");
  for (uint64_t i = 0; i < LAYOUTS; i++) {
    print(layouts[i].name);
    print(i + 1 < LAYOUTS ? ", " : "\n");
  }
}

/* A leaf table that is made and freed ---------------------------------------------------------- */

static const uint64_t lone_page = 0x40000000;
static const uint64_t word_of_first = 0xaaaa, word_of_second = 0xbbbb, word_of_trap = 0xcccc;
static atomic_bool is_over;
static atomic_uint found, missed;
static tessera_frame trap;

/** Maps the only page of the space, so that a leaf table is made, and unmaps it, so that it is
 * freed. */
static void make_and_free(struct processor *self, tessera_space *space, uint64_t word) {
  tessera_frame frame;
  TRY(tessera_allocate(&frame));
  *(uint64_t *)tessera_frame_bytes(frame) = word;
  TRY(tessera_map(space, lone_page, frame, read_write, NULL));
  for (uint64_t i = random_below(self, 50); i > 0; i--) wait_a_little();
  uint64_t unmapped;
  TRY(tessera_unmap(space, lone_page, TESSERA_4K, &unmapped));
  EXPECT(unmapped == TESSERA_4K);
}

/** Reads the page of the first space, by the processor's walk and by Tessera's. */
static void read_lone_page(struct processor *self) {
  uint64_t word, physical;
  turn_interrupts(random_below(self, 8) > 0);
  if (read_if_mapped((uint64_t *)lone_page, &word)) {
    EXPECT(word == word_of_first);
    found++;
  } else {
    missed++;
  }
  if (tessera_translate(&spaces[0], lone_page, &physical, NULL) == TESSERA_OK) {
    EXPECT(physical != trap);
  }
  tessera_serve();
  turn_interrupts(true);
}

/** Fills frames with entries that lead to `trap`, and frees them: a walk that is still on a table
 * that was freed, and became such a frame, ends there. */
static void lay_traps(void) {
  tessera_frame frame;
  TRY(tessera_allocate(&frame));
  uint64_t *entries = tessera_frame_bytes(frame);
  for (int i = 0; i < 512; i++) entries[i] = trap | 7; /* present, writable, for programs */
  TRY(tessera_drop(frame));
}

static void move_tables(struct processor *self) {
  if (self->number < 2) TRY(tessera_space_activate(&spaces[0]));
  if (self->number == 2) TRY(tessera_space_activate(&spaces[1]));
  for (uint64_t round = 0; self->number == 0 ? round < 2 * ROUNDS / brevity : !is_over; round++) {
    if (self->number == 0) make_and_free(self, &spaces[0], word_of_first);
    if (self->number == 1) read_lone_page(self);
    if (self->number == 2) make_and_free(self, &spaces[1], word_of_second);
    if (self->number == 3) lay_traps();
    wait_a_little(); /* QEMU switches to the next processor here, if one thread runs all */
  }
  is_over = true;
  TRY(tessera_space_activate(tessera_kernel_space()));
}

void check_moving_tables(void) {
  for (int i = 0; i < 2; i++) TRY(tessera_space_create(&spaces[i]));
  TRY(tessera_allocate(&trap));
  *(uint64_t *)tessera_frame_bytes(trap) = word_of_trap;
  run_on(PROCESSORS, move_tables);
  check_spaces(spaces, 2);
  TRY(tessera_drop(trap));
  for (int i = 0; i < 2; i++) TRY(tessera_space_destroy(&spaces[i]));
  print_count(2 * ROUNDS / brevity, " leaf tables made and freed, read by another processor: ");
  print_count(found, " times the page, ");
  print_count(missed, " times none\n");
  EXPECT(found > 0 && missed > 0);
}
