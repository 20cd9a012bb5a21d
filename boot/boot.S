// From the boot loader to Swift: 32-bit entry, early page tables, long mode, the kernel's half.
//
// The loader leaves 32-bit protected mode without paging, flat segments and interrupts off
// (Multiboot Specification, "Machine state"; Multiboot2, "I386 machine state"). Sections called
// .boot.* are linked where they are loaded; everything else is linked at -2 GiB.
#include "layout.h"

#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00000003             // modules page-aligned, memory information wanted
#define MULTIBOOT2_MAGIC 0xe85250d6

#define ENTRY_PRESENT 0x001
#define ENTRY_WRITABLE 0x002
#define ENTRY_LARGE 0x080
#define ENTRY_GLOBAL 0x100
#define ENTRY_NO_EXECUTE_HIGH 0x80000000        // bit 63, in the upper half of an entry

#define CR4_PAE 0x0020
#define CR4_LA57 0x1000

#define SERIAL_PORT 0x3f8
#define EXIT_PORT 0xf4
#define EXIT_CANNOT_START 0x13

        .section .boot.header, "a", @progbits
        .balign 8
        .globl boot_multiboot2_header
boot_multiboot2_header:
        .long MULTIBOOT2_MAGIC, 0, boot_multiboot2_end - boot_multiboot2_header
        .long -(MULTIBOOT2_MAGIC + (boot_multiboot2_end - boot_multiboot2_header))
        .balign 8
1:      .short 1, 0                             // information request:
        .long 2f - 1b
        .long 6                                 //   the memory map
2:      .balign 8
        .short 6, 0                             // modules page-aligned
        .long 8
        .balign 8
        .short 0, 0                             // the end
        .long 8
boot_multiboot2_end:

        .balign 4
        .globl boot_multiboot1_header
boot_multiboot1_header:
        .long MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)

        .section .boot.text, "ax", @progbits
        .code32
        .globl boot_start
        .type boot_start, @function
// eax: the loader's magic number; ebx: the physical address of its information.
boot_start:
        cli
        cld
        movl $PHYSICAL(kernel_stack_top), %esp
        pushl %eax
        pushl %ebx
        pushl $0
        popfl
        call boot_prepare_serial
        movl $boot_text_booting, %esi
        call boot_print
        call boot_check_processor
        call boot_choose_levels
        call boot_fill_tables

        popl %esi                               // these two become kernel_main's arguments
        popl %edi

        // Long mode (Intel SDM Vol. 3A, "Initializing IA-32e Mode"): PAE is on, the root, EFER.LME,
        // then paging. EFER.NXE comes with it, because the tables use the bit.
        movl $boot_root_table, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx                  // EFER
        rdmsr
        orl $0x900, %eax                        // NXE, LME
        wrmsr
        // EM makes x87 instructions fault: their registers are not saved, so a kernel must not
        // contain one. Vector instructions fault already, since CR4.OSFXSR stays clear. Boot.start
        // turns on WP, for the kernel's own tables.
        movl $0x80000035, %eax                  // PG, NE, ET, EM, PE
        movl %eax, %cr0
        lgdt boot_segments_pointer
        ljmp $0x08, $boot_long_mode
        .size boot_start, . - boot_start

// Prints the message at esi, and ends.
        .type boot_fail, @function
boot_fail:
        call boot_print
        movl $100000, %ecx
        movw $SERIAL_PORT + 5, %dx
1:      inb %dx, %al
        testb $0x40, %al                        // the transmitter is empty
        jnz 2f
        decl %ecx
        jnz 1b
2:      movw $EXIT_PORT, %dx
        movl $EXIT_CANNOT_START, %eax
        outl %eax, %dx
3:      cli                                     // no exit device: a real machine stays here
        hlt
        jmp 3b
        .size boot_fail, . - boot_fail

// 115200 baud, 8 bits, no parity, 1 stop bit, polled.
        .type boot_prepare_serial, @function
boot_prepare_serial:
        movl $boot_serial_settings, %esi
1:      lodsw                                   // al: register; ah: value
        cmpb $0xff, %al
        je 2f
        movzbl %al, %edx
        addl $SERIAL_PORT, %edx
        movb %ah, %al
        outb %al, %dx
        jmp 1b
2:      ret
        .size boot_prepare_serial, . - boot_prepare_serial

// Prints the text at esi, up to a zero byte. Waits a limited time for the port before each byte.
        .type boot_print, @function
boot_print:
        lodsb
        testb %al, %al
        jz 3f
        movb %al, %ah
        movl $100000, %ecx
        movw $SERIAL_PORT + 5, %dx
1:      inb %dx, %al
        testb $0x20, %al                        // the holding register is empty
        jnz 2f
        decl %ecx
        jnz 1b
2:      movb %ah, %al
        movw $SERIAL_PORT, %dx
        outb %al, %dx
        jmp boot_print
