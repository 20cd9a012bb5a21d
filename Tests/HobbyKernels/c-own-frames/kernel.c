/* A kernel with its own frame allocator, which manages all memory. Tessera allocates frames from it
 * and frees them there, and the kernel checks that none is lost. It runs at 1 MiB, where it is
 * loaded, with the boot code of c-identity. */
#include <stdint.h>
#include "tessera.h"

#define PAGE 4096UL
#define FOUR_GIB 0x100000000UL

extern char end[];
extern int peek(unsigned long address);
extern void page_fault(void);
unsigned long fault_address;

/* The machine --------------------------------------------------------------------------------- */

static void outb(int port, int byte) {
  __asm__ volatile("outb %b0, %w1" : : "a"(byte), "d"(port));
}

static int inb(int port) {
  unsigned char byte;
  __asm__ volatile("inb %w1, %0" : "=a"(byte) : "d"(port));
  return byte;
}

static void print_character(char character) {
  while (!(inb(0x3fd) & 0x20)) {}
  outb(0x3f8, character);
}

static void print(const char *text) {
  while (*text) print_character(*text++);
}

static void print_number(unsigned long number) {
  if (number >= 10) print_number(number / 10);
  print_character((char)('0' + number % 10));
}

static void power_off(int verdict) {
  while (!(inb(0x3fd) & 0x40)) {}
  __asm__ volatile("outl %0, %w1" : : "a"(verdict), "d"(0xf4));
  for (;;) __asm__ volatile("cli; hlt");
}

static void fail(const char *why) {
  print("verdict: fail, ");
  print(why);
  print("\n");
  power_off(0x11);
}

void unexpected_page_fault(void) {
  print("verdict: crashed, a page fault\n");
  power_off(0x12);
}

static uint16_t gates[32][8];

