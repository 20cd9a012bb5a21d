#include "machine.h"

/* Ports --------------------------------------------------------------------------------------- */

static void write_port(uint16_t port, uint8_t byte) {
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static uint8_t read_port(uint16_t port) {
  uint8_t byte;
  __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
  return byte;
}

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, MAY_WRITE = 0x20, ALL_SENT = 0x40 };

void prepare_serial_port(void) {
  write_port(COM1 + 1, 0x00); /* no interrupts */
  write_port(COM1 + 3, 0x80); /* the next two are the divisor: 115200 baud */
  write_port(COM1 + 0, 0x01);
  write_port(COM1 + 1, 0x00);
  write_port(COM1 + 3, 0x03); /* 8 bits, no parity, 1 stop bit */
  write_port(COM1 + 2, 0xc7); /* queues on and empty */
}

void print_bytes(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    while (!(read_port(LINE_STATUS) & MAY_WRITE)) {}
    write_port(COM1, (uint8_t)text[i]);
  }
}

void print(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  print_bytes(text, length);
}

void print_count(uint64_t count, const char *what) {
  char digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + count % 10);
    count /= 10;
  } while (count > 0);
  print_bytes(digits + first, sizeof digits - first);
  print(what);
}

void power_off(enum verdict verdict) {
  while (!(read_port(LINE_STATUS) & ALL_SENT)) {}
  __asm__ volatile("outl %0, %1" : : "a"((uint32_t)verdict), "Nd"((uint16_t)0xf4));
  for (;;) __asm__ volatile("cli; hlt");
}

/* Page faults --------------------------------------------------------------------------------- */

/* The frame that the processor pushes. */
struct interrupted {
  uint64_t error_code, rip, cs, rflags, rsp, ss;
};

/* An entry of the interrupt descriptor table. */
struct gate {
  uint16_t address_low, selector, type, address_middle;
  uint32_t address_high, zero;
};

static struct gate gates[64];
uint64_t fault_address;

void page_fault_entry(void);
void read_failed(void);
void call_returned(void);
void call_failed(void);

void page_fault(struct interrupted *interrupted) {
  __asm__ volatile("movq %%cr2, %0" : "=r"(fault_address));
  enum { FETCH = 1 << 4 };
  if (interrupted->error_code & FETCH &&
      *(uint64_t *)interrupted->rsp == (uint64_t)call_returned) {
    interrupted->rip = (uint64_t)call_failed;
  } else if (interrupted->rip == (uint64_t)read_if_mapped ||
             interrupted->rip == (uint64_t)write_if_allowed) {
    interrupted->rip = (uint64_t)read_failed;
  } else {
    print("verdict: crashed, by an unexpected page fault\n");
    power_off(CRASHED);
  }
}

void set_gate(int vector, void (*function)(void)) {
  uint64_t entry = (uint64_t)function;
  gates[vector] = (struct gate){
      .address_low = (uint16_t)entry,
      .selector = 0x08,
      .type = 0x8e00, /* present, for the kernel, interrupts off */
      .address_middle = (uint16_t)(entry >> 16),
      .address_high = (uint32_t)(entry >> 32),
  };
}

void prepare_page_faults(void) {
  set_gate(14, page_fault_entry);
  struct __attribute__((packed)) { uint16_t limit; const void *base; } table = {
      sizeof gates - 1, gates};
  __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

/* Functions that compilers call --------------------------------------------------------------- */

void *memcpy(void *to, const void *from, size_t count) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
  return result;
}

void *memset(void *to, int byte, size_t count) {
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(byte) : "memory");
  return result;
}

void *memmove(void *to, const void *from, size_t count) {
  if ((uint64_t)to - (uint64_t)from >= count) return memcpy(to, from, count);
  char *last_to = (char *)to + count - 1;
  const char *last_from = (const char *)from + count - 1;
  __asm__ volatile("std; rep movsb; cld"
                   : "+D"(last_to), "+S"(last_from), "+c"(count) : : "memory");
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const unsigned char *l = left, *r = right;
  for (size_t i = 0; i < count; i++) {
    if (l[i] != r[i]) return l[i] - r[i];
  }
  return 0;
}
