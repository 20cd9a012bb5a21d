// The kernel's place in memory: numbers that the assembly, the linker script and Swift share.
// linker/kernel.ld repeats the first, because a linker script includes no header, and checks it.
#pragma once

/// The address that the image is linked at: 2 GiB below the top, as the code model requires.
#define KERNEL_BASE 0xffffffff80000000

/// The index of the root entry for the boot code's direct map: the first of the upper half.
#define DIRECT_MAP_ROOT_INDEX 256

/// The number of page tables, of 2 MiB each, that map the image at KERNEL_BASE, counted from
/// physical address 0.
#define KERNEL_PAGE_TABLES 4

/// The size of the stack that the kernel runs on. Code that is not optimised needs more: it builds
/// the initial value of a large variable on the stack, several times over.
#ifndef KERNEL_STACK_SIZE
#define KERNEL_STACK_SIZE 65536
#endif

/// The most processors there can be, and the bytes of the record of each, which Swift lays out.
#define PROCESSOR_COUNT 64
#define PROCESSOR_RECORD_SIZE 512

/// The offset of the TSS in a record. Its second word, which is not aligned, is the stack that the
/// processor switches to when it leaves ring 3.
#define PROCESSOR_TASK_STATE 320

/// The selectors of a user program, with the privilege level 3.
#define USER_DATA_SELECTOR 0x2b
#define USER_CODE_SELECTOR 0x33

/// The physical address of a symbol of the image.
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)
