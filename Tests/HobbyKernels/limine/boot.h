#include <stdint.h>

#include "tessera.h"

/** Fills in what the boot loader knows: the memory map, and where memory is mapped. Returns null,
 * or what is missing. */
const char *read_boot_information(tessera_config *config);

/** Returns the physical address of a byte of the image, as the boot loader tells it. */
uint64_t loaded_at(const void *address);
