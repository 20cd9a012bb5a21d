/* A kernel in the shape of a teaching Unix: programs in user mode with spaces of their own, which
 * fork, replace themselves by others, grow, talk through pipes and fail. At the end it compares
 * what it has counted with what the programs know, and every frame has to be free again. */
#include "kernel.h"

/** Memory beyond is not used, so that a program that forks without end soon has all of it. */
static const uint64_t direct_map_end = UINT64_C(64) << 20;

/* From kernel.ld. */
extern char boot_start[], image_end[];

uint64_t counts[EVENT_COUNT];
tessera_frame ledger;

_Noreturn void fail(const char *what, const char *why) {
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
  print("verdict: crashed, ");
  print_bytes(message, length);
  print("\n");
  power_off(CRASHED);
}

static void write_text(void *context, const char *text, size_t length) {
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
      .direct_map = DIRECT_MAP,
      .direct_map_end = direct_map_end,
      .image_start = (uint64_t)boot_start,
      .image_end = (uint64_t)image_end,
      .kernel_half = TESSERA_COPY,
  };
  TRY(tessera_read_multiboot(
      magic, information, DIRECT_MAP, direct_map_end, regions, 128, &config.region_count));
  TRY(tessera_start(&config));
}

/** Prints a number in a column. */
static void print_column(uint64_t number) {
  uint64_t width = 1;
  for (uint64_t rest = number; rest >= 10; rest /= 10) width++;
  for (; width < 14; width++) print(" ");
  print_count(number, "");
}

/** Prints what the programs have counted and what the kernel has, and returns whether that is the
 * same. */
static bool compare_counts(void) {
#define EVENT_TEXT(event, text) text,
  static const char *const texts[] = {EVENTS(EVENT_TEXT)};
  const uint64_t *counts_of_programs = tessera_frame_bytes(ledger);
  bool is_same = true;
  print("  counted by                              the programs    the kernel\n");
  for (int event = 0; event < EVENT_COUNT; event++) {
    size_t width = 4;
    for (const char *text = texts[event]; *text; text++) width++;
    print("    ");
    print(texts[event]);
    for (; width < 40; width++) print(" ");
    print_column(counts_of_programs[event]);
    print_column(counts[event]);
    print("\n");
    is_same = is_same && counts_of_programs[event] == counts[event];
  }
  return is_same;
}

void kernel_main(uint32_t magic, uint32_t information) {
  prepare_serial_port();
  print("c-unix: programs that fork, exec, wait, and talk through pipes\n");
  prepare_processor();
  start_tessera(magic, information);
  const uint64_t unused_before = unused_frames();
  print_count(unused_before, " frames are free\n");
  load_programs();
  TRY(tessera_allocate(&ledger));
  start_timer();

  const uint64_t status = run_init();
  print_count(most_processes, " processes existed at once, at most; ");
  print_count(switches, " switches\n");
  print_count(counts[PAGES_COPIED] - takeovers, " pages were copied, ");
  print_count(takeovers, " taken over by their last owner; ");
  print_count(recoveries, " faults in copies of system calls; ");
  print_count(spurious_faults, " spurious faults\n");
  const bool is_same = compare_counts();
  if (status != 0) fail("init", "has ended with an error");
  if (!is_same) fail("the counts", "differ");
  EXPECT(process_count == 0);

  TRY(tessera_drop(ledger));
  free_programs();
  uint64_t violations;
  TRY(tessera_audit(write_text, NULL, &violations));
  EXPECT(violations == 0);
  const uint64_t unused_after = unused_frames();
  print_count(unused_after, " frames are free\n");
  if (unused_after != unused_before) fail("frames", "are lost");
  print("verdict: pass, 0 frames lost\n");
  power_off(PASSED);
}
