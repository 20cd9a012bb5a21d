// The entry from exceptions and interrupts to Swift, and the return.
#include "layout.h"

// Each stub has 16 bytes, so that its address is computed from the vector.
        .section .text.interrupts, "ax", @progbits
        .balign 16
        .globl boot_interrupt_stubs
boot_interrupt_stubs:
.set vector, 0
.rept 256
        .balign 16
  // The processor pushes an error code for these (Intel SDM Vol. 3A, "Exception and Interrupt
  // Reference"; 29 and 30: AMD64 Architecture Programmer's Manual Vol. 2, "Error Codes").
.set pushes, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
  .if !(pushes || vector == 29 || vector == 30)
        pushq $0
  .endif
        pushq $vector
        jmp boot_interrupt
  .set vector, vector + 1
.endr

        .type boot_interrupt, @function
// Saves the registers as a boot_interrupt_frame, and passes its address to Swift, which may change
// it.
boot_interrupt:
        pushq %rax
        pushq %rbx
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %rbp
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        movq %rsp, %rdi
        movq %rsp, %rbx
        xorl %ebp, %ebp                         // the handler's chain of frames ends here
        andq $-16, %rsp
        call boot_handle_interrupt
        movq %rbx, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rbp
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rbx
        popq %rax
        addq $16, %rsp                          // the vector and the error code
        iretq
        .size boot_interrupt, . - boot_interrupt

// void boot_load_segments(const void *table, uint16_t limit, uint16_t task)
//
// Loads the GDT, code from selector 0x08, data from 0x10, and the task register.
        .section .text.boot_load_segments, "ax", @progbits
        .globl boot_load_segments
        .type boot_load_segments, @function
boot_load_segments:
        subq $24, %rsp
        movw %si, 6(%rsp)
        movq %rdi, 8(%rsp)
        lgdt 6(%rsp)
        addq $24, %rsp
        ltr %dx
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        popq %rax                               // a far return to the caller loads CS
        pushq $0x08
        pushq %rax
        lretq
        .size boot_load_segments, . - boot_load_segments

// void boot_load_interrupt_table(const void *table, uint16_t limit)
        .section .text.boot_load_interrupt_table, "ax", @progbits
        .globl boot_load_interrupt_table
        .type boot_load_interrupt_table, @function
boot_load_interrupt_table:
        subq $24, %rsp
        movw %si, 6(%rsp)
        movq %rdi, 8(%rsp)
        lidt 6(%rsp)
        addq $24, %rsp
        ret
        .size boot_load_interrupt_table, . - boot_load_interrupt_table

// The descriptor tables, which Swift fills in.
        .bss
        .balign 4096
        .globl boot_interrupt_table, boot_processor_records
boot_interrupt_table: .skip 256 * 16
// The record of each processor, with its GDT and its TSS, which is within one page, as the manual
// advises.
boot_processor_records: .skip PROCESSOR_COUNT * PROCESSOR_RECORD_SIZE

        .section .note.GNU-stack, "", @progbits
