// What a program must not do, each with the exception that ends it.
#include "program.h"

#define DIVIDE_ERROR 0
#define DEBUG 1
#define INVALID_OPCODE 6
#define DEVICE_NOT_AVAILABLE 7
#define GENERAL_PROTECTION 13
#define PAGE_FAULT 14

// FAULT(NUMBER, VECTOR, STATEMENT): a case of the switch below.
#define FAULT(number, vector, statement) \
  case number:                           \
    if (perform) statement;              \
    return vector;
#define INSTRUCTION(text) __asm__ volatile(text : : : "memory", "rax", "rcx", "rdx")

static void read(uint64_t address) { (void)*word(address); }
static void write(uint64_t address) { *word(address) = 1; }
static void execute(uint64_t address) { __asm__ volatile("call *%0" : : "r"(address) : "memory"); }

uint64_t fault(uint64_t kind, bool perform) {
  switch (kind) {
    FAULT(0, PAGE_FAULT, read(0))
    FAULT(1, PAGE_FAULT, read(HEAP(HEAP_PAGES)))
    FAULT(2, PAGE_FAULT, write(HEAP(HEAP_PAGES)))
    FAULT(3, PAGE_FAULT, execute(HEAP(HEAP_PAGES)))
    FAULT(4, PAGE_FAULT, read(0xffffffff80000000))
    FAULT(5, PAGE_FAULT, write(0xffffffff80000000))
    FAULT(6, PAGE_FAULT, execute(0xffffffff80000000))
    FAULT(7, PAGE_FAULT, write(PROGRAM_START))
    FAULT(8, PAGE_FAULT, execute(SHARED))
    FAULT(9, PAGE_FAULT, execute((uint64_t)&counts))
    FAULT(10, PAGE_FAULT, write(PROGRAM_STACK_END - PROGRAM_STACK_SIZE - 8))
    FAULT(11, GENERAL_PROTECTION, read(0x4000000000000000))
    FAULT(12, GENERAL_PROTECTION, INSTRUCTION("hlt"))
    FAULT(13, GENERAL_PROTECTION, INSTRUCTION("cli"))
    FAULT(14, GENERAL_PROTECTION, INSTRUCTION("movq %%cr3, %%rax"))
    FAULT(15, GENERAL_PROTECTION, INSTRUCTION("movl $0xc0000101, %%ecx; rdmsr"))
    FAULT(16, GENERAL_PROTECTION, INSTRUCTION("outb %%al, $0xf4"))
    FAULT(17, GENERAL_PROTECTION, INSTRUCTION("int $0x0e"))
    FAULT(18, GENERAL_PROTECTION, INSTRUCTION("int $0xf0"))
    FAULT(19, GENERAL_PROTECTION, INSTRUCTION("movl $0x10, %%eax; movl %%eax, %%ss"))
    FAULT(20, GENERAL_PROTECTION, INSTRUCTION("swapgs"))
    FAULT(21, INVALID_OPCODE, INSTRUCTION("ud2"))
    FAULT(22, INVALID_OPCODE, INSTRUCTION("syscall"))
    FAULT(23, DIVIDE_ERROR, INSTRUCTION("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx"))
    FAULT(24, DEBUG, INSTRUCTION("pushfq; orq $0x100, (%%rsp); popfq; nop; nop"))
    FAULT(25, DEVICE_NOT_AVAILABLE, INSTRUCTION(".byte 0xd9, 0xe8"))  // fld1
  default: return PROGRAM_FAILED;
  }
}