3:      ret
        .size boot_print, . - boot_print

// Fails on a processor without CPUID, long mode or NX.
        .type boot_check_processor, @function
boot_check_processor:
        pushfl                                  // EFLAGS.ID can be flipped where CPUID exists
        popl %eax
        movl %eax, %ecx
        xorl $0x200000, %eax
        pushl %eax
        popfl
        pushfl
        popl %eax
        pushl %ecx
        popfl
        movl $boot_text_no_cpuid, %esi
        xorl %ecx, %eax
        testl $0x200000, %eax
        jz boot_fail

        movl $boot_text_no_long_mode, %esi
        movl $0x80000000, %eax
        cpuid
        cmpl $0x80000001, %eax
        jb boot_fail
        movl $0x80000001, %eax
        cpuid
        testl $1 << 29, %edx
        jz boot_fail
        movl $boot_text_no_nx, %esi
        testl $1 << 20, %edx
        jz boot_fail
        ret
        .size boot_check_processor, . - boot_check_processor

// Turns on PAE, and LA57 if the processor has it. CR4 tells all later code how many levels of page
// tables there are.
        .type boot_choose_levels, @function
boot_choose_levels:
        movl $CR4_PAE, %ebp
        xorl %eax, %eax
        cpuid
        cmpl $7, %eax                           // the last leaf there is
        jb 1f
        movl $7, %eax
        xorl %ecx, %ecx
        cpuid
        testl $1 << 16, %ecx
        jz 1f
        orl $CR4_LA57, %ebp
1:      movl %ebp, %cr4
        ret
        .size boot_choose_levels, . - boot_choose_levels

// Fills in the page tables that the kernel starts on. The first 4 GiB are mapped twice by 2 MiB
// pages: at their physical addresses, until the kernel runs in the upper half, and at the start of
// the upper half, not executable. The image is mapped again at -2 GiB by 4 KiB pages with the
// access rights of each part, and with an absent page below each stack.
        .type boot_fill_tables, @function
boot_fill_tables:
        movl $boot_tables, %edi
        movl $(boot_tables_end - boot_tables) / 4, %ecx
        xorl %eax, %eax
        rep stosl

        xorl %ecx, %ecx
        movl $ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_LARGE, %eax
1:      movl %eax, boot_direct_directories(, %ecx, 8)
        addl $0x200000, %eax
        incl %ecx
        cmpl $2048, %ecx
        jne 1b

.macro LINK entry, table, high=0
        movl $\table + ENTRY_PRESENT + ENTRY_WRITABLE, \entry
  .if \high
        movl $\high, \entry + 4
  .endif
.endm
        LINK boot_direct_table + 0 * 8, boot_direct_directories + 0x0000
        LINK boot_direct_table + 1 * 8, boot_direct_directories + 0x1000
        LINK boot_direct_table + 2 * 8, boot_direct_directories + 0x2000
        LINK boot_direct_table + 3 * 8, boot_direct_directories + 0x3000
        LINK boot_kernel_table + 510 * 8, boot_kernel_directory
        LINK boot_kernel_directory + 0 * 8, boot_kernel_pages + 0x0000
        LINK boot_kernel_directory + 1 * 8, boot_kernel_pages + 0x1000
        LINK boot_kernel_directory + 2 * 8, boot_kernel_pages + 0x2000
        LINK boot_kernel_directory + 3 * 8, boot_kernel_pages + 0x3000

        movl %cr4, %eax
        testl $CR4_LA57, %eax
        jnz 2f
        LINK boot_root_table, boot_direct_table
        LINK boot_root_table + DIRECT_MAP_ROOT_INDEX * 8, boot_direct_table, ENTRY_NO_EXECUTE_HIGH
        LINK boot_root_table + 511 * 8, boot_kernel_table
        jmp 3f
2:      LINK boot_root_table, boot_low_table
        LINK boot_root_table + DIRECT_MAP_ROOT_INDEX * 8, boot_low_table, ENTRY_NO_EXECUTE_HIGH
        LINK boot_root_table + 511 * 8, boot_high_table
        LINK boot_low_table, boot_direct_table
        LINK boot_high_table + 511 * 8, boot_kernel_table
3:
.macro MAP_IMAGE start, end, low, high
        movl $PHYSICAL(\start), %eax
        movl $PHYSICAL(\end), %edx
        movl $\high, %ecx
        movl $ENTRY_PRESENT | ENTRY_GLOBAL | \low, %edi
        call boot_map_image
.endm
        MAP_IMAGE kernel_text_start, kernel_text_end, 0, 0
        MAP_IMAGE kernel_rodata_start, kernel_rodata_end, 0, ENTRY_NO_EXECUTE_HIGH
        MAP_IMAGE kernel_data_start, kernel_end, ENTRY_WRITABLE, ENTRY_NO_EXECUTE_HIGH

