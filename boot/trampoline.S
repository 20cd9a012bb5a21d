// The first instructions of a further processor, from real mode to the kernel's half.
//
// Intel SDM Vol. 3A, "MP Initialization Protocol Algorithm for MP Systems": the processor starts in
// real mode at the first byte of a page below 1 MiB, whose number the startup interrupt tells. The
// kernel copies this code there; nothing in it depends on which page that is. One processor at a
// time runs it.
#include "layout.h"

#define OFFSET(symbol) ((symbol) - boot_trampoline)

        .section .rodata.trampoline, "a", @progbits
        .balign 16
        .globl boot_trampoline, boot_trampoline_arguments, boot_trampoline_end
        .code16
boot_trampoline:
        cli
        cld
        xorl %ebx, %ebx
        movw %cs, %bx
        movw %bx, %ds
        shll $4, %ebx                           // the page's address, until the jump to Swift
        movl %ebx, %eax
        addl $OFFSET(trampoline_segments), %eax
        movl %eax, OFFSET(trampoline_segments_pointer) + 2
        lgdtl OFFSET(trampoline_segments_pointer)
        movl %ebx, %eax
        addl $OFFSET(trampoline_protected), %eax
        movl %eax, OFFSET(trampoline_target)
        movw $0x18, OFFSET(trampoline_target) + 4
        movl %cr0, %eax
        orl $1, %eax                            // PE
        movl %eax, %cr0
        ljmpl *OFFSET(trampoline_target)

        .code32
trampoline_protected:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        // Long mode, as for the first processor in boot.S: with as many levels of page tables.
        movl OFFSET(trampoline_cr4)(%ebx), %eax
        movl %eax, %cr4
        movl OFFSET(trampoline_cr3)(%ebx), %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  // EFER
        rdmsr
        orl $0x900, %eax                        // NXE, LME
        wrmsr
        movl $0x80000035, %eax                  // PG, NE, ET, EM, PE
        movl %eax, %cr0
        movl %ebx, %eax
        addl $OFFSET(trampoline_long), %eax
        movl %eax, OFFSET(trampoline_target)(%ebx)
        movw $0x08, OFFSET(trampoline_target) + 4(%ebx)
        ljmpl *OFFSET(trampoline_target)(%ebx)

        .code64
trampoline_long:
        movl %ebx, %ebx                         // the upper half is undefined after the switch
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        // Takes the stack. A processor that was given up, and starts all the same, finds none.
        xchgq %rax, OFFSET(trampoline_stack)(%rbx)
        testq %rax, %rax
        jz 1f
        movq %rax, %rsp
        movq OFFSET(trampoline_number)(%rbx), %rdi
        xorl %ebp, %ebp                         // the end of every chain of frame pointers
        movabsq $boot_further_processor, %rax
        call *%rax
        ud2                                     // it does not return
1:      cli
        hlt
        jmp 1b

        .balign 8
trampoline_segments:                            // accessed bits set: loading writes nothing
        .quad 0
        .quad 0x00af9b000000ffff                // 0x08: 64-bit code
        .quad 0x00cf93000000ffff                // 0x10: data
        .quad 0x00cf9b000000ffff                // 0x18: 32-bit code
trampoline_segments_pointer:
        .word . - trampoline_segments - 1
        .long 0
        .balign 8
trampoline_target:
        .long 0
        .word 0

        .balign 8
boot_trampoline_arguments:                      // in the order in which Swift writes them
trampoline_stack:  .quad 0
trampoline_number: .quad 0
trampoline_cr3:    .quad 0
trampoline_cr4:    .quad 0
boot_trampoline_end:

// The page tables of the trampoline: a root, and up to three tables that map the page at its own
// address.
        .bss
        .balign 4096
        .globl boot_trampoline_tables
boot_trampoline_tables: .skip 4096 * 4

        .section .note.GNU-stack, "", @progbits
