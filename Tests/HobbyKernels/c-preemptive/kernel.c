/* A preemptive kernel: threads of one processor use Tessera at once, and a timer switches them
 * between any two instructions. Each checks the contents of its own pages, and every result. */
#include "checks.h"
#include "machine.h"
#include "tessera.h"
#include "threads.h"

#ifndef SECONDS
#define SECONDS 5
#endif

static const uint64_t direct_map_end = 4 * TESSERA_1G;
static const uint32_t read_write = TESSERA_READ | TESSERA_WRITE;

/* From kernel.ld. */
extern char boot_start[], image_end[];

_Noreturn void fail(const char *what, const char *why) {
  __asm__ volatile("cli");
  print("verdict: fail, ");
  print(what);
  print(": ");
  print(why);
  print("\n");
  power_off(FAILED);
}

void check_result(tessera_result result, const char *call) {
  if (result != TESSERA_OK) fail(call, tessera_strerror(result));
}

void check_condition(bool condition, const char *what) {
  if (!condition) fail(what, "is false");
}

void tessera_host_panic(const char *message, size_t length) {
  __asm__ volatile("cli");
  print("verdict: crashed, ");
  print_bytes(message, length);
  print("\n");
  power_off(CRASHED);
}

static void write(void *context, const char *text, size_t length) {
  (void)context;
  print_bytes(text, length);
}

static uint64_t unused_frames(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  TRY(tessera_get_statistics(&statistics));
  return statistics.free_frames + statistics.pooled_tables;
}

static void start_tessera(uint32_t magic, uint32_t information) {
  static tessera_region regions[128];
  tessera_config config = {
      .size = sizeof config,
      .regions = regions,
      .direct_map = direct_map,
      .direct_map_end = direct_map_end,
      .image_start = (uint64_t)boot_start,
      .image_end = (uint64_t)image_end,
      .kernel_half = TESSERA_COPY,
  };
  TRY(tessera_read_multiboot(
      magic, information, direct_map, direct_map_end, regions, 128, &config.region_count));
#ifdef MEASURE
  regions[config.region_count++] =
      (tessera_region){.start = ADDED_MEMORY, .length = ADDED_LENGTH, .kind = TESSERA_LOADER};
#endif
  TRY(tessera_print_memory_map(&config, write, NULL));
  TRY(tessera_start(&config));
}

/* The interrupt handler ------------------------------------------------------------------------ */

static tessera_frame held[8];
static uint64_t held_count;

/** Functions of frames may be called in interrupt handlers. */
void on_tick(void) {
  tessera_frame *place = &held[ticks % 8];
  if (*place) {
    uint64_t *data = tessera_frame_data(*place);
    EXPECT(data && *data == *place);
    TRY(tessera_drop(*place));
    *place = 0;
  } else if (tessera_allocate(place) == TESSERA_OK) {
    *(uint64_t *)tessera_frame_data(*place) = *place;
    held_count++;
  }
}

/* What the threads do -------------------------------------------------------------------------- */

/** The space of all threads, which is active. */
static tessera_space space;

/** A number for the word `index` of a thread's page, different in each round. */
static uint64_t pattern(struct thread *self, uint64_t index) {
  return (self->number << 56 | self->rounds << 24) + index;
}

static void fill(struct thread *self, uint64_t address, uint64_t length) {
  volatile uint64_t *words = (volatile uint64_t *)address;
  for (uint64_t i = 0; i < length / 8; i += 64) {
    EXPECT(words[i] == 0);
    words[i] = pattern(self, i);
  }
}

static void verify(struct thread *self, uint64_t address, uint64_t length) {
  volatile uint64_t *words = (volatile uint64_t *)address;
  for (uint64_t i = 0; i < length / 8; i += 64) EXPECT(words[i] == pattern(self, i));
}

static uint64_t query(uint64_t address) {
  tessera_page page = {.size = sizeof page};
  TRY(tessera_query(&space, address, &page));
  return page.content;
}

static void unmap(uint64_t address, uint64_t length) {
  uint64_t unmapped;
  TRY(tessera_unmap(&space, address, length, &unmapped));
  EXPECT(unmapped == length);
}

/** Maps and unmaps single pages, next to those of other threads: all are in one page table, which
 * comes and goes. */
static void use_pages(struct thread *self) {
  for (; !is_time_up; self->rounds++) {
    uint64_t page = 0x40000000 + TESSERA_4K * (random_below(self, 32) * THREADS + self->number);
    EXPECT(query(page) == TESSERA_PAGE_ABSENT);
    TRY(tessera_map_zeroed(&space, page, TESSERA_4K, read_write, NULL));
    fill(self, page, TESSERA_4K);
    TRY(tessera_protect(&space, page, TESSERA_4K, TESSERA_READ, NULL));
    verify(self, page, TESSERA_4K);
    EXPECT(query(page) == TESSERA_PAGE_FRAME);
    unmap(page, TESSERA_4K);
    TRY(tessera_set_status(&space, page, TESSERA_4K, 7, NULL));
    EXPECT(query(page) == TESSERA_PAGE_STATUS);
    TRY(tessera_unmap(&space, page, TESSERA_4K, NULL));
  }
}