.macro UNMAP_GUARD name
        movl $PHYSICAL(\name\()_guard), %eax
        shrl $9, %eax                           // the frame number, times 8 bytes an entry
        movl $0, boot_kernel_pages(%eax)
        movl $0, boot_kernel_pages + 4(%eax)
.endm
        UNMAP_GUARD kernel_stack
        UNMAP_GUARD double_fault_stack
        UNMAP_GUARD nmi_stack
        UNMAP_GUARD machine_check_stack
        ret
        .size boot_fill_tables, . - boot_fill_tables

// Maps the frames from eax up to edx at -2 GiB. edi and ecx are the lower and the upper half of the
// entries' flags.
        .type boot_map_image, @function
boot_map_image:
        cmpl %edx, %eax
        jae 1f
        movl %eax, %ebx
        shrl $9, %ebx
        leal (%eax, %edi), %ebp
        movl %ebp, boot_kernel_pages(%ebx)
        movl %ecx, boot_kernel_pages + 4(%ebx)
        addl $0x1000, %eax
        jmp boot_map_image
1:      ret
        .size boot_map_image, . - boot_map_image

        .code64
        .type boot_long_mode, @function
boot_long_mode:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movabsq $boot_high_half, %rax
        jmp *%rax
        .size boot_long_mode, . - boot_long_mode

        .section .boot.rodata, "a", @progbits
        .balign 8
boot_segments:                                  // accessed bits set: loading writes nothing
        .quad 0
        .quad 0x00af9b000000ffff                // 0x08: 64-bit code
        .quad 0x00cf93000000ffff                // 0x10: data
boot_segments_pointer:
        .word . - boot_segments - 1
        .long boot_segments, 0
boot_serial_settings:                           // register, value
        .byte 1, 0x00                           // no interrupts
        .byte 3, 0x80                           // select the divisor registers
        .byte 0, 0x01                           // 115200 baud
        .byte 1, 0x00
        .byte 3, 0x03                           // 8 bits, no parity, 1 stop bit
        .byte 2, 0xc7                           // FIFOs on and cleared
        .byte 4, 0x03                           // ready to send
        .byte 0xff, 0
boot_text_booting:
        .asciz "tessera: booting\n"
boot_text_no_cpuid:
        .ascii "tessera: cannot start: this processor has no CPUID instruction; "
        .asciz "a 64-bit x86 processor is required\n"
boot_text_no_long_mode:
        .ascii "tessera: cannot start: this processor has no long mode (64-bit); "
        .asciz "in QEMU, use -cpu max\n"
boot_text_no_nx:
        .ascii "tessera: cannot start: this processor has no no-execute pages (NX); "
        .ascii "in QEMU, use -cpu max; on a real machine, look for "
        .asciz "\"execute disable\" in the firmware settings\n"

        .section .boot.bss, "aw", @nobits
        .balign 4096
boot_tables:
        .globl boot_root_table, boot_high_table
boot_root_table:         .skip 4096
boot_low_table:          .skip 4096             // of level 4, below a root of level 5
boot_direct_table:       .skip 4096
boot_direct_directories: .skip 4096 * 4
boot_high_table:         .skip 4096             // this and the next tables stay in use
boot_kernel_table:       .skip 4096
boot_kernel_directory:   .skip 4096
boot_kernel_pages:       .skip 4096 * KERNEL_PAGE_TABLES
boot_tables_end:

        .section .text.boot, "ax", @progbits
        .type boot_high_half, @function
boot_high_half:
        leaq kernel_stack_top(%rip), %rsp
        xorl %ebp, %ebp                         // the end of every chain of frame pointers
        movl %edi, %r8d
        movl %esi, %r9d
        // Unmaps the lower half, which is no longer used: a null pointer faults from here on.
        movl $boot_root_table, %eax
        movq $0, (%rax)
        movq %cr3, %rax
        movq %rax, %cr3
        leaq kernel_bss_start(%rip), %rdi       // some loaders do not clear it
        leaq kernel_bss_end(%rip), %rcx
        subq %rdi, %rcx
        xorl %eax, %eax
        rep stosb
        movl %r8d, %edi
        movl %r9d, %esi
        call kernel_main
        ud2                                     // kernel_main does not return
        .size boot_high_half, . - boot_high_half

// Stacks, each above a guard page, which is not mapped: a stack overflow is a page fault instead of
// a silent write to the memory below. Neither loaded nor cleared.
.macro STACK name, size
        .globl \name\()_guard, \name, \name\()_top
        .balign 4096
\name\()_guard:
        .skip 4096
        .type \name, @object
\name:  .skip \size
        .size \name, \size
\name\()_top:
.endm
        .section .stacks, "aw", @nobits
        STACK kernel_stack, KERNEL_STACK_SIZE
        STACK double_fault_stack, 16384
        STACK nmi_stack, 16384
        STACK machine_check_stack, 16384

        .section .note.GNU-stack, "", @progbits
