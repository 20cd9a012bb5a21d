// What a kernel need not supply.
#include "tessera.h"

__attribute__((weak)) uint32_t tessera_host_processor_id(void) { return 0; }
