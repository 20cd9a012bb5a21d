/* Processor 0 changes pages that the others have just used, and has the memory used again. The
 * others then do the same access again: it has to fault, or to find the page's new contents. */
#include "checks.h"
#include "machine.h"

enum { ROUNDS = 50, PAGES = 64 };
static const uint64_t start = 0x40000000, length = PAGES * TESSERA_4K;
static const uint64_t old_word = 0x1111, new_owners_word = 0x2222, replacing_word = 0x3333;

static tessera_space space, child;
static atomic_uint stale, accesses, owners_bytes;

/** A page as the others use it, and what processor 0 has changed. */
static uint64_t *page;
static void *memory;
static tessera_frame mapped, again;

/** Activates a space, or makes the mistake of loading CR3 alone. */
static void run_in(const tessera_space *other) {
  if (mistake != UNTOLD) TRY(tessera_space_activate(other));
  else __asm__ volatile("movq %0, %%cr3" : : "r"(tessera_space_root(other)) : "memory");
}

static void note(bool is_stale) {
  accesses++;
  if (is_stale) stale++;
}

/* Changes, each with what the others do before and after --------------------------------------- */

/** Allocates the frame that was freed last, if it is free, for an owner of its own. */
static void use_again(tessera_frame frame) {
  tessera_frame others[16];
  int count = 0;
  again = 0;
  while (count < 16 && !again) {
    TRY(tessera_allocate(&others[count]));
    if (others[count] == frame) again = frame;
    else count++;
  }
  while (count > 0) TRY(tessera_drop(others[--count]));
  if (again) *(uint64_t *)tessera_frame_bytes(again) = new_owners_word;
}

static void map_page(void) {
  page = (uint64_t *)start;
  TRY(tessera_allocate(&mapped));
  *(uint64_t *)tessera_frame_bytes(mapped) = old_word;
  TRY(tessera_map(&space, start, mapped, read_write, NULL));
}
static void unmap_page(void) {
  TRY(tessera_unmap(&space, start, TESSERA_4K, NULL));
  use_again(mapped);
}
static void drop_again(void) {
  if (again) TRY(tessera_drop(again));
}

static void read_old_word(void) {
  uint64_t word;
  EXPECT(read_if_mapped(page, &word) && word == old_word);
}
static void read_nothing(void) {
  uint64_t word;
  bool is_read = read_if_mapped(page, &word);
  note(is_read);
  if (is_read && word == new_owners_word) owners_bytes++;
}

static void protect_page(void) {
  TRY(tessera_protect(&space, start, TESSERA_4K, TESSERA_READ, NULL));
}
static void write_old_word(void) { EXPECT(write_if_allowed(page, old_word)); }
static void write_nothing(void) { note(write_if_allowed(page, old_word)); }
static void unmap_kept_page(void) { TRY(tessera_unmap(&space, start, TESSERA_4K, NULL)); }

static void replace_page(void) {
  tessera_frame frame;
  TRY(tessera_allocate(&frame));
  *(uint64_t *)tessera_frame_bytes(frame) = replacing_word;
  TRY(tessera_replace(&space, start, frame, read_write, NULL));
  use_again(mapped);
}
static void read_replacing_word(void) {
  uint64_t word;
  EXPECT(read_if_mapped(page, &word));
  note(word != replacing_word);
  if (word == new_owners_word) owners_bytes++;
}
static void drop_replaced(void) {
  drop_again();
  unmap_kept_page();
}

static void copy_page(void) {
  TRY(tessera_space_create(&child));
  TRY(tessera_copy(&child, &space, start, TESSERA_4K, NULL));
}
static void destroy_child(void) {
  TRY(tessera_space_destroy(&child));
  unmap_kept_page();
}

static void map_pages(void) {
  page = (uint64_t *)start;
  TRY(tessera_map_zeroed(&space, start, length, read_write, NULL));
}
static void unmap_pages(void) { TRY(tessera_unmap(&space, start, length, NULL)); }
static void write_each(void) {
  for (uint64_t i = 0; i < length / 8; i += 512) EXPECT(write_if_allowed(page + i, old_word));
}
static void read_none(void) {
  uint64_t word;
  for (uint64_t i = 0; i < length / 8; i += 512) note(read_if_mapped(page + i, &word));
}
static void do_nothing(void) {}

static void allocate_memory(void) {
  uint64_t physical;
  TRY(tessera_kernel_allocate(TESSERA_4K, read_write, &memory));
  page = memory;
  *page = old_word;
  TRY(tessera_translate(tessera_kernel_space(), (uint64_t)memory, &physical, NULL));
  mapped = physical;
}
static void free_memory(void) {
  TRY(tessera_kernel_free(memory, TESSERA_4K));
  use_again(mapped);
}

