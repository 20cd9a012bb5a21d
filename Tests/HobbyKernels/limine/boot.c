/* From the responses of the boot loader to a configuration of Tessera. */
#include "boot.h"

#include "protocol.h"

/* The loader finds the requests in the image and writes to them: they have to be in it though the
 * linker sees no use of some, and the compiler must not take their values for known. */
#define PLACED_IN(section_name) __attribute__((used, section(section_name))) static volatile

PLACED_IN(".requests.start") const uint64_t requests_start[4] = REQUESTS_START;
PLACED_IN(".requests.end") const uint64_t requests_end[2] = REQUESTS_END;

/* From revision 3 on, reserved memory is not in the direct map: Tessera has no use for it there.
 * With REVISION=99, no loader knows the revision. */
#ifndef REVISION
#define REVISION 3
#endif
PLACED_IN(".requests") uint64_t base_revision[3] = BASE_REVISION(REVISION);

/* With LOST_REQUESTS they are where the loader does not search, to see that the kernel notices. */
#ifdef LOST_REQUESTS
#define REQUESTS ".data"
#else
#define REQUESTS ".requests"
#endif
PLACED_IN(REQUESTS) struct request direct_map_request = {.id = DIRECT_MAP_REQUEST};
PLACED_IN(REQUESTS) struct request memory_map_request = {.id = MEMORY_MAP_REQUEST};
PLACED_IN(REQUESTS) struct request image_request = {.id = IMAGE_REQUEST};

enum { MAXIMUM = 256 };

/** Whether the direct map has memory of this type. Reserved memory at higher addresses is not. */
static bool is_mapped(uint64_t type) {
  return type == USABLE || type == RECLAIMABLE || type == IMAGE;
}

const char *read_boot_information(tessera_config *config) {
  /* Responses lie in memory that is freed later: everything is copied. */
  static tessera_region regions[MAXIMUM];
  const struct direct_map_response *direct_map = direct_map_request.response;
  const struct memory_map_response *map = memory_map_request.response;
  if (base_revision[2] != 0) return "the boot loader does not know this revision of the protocol";
  if (!direct_map) return "the boot loader did not say where memory is mapped";
  if (!map) return "the boot loader gave no memory map";
  if (!image_request.response) return "the boot loader did not say where the kernel is";
  if (map->entry_count > MAXIMUM) return "the memory map has too many entries";

  config->direct_map = direct_map->offset;
  for (uint64_t i = 0; i < map->entry_count; i++) {
    const struct memory_map_entry *entry = map->entries[i];
    regions[i] = (tessera_region){
        .start = entry->base,
        .length = entry->length,
        .kind = tessera_kind_of_limine(entry->type),
    };
    if (is_mapped(entry->type)) config->direct_map_end = entry->base + entry->length;
  }
  config->regions = regions;
  config->region_count = map->entry_count;
  return NULL;
}

uint64_t loaded_at(const void *address) {
  const struct image_response *image = image_request.response;
  return (uint64_t)address - image->virtual_base + image->physical_base;
}
