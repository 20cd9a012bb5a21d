/* One of the programs that init starts: uses its memory in all ways there are, writes to its pipe,
 * and ends, some with a mistake. */
#include "worker.h"

#include "program.h"

static uint64_t own_number;
/** On a page that was loaded, and on one that was filled with zeros. */
static volatile uint64_t loaded = 0x10aded, zeroed;

/** A number for the word at `address`, different in each worker. */
static uint64_t pattern(uint64_t address) { return address * 0x9e3779b97f4a7c15 + own_number; }

static void fill_heap(void) {
  for (uint64_t at = HEAP_START; at < heap_end; at += 64) *(uint64_t *)at = pattern(at);
}

static void check_heap(void) {
  for (uint64_t at = HEAP_START; at < heap_end; at += 64) CHECK(*(uint64_t *)at == pattern(at));
}

/** Has frames of the stack that reach across pages, and finds them as they were. */
static __attribute__((noinline)) uint64_t recurse(uint64_t depth) {
  volatile uint64_t frame[400];
  grow_stack();
  for (uint64_t i = 0; i < 400; i += 8) frame[i] = pattern(depth * 400 + i);
  uint64_t sum = depth == 0 ? 0 : recurse(depth - 1);
  for (uint64_t i = 0; i < 400; i += 8) CHECK(frame[i] == pattern(depth * 400 + i));
  return sum + depth;
}

/* Both sides of a fork ------------------------------------------------------------------------- */

static void write_all(uint64_t value, volatile uint64_t *on_stack) {
  loaded = zeroed = *on_stack = value;
  for (uint64_t at = HEAP_START + 8; at < heap_end; at += PAGE) *(uint64_t *)at = value;
}

static bool have_all(uint64_t value, volatile uint64_t *on_stack) {
  bool is_same = loaded == value && zeroed == value && *on_stack == value;
  for (uint64_t at = HEAP_START + 8; at < heap_end; at += PAGE) {
    is_same = is_same && *(volatile uint64_t *)at == value;
  }
  return is_same;
}

static void signal(const int32_t ends[2]) { CHECK(write(ends[1], "x", 1) == 1); }

static void await(const int32_t ends[2]) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
}

/** Parent and child write the same places, in turns: neither may see what the other writes. */
static void write_on_both_sides(void) {
  int32_t to_child[2], to_parent[2];
  volatile uint64_t on_stack;
  CHECK(open_pipe(to_child) == 0 && open_pipe(to_parent) == 0);
  write_all(1, &on_stack);
  int64_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    bool is_apart = have_all(1, &on_stack);
    write_all(2, &on_stack);
    signal(to_parent);
    await(to_child);
    is_apart = is_apart && have_all(2, &on_stack);
    leave(is_apart ? 17 : 18);
  }
  await(to_parent);
  bool is_apart = have_all(1, &on_stack);
  write_all(3, &on_stack);
  signal(to_child);
  uint64_t status;
  /* A child whose status cannot be written can be waited for again. */
  CHECK(wait((uint64_t *)0x8000000000000000) == BAD_ADDRESS && wait(NULL) == BAD_ADDRESS);
  CHECK(wait(&status) == process);
  if (!is_apart || !have_all(3, &on_stack) || status != 17) {
    complain("worker: a fork has not kept the two sides apart\n");
  }
  for (int i = 0; i < 2; i++) CHECK(close(to_child[i]) == 0 && close(to_parent[i]) == 0);
}

/** Gives memory back: it is gone, and comes back filled with zeros. */
static void shrink_and_grow(void) {
  int32_t ends[2];
  shrink_heap(1);
  CHECK(open_pipe(ends) == 0);
  CHECK(write(ends[1], (void *)heap_end, 1) == BAD_ADDRESS);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
  grow_heap(2);
  CHECK(sbrk(-(1 << 30)) == WRONG_ARGUMENT && sbrk(1 << 30) == WRONG_ARGUMENT);
  CHECK(sbrk(1) == WRONG_ARGUMENT);
}

static void write_pipe(int32_t pipe) {
  static uint8_t buffer[2000];
  uint64_t length = pipe_length(own_number);
  for (uint64_t sent = 0; sent < length;) {
    uint64_t part = length - sent < sizeof buffer ? length - sent : sizeof buffer;
    for (uint64_t i = 0; i < part; i++) buffer[i] = pipe_byte(own_number, sent + i);
    CHECK(write(pipe, buffer, part) == (int64_t)part);
    sent += part;
  }
}

static _Noreturn void make_mistake(enum mistake mistake) {
  static const uint64_t constant = 1;
  static const uint8_t return_instruction = 0xc3;
  volatile uint8_t on_stack = return_instruction;
  uint64_t bottom = STACK_TOP - STACK_PAGES * PAGE;
  switch (mistake) {
    case READ_NULL: (void)*(volatile uint64_t *)(own_number % PAGE); break;
    case READ_KERNEL: (void)*(volatile uint64_t *)0xffffffff80200000; break;
    case WRITE_CODE: *(volatile uint8_t *)(uint64_t)main = 0; break;
    case EXECUTE_STACK: ((void (*)(void))(uint64_t)&on_stack)(); break;
    case WRITE_BELOW_STACK: *(volatile uint64_t *)(bottom - 8) = 0; break;
    case READ_PAST_HEAP: (void)*(volatile uint64_t *)heap_end; break;
    case WRITE_CONSTANT: *(volatile uint64_t *)(uint64_t)&constant = 0; break;
    case USE_WILD_POINTER: (void)*(volatile uint64_t *)0x8000000000000000; break;
    case TURN_INTERRUPTS_OFF: __asm__ volatile("cli"); break;
    case UNDEFINED_INSTRUCTION: __asm__ volatile("ud2"); break;
    case MISTAKE_COUNT: break;
  }
  complain("worker: a mistake had no consequence\n");
}

int main(int argument_count, char **arguments) {
  CHECK(argument_count == 3 && arguments[3] == NULL);
  own_number = number_of(arguments[1]);
  int32_t pipe = (int32_t)number_of(arguments[2]);
  grow_heap(1 + own_number % 8);
  fill_heap();
  uint64_t depth = own_number % 40;
  CHECK(recurse(depth) == depth * (depth + 1) / 2);
  check_heap();
  pass_bad_pointers(own_number);
  write_on_both_sides();
  shrink_and_grow();
  fill_heap();
  check_heap();
  write_pipe(pipe);
  CHECK(close(pipe) == 0);
  if (!makes_mistake(own_number)) return (int)(own_number % 200);
  uint64_t status = expected_status(own_number);
  count(status >= BY_EXCEPTION ? EXCEPTIONS : FAULTS_DENIED, 1);
  make_mistake(mistake_of(own_number));
}
