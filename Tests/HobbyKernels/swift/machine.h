// What Kernel.swift uses of boot.S and kernel.ld.
#include <stdbool.h>
#include <stdint.h>

void catch_page_faults(void);
/// Reads the word at `address`, or returns false if that is a page fault.
bool read_if_mapped(uint64_t address, uint64_t *_Nonnull value);

extern char image_start[], image_end[];
static inline uint64_t first_byte_of_image(void) { return (uint64_t)image_start; }
static inline uint64_t end_of_image(void) { return (uint64_t)image_end; }
