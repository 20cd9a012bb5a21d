# From the boot loader to C: page tables, long mode, and the upper half of the address space.
#
# A multiboot 1 loader leaves 32-bit protected mode without paging, and interrupts off. The sections
# .boot are linked where they are loaded, at 1 MiB; everything else 2 GiB below the top.

        .set MAGIC, 0x1badb002
        .set FLAGS, 3                           # modules page-aligned; memory map wanted
        .set KERNEL, 0xffffffff80000000

        .section .boot, "ax"
        .long MAGIC, FLAGS, -(MAGIC + FLAGS)

        .code32
        .globl start
start:
        movl %eax, %edi                         # these two become arguments of kernel_main
        movl %ebx, %esi
#if LEVELS == 5
        movl $7, %eax
        xorl %ecx, %ecx
        cpuid
        testl $1 << 16, %ecx
        jz no_five_levels
        movl $0x1020, %eax                      # CR4: PAE, and LA57 for five levels
#else
        movl $0x20, %eax                        # CR4: PAE
#endif
        movl %eax, %cr4
        movl $root_table, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  # EFER: long mode
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000011, %eax                  # CR0: paging, and protected mode as before
        movl %eax, %cr0
        lgdt low_segments_pointer
        ljmp $0x08, $long_mode
no_five_levels:
        movl $0x11, %eax                        # for QEMU's exit device: FAILED
        outl %eax, $0xf4
        hlt

        .code64
long_mode:
        movabsq $higher_half, %rax
        jmp *%rax

        .balign 8
low_segments_pointer:
        .word 3 * 8 - 1
        .long segments - KERNEL

# Maps the first 4 GiB in pages of 2 MiB: identity mapped, for this code; at the start of the upper
# half, the direct map; and the first of them where the kernel is linked.
        .set PRESENT, 1
        .set WRITABLE, 2
        .set LARGE, 0x80
        .set LINK, PRESENT + WRITABLE

        .balign 4096
#if LEVELS == 5
root_table:
        .quad first_tebibytes + LINK
        .fill 255, 8, 0
        .quad first_tebibytes + LINK
        .fill 254, 8, 0
        .quad last_tebibytes + LINK
first_tebibytes:
        .quad first_gibibytes + LINK
        .fill 511, 8, 0
last_tebibytes:
        .fill 511, 8, 0
        .quad last_gibibytes + LINK
#else
root_table:
        .quad first_gibibytes + LINK
        .fill 255, 8, 0
        .quad first_gibibytes + LINK
        .fill 254, 8, 0
        .quad last_gibibytes + LINK
#endif
first_gibibytes:
        .quad pages + LINK, pages + 0x1000 + LINK, pages + 0x2000 + LINK, pages + 0x3000 + LINK
        .fill 508, 8, 0
last_gibibytes:
        .fill 510, 8, 0
        .quad pages + LINK
        .quad 0
pages:
        .set address, 0
        .rept 4 * 512
        .quad address + PRESENT + WRITABLE + LARGE
        .set address, address + 0x200000
        .endr

        .text
higher_half:
#ifndef LOW_SEGMENTS                            // or the next page fault would be a triple fault
        lgdt segments_pointer                   # where it is once the lower half is for programs
#endif
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movq $stack_top, %rsp
        xorl %ebp, %ebp
        call kernel_main                        # does not return
        ud2

# Vector 14. Saves the registers that C functions may change. page_fault reads and writes the frame
# that the processor pushed.
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
        leaq 9 * 8(%rsp), %rdi
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

# bool read_if_mapped(const uint64_t *address, uint64_t *value)
#
# If the first instruction faults, page_fault resumes at read_failed.
        .globl read_if_mapped, read_failed
read_if_mapped:
        movq (%rdi), %rax
        movq %rax, (%rsi)
        movl $1, %eax
        ret
read_failed:
        xorl %eax, %eax
        ret

# bool write_if_allowed(uint64_t *address, uint64_t value)
#
# If the first instruction faults, page_fault resumes at read_failed.
        .globl write_if_allowed
write_if_allowed:
        movq %rsi, (%rdi)
        movl $1, %eax
        ret

# bool call_if_allowed(const void *code): whether the code, which has to return at once, runs.
#
# If its first instruction cannot be fetched, page_fault resumes at call_failed.
        .globl call_if_allowed, call_returned, call_failed
call_if_allowed:
        subq $8, %rsp
        call *%rdi
call_returned:
        addq $8, %rsp
        movl $1, %eax
        ret
call_failed:
        addq $16, %rsp                          # the return address, and what was subtracted
        xorl %eax, %eax
        ret

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
