// The entry from exceptions and interrupts to Swift, and the return.
#include "layout.h"

#define RSP0 PROCESSOR_TASK_STATE + 4           // in the record of the processor, at its GS
#define FRAME_WORDS 22                          // of a boot_interrupt_frame
#define FRAME_CS 144                            // the offset of its code selector
#define GS_BASE 0xc0000101
#define FLAGS_DF_AC 0x40400

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
  // These can interrupt the kernel while its GS is that of a program: debug, NMI, double fault and
  // machine check.
  .if vector == 1 || vector == 2 || vector == 8 || vector == 18
        jmp boot_interrupt_anywhere
  .else
        jmp boot_interrupt
  .endif
  .set vector, vector + 1
.endr

.macro SAVE_REGISTERS
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
.endm

// Returns to what a boot_interrupt_frame on the stack says.
.macro RETURN_TO_FRAME
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
.endm

// Saves the registers as a boot_interrupt_frame, and passes its address to Swift, which may change
// it.
//
// GS is the kernel's afterwards: from ring 3 it is exchanged (Intel SDM Vol. 2B, "SWAPGS"), and
// %r12d tells if it has to be exchanged again.
        .type boot_interrupt, @function
boot_interrupt:
        SAVE_REGISTERS
        xorl %r12d, %r12d
        testb $3, FRAME_CS(%rsp)
        jz boot_call_handler
        swapgs
        incl %r12d
        jmp boot_call_handler
        .size boot_interrupt, . - boot_interrupt

// As boot_interrupt, also between an exchange of GS and ring 3, where the code selector does not
// tell whose GS it is. The kernel's begins in the upper half, and a program's never does.
        .type boot_interrupt_anywhere, @function
boot_interrupt_anywhere:
        SAVE_REGISTERS
        xorl %r12d, %r12d
        movl $GS_BASE, %ecx
        rdmsr
        testl %edx, %edx
        js boot_call_handler
        swapgs
        incl %r12d
        .size boot_interrupt_anywhere, . - boot_interrupt_anywhere

        .type boot_call_handler, @function
boot_call_handler:
        // A program may have set the direction flag, and AC, which would turn SMAP off. CLAC does
        // not exist on every processor.
        pushfq
        andl $~FLAGS_DF_AC, (%rsp)
        popfq
        movq %rsp, %rdi
        movq %rsp, %rbx
        xorl %ebp, %ebp                         // the handler's chain of frames ends here
        andq $-16, %rsp
        call boot_handle_interrupt
        testb %al, %al
        jnz boot_leave_program
        movq %rbx, %rsp
        testl %r12d, %r12d
        jz 1f
        swapgs
1:      RETURN_TO_FRAME
        .size boot_call_handler, . - boot_call_handler

// void boot_run_program(boot_interrupt_frame *registers)
//
// Enters ring 3 with these registers. Returns when the handler says that the program will be left,
// whose registers it has saved. The stack in use is also that of the handler.
        .globl boot_run_program
        .type boot_run_program, @function
boot_run_program:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushfq
        cli
        movq %rsp, %gs:RSP0
        subq $FRAME_WORDS * 8, %rsp
        movq %rdi, %rsi
        movq %rsp, %rdi
        movl $FRAME_WORDS, %ecx
        rep movsq
        // The program's selectors of data are null. Some processors clear the base of GS with its
        // selector, so GS is the program's by then.
        xorl %eax, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %fs
        swapgs
        movl %eax, %gs
        RETURN_TO_FRAME
        .size boot_run_program, . - boot_run_program

// Returns from boot_run_program, of which the handler's stack frame lies on top.
        .type boot_leave_program, @function
boot_leave_program:
        movq %gs:RSP0, %rsp
        popfq
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret
        .size boot_leave_program, . - boot_leave_program

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
