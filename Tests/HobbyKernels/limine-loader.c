/* A stand-in for the Limine boot loader, to test the kernel of `limine` with QEMU alone: it loads
 * that one file and answers its three requests, as the specification of the protocol says for base
 * revision 3, and does nothing else that Limine does.
 *
 * QEMU starts it as a multiboot kernel at 1 MiB, with the kernel as its first module; boot.S of
 * c-identity brings it into 64-bit mode, with 4 GiB identity mapped. Where the specification leaves
 * something open, this loader does what is hardest for the kernel: nothing is mapped that need not
 * be, and the IDT is empty. */
#include "kernel.h"
#include "limine/protocol.h"

static const uint64_t direct_map = 0xffff800000000000;
static const uint64_t page = 4096, large_page = 2 << 20;

_Noreturn static void fail(const char *why) {
  size_t length = 0;
  while (why[length]) length++;
  print(why, length);
  stop(FAILED);
}

/* Memory: everything lies behind the module, and then belongs to the kernel, or is reclaimable. */

static uint64_t next;

static uint64_t round_up(uint64_t address) { return (address + page - 1) & -page; }

/** Returns the physical address of `size` bytes of zeros. */
static uint64_t allocate(uint64_t size) {
  const uint64_t result = next;
  next += round_up(size);
  for (uint64_t *word = (uint64_t *)result; word < (uint64_t *)next; word++) *word = 0;
  return result;
}

/* Page tables --------------------------------------------------------------------------------- */

enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };
static const uint64_t no_execute = (uint64_t)1 << 63;
static uint64_t *root;

/** Returns the entry of `address` in a table of `level`, 1 being the last. */
static uint64_t *entry(uint64_t address, int level) {
  uint64_t *table = root;
  for (int above = 4;; above--) {
    uint64_t *found = &table[address >> (12 + 9 * (above - 1)) & 511];
    if (above == level) return found;
    if (!*found) *found = allocate(page) | PRESENT | WRITABLE;
    table = (uint64_t *)(*found & 0xffffffffff000);
  }
}

/** Puts the memory from `start` to `end` into the direct map: written, read and executed. */
static void map_directly(uint64_t start, uint64_t end) {
  for (uint64_t at = start, size; at < end; at += size) {
    size = at % large_page == 0 && at + large_page <= end ? large_page : page;
    *entry(direct_map + at, size == page ? 1 : 2) =
        at | PRESENT | WRITABLE | (size == page ? 0 : LARGE);
  }
}

/* The kernel's file --------------------------------------------------------------------------- */

