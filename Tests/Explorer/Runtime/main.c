// Explores one scenario, as the arguments say.
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime.h"

typedef struct {
  const char *name, *replay, *label;
  double seconds;
  uint64_t seed;
  bool lists, is_naive, is_random, has_buffers, is_verbose;
  int bound;
} options;

typedef struct {
  uint64_t schedules, blocked, points;
  hash_set states;
  // Whether every schedule was tried; if not, up to how many preemptions, or -1.
  bool is_complete;
  int bound;
} totals;

static hash_set allowed, checked;
static totals all = {.bound = -1};

const char *explorer_scenario_name(void) { return scenario->name; }

// The time that this process has used: what else runs must not decide how far a search comes. If
// several share some hours, which must be enough for all, that of the clock.
static clockid_t clock_used = CLOCK_PROCESS_CPUTIME_ID;
static double seconds_now(void) {
  struct timespec time;
  clock_gettime(clock_used, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// One schedule ------------------------------------------------------------------------------------

static bool has_ended(void) {
  for (uint32_t number = 0; number < scenario->processor_count; number += 1)
    if (!fibers[number].has_ended) return false;
  return true;
}

static void check_processors(void) {
  for (uint32_t number = 0; number < scenario->processor_count; number += 1) {
    const simulated_processor *processor = &fibers[number].processor;
    if (!processor->interrupts_enabled) fail("interrupts", "processor %u left them off", number);
    if (processor->preemption_depth != 0) fail("preemption", "processor %u left it off", number);
  }
}

// A check that waits, as for a lock that is never released, or that panics or crashes, is left.
static jmp_buf around_check;
static uint32_t check_wait_count;
static bool is_checking;
static char check_problem[200];

const char *check_safely(const char *(*check)(bool is_calm), bool is_calm) {
  check_wait_count = 0;
  is_checking = true;
  const char *problem = check_problem;
  if (setjmp(around_check) == 0) problem = check(is_calm);
  is_checking = false;
  return problem;
}

// Leaves the check that runs, which has ended like this. Returns if none does.
void leave_check(const char *how, int length) {
  if (!is_checking) return;
  snprintf(check_problem, sizeof check_problem, "a check ends with: %.*s", length, how);
  longjmp(around_check, 1);
}

void check_waits(void) {
  enum { limit = 100000 };
  static const char waits[] = "it waits for ever";
  if (++check_wait_count == limit) leave_check(waits, sizeof waits);
}

static const char *check_end(bool is_calm) {
  (void)is_calm;
  return scenario->check();
}

// Checks a state, unless an equal one was right.
static void check_state(uint64_t state) {
  if (scenario->digest != NULL) state ^= scenario->digest();
  if (mode != mode_calls && hashes_contain(&checked, state | (state == 0))) return;
  const char *problem = scenario->check != NULL ? check_safely(check_end, true) : NULL;
  if (problem != NULL) fail("check", "%s", problem);
  uint64_t outcome = hash_of_results();
  if (mode == mode_calls) hashes_insert(&allowed, outcome);
  else if (allowed.count > 0 && !hashes_contain(&allowed, outcome | (outcome == 0)))
    fail("order", "no order of whole calls has this outcome");
  else if (mode != mode_guided && !found.is_set) hashes_insert(&checked, state);
}

// Runs a schedule and its checks, and puts memory back. Returns whether it went to its end.
static bool run_one(uint64_t *state) {
  found.is_set = false;
  uint64_t hash;
  run_schedule();
  bool is_whole = has_ended();
  hash = memory_hash();
  if (state != NULL) *state = hash;
  if (!found.is_set && is_whole) {
    check_processors();
    check_state(hash);
  }
  memory_restore();
  // With words that were not known to be shared, accesses were ordered by what was not seen, and
  // stores were not buffered. The search starts anew, and finds what is wrong again.
  if (places_have_grown()) found.is_set = false;
  return is_whole;
}

static void count_schedule(bool is_whole, uint64_t state) {
  all.points += (uint64_t)step_count;
  if (!is_whole) {
    all.blocked += 1;
    return;
  }
  all.schedules += 1;
  hashes_insert(&all.states, state);
}

// Finds the words that processors share, by schedules that differ as much as possible.
static bool learn(uint64_t seed) {
  for (uint64_t round = 0; round < 64; round += 1) {
    mode = mode_guided;
    segment first = {(int)(round % scenario->processor_count), UINT64_MAX};
    guide(&first, 1);
    if (round >= scenario->processor_count) mode = mode_random;
    random_seed(seed + round);
    run_one(NULL);
    places_settle();
    if (found.is_set) return false;
  }
  return true;
}

// Collects the outcomes of whole calls one after another.
static bool run_calls(void) {
  hashes_empty(&allowed);
  hashes_empty(&checked);
  mode = mode_calls;
  search_reset();
  do {
    run_one(NULL);
    if (found.is_set) return false;
  } while (search_next());
  return true;
}

typedef enum { search_failed, search_ended, search_out_of_time } search_end;

// Searches until all schedules have been tried, one has failed, or the time is over.
static search_end search(search_mode how, int bound, double end) {
  search_reset();
  for (;;) {
    mode = how;
    preemption_bound = bound;
    uint64_t state = 0;
    bool is_whole = run_one(&state);
    if (found.is_set) return search_failed;
    count_schedule(is_whole, state);
    if (places_settle()) {
      // There are more steps than it knew of: from the start.
      if (scenario->is_linear && !run_calls()) return search_failed;
      search_reset();
      continue;
    }
    if (!search_next()) return search_ended;
    if ((all.schedules + all.blocked) % 16 == 0 && seconds_now() > end) return search_out_of_time;
  }
}

static bool run_random(uint64_t seed, double end) {
  for (uint64_t round = 0; seconds_now() < end; round += 1) {
    mode = mode_random;
    random_seed(seed * 1000003 + round + 1000);
    uint64_t state = 0;
    bool is_whole = run_one(&state);
    if (found.is_set) return false;
    count_schedule(is_whole, state);
    places_settle();
  }
  return true;
}

// All schedules, if they are few enough; otherwise those with one preemption, with two, and so on;
// and random ones for the rest of the time. Returns false if one has failed.
static bool search_in_turn(const options *chosen, double start) {
  double seconds = chosen->seconds;
  if (!chosen->is_random) {
    search_mode how = chosen->is_naive ? mode_all : mode_reduced;
    double end = start + seconds * (chosen->is_naive || chosen->bound >= 0 ? 1 : 0.3);
    search_end result = search(how, chosen->bound, end);
    if (result == search_failed) return false;
    if (result == search_ended) {
      all.is_complete = chosen->bound < 0;
      all.bound = chosen->bound;
      return true;
    }
    for (int bound = 0; !chosen->is_naive && chosen->bound < 0; bound += 1) {
      result = search(how, bound, start + seconds * 0.8);
      if (result == search_failed) return false;
      if (result == search_out_of_time) break;
      all.bound = bound;
    }
  }
  preemption_bound = -1;
  return run_random(chosen->seed, start + seconds);
}

// Failures ----------------------------------------------------------------------------------------

static segment failing[segment_limit];
static int failing_count;

static bool fails_again(const segment *segments, int count, const char *kind) {
  do {
    mode = mode_guided;
    guide(segments, count);
    run_one(NULL);
  } while (places_settle());
  return found.is_set && strcmp(found.kind, kind) == 0;
}

// Leaves out segments for as long as the schedule still fails in the same way: first those at the
// end, since the choices by default may do as well, and then any. For some seconds.
static void shrink(void) {
  char kind[sizeof found.kind];
  memcpy(kind, found.kind, sizeof kind);
  double end = seconds_now() + 3;
  for (int count = 0; count < failing_count && seconds_now() < end; count += 1 + count / 32)
    if (fails_again(failing, count, kind)) failing_count = count;
  static segment fewer[segment_limit];
  int budget = 400;
  for (int index = failing_count - 1; index >= 0 && budget > 0 && seconds_now() < end;
       budget -= 1) {
    memcpy(fewer, failing, sizeof fewer);
    size_t rest = (size_t)(failing_count - index - 1);
    memmove(fewer + index, fewer + index + 1, rest * sizeof *fewer);
    if (fails_again(fewer, failing_count - 1, kind)) {
      memcpy(failing, fewer, sizeof fewer);
      failing_count -= 1;
      if (index == failing_count) index -= 1;
    } else {
      index -= 1;
    }
  }
  if (!fails_again(failing, failing_count, kind))
    fail("explorer", "the schedule did not fail again: %s", kind);
}

// Whether whole calls one after another fail as well, in some order: then it takes no concurrency.
static bool calls_fail(void) {
  failure kept = found;
  bool fail = !run_calls();
  if (!scenario->is_linear) hashes_empty(&allowed);
  found = kept;
  return fail;
}

static void report_failure(const options *chosen) {
  failing_count = segments_of_run(failing, segment_limit);
  bool is_concurrent = !calls_fail();
  shrink();
  static char text[1 << 16];
  format_segments(failing, failing_count, text, sizeof text);
  if (!chosen->is_verbose) return;
  printf("%s fails on %u processors%s:\n", scenario->name, scenario->processor_count,
         has_buffers ? " with store buffers" : "");
  print_trace(stdout);
  print_failure(stdout);
  printf("  whole calls, one after another, %s\n",
         is_concurrent ? "do not fail" : "fail as well");
  printf("  make explore SCENARIO=%s REPLAY=%s%s\n", scenario->name, has_buffers ? "+" : "", text);
}

// Results -----------------------------------------------------------------------------------------

static void print_row(double seconds, const char *verdict, const options *chosen) {
  char extent[16] = "part";
  if (all.is_complete) snprintf(extent, sizeof extent, chosen->is_naive ? "each" : "all");
  else if (all.bound >= 0) snprintf(extent, sizeof extent, "bound %d", all.bound);
  printf("%-28s %d %-7s %10llu %7llu %8zu %6.0f  %-8s %6.1f  %s\n", scenario->name,
         scenario->processor_count, has_buffers ? "buffers" : "-",
         (unsigned long long)all.schedules, (unsigned long long)all.blocked, all.states.count,
         all.schedules + all.blocked == 0
             ? 0
             : (double)all.points / (double)(all.schedules + all.blocked),
         extent, seconds, verdict);
  fflush(stdout);
}

static int conclude(bool is_right, double seconds, const options *chosen) {
  char verdict[64] = "ok";
  const char *expected = scenario->expected;
  if (has_buffers && expected == NULL) expected = scenario->expected_with_buffers;
  bool is_expected = is_right;
  if (!is_right) {
    snprintf(verdict, sizeof verdict, "%s", found.kind);
    is_expected = expected != NULL && strcmp(expected, found.kind) == 0;
    snprintf(verdict, sizeof verdict, is_expected ? "found: %s" : "FAILED: %s", found.kind);
  } else if (expected != NULL) {
    snprintf(verdict, sizeof verdict, "FAILED: no %s", expected);
    is_expected = false;
  }
  print_row(seconds, verdict, chosen);
  if (!is_right && (!is_expected || chosen->is_verbose)) {
    options verbose = *chosen;
    verbose.is_verbose = true;
    report_failure(&verbose);
  }
  return is_expected ? 0 : 1;
}

static int replay(const options *chosen) {
  static segment segments[segment_limit];
  const char *text = chosen->replay;
  if (*text == '+') {
    has_buffers = true;
    text += 1;
  }
  int count = parse_segments(text, segments, segment_limit);
  if (count < 0) {
    fprintf(stderr, "explore: REPLAY=%s is not a schedule; one is like 0:57,1:20,i0,1\n", text);
    return 2;
  }
  learn(chosen->seed);
  if (scenario->is_linear) run_calls();
  // As often as it takes to know which words are shared.
  do {
    mode = mode_guided;
    guide(segments, count);
    run_one(NULL);
  } while (places_settle());
  print_trace(stdout);
  if (!found.is_set) {
    printf("%s: the schedule does not fail\n", scenario->name);
    return 0;
  }
  print_failure(stdout);
  return 1;
}

static int explore(const options *chosen) {
  double start = seconds_now();
  has_buffers = chosen->has_buffers;
  scenario->prepare();
  // The first check fills caches of the runtime of Swift. In a schedule that repeats another no
  // moment is checked, and it has to find the same there.
  if (scenario->check_between != NULL) check_safely(scenario->check_between, true);
  machine_catch_signals();
  memory_keep();
  machine_observe();
  if (chosen->replay != NULL) return replay(chosen);
  bool is_right = learn(chosen->seed);
  if (is_right && scenario->is_linear) is_right = run_calls();
  if (is_right) is_right = search_in_turn(chosen, start);
  return conclude(is_right, seconds_now() - start, chosen);
}

// Arguments ---------------------------------------------------------------------------------------

static bool parse(int argc, char **argv, options *chosen) {
  *chosen = (options){.seconds = 10, .seed = 1, .bound = -1};
  for (int index = 1; index < argc; index += 1) {
    const char *word = argv[index];
    const char *value = index + 1 < argc ? argv[index + 1] : "";
    if (strcmp(word, "--list") == 0) chosen->lists = true;
    else if (strcmp(word, "--all") == 0) chosen->is_naive = true;
    else if (strcmp(word, "--random") == 0) chosen->is_random = true;
    else if (strcmp(word, "--buffers") == 0) chosen->has_buffers = true;
    else if (strcmp(word, "--trace") == 0) chosen->is_verbose = true;
    else if (strcmp(word, "--clock") == 0) clock_used = CLOCK_MONOTONIC;
    else if (word[0] != '-') chosen->name = word;
    else {
      index += 1;
      if (strcmp(word, "--seconds") == 0) chosen->seconds = atof(value);
      else if (strcmp(word, "--seed") == 0) chosen->seed = strtoull(value, NULL, 10);
      else if (strcmp(word, "--bound") == 0) chosen->bound = atoi(value);
      else if (strcmp(word, "--replay") == 0) chosen->replay = value;
      else return false;
    }
  }
  return chosen->lists || chosen->name != NULL;
}

int explorer_main(int argc, char **argv, const explorer_scenario *scenarios, uint32_t count) {
  options chosen;
  if (!parse(argc, argv, &chosen)) {
    fprintf(stderr, "usage: %s --list | NAME [--seconds N] [--seed N] [--bound N] [--buffers]"
                    " [--clock] [--all] [--random] [--trace] [--replay SCHEDULE]\n", argv[0]);
    return 2;
  }
  for (uint32_t index = 0; index < count + explorer_toy_count; index += 1) {
    const explorer_scenario *now =
        index < count ? &scenarios[index] : &explorer_toys[index - count];
    if (chosen.lists)
      printf("%s\t%u\t%d\t%d\t%s\t%d\n", now->name, now->processor_count, now->has_store_buffers,
             now->is_compared, now->about, now->is_brief);
    else if (strcmp(now->name, chosen.name) == 0) {
      scenario = now;
      return explore(&chosen);
    }
  }
  if (chosen.lists) return 0;
  fprintf(stderr, "explore: there is no scenario '%s'; --list prints them\n", chosen.name);
  return 2;
}
