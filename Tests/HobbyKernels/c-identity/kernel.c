/* A traditional kernel: it runs at 1 MiB, where it is loaded, with a bump allocator after `end`.
 * Tessera manages all other memory, also beyond the 4 GiB that are identity mapped. Nothing but the
 * kernel's code can be executed, and null pointers fault. Compiled without optimisation, with
 * general-purpose registers only. */
#include <stdint.h>
#include "tessera.h"

#define POOL_SIZE 0x10000
#define FOUR_GIB 0x100000000

extern char text_end[], rodata_end[], end[];
extern void page_fault(void);
extern int peek(unsigned long address);
extern int poke(unsigned long address);
extern int run(unsigned long address);
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

/* The bump allocator after `end`. The memory must be unused, so it is overwritten first. */
static char *next = end;

static void prepare_pool(void) {
  for (char *p = end; p < end + POOL_SIZE; p++) *p = (char)0xa5;
}

static void *allocate(unsigned long size) {
  char *memory = (char *)(((unsigned long)next + 15) & ~15UL);
  next = memory + size;
  if (next > end + POOL_SIZE) fail("out of memory in the pool after the kernel");
  return memory;
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

static void start_tessera(uint32_t magic, uint32_t information) {
  /* Not in the pool, which may overlap the boot information that is read below. */
  static tessera_region regions[64];
  static tessera_config config;
  config.size = sizeof config;
  config.regions = regions;
  config.direct_map_end = FOUR_GIB;
  config.image_start = 0x100000;
  config.image_end = (uint64_t)end + POOL_SIZE;
  config.kernel_half = TESSERA_ADOPT;
  config.kernel_low_end = FOUR_GIB;
  must(tessera_read_multiboot(magic, information, 0, FOUR_GIB, regions, 64, &config.region_count));
  must(tessera_print_memory_map(&config, write, 0));
  prepare_pool();
  config.text_start = 0x100000;
  config.text_end = (uint64_t)text_end;
  config.rodata_start = (uint64_t)text_end;
  config.rodata_end = (uint64_t)rodata_end;
  config.flags = TESSERA_NO_OTHER_EXECUTION | TESSERA_NO_PAGE_ZERO;
  /* Physical address 0 would be mapped nowhere. */
  if (tessera_start(&config) != TESSERA_ERROR_PAGE_ZERO_IN_USE) fail("page zero is not missed");
  if (!peek(0)) fail("a start that failed has unmapped page zero");
  config.flags |= TESSERA_BUILD_DIRECT_MAP;
  must(tessera_start(&config));
}

static void use_rights(void) {
  static unsigned char code[16] = {0xc3};
  static const unsigned char constant[16] = {0xc3};
  tessera_direct_map map = {.size = sizeof map};
  must(tessera_get_direct_map(&map));
  unsigned long text = 0x100000, data = (unsigned long)code;
  if (peek(0) || peek(4095) || fault_address != 4095 || poke(0)) fail("page zero is mapped");
  if (!peek(4096) || !peek(map.base) || !peek(map.base + 0x400)) fail("page zero is nowhere");
  if (poke(text) || poke(map.base + text)) fail("code can be written");
  if (poke((unsigned long)constant)) fail("a constant can be written");
  if (poke(map.base + (unsigned long)constant)) fail("a constant can be written");
  if (!poke(data) || !poke(map.base + data)) fail("data cannot be written");
  if (run(data) || fault_address != data) fail("data can be executed");
  if (run((unsigned long)constant) || run(map.base + text)) fail("not only code is executable");
  if (run(map.base + data) || run(FOUR_GIB - 1) || run(1 << 20 | 1 << 30)) fail("memory can run");
}

/* Writes memory that the boot code has not mapped, if there is any. */
static void use_high_memory(void) {
  tessera_direct_map map = {.size = sizeof map};
  tessera_request request = {.size = sizeof request, .frame_size = TESSERA_2M};
  tessera_frame frame;
  must(tessera_get_direct_map(&map));
  must(tessera_allocate_as(&request, &frame));
  unsigned char *bytes = tessera_frame_bytes(frame);
  if ((unsigned long)bytes != map.base + frame) fail("a frame is not in the direct map");
  if (map.end > FOUR_GIB && frame < FOUR_GIB) fail("memory above 4 GiB is not used");
  memset(bytes, 7, TESSERA_4K);
  if (bytes[4095] != 7) fail("a frame does not keep what was written");
  must(tessera_drop(frame));
}

static void use_a_space(void) {
  tessera_space *space = allocate(sizeof *space);
  uint64_t start, last;
  tessera_frame frame;
  must(tessera_space_create(space));
  must(tessera_space_bounds(space, &start, &last));
  if (start < FOUR_GIB) fail("user addresses overlap the kernel");
  must(tessera_allocate(&frame));
  must(tessera_map(space, start, frame, TESSERA_READ | TESSERA_WRITE, 0));
  must(tessera_space_activate(space));
  *(volatile long *)start = 42;
  if (*(long *)tessera_frame_bytes(frame) != 42) fail("a page does not map its frame");
  if (!peek(start)) fail("a mapped page faults");
  must(tessera_print_walk(space, start, write, 0));
  must(tessera_unmap(space, start, TESSERA_4K, 0));
  if (peek(start) || fault_address != start) fail("an unmapped page does not fault");
  must(tessera_print_walk(space, start, write, 0));
  must(tessera_space_activate(tessera_kernel_space()));
  must(tessera_space_destroy(space));
}

static void use_kernel_memory(void) {
  void *memory;
  must(tessera_kernel_allocate(5 * TESSERA_4K, TESSERA_READ | TESSERA_WRITE, &memory));
  memset(memory, 1, 5 * TESSERA_4K);
  if (peek((unsigned long)memory + 5 * TESSERA_4K)) fail("the guard page does not fault");
  must(tessera_kernel_free(memory, 5 * TESSERA_4K));
}

static void use_a_stack(void) {
  tessera_kernel_stack stack;
  must(tessera_kernel_stack_allocate(2 * TESSERA_4K, &stack));
  unsigned long bottom = (unsigned long)stack.bottom, top = (unsigned long)stack.top;
  if (top - bottom != 2 * TESSERA_4K) fail("a stack has another length");
  if (!peek(bottom) || !peek(top - 8)) fail("a stack faults");
  if (peek(bottom - 8) || fault_address != bottom - 8) fail("no guard page below a stack");
  if (peek(top)) fail("no guard page above a stack");
  must(tessera_kernel_stack_free(&stack));
  if (peek(bottom)) fail("a stack that was freed does not fault");
}

void kernel_main(uint32_t magic, uint32_t information) {
  uint64_t violations;
  tessera_statistics statistics;
  print("c-identity: a kernel in C at 1 MiB, identity mapped\n");
  catch_page_faults();
  start_tessera(magic, information);
  use_rights();
  use_high_memory();
  use_a_space();
  use_kernel_memory();
  use_a_stack();
  must(tessera_audit(write, 0, &violations));
  if (violations) fail("Tessera's audit found violations");
  statistics.size = sizeof statistics;
  must(tessera_get_statistics(&statistics));
  print_number(statistics.free_frames);
  print(" frames are free\nverdict: pass\n");
  power_off(0x10);
}