static const struct {
  const char *name;
  void (*prepare)(void), (*use)(void), (*change)(void), (*use_again)(void), (*clean)(void);
} kinds[] = {
    {"page unmapped, then read", map_page, read_old_word, unmap_page, read_nothing, drop_again},
    {"page made read-only, then written", map_page, write_old_word, protect_page, write_nothing,
     unmap_kept_page},
    {"page replaced, then read", map_page, read_old_word, replace_page, read_replacing_word,
     drop_replaced},
    {"page copied for a fork, then written", map_page, write_old_word, copy_page, write_nothing,
     destroy_child},
    {"64 pages unmapped, then read", map_pages, write_each, unmap_pages, read_none, do_nothing},
    {"kernel memory freed, then read", allocate_memory, read_old_word, free_memory, read_nothing,
     drop_again},
};
static uint32_t kind;

/* What all processors do ----------------------------------------------------------------------- */

static void change_and_use(struct processor *self) {
  for (int round = 0; round < ROUNDS; round++) {
    if (self->number == 0) kinds[kind].prepare();
    meet(PROCESSORS);
    if (self->number > 0) {
      run_in(&space);
      kinds[kind].use();
    }
    meet(PROCESSORS);
    if (self->number == 0) kinds[kind].change();
    meet(PROCESSORS);
    if (self->number > 0) kinds[kind].use_again();
    meet(PROCESSORS);
    if (self->number == 0) kinds[kind].clean();
  }
  run_in(tessera_kernel_space());
}

static unsigned all_stale;

void check_coherence(void) {
  TRY(tessera_space_create(&space));
  for (kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
    stale = accesses = owners_bytes = 0;
    run_on(PROCESSORS, change_and_use);
    print("  ");
    print(kinds[kind].name);
    print(", ");
    print_count(accesses, " times: ");
    print_count(stale, " stale, ");
    print_count(owners_bytes, " of them of another owner's memory\n");
    EXPECT(accesses >= ROUNDS * (PROCESSORS - 1));
    all_stale += stale;
  }
  TRY(tessera_space_destroy(&space));
}

/* All at once ---------------------------------------------------------------------------------- */

enum { DIAGONAL_ROUNDS = 500 };

/** Each processor maps a page. Then all have used all pages, and each changes the page of another
 * one at the same moment, with interrupts off: all ask all, and no one can be interrupted. */
static void change_diagonally(struct processor *self) {
  const uint64_t rounds = DIAGONAL_ROUNDS / brevity;
  uint64_t word;
  tessera_space copy;
  for (uint64_t round = 0; round < rounds; round++) {
    const bool is_fork = round % 2 == 0;
    const uint64_t other = start + (self->number + round / 2) % PROCESSORS * TESSERA_4K;
    const uint64_t own = start + self->number * TESSERA_4K;
    if (is_fork) TRY(tessera_space_create(&copy));
    TRY(tessera_map_zeroed(&space, own, TESSERA_4K, read_write, NULL));
    meet(PROCESSORS);
    run_in(&space);
    for (uint64_t i = 0; i < PROCESSORS; i++) {
      EXPECT(write_if_allowed((uint64_t *)(start + i * TESSERA_4K), round));
    }
    meet(PROCESSORS);
    turn_interrupts(false);
    if (is_fork) TRY(tessera_copy(&copy, &space, other, TESSERA_4K, NULL));
    else TRY(tessera_unmap(&space, other, TESSERA_4K, NULL));
    note(write_if_allowed((uint64_t *)other, round + 1)); /* it has returned */
    turn_interrupts(true);
    meet(PROCESSORS);
    for (uint64_t i = 0; i < PROCESSORS; i++) {
      uint64_t *page = (uint64_t *)(start + i * TESSERA_4K);
      note(write_if_allowed(page, round + 1));
      note(!is_fork && read_if_mapped(page, &word));
    }
    meet(PROCESSORS);
    if (is_fork) {
      run_in(&copy);
      note(!read_if_mapped((uint64_t *)other, &word) || word != round);
      run_in(&space);
      TRY(tessera_space_destroy(&copy));
      TRY(tessera_unmap(&space, own, TESSERA_4K, NULL));
    }
  }
  run_in(tessera_kernel_space());
}

void check_diagonal(void) {
  stale = accesses = 0;
  TRY(tessera_space_create(&space));
  run_on(PROCESSORS, change_diagonally);
  TRY(tessera_space_destroy(&space));
  print_count(accesses, " accesses after all have unmapped or shared a page at once: ");
  print_count(stale, " stale\n");
  EXPECT(accesses > DIAGONAL_ROUNDS / brevity * PROCESSORS * PROCESSORS);
  if (all_stale + stale > 0) fail("accesses", "were stale");
}