struct elf_header {
  uint8_t identification[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, segments, sections;
  uint32_t flags;
  uint16_t size, segment_size, segment_count;
};

struct segment {
  uint32_t type, flags;
  uint64_t offset, address, load_address, stored, whole, alignment;
};

static struct image_response image;
static uint64_t image_end;

/** Loads the segments next to each other, and maps each with its rights. */
static void load_kernel(const struct elf_header *file) {
  enum { LOAD = 1, EXECUTE = 1, WRITE = 2 };
  if (*(const uint32_t *)file != 0x464c457f) fail("the module is not an ELF file\n");
  const struct segment *segments = (const void *)((uint64_t)file + file->segments);
  const struct segment *end = segments + file->segment_count;
  uint64_t last = 0;
  image.virtual_base = -page;
  for (const struct segment *s = segments; s < end; s++) {
    if (s->type != LOAD) continue;
    if (s->address % page || s->address < -large_page * 1024) fail("a segment is misplaced\n");
    if (s->address < image.virtual_base) image.virtual_base = s->address;
    if (s->address + s->whole > last) last = s->address + s->whole;
  }
  image.physical_base = allocate(last - image.virtual_base);
  image_end = next;
  for (const struct segment *s = segments; s < end; s++) {
    if (s->type != LOAD) continue;
    const uint64_t place = s->address - image.virtual_base + image.physical_base;
    const uint8_t *stored = (const uint8_t *)file + s->offset;
    for (uint64_t i = 0; i < s->stored; i++) ((uint8_t *)place)[i] = stored[i];
    for (uint64_t i = 0; i < s->whole; i += page) {
      *entry(s->address + i, 1) = (place + i) | PRESENT | (s->flags & WRITE ? WRITABLE : 0) |
                                  (s->flags & EXECUTE ? 0 : no_execute);
    }
  }
}

/* The memory map ------------------------------------------------------------------------------ */

/* Entries of the multiboot map. */
struct __attribute__((packed)) multiboot_entry {
  uint32_t size;
  uint64_t base, length;
  uint32_t type;
};

static struct memory_map_response *map;

static void add(uint64_t start, uint64_t end, uint64_t type) {
  if (start >= end) return;
  *map->entries[map->entry_count++] = (struct memory_map_entry){start, end - start, type};
}

/** Adds free memory, in which this loader and the kernel may lie. */
static void add_free(uint64_t start, uint64_t end) {
  const uint64_t loader = (uint64_t)kernel_start & -page;
  start = start < page ? page : round_up(start), end &= -page;
  if (loader < start || loader >= end) {
    add(start, end, USABLE);
    return;
  }
  if (next > end) fail("memory is too small\n");
  add(start, loader, USABLE);
  add(loader, image.physical_base, RECLAIMABLE);
  add(image.physical_base, image_end, IMAGE);
  add(image_end, next, RECLAIMABLE);
  add(next, end, USABLE);
}

/** Calls `visit` with each range of memory. */
static void visit_memory(const uint32_t *information, void visit(uint64_t start, uint64_t end)) {
  const uint64_t first = information[12], end = first + information[11];
  for (uint64_t at = first; at < end; at += ((struct multiboot_entry *)at)->size + 4) {
    const struct multiboot_entry *e = (const struct multiboot_entry *)at;
    if (e->type == 1) visit(e->base, e->base + e->length);
    else if (visit == add_free) add(e->base, e->base + e->length, e->type == 3 ? ACPI : RESERVED);
  }
}

static void map_memory(uint64_t start, uint64_t end) {
  map_directly(start < page ? page : round_up(start), end & -page);
}

/* Requests ------------------------------------------------------------------------------------ */

/** Whether the `count` numbers at `place` are those. */
static int is(const uint64_t *place, const uint64_t *numbers, int count) {
  while (count > 0 && *place == *numbers) place++, numbers++, count--;
  return count == 0;
}

/** Stores the address at which the kernel finds the response, if this is the request. */
static void answer(uint64_t *place, const struct request *request, const void *response) {
  if (is(place, request->id, 4)) {
    ((struct request *)place)->response = (void *)(direct_map + (uint64_t)response);
  }
}

/** Answers the requests between the last start marker and the first end marker after it. */
static void answer_requests(void) {
  static const uint64_t start_marker[] = REQUESTS_START, end_marker[] = REQUESTS_END;
  static const uint64_t revision[] = BASE_REVISION(3);
  static const struct request direct_map_request = {.id = DIRECT_MAP_REQUEST};
  static const struct request memory_map_request = {.id = MEMORY_MAP_REQUEST};
  static const struct request image_request = {.id = IMAGE_REQUEST};
  struct direct_map_response *place = (void *)allocate(sizeof *place);
  struct image_response *loaded = (void *)allocate(sizeof *loaded);
  place->offset = direct_map, *loaded = image;

  uint64_t *first = (uint64_t *)image.physical_base, *const end = (uint64_t *)image_end;
  for (uint64_t *word = first; word + 6 <= end; word++) {
    if (is(word, start_marker, 4)) first = word;
  }
  for (uint64_t *word = first; word + 6 <= end && !is(word, end_marker, 2); word++) {
    if (is(word, revision, 2)) {
      if (is(word, revision, 3)) word[2] = 0;
      word[1] = revision[2];
    }
    answer(word, &direct_map_request, place);
    answer(word, &memory_map_request, map);
    answer(word, &image_request, loaded);
  }
}

/* The kernel's start -------------------------------------------------------------------------- */

/** Jumps into the kernel, in the state of the processor that the specification describes. The last
 * instructions run in the direct map, the only place at which this code is then mapped. */
_Noreturn static void enter(uint64_t start, uint64_t stack_end) {
  enum { CODE = 0x28, DATA = 0x30 };
  static const uint64_t segments[] = {
      0, 0x00009b000000ffff, 0x000093000000ffff, 0x00cf9b000000ffff, 0x00cf93000000ffff,
      0x00af9b000000ffff, 0x00cf93000000ffff};
  const struct __attribute__((packed)) { uint16_t limit; uint64_t base; } no_handlers = {0, 0},
      segment_table = {sizeof segments - 1, direct_map + (uint64_t)segments};
  uint64_t *stack = (uint64_t *)stack_end - 3;
  stack[0] = start, stack[1] = CODE; /* for LRETQ */
  stack[2] = 0;                      /* no return address */

  uint64_t boot_root;
  __asm__ volatile("mov %%cr3, %0" : "=r"(boot_root));
  root[0] = *(uint64_t *)boot_root;
  __asm__ volatile("mov $0xc0000080, %%ecx; rdmsr; bts $11, %%eax; wrmsr\n\t" /* no-execute */
                   "mov $0x277, %%ecx; mov $0x00070406, %%eax; mov $0x0105, %%edx; wrmsr\n\t"
                   "mov %%cr0, %%rax; bts $16, %%rax; mov %%rax, %%cr0\n\t" /* write protection */
                   "lgdt %0; lidt %1\n\t"
                   "mov %2, %%cr3\n\t"
                   "lea 1f(%%rip), %%rax; add %3, %%rax; jmp *%%rax\n\t"
                   "1: movq $0, (%3, %2); mov %2, %%cr3\n\t" /* no identity mapping any more */
                   "mov %5, %%ds; mov %5, %%es; mov %5, %%ss; mov %5, %%fs; mov %5, %%gs\n\t"
                   "lea (%3, %4), %%rsp\n\t"
                   "xor %%eax, %%eax; xor %%ebx, %%ebx; xor %%ecx, %%ecx; xor %%edx, %%edx\n\t"
                   "xor %%esi, %%esi; xor %%edi, %%edi; xor %%ebp, %%ebp; xor %%r8d, %%r8d\n\t"
                   "xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d\n\t"
                   "xor %%r12d, %%r12d; xor %%r13d, %%r13d; xor %%r14d, %%r14d\n\t"
                   "xor %%r15d, %%r15d; cld; lretq"
                   :
                   : "m"(segment_table), "m"(no_handlers), "r"(root), "r"(direct_map), "r"(stack),
                     "r"(DATA)
                   : "rax", "rcx", "rdx", "memory");
  __builtin_unreachable();
}

void kernel_main(uint32_t magic, uint32_t information) {
  enum { STACK = 64 << 10, ENTRIES = 64 };
  const uint32_t *const words = (const uint32_t *)(uint64_t)information;
  if (magic != 0x2badb002 || words[5] != 1) fail("QEMU has loaded no module\n");
  const uint32_t *module = (const uint32_t *)(uint64_t)words[6];
  const struct elf_header *file = (const void *)(uint64_t)module[0];

  next = round_up(module[1]);
  root = (uint64_t *)allocate(page);
  load_kernel(file);
  map = (void *)allocate(sizeof *map);
  map->entries = (void *)allocate(ENTRIES * sizeof *map->entries);
  struct memory_map_entry *entries = (void *)allocate(ENTRIES * sizeof *entries);
  for (int i = 0; i < ENTRIES; i++) map->entries[i] = &entries[i];
  const uint64_t stack = allocate(STACK) + STACK;
  answer_requests();
  visit_memory(words, map_memory);
  visit_memory(words, add_free);
  for (int i = 0; i < ENTRIES; i++) map->entries[i] = (void *)(direct_map + (uint64_t)&entries[i]);
  map->entries = (void *)(direct_map + (uint64_t)map->entries);
  enter(file->entry, stack);
}
