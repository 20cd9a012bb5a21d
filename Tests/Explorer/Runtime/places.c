// Places: the words that several processors access, where the order of steps can tell.
//
// Which these are is learned: a word becomes a place once the code of two processors, or that of a
// processor and its interrupt handler, have accessed it in any schedules, and one has written it.
// The schedules explored so far had too few points then, so exploring starts anew.
#include <stdlib.h>

#include "runtime.h"

typedef struct {
  uint16_t readers, writers;
  uint16_t place;
  bool is_entry;
} known_word;

// What is known of the words of each region of memory.
enum { region_limit = 16 };
typedef struct {
  uintptr_t start, size;
  known_word *words;
} known_region;
static known_region regions[region_limit];
static int region_count;
static uintptr_t words_of_places[place_limit];
static int place_count = first_word_place;
static bool has_grown;

void places_add_region(uintptr_t start, size_t byte_count) {
  if (region_count == region_limit) abort();
  regions[region_count++] =
      (known_region){start, byte_count, calloc(byte_count / 8 + 1, sizeof(known_word))};
}

// What is known of the word at an address; null if it is not in the memory of the scenario.
static inline known_word *find(uintptr_t address) {
  for (int index = 0; index < region_count; index += 1) {
    uintptr_t offset = address - regions[index].start;
    if (offset < regions[index].size) return &regions[index].words[offset / 8];
  }
  return NULL;
}

static bool is_shared(const known_word *known) {
  uint16_t all = known->readers | known->writers;
  return known->writers != 0 && (all & (all - 1)) != 0;
}

uint16_t place_of(uintptr_t address, bool is_write, bool by_hardware) {
  known_word *known = find(address);
  if (known == NULL) return outside;
  int number = (int)(running - fibers);
  if (running->in_handler) number += EXPLORER_PROCESSORS;
  uint16_t context = (uint16_t)(by_hardware ? 1 << 15 : 1 << number);
  uint16_t *set = is_write ? &known->writers : &known->readers;
  if ((*set & context) == 0) {
    if (is_write && known->writers == 0) memory_note_written(address);
    *set |= context;
    if (known->place == 0 && is_shared(known)) has_grown = true;
  }
  return known->place;
}

uint16_t place_if_shared(uintptr_t address) {
  const known_word *known = find(address);
  return known != NULL ? known->place : 0;
}

uintptr_t word_of_place(uint16_t place) {
  return place < first_word_place ? 0 : words_of_places[place];
}

bool place_is_entry(uint16_t place) {
  return place >= first_word_place && find(words_of_places[place])->is_entry;
}

void mark_entry(uintptr_t address) {
  known_word *known = find(address);
  if (known == NULL) return;
  if (!known->is_entry) {
    known->is_entry = true;
    has_grown = true;
  }
  // The hardware reads it.
  place_of(address, false, true);
}

static void settle_region(const known_region *region) {
  for (uintptr_t index = 0; index < region->size / 8; index += 1) {
    known_word *known = &region->words[index];
    if (known->place != 0 || !is_shared(known)) continue;
    if (place_count == place_limit) {
      fputs("explore: a scenario shares too many words\n", stderr);
      exit(2);
    }
    words_of_places[place_count] = (region->start & ~(uintptr_t)7) + index * 8;
    known->place = (uint16_t)place_count++;
  }
}

bool places_have_grown(void) { return has_grown; }

// Makes places of the words that were found to be shared. Returns whether there are new ones.
bool places_settle(void) {
  if (!has_grown) return false;
  has_grown = false;
  for (int index = 0; index < region_count; index += 1) settle_region(&regions[index]);
  return true;
}

int places_count(void) { return place_count - first_word_place; }