/** Maps frames of its own, and sees what it writes at their addresses. */
static void use_frames(struct thread *self) {
  for (; !is_time_up; self->rounds++) {
    uint64_t page = 0x40000000 + TESSERA_4K * (random_below(self, 32) * THREADS + self->number);
    tessera_frame frame, other;
    uint64_t physical;
    TRY(tessera_allocate(&frame));
    TRY(tessera_allocate(&other));
    TRY(tessera_share(frame));
    TRY(tessera_map(&space, page, frame, read_write, NULL));
    fill(self, page, TESSERA_4K);
    verify(self, (uint64_t)tessera_frame_bytes(frame), TESSERA_4K);
    TRY(tessera_replace(&space, page, other, read_write, NULL));
    fill(self, page, TESSERA_4K);
    TRY(tessera_translate(&space, page, &physical, NULL));
    EXPECT(physical == other);
    unmap(page, TESSERA_4K);
    verify(self, (uint64_t)tessera_frame_bytes(frame), TESSERA_4K);
    TRY(tessera_drop(frame));
  }
}

/** Maps and unmaps ranges of several page tables. */
static void use_ranges(struct thread *self) {
  for (; !is_time_up; self->rounds++) {
    uint64_t start = 0x40000000 * (1 + self->number) + TESSERA_4K * random_below(self, 700);
    uint64_t length = TESSERA_4K * (1 + random_below(self, 900));
    TRY(tessera_map_zeroed(&space, start, length, read_write, NULL));
    fill(self, start, length);
    TRY(tessera_protect(&space, start, length, TESSERA_READ, NULL));
    verify(self, start, length);
    unmap(start, length);
  }
}

/** Allocates and frees kernel memory. */
static void use_kernel_memory(struct thread *self) {
  for (; !is_time_up; self->rounds++) {
    uint64_t length = TESSERA_4K * (1 + random_below(self, 12));
    void *memory;
    TRY(tessera_kernel_allocate(length, read_write, &memory));
    fill(self, (uint64_t)memory, length);
    verify(self, (uint64_t)memory, length);
    TRY(tessera_kernel_free(memory, length));
  }
}

/** Makes spaces, copies what they map, and destroys them. */
static void use_spaces(struct thread *self) {
  for (; !is_time_up; self->rounds++) {
    tessera_space parent, child;
    uint64_t page = 0x400000 + TESSERA_4K * random_below(self, 1000);
    uint64_t length = TESSERA_4K * (1 + random_below(self, 40));
    uint64_t in_parent, in_child, violations;
    TRY(tessera_space_create(&parent));
    TRY(tessera_space_create(&child));
    TRY(tessera_map_zeroed(&parent, page, length, read_write, NULL));
    TRY(tessera_copy(&child, &parent, page, length, NULL));
    TRY(tessera_translate(&parent, page + 8, &in_parent, NULL));
    TRY(tessera_translate(&child, page + 8, &in_child, NULL));
    EXPECT(in_parent == in_child);
    TRY(tessera_audit_space(&child, write, NULL, &violations));
    EXPECT(violations == 0);
    TRY(tessera_space_destroy(&parent));
    TRY(tessera_space_destroy(&child));
  }
}

void kernel_main(uint32_t magic, uint32_t information) {
  prepare_serial_port();
  print("c-preemptive: threads that a timer switches anywhere\n");
  prepare_page_faults();
  start_tessera(magic, information);
#ifdef MEASURE
  measure_delays();
  power_off(PASSED);
#endif
  const uint64_t unused_before = unused_frames();
  TRY(tessera_space_create(&space));
  TRY(tessera_space_activate(&space));

  add_thread(use_pages);
  add_thread(use_pages);
  add_thread(use_frames);
  add_thread(use_ranges);
  add_thread(use_kernel_memory);
  add_thread(use_kernel_memory);
  add_thread(use_spaces);
  run_threads(SECONDS);

  for (int i = 0; i < 8; i++) {
    if (held[i]) TRY(tessera_drop(held[i]));
  }
  uint64_t violations;
  TRY(tessera_audit_space(&space, write, NULL, &violations));
  EXPECT(violations == 0);
  TRY(tessera_space_activate(tessera_kernel_space()));
  TRY(tessera_space_destroy(&space));
  TRY(tessera_audit(write, NULL, &violations));
  EXPECT(violations == 0);
  EXPECT(unused_frames() == unused_before);
  print_count(held_count, " frames were allocated by the timer's handler\n");
  print("verdict: pass, ");
  print_count(switches, " switches in ");
  print_count(ticks, " interrupts\n");
  power_off(PASSED);
}
