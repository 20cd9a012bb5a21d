#include "CTessera.h"

_Alignas(64) uint64_t hw_static_words[1536];
