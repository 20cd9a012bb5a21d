#include "kernel.h"

static void write_port(uint16_t port, uint8_t byte) {
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static uint8_t read_port(uint16_t port) {
  uint8_t byte;
  __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
  return byte;
}

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, MAY_WRITE = 0x20, ALL_SENT = 0x40 };

void print(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    while (!(read_port(LINE_STATUS) & MAY_WRITE)) {}
    write_port(COM1, (uint8_t)text[i]);
  }
}

void stop(int verdict) {
  if (verdict == PASSED) print("verdict: pass\n", 14);
  else print("verdict: fail\n", 14);
  while (!(read_port(LINE_STATUS) & ALL_SENT)) {}
  __asm__ volatile("outl %0, %1" : : "a"(verdict), "Nd"((uint16_t)0xf4));
  for (;;) __asm__ volatile("cli; hlt");
}

/* Required by boot.S of c-identity. */
unsigned long fault_address;
void unexpected_page_fault(void) { stop(CRASHED); }

void *memset(void *to, int byte, size_t count) {
  for (size_t i = 0; i < count; i++) ((uint8_t *)to)[i] = (uint8_t)byte;
  return to;
}

void *memcpy(void *to, const void *from, size_t count) {
  for (size_t i = 0; i < count; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, count);
  while (count-- > 0) ((uint8_t *)to)[count] = ((const uint8_t *)from)[count];
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left, *b = right;
  for (size_t i = 0; i < count; i++)
    if (a[i] != b[i]) return a[i] - b[i];
  return 0;
}
