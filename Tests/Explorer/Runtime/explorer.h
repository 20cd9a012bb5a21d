// The explorer of schedules: what scenarios call. See README.md beside this folder.
//
// A scenario is a machine that is prepared once, a body for each processor, and checks. The bodies
// run on fibers of one thread, under all schedules, or under as many as there is time for; before
// each schedule, all memory is as it was when the scenario had been prepared.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#pragma clang assume_nonnull begin

enum {
  EXPLORER_PROCESSORS = 4,
  EXPLORER_RESULTS = 16,
  EXPLORER_WORDS = 4,
};

/// One scenario. Its functions are called on the thread that explores.
typedef struct {
  const char *name;
  const char *about;
  uint32_t processor_count;
  /// Whether it is also explored with store buffers.
  bool has_store_buffers;
  /// Whether each outcome has to be one of those that calls one after another can have.
  bool is_linear;
  /// Whether it is small enough to be explored without reduction, too, with the same final states.
  bool is_compared;
  /// Whether it has a fifth of the usual time.
  bool is_brief;
  /// What the explorer has to find, a word of its verdicts; null if it has to find nothing.
  const char *_Nullable expected;
  /// The same for store buffers, if it is right without.
  const char *_Nullable expected_with_buffers;
  /// Makes the machine. Called once, before anything is recorded.
  void (*prepare)(void);
  void (*body)(uint32_t processor);
  /// Returns what is wrong after a schedule, or null. Nothing else runs.
  const char *_Nullable (*_Nullable check)(void);
  /// Returns what is wrong between two steps at which no lock of `explorer_add_locks` is held and
  /// all stores have reached memory, or null. Processors may be in the middle of anything else,
  /// unless `is_calm`: then interrupts are on at all of them. Has to leave memory as it is.
  const char *_Nullable (*_Nullable check_between)(bool is_calm);
  /// What, besides the memory, the result of `check` depends on: it is called once for each state.
  uint64_t (*_Nullable digest)(void);
  /// What a processor does when it is interrupted.
  void (*_Nullable handler)(void);
} explorer_scenario;

/// The name of the scenario that is explored.
const char *explorer_scenario_name(void);
/// Memory that is as it was after `prepare` when a schedule begins. To be called by `prepare`.
void explorer_add_memory(void *start, size_t byte_count, const char *name);
/// Memory of the scenario itself, of zeros, for what its bodies share. As above.
void *explorer_allocate(size_t byte_count);
/// There are `count` locks of one byte each, `stride` bytes from one to the next; 0 is free. To be
/// called by `prepare`, at whose end none is held.
void explorer_add_locks(uint8_t *first, size_t count, size_t stride);
/// Calls `body` before each schedule: what is not in such memory.
void explorer_before_each(void (*body)(void));

/// Sets a result of the calling processor, a part of the outcome.
void explorer_set_result(uint32_t index, uint64_t value);
/// What an interrupt does without a handler of the scenario: the library's own.
void explorer_answer(void);
/// Adds to the results of the calling processor, up to one less than there is room for.
void explorer_add_result(uint64_t value);
uint64_t explorer_result(uint32_t processor, uint32_t index);
/// Sets a result that `check` has found, a part of the outcome.
void explorer_set_outcome(uint32_t index, uint64_t value);

/// The boundary between two calls of a processor: outcomes are compared with those of whole calls.
void explorer_begin_call(void);
/// The calling processor spins: others run until a word has changed that it has read.
void explorer_pause(void);
/// The processor accesses memory in its next step, through the tables under `root`: it reads the
/// entries that translate `address`, and may set bits in the last of them; then it accesses the
/// word at one of the `count` physical addresses at `words`, at most EXPLORER_WORDS.
void explorer_touch_memory(uint64_t root, uint64_t address, const uint64_t *words, uint32_t count,
                           bool is_write);
/// The calling processor compares what all TLBs hold with what they may, in its next step.
void explorer_check_translations(void);
/// Ends the schedule: something is wrong.
void explorer_fail(const char *kind, const char *message);

/// Explores one of `scenarios` as the arguments of the program say. Returns the exit status.
int explorer_main(int argc, char *_Nullable *_Nonnull argv, const explorer_scenario *scenarios,
                  uint32_t count);

/// The scenarios that test the explorer itself.
extern const explorer_scenario explorer_toys[];
extern const uint32_t explorer_toy_count;

#pragma clang assume_nonnull end
