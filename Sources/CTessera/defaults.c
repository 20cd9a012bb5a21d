// Defaults of the functions that a kernel may omit.
#include "tessera.h"

__attribute__((weak)) uint32_t tessera_host_processor_id(void) { return 0; }
