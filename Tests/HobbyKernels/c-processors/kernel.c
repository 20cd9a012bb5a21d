/* A kernel for four processors, in the upper half: they start with a trampoline and interrupt each
 * other, and use Tessera all at once. It checks that none of them sees memory through a translation
 * that another one has made stale, that none waits for ever, and that no frame is lost.
 *
 * With `brief` on the command line it does a tenth of that. With one of these words it makes a
 * mistake, and has to fail:
 *   silent   tessera_host_interrupt sends no interrupt
 *   deaf     the handler of the interrupt does not call tessera_serve
 *   untold   processors load CR3 themselves instead of calling tessera_space_activate
 *   asleep   a processor sleeps without calling tessera_stop_processor
 *   twice    an object is freed twice
 *   elsewhere    an object is freed twice on another processor than the one that allocated it
 *   forgotten    an object is not freed
 *   spoilt   an object is changed after it was filled
 *   unnumbered   tessera_host_processor_id returns 0 for each, which does no harm if the library
 *                was built with PROCESSOR_NUMBER_AT_GS=8, where this kernel has the numbers */
#include "checks.h"
#include "machine.h"
#include "processors.h"
#include "tessera.h"

static const uint64_t direct_map = 0xffff800000000000, direct_map_end = 4 * TESSERA_1G;

/* From kernel.ld. */
extern char boot_start[], image_end[];

/** Returns for the first processor that has a verdict. */
static void stop_others_from_printing(void) {
  static atomic_bool is_printing;
  turn_interrupts(false);
  while (atomic_exchange(&is_printing, true)) wait_a_little();
}

_Noreturn void fail(const char *what, const char *why) {
  stop_others_from_printing();
  print("verdict: fail, processor ");
  print_count(this_processor()->number, ", ");
  print(what);
  print(": ");
  print(why);
  print("\n");
  power_off(FAILED);
}

void check_condition(bool condition, const char *what) {
  if (!condition) fail(what, "is false");
}

void tessera_host_panic(const char *message, size_t length) {
  stop_others_from_printing();
  print("verdict: crashed, processor ");
  print_count(this_processor()->number, ", ");
  print_bytes(message, length);
  print("\n");
  power_off(CRASHED);
}

void write_text(void *context, const char *text, size_t length) {
  (void)context;
  print_bytes(text, length);
}

static bool has_word(const char *line, const char *word) {
  for (; *line; line++) {
    size_t length = 0;
    while (word[length] && line[length] == word[length]) length++;
    if (!word[length]) return true;
  }
  return false;
}

static void read_command_line(uint32_t information) {
  enum { HAS_COMMAND_LINE = 1 << 2 };
  const uint32_t *words = (const uint32_t *)(direct_map + information);
  if (!(words[0] & HAS_COMMAND_LINE)) return;
  const char *line = (const char *)(direct_map + words[4]);
  if (has_word(line, "silent")) mistake = SILENT;
  if (has_word(line, "deaf")) mistake = DEAF;
  if (has_word(line, "untold")) mistake = UNTOLD;
  if (has_word(line, "unnumbered")) mistake = UNNUMBERED;
  if (has_word(line, "asleep")) mistake = ASLEEP;
  if (has_word(line, "twice")) mistake = TWICE;
  if (has_word(line, "elsewhere")) mistake = ELSEWHERE;
  if (has_word(line, "forgotten")) mistake = FORGOTTEN;
  if (has_word(line, "spoilt")) mistake = SPOILT;
  if (has_word(line, "brief")) brevity = 10;
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
      .processor_count = PROCESSORS,
      .kernel_half = TESSERA_COPY,
  };
  TRY(tessera_read_multiboot(
      magic, information, direct_map, direct_map_end, regions, 128, &config.region_count));
  TRY(tessera_print_memory_map(&config, write_text, NULL));
  TRY(tessera_start(&config));
}

/** Returns the number of references to the kernel's root. */
static uint64_t references(tessera_frame root) {
  tessera_frame_info info = {.size = sizeof info};
  TRY(tessera_frame_query(root, &info));
  EXPECT(info.usage == TESSERA_FRAME_PAGE_TABLE);
  return info.references;
}

/** Starts the other processors: one on the page tables of boot.S, one on the kernel's root, and one
 * on that of a space, which is destroyed then. Tessera did not load these, and yet must not free
 * them, nor drop references for them that it has not got. */
static void start_all(uint64_t boot_root) {
  const tessera_frame kernel_root = tessera_space_root(tessera_kernel_space());
  tessera_space space;
  TRY(tessera_space_create(&space));
  const uint64_t roots[] = {boot_root, boot_root, kernel_root, tessera_space_root(&space)};
  const uint64_t before = references(kernel_root);
  start_processors(roots);
  TRY(tessera_space_destroy(&space));
  EXPECT(references(kernel_root) == before + PROCESSORS - 1);
  print_count(PROCESSORS, " processors started\n");
}

/** Returns the number of frames that are free, or that the heap or a pool has. */
static uint64_t unused_frames(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  tessera_heap_info heap = {.size = sizeof heap};
  TRY(tessera_get_statistics(&statistics));
  TRY(tessera_heap_query(&heap));
  return statistics.free_frames + statistics.pooled_tables + heap.frames;
}

/** Page tables of the kernel virtual area that became empty while another processor had the table
 * above them locked, for long, stay until a range that includes them is unmapped. There are few. */
static void free_empty_tables(uint64_t unused_before) {
  uint64_t start, end, unmapped;
  EXPECT(unused_before - unused_frames() < 8);
  TRY(tessera_space_bounds(tessera_kernel_space(), &start, &end));
  TRY(tessera_unmap(tessera_kernel_space(), start, end - start, &unmapped));
  EXPECT(unmapped == 0);
}

void kernel_main(uint32_t magic, uint32_t information) {
  uint64_t boot_root, violations;
  __asm__ volatile("movq %%cr3, %0" : "=r"(boot_root));
  prepare_serial_port();
  print("c-processors: four processors that interrupt each other\n");
  read_command_line(information);
  prepare_processor(0);
  start_tessera(magic, information);
  start_watchdog();
  const uint64_t unused_before = unused_frames();
  start_all(boot_root);
  turn_interrupts(true);

  check_coherence();
  check_diagonal();
  check_sleep();
  check_own_pages();
  check_moving_tables();
  check_kernel_memory();
  run_storm();
  check_heap();

  free_empty_tables(unused_before);
  TRY(tessera_audit(write_text, NULL, &violations));
  EXPECT(violations == 0);
  references(tessera_space_root(tessera_kernel_space()));
  EXPECT(unused_frames() == unused_before);
  print("verdict: pass, 0 frames lost\n");
  power_off(PASSED);
}
