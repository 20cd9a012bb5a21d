# From the boot loader to Swift: page tables, long mode, the upper half. Tessera turns on no-execute
# pages, write protection and global pages.

        .ifndef KERNEL                          # what swift-classes defines
        .set KERNEL, 0xffffffff80000000
        .endif

        .section .boot, "ax"
        .long 0x1badb002, 3, -(0x1badb002 + 3)  # a multiboot 1 header

        .code32
        .globl start
start:
        movl %eax, %edi                         # the arguments of kernel_main
        movl %ebx, %esi
        movl $0x20, %eax                        # CR4: PAE
        movl %eax, %cr4
        movl $root_table, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  # EFER: long mode
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000011, %eax                  # CR0: paging, protected mode
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

# The first 4 GiB in pages of 2 MiB: at their own addresses, and at 0xffff800000000000; the first
# two of them where the kernel is linked.
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
        lgdt segments_pointer                   # its address in the upper half
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movq $stack_top, %rsp
        xorl %ebp, %ebp
        call kernel_main                        # does not return
        ud2

# Vector 14. Only read_if_mapped may fault; it continues at read_failed.
        .globl page_fault
page_fault:
        pushq %rax
        leaq read_if_mapped(%rip), %rax
        cmpq %rax, 16(%rsp)                     # the return address, above RAX and the error code
        jne unexpected_page_fault
        leaq read_failed(%rip), %rax
        movq %rax, 16(%rsp)
        popq %rax
        addq $8, %rsp
        iretq

        .globl catch_page_faults
catch_page_faults:
        leaq page_fault(%rip), %rax
        leaq gates + 14 * 16(%rip), %rdx
        movw %ax, (%rdx)
        movw $0x08, 2(%rdx)                     # the code segment
        movw $0x8e00, 4(%rdx)                   # present, for the kernel, interrupts off
        shrq $16, %rax
        movw %ax, 6(%rdx)
        shrq $16, %rax
        movl %eax, 8(%rdx)
        lidt gates_pointer(%rip)
        ret

# bool read_if_mapped(uint64_t address, uint64_t *value)
        .globl read_if_mapped
read_if_mapped:
        movq (%rdi), %rax
        movq %rax, (%rsi)
        movl $1, %eax
        ret
read_failed:
        xorl %eax, %eax
        ret

# The functions that compilers call by name.
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
gates_pointer:
        .word 32 * 16 - 1
        .quad gates

        .bss
        .balign 16
gates:  .skip 32 * 16
        .skip 32768
stack_top:

        .section .note.GNU-stack, "", @progbits
