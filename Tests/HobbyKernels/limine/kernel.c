/* A kernel that Limine starts, with Tessera: it takes over the memory, maps a page when it is first
 * used, and frees everything, with what the boot loader has left behind.
 *
 * `print` and `stop`, and the functions that compilers call, are those of ../newcomer/empty.c. */
#include "boot.h"
#include "kernel.h"

/* From kernel.ld and entry.S. */
extern char text_start[], text_end[], rodata_end[];
void page_fault_entry(void);

static void say(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  print(text, length);
}

/** Prints Tessera's output. */
static void write(void *context, const char *text, size_t length) {
  (void)context;
  print(text, length);
}

_Noreturn static void fail(const char *what, const char *why) {
  say(what);
  say(why);
  say("\n");
  stop(FAILED);
}

/* Fail the kernel if `call` fails, or `condition` is false. */
#define TRY(call) check_result(call, #call ": ")
#define EXPECT(condition) ((condition) ? (void)0 : fail(#condition, " is false"))

static void check_result(tessera_result result, const char *call) {
  if (result != TESSERA_OK) fail(call, tessera_strerror(result));
}

/** The hook that every kernel must supply. */
void tessera_host_panic(const char *message, size_t length) {
  print(message, length);
  stop(CRASHED);
}

/* Page faults --------------------------------------------------------------------------------- */

/* Pages that are mapped when they are first used. */
static tessera_space space;
static uint64_t lazy_start, lazy_end;
static int faults;

/** Called by page_fault_entry. */
void page_fault(uint64_t address, uint64_t error_code) {
  enum { PRESENT = 1 };
  if (lazy_start <= address && address < lazy_end && !(error_code & PRESENT)) {
    faults++;
    TRY(tessera_map_zeroed(&space, address & ~(TESSERA_4K - 1), TESSERA_4K,
                           TESSERA_READ | TESSERA_WRITE, NULL));
    return;
  }
  say("unexpected page fault:\n");
  tessera_print_walk(tessera_kernel_space(), address, write, NULL);
  stop(CRASHED);
}

/** Loads an interrupt descriptor table with a page-fault handler. */
static void prepare_page_faults(void) {
  static struct gate {
    uint16_t address_low, selector, type, address_middle;
    uint32_t address_high, zero;
  } gates[15];
  const uint64_t entry = (uint64_t)page_fault_entry;
  gates[14] = (struct gate){
      .address_low = (uint16_t)entry,
      .selector = 0x08,
      .type = 0x8e00, /* present, for the kernel, interrupts off */
      .address_middle = (uint16_t)(entry >> 16),
      .address_high = (uint32_t)(entry >> 32),
  };
  struct __attribute__((packed)) { uint16_t limit; const void *base; } table = {
      sizeof gates - 1, gates};
  __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

/* Memory -------------------------------------------------------------------------------------- */

/** Starts Tessera. Nothing stays executable but the kernel's code: Limine's direct map is. */
static void start_tessera(tessera_config *config) {
  const char *missing = read_boot_information(config);
  if (missing) fail(missing, "");
  config->kernel_half = TESSERA_COPY;
  config->flags = TESSERA_NO_OTHER_EXECUTION;
  config->text_start = (uint64_t)text_start, config->text_end = (uint64_t)text_end;
  config->rodata_start = (uint64_t)text_end, config->rodata_end = (uint64_t)rodata_end;
  TRY(tessera_print_memory_map(config, write, NULL));
  if (tessera_start(config) != TESSERA_OK) fail("no start: ", tessera_start_error(NULL));

  uint64_t physical;
  TRY(tessera_translate(tessera_kernel_space(), (uint64_t)&space, &physical, NULL));
  EXPECT(physical == loaded_at(&space));
}

static uint64_t free_frames(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  TRY(tessera_get_statistics(&statistics));
  return statistics.free_frames + statistics.pooled_tables;
}

/** Frees the memory of the boot loader: page tables, stack, GDT and responses, none of which is in
 * use any more. Overwrites it, which would end the kernel if one were. */
static void free_loader_memory(const tessera_config *config) {
  const uint64_t before = free_frames();
  for (uint64_t i = 0; i < config->region_count; i++) {
    const tessera_region *region = &config->regions[i];
    if (region->kind != TESSERA_LOADER) continue;
    TRY(tessera_add_memory(region->start, region->length));
    for (uint64_t offset = 0; offset < region->length; offset += TESSERA_4K) {
      TRY(tessera_claim(region->start + offset));
      uint64_t *words = tessera_frame_bytes(region->start + offset);
      for (int word = 0; word < 512; word++) words[word] = 0xcccccccccccccccc;
      TRY(tessera_drop(region->start + offset));
    }
  }
  EXPECT(free_frames() > before);
}

/** Uses a page, which maps it; unmaps it, and uses it again. */
static void use_a_page(void) {
  uint64_t start, end;
  TRY(tessera_space_create(&space));
  TRY(tessera_space_bounds(&space, &start, &end));
  lazy_start = start, lazy_end = start + TESSERA_2M;
  TRY(tessera_space_activate(&space));

  volatile uint64_t *const word = (uint64_t *)(start + 3 * TESSERA_4K);
  *word = 42;
  EXPECT(*word == 42 && faults == 1);
  TRY(tessera_print_walk(&space, (uint64_t)word, write, NULL));

  TRY(tessera_unmap(&space, (uint64_t)word, TESSERA_4K, NULL));
  TRY(tessera_print_walk(&space, (uint64_t)word, write, NULL));
  EXPECT(*word == 0 && faults == 2);
  TRY(tessera_space_activate(tessera_kernel_space()));
  TRY(tessera_space_destroy(&space));
}

void kernel_main(void) {
  tessera_config config = {.size = sizeof config};
  say("limine: a kernel in C, started by the Limine boot protocol\n");
  prepare_page_faults();
  start_tessera(&config);
  free_loader_memory(&config);
  const uint64_t before = free_frames();
  use_a_page();
  EXPECT(free_frames() == before);
  stop(PASSED);
}
