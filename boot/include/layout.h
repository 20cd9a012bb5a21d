// Where the kernel is in memory: numbers that the assembly, the linker script and Swift share.
// linker/kernel.ld repeats the first, because a linker script includes no header, and checks it.
#pragma once

/// Where the image is linked: 2 GiB below the top, as the code model of the compiler wants it.
#define KERNEL_BASE 0xffffffff80000000

/// Where the window on physical memory starts, as an index of the root table: the first address of
/// the upper half.
#define WINDOW_ROOT_INDEX 256

/// How many tables of 2 MiB each map the image at KERNEL_BASE, counted from physical address 0.
#define KERNEL_PAGE_TABLES 4

/// The physical address of a symbol of the image.
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)