static void catch_page_faults(void) {
  unsigned long entry = (unsigned long)page_fault;
  struct __attribute__((packed)) { uint16_t limit; void *base; } table = {sizeof gates - 1, gates};
  gates[14][0] = (uint16_t)entry;
  gates[14][1] = 0x08;
  gates[14][2] = 0x8e00;
  gates[14][3] = (uint16_t)(entry >> 16);
  __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

void *memset(void *to, int byte, size_t count) {
  for (char *p = to; count--; p++) *p = (char)byte;
  return to;
}

void *memcpy(void *to, const void *from, size_t count) {
  const char *f = from;
  for (char *p = to; count--;) *p++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  if ((unsigned long)to < (unsigned long)from) return memcpy(to, from, count);
  while (count--) ((char *)to)[count] = ((const char *)from)[count];
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *l = a, *r = b;
  for (; count--; l++, r++) if (*l != *r) return *l - *r;
  return 0;
}

/* The kernel's allocator. Pages at `fresh` and above have never been allocated; freed pages are in
 * a list that is linked through the pages. */

static tessera_region regions[64];
static uint64_t region_count;
static unsigned long fresh = 0x100000;
static unsigned long returned;
/* The numbers of frames that Tessera allocated and freed. */
static unsigned long allocated, freed;
static int is_closed;

/* Returns whether a page is usable memory that no other region overlaps. */
static int is_usable(unsigned long page) {
  int found = 0;
  if (page < (unsigned long)end || page + PAGE > FOUR_GIB) return 0;
  for (uint64_t i = 0; i < region_count; i++) {
    unsigned long start = regions[i].start, last = start + regions[i].length;
    if (regions[i].kind == TESSERA_USABLE) {
      if (start <= page && page + PAGE <= last) found = 1;
    } else if (start < page + PAGE && page < last) {
      return 0;
    }
  }
  return found;
}

static void free_page(unsigned long page) {
  *(unsigned long *)page = returned;
  returned = page;
}

/* Allocates `count` contiguous pages that are fresh. Returns zero if there are none. */
static unsigned long allocate_fresh(
    unsigned long count, unsigned long alignment, unsigned long limit) {
  unsigned long start = fresh, length = 0;
  while (length < count) {
    unsigned long page = start + length * PAGE;
    if (page + PAGE > limit) return 0;
    if (is_usable(page) && (length || page % alignment == 0)) {
      length++;
    } else {
      start = page + PAGE;
      length = 0;
    }
  }
  for (; fresh < start; fresh += PAGE) if (is_usable(fresh)) free_page(fresh);
  fresh = start + count * PAGE;
  return start;
}

static unsigned long allocate_page(unsigned long limit) {
  unsigned long page = returned;
  if (!page || page + PAGE > limit) return allocate_fresh(1, PAGE, limit);
  returned = *(unsigned long *)page;
  return page;
}

/* The callbacks of Tessera. */

static uint64_t allocate_frames(void *context, uint64_t count, uint64_t alignment, uint64_t limit) {
  unsigned long first;
  if (context != &fresh) fail("wrong context");
  if (is_closed) return 0;
  if (count == 1 && alignment == PAGE) {
    first = allocate_page(limit);
  } else {
    first = allocate_fresh(count, alignment, limit);
  }
  if (first) allocated += count;
  return first;
}

static void free_frames(void *context, uint64_t first, uint64_t count) {
  if (context != &fresh) fail("wrong context");
  for (; count--; first += PAGE) {
#ifdef LOSES_A_FRAME
    static int calls;
    if (++calls == 7) continue;
#endif
    freed++;
    free_page(first);
  }
}

/* Tessera ------------------------------------------------------------------------------------- */

void tessera_host_panic(const char *message, size_t length) {
  print("verdict: crashed, ");
  while (length--) print_character(*message++);
  print("\n");
  power_off(0x12);
  for (;;) {}
}

static void write(void *context, const char *text, size_t length) {
  (void)context;
  while (length--) print_character(*text++);
}

static void must(tessera_result result) {
  if (result != TESSERA_OK) fail(tessera_strerror(result));
}

static void start_tessera(void) {
  static tessera_config config;
  config.size = sizeof config;
  config.regions = regions;
  config.region_count = region_count;
  config.direct_map_end = FOUR_GIB;
  config.image_start = 0x100000;
  config.image_end = (uint64_t)end;
  config.kernel_half = TESSERA_COPY;
  config.kernel_low_end = FOUR_GIB;
  config.allocate_frames = allocate_frames;
  config.free_frames = free_frames;
  config.frames_context = &fresh;
  must(tessera_print_memory_map(&config, write, 0));
  must(tessera_start(&config));
}

/* Maps a frame that Tessera allocated and one that the kernel allocated itself. */
static void use_a_space(tessera_space *space) {
  uint64_t start, last;
  tessera_frame frame;
  unsigned long own = allocate_page(FOUR_GIB);
  must(tessera_space_create(space));
  must(tessera_space_bounds(space, &start, &last));
  must(tessera_allocate(&frame));
  must(tessera_map(space, start, frame, TESSERA_READ | TESSERA_WRITE, 0));
  *(unsigned long *)own = 77;
  allocated++;
  must(tessera_claim(own));
  must(tessera_map(space, start + PAGE, own, TESSERA_READ, 0));
  must(tessera_space_activate(space));
  *(volatile long *)start = 42;
  if (*(long *)frame != 42) fail("a page does not map its frame");
  if (*(volatile long *)(start + PAGE) != 77) fail("a claimed frame lost its contents");
  must(tessera_print_walk(space, start, write, 0));
  must(tessera_unmap(space, start, PAGE, 0));
  if (peek(start) || fault_address != start) fail("an unmapped page does not fault");
  must(tessera_print_walk(space, start, write, 0));
  must(tessera_map_zeroed(space, start + 0x40000000, 20 * PAGE, TESSERA_READ | TESSERA_WRITE, 0));
  must(tessera_space_activate(tessera_kernel_space()));
  must(tessera_space_destroy(space));
}

static void use_runs(void) {
  tessera_request request = {.size = sizeof request, .count = 16, .alignment = 0x10000};
  tessera_frame first;
  void *memory;
  must(tessera_allocate_as(&request, &first));
  if (first % 0x10000 || !is_usable(first)) fail("contiguous frames are not aligned");
  must(tessera_drop_run(first, 16));
  must(tessera_kernel_allocate(5 * PAGE, TESSERA_READ | TESSERA_WRITE, &memory));
  memset(memory, 1, 5 * PAGE);
  must(tessera_kernel_free(memory, 5 * PAGE));
  is_closed = 1;
  if (tessera_allocate(&first) != TESSERA_ERROR_OUT_OF_FRAMES) fail("allocated without memory");
  is_closed = 0;
}

/* Checks Tessera's statistics against the allocator's. Returns how many frames Tessera has. */
static unsigned long compare_counts(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  must(tessera_get_statistics(&statistics));
  unsigned long out = statistics.managed_frames - statistics.free_frames;
  if (out + statistics.metadata_frames != allocated - freed) fail("frames were lost");
  if (statistics.cached_frames + statistics.pooled_tables) fail("Tessera caches free frames");
  return allocated - freed;
}

void kernel_main(uint32_t magic, uint32_t information) {
  uint64_t violations;
  print("c-own-frames: a kernel in C with its own frame allocator\n");
  catch_page_faults();
  must(tessera_read_multiboot(magic, information, 0, FOUR_GIB, regions, 64, &region_count));
  /* The kernel allocates memory of its own first. */
  tessera_space *space = (tessera_space *)allocate_page(FOUR_GIB);
  start_tessera();
  unsigned long initial = compare_counts();
  use_a_space(space);
  use_runs();
  /* Page tables of the kernel virtual area stay allocated, and are reused the second time. */
  unsigned long tables = compare_counts();
  use_a_space(space);
  use_runs();
  if (compare_counts() != tables) fail("not all frames were freed");
  must(tessera_audit(write, 0, &violations));
  if (violations) fail("Tessera's audit found violations");
  print_number(allocated);
  print(" frames were allocated, ");
  print_number(freed);
  print(" were freed, ");
  print_number(initial);
  print(" were in use after the start\nverdict: pass\n");
  power_off(0x10);
}
