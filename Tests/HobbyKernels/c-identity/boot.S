# From the boot loader to C, for a kernel that runs where it is loaded, with memory identity mapped.

        .text
        .balign 4
        .long 0x1badb002, 3, -(0x1badb002 + 3)  # a multiboot 1 header

        .code32
        .globl start
start:
        movl $stack_top, %esp
        movl %eax, %edi                         # the arguments of kernel_main
        movl %ebx, %esi

        # Maps the first 4 GiB in pages of 2 MiB: four contiguous tables of 512 entries.
        movl $directories, %edx
        movl $0x83, %eax                        # present, writable, large
        movl $2048, %ecx
1:      movl %eax, (%edx)
        addl $0x200000, %eax
        addl $8, %edx
        loop 1b
        movl $directories + 3, %eax
        movl %eax, pointers
        addl $0x1000, %eax
        movl %eax, pointers + 8
        addl $0x1000, %eax
        movl %eax, pointers + 16
        addl $0x1000, %eax
        movl %eax, pointers + 24
        movl $pointers + 3, %eax
        movl %eax, root

        movl $0x20, %eax                        # CR4: PAE
        movl %eax, %cr4
        movl $root, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  # EFER: long mode
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax                         # CR0: paging
        orl $0x80000000, %eax
        movl %eax, %cr0
        lgdt segments_pointer
        ljmp $0x08, $long_mode

        .code64
long_mode:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        call kernel_main
1:      cli
        hlt
        jmp 1b

# Vector 14. Only `peek`, `poke` and what `run` calls may fault; they resume at `faulted`, with
# nothing to restore. The stack has the error code and RIP above RAX.
        .globl page_fault
page_fault:
        pushq %rax
        testb $0x10, 8(%rsp)                    # an instruction was fetched
        jnz 1f
        leaq peek(%rip), %rax
        cmpq %rax, 16(%rsp)
        je 2f
        leaq poke(%rip), %rax
        cmpq %rax, 16(%rsp)
        je 2f
        jmp unexpected_page_fault
1:      addq $8, 40(%rsp)                       # RSP, where the call has left its return address
2:      leaq faulted(%rip), %rax
        movq %rax, 16(%rsp)
        movq %cr2, %rax
        movq %rax, fault_address
        popq %rax
        addq $8, %rsp
        iretq

# int peek(unsigned long address): returns 1 if the byte there can be read, 0 if that faults.
        .globl peek
peek:   movb (%rdi), %al
        movl $1, %eax
        ret

# int poke(unsigned long address): returns 1 if the byte there can be written with 0xc3.
        .globl poke
poke:   movb $0xc3, (%rdi)
        movl $1, %eax
        ret

# int run(unsigned long address): returns 1 if the instruction there, RET, can be executed.
        .globl run
run:    call *%rdi
        movl $1, %eax
        ret
faulted:
        xorl %eax, %eax
        ret

        .data
        .balign 8
segments:
        .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
segments_pointer:
        .word 23
        .quad segments

        .bss
        .balign 4096
root:        .skip 4096
pointers:    .skip 4096
directories: .skip 4096 * 4
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
