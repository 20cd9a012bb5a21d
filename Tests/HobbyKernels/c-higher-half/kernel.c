/* A small kernel in the upper half that leaves all memory to Tessera: it uses frames, an address
 * space and kernel memory, and frees everything. Its boot code maps 4 GiB, and Tessera the rest;
 * nothing but the kernel's code can be executed. */
#include "machine.h"
#include "tessera.h"

/* Fail the kernel if `call` fails, or `condition` is false. */
#define TRY(call) check_result(call, #call)
#define EXPECT(condition) check_condition(condition, #condition)

/* The direct map of boot.S, at the start of the upper half, and the end of the memory it maps. It
 * is used until Tessera has built its own. */
static const uint64_t direct_map = LEVELS == 5 ? 0xff00000000000000 : 0xffff800000000000;
static const uint64_t direct_map_end = 4 * TESSERA_1G;

/* From kernel.ld: physical addresses of the boot code, and of the end of the image. */
extern char boot_start[], boot_end[], image_end[];
/* And virtual ones: of code, and of the constants after it. */
extern char text_start[], text_end[], rodata_end[];

_Noreturn static void fail(const char *what, const char *why) {
  print("verdict: fail, ");
  print(what);
  print(": ");
  print(why);
  print("\n");
  power_off(FAILED);
}

static void check_result(tessera_result result, const char *call) {
  if (result != TESSERA_OK) fail(call, tessera_strerror(result));
}

static void check_condition(bool condition, const char *what) {
  if (!condition) fail(what, "is false");
}

/** The hook that every kernel must supply. */
void tessera_host_panic(const char *message, size_t length) {
  print("verdict: crashed, ");
  print_bytes(message, length);
  print("\n");
  power_off(CRASHED);
}

/** Prints Tessera's output. */
static void write(void *context, const char *text, size_t length) {
  (void)context;
  print_bytes(text, length);
}

/** Returns the number of unused frames, including pooled page tables. */
static uint64_t unused_frames(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  TRY(tessera_get_statistics(&statistics));
  return statistics.free_frames + statistics.pooled_tables;
}

/** Expects that a start that would stop the kernel fails, and changes nothing. */
static void try_to_start_wrongly(tessera_config config) {
  config.text_end = (uint64_t)text_start + TESSERA_4K;
  tessera_result result = tessera_start(&config);
  if (result == TESSERA_ERROR_GDT_IN_LOWER_HALF) return; /* the mistake of boot.S */
  EXPECT(result == TESSERA_ERROR_CODE_NOT_EXECUTABLE);
  config.text_end = (uint64_t)text_end;
  config.rodata_end = ((uint64_t)&config | (TESSERA_4K - 1)) + 1; /* with the stack */
  EXPECT(tessera_start(&config) == TESSERA_ERROR_RIGHTS_IN_USE);
  config.rodata_end = (uint64_t)rodata_end;
  config.built_direct_map = direct_map;
  EXPECT(tessera_start(&config) == TESSERA_ERROR_DIRECT_MAP_IN_USE);
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
      .flags = TESSERA_NO_OTHER_EXECUTION | TESSERA_BUILD_DIRECT_MAP,
      .text_start = (uint64_t)text_start,
      .text_end = (uint64_t)text_end,
      .rodata_start = (uint64_t)text_end,
      .rodata_end = (uint64_t)rodata_end,
  };
  TRY(tessera_read_multiboot(
      magic, information, direct_map, direct_map_end, regions, 128, &config.region_count));
  TRY(tessera_print_memory_map(&config, write, NULL));
  try_to_start_wrongly(config);
  TRY(tessera_start(&config));
}

/** Machine code that returns at once: in constants, and in data. */
static const unsigned char constant_code[16] = {0xc3};
static unsigned char data_code[16] = {0xc3};
/** A page that is only written while the kernel starts. */
static uint64_t settings[512] __attribute__((aligned(4096)));

/** Returns the physical address of a byte of the kernel's image. */
static uint64_t physical_address(const void *address) {
  uint64_t physical;
  TRY(tessera_translate(tessera_kernel_space(), (uint64_t)address, &physical, NULL));
  return physical;
}

/** Returns the address at which the direct map has a byte of the kernel's image. */
static void *in_direct_map(const void *address) {
  tessera_direct_map map = {.size = sizeof map};
  TRY(tessera_get_direct_map(&map));
  return (void *)(map.base + physical_address(address));
}

