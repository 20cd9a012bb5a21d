// The calls in progress, which Swift cannot ask for.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Writes the addresses of up to `count` calls in progress, the innermost first, relative to the
/// start of this program, and returns their number. Calls from libraries are left out.
size_t call_trace(uint64_t *_Nonnull addresses, size_t count);
