# From the boot loader to C++: page tables, long mode, vector registers, the upper half.

        .set KERNEL, 0xffffffff80000000

        .section .boot, "ax"
        .long 0x1badb002, 3, -(0x1badb002 + 3)  # a multiboot 1 header

        .code32
        .globl start
start:
        movl %eax, %edi                         # the arguments of kernel_main
        movl %ebx, %esi
        movl $0x620, %eax                       # CR4: PAE, OSFXSR, OSXMMEXCPT
        movl %eax, %cr4
        movl $root_table, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  # EFER: long mode
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000013, %eax                  # CR0: paging, MP, and protected mode as before
        movl %eax, %cr0
        lgdt low_segments_pointer
        ljmp $0x08, $long_mode

        .code64
long_mode:
        movabsq $higher_half, %rax
        jmp *%rax

        .balign 8
low_segments_pointer:
        .word 3 * 8 - 1
        .long segments - KERNEL

# Maps the first 4 GiB in pages of 2 MiB: identity mapped, and at 0xffff800000000000; the first two
# of them where the kernel is linked.
        .balign 4096
root_table:
        .quad gibibytes + 3
        .fill 255, 8, 0
        .quad gibibytes + 3
        .fill 254, 8, 0
        .quad last_gibibytes + 3
gibibytes:
        .quad pages + 3, pages + 0x1003, pages + 0x2003, pages + 0x3003
        .fill 508, 8, 0
last_gibibytes:
        .fill 510, 8, 0
        .quad pages + 3, pages + 0x1003
pages:
        .set address, 0
        .rept 4 * 512
        .quad address + 0x83
        .set address, address + 0x200000
        .endr

        .text
higher_half:
        lgdt segments_pointer                   # where it is once the lower half is for programs
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movq $stack_top, %rsp
        xorl %ebp, %ebp
        call kernel_main                        # does not return
        ud2

# Vector 14. Only read_if_mapped may fault; it resumes at its failure path.
        .globl page_fault
page_fault:
        pushq %rax
        leaq read_if_mapped(%rip), %rax
        cmpq %rax, 16(%rsp)                     # where it was, above RAX and the error code
        jne unexpected_page_fault
        leaq read_failed(%rip), %rax
        movq %rax, 16(%rsp)
        popq %rax
        addq $8, %rsp
        iretq

# bool read_if_mapped(const volatile void *address, uint64_t *value)
        .globl read_if_mapped
read_if_mapped:
        movq (%rdi), %rax
        movq %rax, (%rsi)
        movl $1, %eax
        ret
read_failed:
        xorl %eax, %eax
        ret

# Functions that compilers call.
        .globl memcpy, memmove, memset, memcmp
memmove:
        movq %rdi, %rax
        subq %rsi, %rax
        cmpq %rdx, %rax
        jb 1f
memcpy: movq %rdi, %rax
        movq %rdx, %rcx
        rep movsb
        ret
1:      movq %rdi, %rax                         # they overlap: the last byte goes first
        movq %rdx, %rcx
        leaq -1(%rdi, %rcx), %rdi
        leaq -1(%rsi, %rcx), %rsi
        std
        rep movsb
        cld
        ret
memset: movq %rdi, %r8
        movl %esi, %eax
        movq %rdx, %rcx
        rep stosb
        movq %r8, %rax
        ret
memcmp: xorl %eax, %eax
        movq %rdx, %rcx
        cmpq %rcx, %rcx                         # equal, should there be no byte
        repe cmpsb
        je 1f
        movzbl -1(%rdi), %eax
        movzbl -1(%rsi), %ecx
        subl %ecx, %eax
1:      ret

        .section .rodata
        .balign 8
segments:
        .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
segments_pointer:
        .word 3 * 8 - 1
        .quad segments

        .bss
        .balign 16
        .skip 32768
stack_top:

        .section .note.GNU-stack, "", @progbits
