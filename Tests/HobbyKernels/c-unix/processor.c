/* What the processor needs for programs: segments, a task, gates and a timer. */
#include "kernel.h"

/* Segments ------------------------------------------------------------------------------------- */

/** The task: all that is left of it in 64-bit mode are stacks. */
static struct __attribute__((packed)) {
  uint32_t reserved;
  uint64_t kernel_stacks[3], also_reserved, other_stacks[7], reserved_too;
  uint16_t reserved_as_well, permissions;
} task = {.permissions = sizeof task};

static uint64_t segments[7] = {
    [KERNEL_CODE / 8] = 0x00af9b000000ffff,
    [KERNEL_DATA / 8] = 0x00cf93000000ffff,
    [USER_CODE / 8] = 0x00affb000000ffff,
    [USER_DATA / 8] = 0x00cff3000000ffff,
};

/** An entry of the interrupt descriptor table. */
static struct gate {
  uint16_t address_low, selector, type, address_middle;
  uint32_t address_high, zero;
} gates[256];

struct __attribute__((packed)) table {
  uint16_t limit;
  const void *base;
};

/** A kernel stack that overflows faults at its guard, and there is no stack to push that on: a
 * double fault follows, which has a stack of its own. */
static _Alignas(16) char double_fault_stack[4096];

void set_kernel_stack(uint64_t top) { task.kernel_stacks[0] = top; }

static void prepare_segments(void) {
  uint64_t base = (uint64_t)&task;
  segments[TASK / 8] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
                       (base >> 24 & 0xff) << 56;
  segments[TASK / 8 + 1] = base >> 32;
  task.other_stacks[0] = (uint64_t)(double_fault_stack + sizeof double_fault_stack);
  struct table table = {sizeof segments - 1, segments};
  __asm__ volatile("lgdt %0" : : "m"(table) : "memory");
  __asm__ volatile("ltr %w0" : : "r"(TASK));
}

static void prepare_gates(void) {
  extern char stubs[];
  for (uint64_t vector = 0; vector < 256; vector++) {
    uint64_t entry = (uint64_t)stubs + 16 * vector;
    uint16_t type = vector == SYSTEM_CALL ? 0xee00 : 0x8e00; /* for programs, or not */
    gates[vector] = (struct gate){
        .address_low = (uint16_t)entry,
        .selector = KERNEL_CODE,
        .type = (uint16_t)(type | (vector == DOUBLE_FAULT)), /* the first of the other stacks */
        .address_middle = (uint16_t)(entry >> 16),
        .address_high = (uint32_t)(entry >> 32),
    };
  }
  struct table table = {sizeof gates - 1, gates};
  __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

/** Has the kernel fault if it executes the memory of programs, or uses it by mistake. */
static void protect_from_programs(void) {
  uint32_t leaf = 7, features, subleaf = 0, data;
  __asm__ volatile("cpuid" : "+a"(leaf), "=b"(features), "+c"(subleaf), "=d"(data));
  uint64_t cr4;
  __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
  if (features & 1 << 7) cr4 |= 1 << 20;  /* SMEP */
  if (features & 1 << 20) cr4 |= 1 << 21; /* SMAP */
  __asm__ volatile("movq %0, %%cr4" : : "r"(cr4));
}

void prepare_processor(void) {
  prepare_segments();
  prepare_gates();
  protect_from_programs();
}

/* The timer: that of the local APIC, in the direct map of boot.S ------------------------------- */

enum { EOI = 0x0b0, SPURIOUS = 0x0f0, TIMER = 0x320, INITIAL_COUNT = 0x380, DIVIDER = 0x3e0 };
enum { PERIODIC = 1 << 17, SPURIOUS_VECTOR = 39 };

static void write_apic(uint64_t offset, uint32_t value) {
  *(volatile uint32_t *)(DIRECT_MAP + 0xfee00000 + offset) = value;
}

void start_timer(void) {
  /* The old interrupt controllers are silent. */
  __asm__ volatile("outb %b0, $0x21; outb %b0, $0xa1" : : "a"(0xff));
  write_apic(SPURIOUS, 0x100 | SPURIOUS_VECTOR);
  write_apic(DIVIDER, 0x0b); /* by one */
  write_apic(TIMER, TIMER_VECTOR | PERIODIC);
  write_apic(INITIAL_COUNT, 1000000);
}

void acknowledge_timer(void) { write_apic(EOI, 0); }
