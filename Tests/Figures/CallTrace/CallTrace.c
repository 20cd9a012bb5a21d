#define _GNU_SOURCE
#include "CallTrace.h"

#include <dlfcn.h>
#include <execinfo.h>

#define MOST_CALLS 200

size_t call_trace(uint64_t *addresses, size_t count) {
  void *returns[MOST_CALLS];
  size_t found = (size_t)backtrace(returns, MOST_CALLS), kept = 0;
  Dl_info here, there;
  dladdr((void *)call_trace, &here);
  for (size_t i = 0; i < found && kept < count; i += 1) {
    if (dladdr(returns[i], &there) == 0 || there.dli_fbase != here.dli_fbase) continue;
    // The call precedes the address that it returns to.
    addresses[kept++] = (uint64_t)((char *)returns[i] - 1 - (char *)here.dli_fbase);
  }
  return kept;
}
