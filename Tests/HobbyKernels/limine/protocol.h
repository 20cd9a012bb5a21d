/* The part of the Limine boot protocol that this kernel uses, after its specification, PROTOCOL.md
 * of https://github.com/limine-bootloader/limine-protocol. A kernel that uses more of it includes
 * limine.h from there.
 *
 * The kernel asks: somewhere in its image are requests, which the loader finds by their numbers.
 * The loader answers: it stores the address of a response in each request that it knows. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

/** The loader searches from the start marker to the end marker, at multiples of 8 bytes. */
#define REQUESTS_START \
  { 0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316, 0x181e920a7852b9d9 }
#define REQUESTS_END { 0xadc0e0531bb10d03, 0x9572709f31764c62 }

/** The version of the protocol that the kernel expects. The loader sets the third number to zero if
 * it follows that version. */
#define BASE_REVISION(number) { 0xf9562b2d5c95a6c8, 0x6a7b384944536bdc, number }

#define REQUEST(first, second) { 0xc7b1dd30df4c8b88, 0x0a82e883a194f07b, first, second }
#define DIRECT_MAP_REQUEST REQUEST(0x48dcf1cb8ad2b852, 0x63984e959a98244b)
#define MEMORY_MAP_REQUEST REQUEST(0x67cf3d9d378a806f, 0xe304acdfc50c3c62)
#define IMAGE_REQUEST REQUEST(0x71ba76863cc55f63, 0xb2644a48c516a487)

struct request {
  uint64_t id[4];
  uint64_t revision;
  /** Stays null if the loader does not know the request. */
  void *response;
};

/** Where physical address 0 is mapped ("higher half direct map"). */
struct direct_map_response {
  uint64_t revision;
  uint64_t offset;
};

enum { USABLE = 0, RESERVED, ACPI, ACPI_NVS, BAD_MEMORY, RECLAIMABLE, IMAGE, FRAME_BUFFER };

struct memory_map_entry {
  uint64_t base;
  uint64_t length;
  uint64_t type;
};

struct memory_map_response {
  uint64_t revision;
  uint64_t entry_count;
  struct memory_map_entry **entries;
};

/** Where the kernel is ("executable address"). Its physical memory is contiguous. */
struct image_response {
  uint64_t revision;
  uint64_t physical_base;
  uint64_t virtual_base;
};

#endif
