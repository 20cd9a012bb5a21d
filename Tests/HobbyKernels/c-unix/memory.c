/* The memory of programs: page faults, the heap, and copies for system calls. */
#include "kernel.h"

/** No process has as many page faults. One that does faults at the same instruction for ever. */
enum { FAULT_LIMIT = 100000 };

uint64_t spurious_faults, takeovers, recoveries;

static void note_resolution(uint32_t supply) {
  switch (supply) {
    case TESSERA_SUPPLY_NOTHING: spurious_faults++; break;
    case TESSERA_SUPPLY_ZEROS: counts[ZEROS_READ]++; break;
    case TESSERA_SUPPLY_ZEROED_FRAME: counts[PAGES_ZEROED]++; break;
    case TESSERA_SUPPLY_COPY: counts[PAGES_COPIED]++; break;
    case TESSERA_SUPPLY_TAKEOVER: counts[PAGES_COPIED]++, takeovers++; break;
    default: fail("tessera_resolve_fault", "has written no supply");
  }
}

/** Loads the page of `address`, of the program with that number. */
static tessera_result load(uint64_t address, uint32_t number) {
  tessera_result result = load_page(current->space, address, number);
  if (result == TESSERA_ERROR_OUT_OF_FRAMES) return result;
  TRY(result);
  counts[PAGES_LOADED]++;
  return result;
}

void handle_page_fault(struct registers *registers) {
  tessera_fault fault = {
      .size = sizeof fault, .error_code = registers->error_code, .rflags = registers->rflags};
  __asm__ volatile("movq %%cr2, %0" : "=r"(fault.address));
  if (tessera_recover_fault(fault.address, fault.error_code, &registers->rip)) {
    recoveries++; /* a copy of a system call goes on, or ends before the page */
    return;
  }
  if (++current->page_faults > FAULT_LIMIT) fail("a process", "faults for ever");
  uint64_t status = FOR_MEMORY;
  tessera_resolution found;
  switch (tessera_resolve_fault(current->space, &fault, &found)) {
    case TESSERA_OK: note_resolution(found.supply); return;
    case TESSERA_ERROR_PENDING:
      if (load(fault.address, found.payload) == TESSERA_OK) return;
      break;
    case TESSERA_ERROR_OUT_OF_FRAMES: break;
    case TESSERA_ERROR_DENIED:
#ifdef IGNORES_DENIED
      return;
#endif
      status = BY_FAULT + (registers->error_code & 0x1f);
      break;
    default: fail("tessera_resolve_fault", "has an error that cannot be");
  }
  if (registers->cs != USER_CODE) fail("the kernel", "has a page fault of its own");
  counts[status == FOR_MEMORY ? ENDED_FOR_MEMORY : FAULTS_DENIED]++;
  end_process(status);
}

int64_t change_heap(int64_t length) {
  const uint64_t old_end = current->heap_end, new_end = old_end + (uint64_t)length;
  if (length % PAGE != 0) return WRONG_ARGUMENT;
  if (new_end < HEAP_START || new_end > HEAP_LIMIT) return WRONG_ARGUMENT;
  tessera_result result = TESSERA_OK;
  if (length > 0) {
    result = tessera_set_demand_zero(
        current->space, old_end, (uint64_t)length, TESSERA_READ | TESSERA_WRITE, NULL);
  } else if (length < 0) {
    result = tessera_unmap(current->space, new_end, (uint64_t)-length, NULL);
  }
  if (result != TESSERA_OK) return error_of(result);
  current->heap_end = new_end;
  return (int64_t)old_end;
}

/* Copies --------------------------------------------------------------------------------------- */

int64_t error_of(tessera_result result) {
  switch (result) {
    case TESSERA_OK: return 0;
    case TESSERA_ERROR_DENIED:
    case TESSERA_ERROR_NOT_ALIGNED: return BAD_ADDRESS;
    case TESSERA_ERROR_OUT_OF_FRAMES: return NO_MEMORY;
    case TESSERA_ERROR_TOO_LONG: return TOO_BIG;
    default: fail("a call for a program", tessera_strerror(result));
  }
}

#ifdef TRUSTS_POINTERS
/** A mistake: whatever a program passes is used, its own memory or the kernel's. */
static tessera_result copy(void *to, const void *from, uint64_t length, uint64_t *done) {
  __asm__ volatile("stac");
  memcpy(to, from, length);
  __asm__ volatile("clac");
  *done = length;
  return TESSERA_OK;
}
#define tessera_copy_in(space, address, buffer, length, done) \
  copy(buffer, (const void *)(address), length, done)
#endif

/** Returns whether an access to `address`, which has ended with `*result`, must be repeated: it has
 * failed for want of a page that is loaded by now. */
static bool has_loaded(tessera_result *result, uint64_t address) {
  if (*result != TESSERA_ERROR_PENDING) return false;
  tessera_resolution found;
  *result = tessera_resolve_access(current->space, address, TESSERA_READ, &found);
  if (*result != TESSERA_ERROR_PENDING) return *result == TESSERA_OK;
  *result = load(address, found.payload);
  return *result == TESSERA_OK;
}

tessera_result copy_in(uint64_t address, void *buffer, uint64_t length, uint64_t *done) {
  tessera_result result;
  uint64_t part = 0;
  *done = 0;
  do {
    result = tessera_copy_in(
        current->space, address + *done, (char *)buffer + *done, length - *done, &part);
    *done += part;
  } while (has_loaded(&result, address + *done));
  return result;
}

tessera_result copy_out(uint64_t address, const void *buffer, uint64_t length, uint64_t *done) {
  tessera_result result;
  uint64_t part = 0;
  *done = 0;
  do {
    result = tessera_copy_out(
        current->space, address + *done, (const char *)buffer + *done, length - *done, &part);
    *done += part;
  } while (has_loaded(&result, address + *done));
  return result;
}

tessera_result load_word(uint64_t address, uint64_t *word) {
  tessera_result result;
  do result = tessera_load_user(current->space, address, 8, word);
  while (has_loaded(&result, address));
  return result;
}

tessera_result store_word(uint64_t address, uint64_t word) {
  tessera_result result;
  do result = tessera_store_user(current->space, address, 8, word);
  while (has_loaded(&result, address));
  return result;
}

tessera_result read_string(uint64_t address, char *buffer, uint64_t size, uint64_t *length) {
  tessera_result result;
  do result = tessera_read_user_string(current->space, address, buffer, size, length);
  while (has_loaded(&result, address + *length));
  return result;
}
