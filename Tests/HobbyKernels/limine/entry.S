# What C cannot say: where the kernel begins, and the entry of the page-fault handler.
#
# Limine starts the kernel in 64-bit mode, in the upper half, with interrupts off. Its stack and its
# GDT lie in memory that the kernel frees, so both are replaced first. Its IDT is undefined.

        .text
        .globl start
start:
        movq $stack_top, %rsp
        lgdt segments_pointer
        pushq $0x08
        pushq $1f
        lretq                                   # loads CS
1:      movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %ebp, %ebp
        call kernel_main                        # does not return
        ud2

# Vector 14. Saves the registers that C functions may change.
        .globl page_fault_entry
page_fault_entry:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        cld
        movq %cr2, %rdi                         # the address
        movq 9 * 8(%rsp), %rsi                  # the error code
        subq $8, %rsp                           # a multiple of 16, as C wants it
        call page_fault
        addq $8, %rsp
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rax
        addq $8, %rsp                           # the error code
        iretq

        .section .rodata
        .balign 8
segments:                                       # marked as accessed, so that nothing is written
        .quad 0
        .quad 0x00af9b000000ffff                # 0x08: 64-bit code
        .quad 0x00cf93000000ffff                # 0x10: data
segments_pointer:
        .word 3 * 8 - 1
        .quad segments

        .bss
        .balign 16
        .skip 32768
stack_top:

        .section .note.GNU-stack, "", @progbits
