# What the timer and a thread that gives up the processor run: save all registers on the stack of
# the thread that runs, let C choose the next one, and continue there.

        .macro ENTRY name, function
        .globl \name
\name:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rbx
        pushq %rbp
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        movq %rsp, %rdi                         # the stack pointer of this thread
        andq $-16, %rsp
        call \function
        movq %rax, %rsp                         # that of the next one
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rbp
        popq %rbx
        popq %rdx
        popq %rcx
        popq %rax
        iretq
        .endm

        .text
        ENTRY timer_entry, timer_interrupt
        ENTRY yield_entry, choose_thread

        .section .note.GNU-stack, "", @progbits