/** Executes and writes what must not be. */
static void use_no_right_twice(void) {
  uint64_t *const code = (uint64_t *)text_start;
  uint64_t *const constant = (uint64_t *)(void *)constant_code;
  void *const old_alias = (void *)(direct_map + physical_address(text_start));
  uint64_t word;
  EXPECT(read_if_mapped(code, &word));
  EXPECT(!write_if_allowed(code, word) && fault_address == (uint64_t)code);
  EXPECT(!write_if_allowed(in_direct_map(code), word));
  EXPECT(!write_if_allowed(old_alias, word));
  EXPECT(!write_if_allowed(constant, 0) && !write_if_allowed(in_direct_map(constant), 0));
  EXPECT(!call_if_allowed(constant_code) && fault_address == (uint64_t)constant_code);
  EXPECT(!call_if_allowed(data_code) && !call_if_allowed(in_direct_map(data_code)));
  EXPECT(!call_if_allowed(in_direct_map(code)) && !call_if_allowed(old_alias));
  EXPECT(write_if_allowed((uint64_t *)(void *)data_code, 0xc3));

  /* A page of settings becomes read-only, code, and data again. */
  const uint64_t page = sizeof settings;
  settings[0] = 0xc3;
  TRY(tessera_kernel_protect(settings, page, TESSERA_READ));
  EXPECT(!write_if_allowed(settings, 0) && settings[0] == 0xc3);
  TRY(tessera_kernel_protect(settings, page, TESSERA_READ | TESSERA_EXECUTE));
  EXPECT(call_if_allowed(settings) && !write_if_allowed(settings, 0));
  TRY(tessera_kernel_protect(settings, page, TESSERA_READ | TESSERA_WRITE));
  EXPECT(!call_if_allowed(settings) && write_if_allowed(settings, 0));
  EXPECT(tessera_kernel_protect(text_start, (uint64_t)(text_end - text_start), TESSERA_READ) ==
         TESSERA_ERROR_RIGHTS_IN_USE);
  print("only code was executed, and nothing but data written\n");
}

/** Uses memory that the boot code has not mapped, if there is any. */
static void use_all_memory(void) {
  tessera_direct_map map = {.size = sizeof map};
  tessera_request request = {.size = sizeof request, .frame_size = TESSERA_2M};
  tessera_frame frame;
  TRY(tessera_get_direct_map(&map));
  EXPECT(map.base != direct_map && map.tables > 2 && map.pages_4k > 0 && map.pages_2m > 0);
  TRY(tessera_allocate_as(&request, &frame));
  uint64_t *bytes = tessera_frame_bytes(frame);
  EXPECT((uint64_t)bytes == map.base + frame);
  bytes[511] = frame;
  EXPECT(bytes[511] == frame);
  if (map.end > direct_map_end) {
    EXPECT(frame >= direct_map_end);
    print("a frame beyond the boot code's direct map was used\n");
  }
  TRY(tessera_drop(frame));
}

/** Frees the memory of the boot code: its tables were copied. Overwrites all of it, so that a
 * later use is noticed. */
static void free_boot_memory(void) {
  const uint64_t start = (uint64_t)boot_start, end = (uint64_t)boot_end;
  TRY(tessera_add_memory(start, end - start));
  for (tessera_frame frame = start; frame < end; frame += TESSERA_4K) {
    TRY(tessera_claim(frame));
    memset(tessera_frame_bytes(frame), 0xcc, TESSERA_4K);
    TRY(tessera_drop(frame));
  }
}

/** Maps a frame in a space, accesses it, and unmaps it. */
static void use_a_space(void) {
  tessera_space space;
  tessera_frame frame;
  uint64_t *const page = (uint64_t *)0x400000;
  const uint64_t address = (uint64_t)page;
  uint64_t physical, unmapped, word;

  TRY(tessera_space_create(&space));
  TRY(tessera_allocate(&frame));
  uint64_t *bytes = tessera_frame_bytes(frame);
  bytes[0] = 42;

  /* The mapping consumes a handle; the second one keeps `bytes` valid. */
  TRY(tessera_share(frame));
  TRY(tessera_map(&space, address, frame, TESSERA_READ | TESSERA_WRITE, NULL));
  TRY(tessera_space_activate(&space));
  EXPECT(page[0] == 42);
  page[1] = 43;
  EXPECT(bytes[1] == 43);
  TRY(tessera_translate(&space, address + 8, &physical, NULL));
  EXPECT(physical == frame + 8);
  print("page-table walk of a mapped page:\n");
  TRY(tessera_print_walk(&space, address, write, NULL));

  TRY(tessera_unmap(&space, address, TESSERA_4K, &unmapped));
  EXPECT(unmapped == TESSERA_4K);
  EXPECT(!read_if_mapped(page, &word) && fault_address == address);
  print("page-table walk after the page was unmapped:\n");
  TRY(tessera_print_walk(&space, address, write, NULL));

  uint64_t violations;
  TRY(tessera_audit_space(&space, write, NULL, &violations));
  EXPECT(violations == 0);
  TRY(tessera_space_activate(tessera_kernel_space()));
  TRY(tessera_space_destroy(&space));

  /* The mapping is gone, and the handle keeps the frame until it is dropped. */
  EXPECT(bytes[0] == 42 && bytes[1] == 43);
  TRY(tessera_drop(frame));
  EXPECT(tessera_frame_bytes(frame) == NULL);
}

