// Places: the words that several processors access, where the order of steps can tell.
//
// Which these are is learned: a word becomes a place once the code of two processors, or that of a
// processor and its interrupt handler, have accessed it in any schedules, and one has written it.
// The schedules explored so far had too few points then, so exploring starts anew.
#include <stdlib.h>

#include "runtime.h"

// What is known of the words of each region of memory.
enum { region_limit = 16, page_size = 4096 };
typedef struct {
  uintptr_t start, size;
  known_word *words;
} known_region;
static known_region regions[region_limit];
static int region_count;
static uintptr_t words_of_places[place_limit];
static known_word *known_of_places[place_limit];
static int place_count = first_word_place;
static bool has_grown;

void places_add_region(uintptr_t start, size_t byte_count) {
  if (region_count == region_limit) abort();
  regions[region_count++] =
      (known_region){start, byte_count, calloc(byte_count / 8 + 1, sizeof(known_word))};
}

known_part known_parts[known_part_limit];

// As `known_at`, for a page that is not kept. It is kept from then on, if it can be.
known_word *find_word(uintptr_t address) {
  uintptr_t page = address & -(uintptr_t)page_size, end = page + page_size;
  known_part part = {.page = address / page_size, .start = page};
  known_word *found = NULL;
  int count = 0;
  for (int index = 0; index < region_count; index += 1) {
    const known_region *region = &regions[index];
    uintptr_t offset = address - region->start;
    if (offset < region->size) found = &region->words[offset / 8];
    if (region->start >= end || region->start + region->size <= page) continue;
    count += 1;
    part.start = region->start > page ? region->start : page;
    part.size = region->start + region->size - part.start;
    if (part.size > end - part.start) part.size = end - part.start;
    part.words = region->words + (part.start - region->start) / 8;
  }
  if (count <= 1 && part.start % 8 == 0) known_parts[part.page % known_part_limit] = part;
  return found;
}

static bool is_shared(const known_word *known) {
  uint16_t all = known->readers | known->writers;
  return known->writers != 0 && (all & (all - 1)) != 0;
}

// Notes the first access of a kind to a word by a context.
void note_access(known_word *known, uintptr_t address, bool is_write, uint16_t context) {
  if (is_write && known->writers == 0) memory_note_written(address);
  *(is_write ? &known->writers : &known->readers) |= context;
  if (known->place == 0 && is_shared(known)) has_grown = true;
}

uint16_t place_if_shared(uintptr_t address) {
  const known_word *known = known_at(address);
  return known != NULL ? known->place : 0;
}

uintptr_t word_of_place(uint16_t place) {
  return place < first_word_place ? 0 : words_of_places[place];
}

bool place_is_entry(uint16_t place) {
  return place >= first_word_place && known_of_places[place]->is_entry;
}

void mark_entry(uintptr_t address) {
  known_word *known = known_at(address);
  if (known == NULL) return;
  if (!known->is_entry) {
    known->is_entry = true;
    has_grown = true;
  }
  // The hardware reads it.
  place_of(known, address, false, hardware_context);
}

static void settle_region(const known_region *region) {
  for (uintptr_t index = 0; index < region->size / 8; index += 1) {
    known_word *known = &region->words[index];
    if (known->place != 0 || !is_shared(known)) continue;
    if (place_count == place_limit) {
      fputs("explore: a scenario shares too many words\n", stderr);
      exit(2);
    }
    known_of_places[place_count] = known;
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
