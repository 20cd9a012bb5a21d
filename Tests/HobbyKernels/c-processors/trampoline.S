# What the processors but the first one run when they are started, all of them at once: from real
# mode to the upper half, where each takes a number and a stack, and calls further_processor.
#
# A processor starts in real mode at the first byte of a page below 1 MiB, whose number the startup
# interrupt tells. processors.c copies the code there.
        .set TRAMPOLINE, 0x8000                 # as in processors.h
        .set PROCESSORS, 4
        .set STACK, 32768

# The address of `symbol` in the copy.
#define AT(symbol) (symbol - trampoline + TRAMPOLINE)

        .section .rodata
        .balign 16
        .globl trampoline, trampoline_root, trampoline_end
        .code16
trampoline:
        cli
        xorw %ax, %ax
        movw %ax, %ds
        lgdtl AT(low_pointer)
        movl %cr0, %eax
        orl $1, %eax                            # CR0: protected mode
        movl %eax, %cr0
        ljmpl $0x18, $AT(protected)

        .code32
protected:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $0x20, %eax                        # CR4: PAE
        movl %eax, %cr4
        movl AT(trampoline_root), %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  # EFER: long mode, and the bit of entries by which
        rdmsr                                   # pages are not executable: Tessera's tables use it
        orl $0x900, %eax
        wrmsr
        movl $0x80000011, %eax                  # CR0: paging, and protected mode as before
        movl %eax, %cr0
        ljmpl $0x08, $AT(long_mode)

        .code64
long_mode:
        movabsq $upper_half, %rax
        jmp *%rax

        .balign 8
segments:                                       # marked as accessed, so that nothing is written
        .quad 0
        .quad 0x00af9b000000ffff                # 0x08: 64-bit code
        .quad 0x00cf93000000ffff                # 0x10: data
        .quad 0x00cf9b000000ffff                # 0x18: 32-bit code
low_pointer:
        .word 4 * 8 - 1
        .long AT(segments)
        .balign 4
trampoline_root:                                # of page tables that map the copy at its address
        .long 0
trampoline_end:

        .balign 8
segments_pointer:
        .word 4 * 8 - 1
        .quad segments

        .text
upper_half:
        lgdt segments_pointer                   # where it is once the lower half is for programs
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $1, %edi
        lock xaddl %edi, next_number
        cmpl $PROCESSORS, %edi
        jae too_many
        leaq 1(%rdi), %rsp
        imulq $STACK, %rsp
        addq $stacks, %rsp                      # the end of its stack
        movq arrival_roots(, %rdi, 8), %rax
        movq %rax, %cr3
        xorl %ebp, %ebp
        call further_processor                  # does not return
too_many:
        cli
        hlt
        jmp too_many

        .data
        .balign 4
next_number:
        .long 1

        .bss
        .balign 16
        .globl stacks
stacks: .skip PROCESSORS * STACK

        .section .note.GNU-stack, "", @progbits