/** Maps the first and the last user page. */
static void use_both_ends(void) {
  tessera_space space;
  uint64_t start, end;
  TRY(tessera_space_create(&space));
  TRY(tessera_space_bounds(&space, &start, &end));
  TRY(tessera_map_zeroed(&space, start, TESSERA_4K, TESSERA_READ | TESSERA_WRITE, NULL));
  TRY(tessera_map_zeroed(&space, end - TESSERA_4K, TESSERA_4K, TESSERA_READ, NULL));
  TRY(tessera_space_activate(&space));
  uint64_t word;
  EXPECT(read_if_mapped((uint64_t *)start, &word) && word == 0);
  EXPECT(read_if_mapped((uint64_t *)end - 1, &word) && word == 0);
  EXPECT(!read_if_mapped((uint64_t *)end, &word) && fault_address == end);
  print("page-table walk of the last user page:\n");
  TRY(tessera_print_walk(&space, end - TESSERA_4K, write, NULL));
  TRY(tessera_space_activate(tessera_kernel_space()));
  TRY(tessera_space_destroy(&space));
}

/** Creates and destroys many spaces with memory. */
static void use_many_spaces(void) {
  for (int i = 0; i < 1000; i++) {
    tessera_space *space;
    TRY(tessera_space_new(&space));
    TRY(tessera_map_zeroed(space, 0x400000, 16 * TESSERA_4K, TESSERA_READ, NULL));
    TRY(tessera_space_destroy(space));
  }
  print("1000 spaces created and destroyed\n");
}

/** Allocates kernel memory, writes all of it, and checks the guard page. */
static void use_kernel_memory(void) {
  const uint64_t length = TESSERA_2M;
  void *memory;
  uint64_t word;
  TRY(tessera_kernel_allocate(length, TESSERA_READ | TESSERA_WRITE, &memory));
  uint64_t *const words = memory, count = length / sizeof *words;
  for (uint64_t i = 0; i < count; i++) words[i] = i;
  for (uint64_t i = 0; i < count; i++) EXPECT(words[i] == i);
  EXPECT(!read_if_mapped(words + count, &word) && fault_address == (uint64_t)(words + count));
  TRY(tessera_kernel_free(memory, length));
  EXPECT(!read_if_mapped(words, &word));
  print_count(length / TESSERA_4K, " pages of kernel memory allocated and freed\n");
}

static void report(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  uint64_t violations;
  TRY(tessera_audit(write, NULL, &violations));
  EXPECT(violations == 0);
  TRY(tessera_get_statistics(&statistics));
  print_count(statistics.managed_frames, " managed frames, ");
  print_count(statistics.free_frames, " free, ");
  print_count(statistics.metadata_frames, " for metadata, ");
  print_count(statistics.unreachable_frames, " beyond the direct map, ");
  print_count(statistics.flushes, " flushes\n");
}

void kernel_main(uint32_t magic, uint32_t information) {
  prepare_serial_port();
  print("c-higher-half: a kernel in C, 2 GiB below the top\n");
  prepare_page_faults();
  EXPECT(tessera_version() >= TESSERA_VERSION);
  start_tessera(magic, information);
  free_boot_memory();
  use_no_right_twice();

  const uint64_t unused_before = unused_frames();
  use_all_memory();
  use_a_space();
  use_both_ends();
  use_many_spaces();
  use_kernel_memory();
  report();
  EXPECT(unused_frames() == unused_before);
  print("verdict: pass\n");
  power_off(PASSED);
}
