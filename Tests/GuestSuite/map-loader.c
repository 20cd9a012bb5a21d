// A multiboot loader that gives a kernel any memory map. QEMU starts it as the kernel, and passes
// the kernel under test, an ELF image of 32 bits, as its first module.
//
// The command line says what the kernel is told, in hexadecimal numbers:
//
//   map=START+LENGTH:TYPE,...    entries, in this order; types are those of E820
//   map=N*START+LENGTH/STRIDE:TYPE,...
//                                N (decimal) entries, each STRIDE after the one before
//   size=N                       the size of an entry; the standard's is 20
//   version=2                    multiboot 2 instead of 1
//
// Nothing of this file is named in the map: it is in free memory, if the map says so.
typedef unsigned char byte;
typedef unsigned short half;
typedef unsigned int word;
typedef unsigned long long number;

__asm__(
    ".text\n"
    ".balign 4\n"
    ".long 0x1badb002, 0x2, -(0x1badb002 + 0x2)\n"
    ".globl start\n"
    "start: movl $stack_top, %esp\n"
    "pushl %ebx\n"
    "call load\n"
    "movl 0(%eax), %ecx\n"
    "movl 4(%eax), %ebx\n"
    "movl 8(%eax), %edx\n"
    "movl %edx, %eax\n"
    "jmp *%ecx\n"
    ".bss\n"
    ".balign 16\n"
    ".skip 8192\n"
    "stack_top:\n");

// Where the information for the kernel goes, and its map: in low memory, away from QEMU's.
#define INFORMATION ((byte *)0x20000)
#define ENTRIES ((byte *)0x21000)

static void set(byte *place, word value) { *(word *)place = value; }

static const char *cursor;

static number read(word base) {
  number value = 0;
  for (;; cursor++) {
    word digit;
    if (*cursor >= '0' && *cursor <= '9') digit = *cursor - '0';
    else if (base == 16 && *cursor >= 'a' && *cursor <= 'f') digit = *cursor - 'a' + 10;
    else return value;
    value = value * base + digit;
  }
}

// The text after `name`, or null.
static const char *find(const char *text, const char *name) {
  for (; *text; text++) {
    word i = 0;
    while (name[i] && text[i] == name[i]) i++;
    if (!name[i]) return text + i;
  }
  return 0;
}

static int has(char mark) {
  if (*cursor != mark) return 0;
  cursor++;
  return 1;
}

// Writes an entry of `size` bytes. What follows the first 20 is not zero: ACPI 3 has attributes
// there, which must not be taken for the next entry.
static byte *entry(byte *place, word size, number start, number length, word type) {
  for (word i = 0; i < size; i++) place[i] = 0xee;
  *(number *)place = start;
  *(number *)(place + 8) = length;
  set(place + 16, type);
  return place + size;
}

// Writes the entries that the command line describes. Returns the end.
static byte *entries(const char *line, byte *place, word size, word version) {
  cursor = find(line, "map=");
  if (!cursor) return place;
  do {
    const char *first = cursor;
    number count = read(10);
    if (!has('*')) cursor = first, count = 1;
    number start = read(16), length = 0, stride = 0;
    if (has('+')) length = read(16);
    if (has('/')) stride = read(16);
    word type = has(':') ? (word)read(16) : 1;
    for (; count > 0; count--, start += stride) {
      if (version == 1) set(place, size), place += 4;
      place = entry(place, size, start, length, type);
    }
  } while (has(','));
  return place;
}

static void copy(byte *to, const byte *from, word count) {
  while (count--) *to++ = *from++;
}

// Loads the segments of the image. Returns its entry.
static word load_image(const byte *image) {
  const byte *segment = image + *(word *)(image + 28);
  for (half left = *(half *)(image + 44); left > 0; left--, segment += *(half *)(image + 42)) {
    if (*(word *)segment != 1) continue;
    byte *target = (byte *)*(word *)(segment + 12);
    word stored = *(word *)(segment + 16), whole = *(word *)(segment + 20);
    copy(target, image + *(word *)(segment + 4), stored);
    for (word i = stored; i < whole; i++) target[i] = 0;
  }
  return *(word *)(image + 24);
}

// Returns the entry of the kernel, the address of its information, and the magic number.
word *load(byte *information) {
  static word result[3];
  const char *line = (const char *)*(word *)(information + 16);
  const byte *module = (byte *)**(word **)(information + 24);
  word version = 1, size = 20;
  if ((cursor = find(line, "version="))) version = (word)read(10);
  if ((cursor = find(line, "size="))) size = (word)read(10);
  if (version == 2 && size < 24) size = 24;

  byte *start = version == 1 ? ENTRIES : INFORMATION + 24;
  byte *end = entries(line, start, size, version);
  if (version == 1) {
    for (word i = 0; i < 120; i++) INFORMATION[i] = 0;
    set(INFORMATION, 1 << 6);
    set(INFORMATION + 44, (word)(end - start));
    set(INFORMATION + 48, (word)start);
  } else {
    set(INFORMATION + 8, 6);
    set(INFORMATION + 12, (word)(end - start) + 16);
    set(INFORMATION + 16, size);
    set(INFORMATION + 20, 0);
    while ((word)end % 8) *end++ = 0;
    set(end, 0);
    set(end + 4, 8);
    set(INFORMATION, (word)(end + 8 - INFORMATION));
    set(INFORMATION + 4, 0);
  }
  result[0] = load_image(module);
  result[1] = (word)INFORMATION;
  result[2] = version == 1 ? 0x2badb002 : 0x36d76289;
  return result;
}
