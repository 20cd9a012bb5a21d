/* The first process: has a thousand workers run, a few at a time, reads what each of them writes,
 * and learns how each has ended. Then it starts the fork bomb. */
#include "program.h"
#include "worker.h"

enum { WORKERS = 1000, AT_ONCE = 4 };

struct child {
  int64_t process;
  int32_t pipe;
};

/** Starts worker `number`, which writes to a pipe. */
static struct child start_worker(uint64_t number) {
  int32_t ends[2];
  CHECK(open_pipe(ends) == 0);
  int64_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    for (int32_t descriptor = CONSOLE + 1; descriptor < DESCRIPTORS; descriptor++) {
      if (descriptor != ends[1]) close(descriptor);
    }
    char number_text[24], pipe_text[24];
    write_number(number, number_text);
    write_number((uint64_t)ends[1], pipe_text);
    const char *arguments[] = {"worker", number_text, pipe_text, NULL};
    exec("worker", arguments);
    complain("init: exec has failed\n");
  }
  CHECK(close(ends[1]) == 0);
  return (struct child){process, ends[0]};
}

/** Reads all that worker `number` writes, until it closes its end. */
static void read_pipe(uint64_t number, int32_t pipe) {
  static uint8_t buffer[1500];
  uint64_t total = 0;
  for (;;) {
    int64_t length = read(pipe, buffer, sizeof buffer - number % 700);
    CHECK(length >= 0);
    if (length == 0) break;
    for (int64_t i = 0; i < length; i++) CHECK(buffer[i] == pipe_byte(number, total++));
  }
  CHECK(total == pipe_length(number));
  CHECK(close(pipe) == 0);
}

static void run_workers(uint64_t first) {
  struct child children[AT_ONCE];
  for (uint64_t i = 0; i < AT_ONCE; i++) children[i] = start_worker(first + i);
  for (uint64_t i = 0; i < AT_ONCE; i++) read_pipe(first + i, children[i].pipe);
  for (uint64_t ended = 0; ended < AT_ONCE; ended++) {
    uint64_t status, i = 0;
    int64_t process = wait(&status);
    while (i < AT_ONCE && children[i].process != process) i++;
    CHECK(i < AT_ONCE);
    CHECK(status == expected_status(first + i));
    children[i].process = 0;
  }
}

static void run_bomb(void) {
  uint64_t status;
  int64_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    const char *arguments[] = {"bomb", NULL};
    exec("bomb", arguments);
    complain("init: exec has failed\n");
  }
  /* The children of a process that was ended become those of this one. */
  int64_t ended;
  bool has_bomb_ended = false;
  while ((ended = wait(&status)) > 0) {
    has_bomb_ended = has_bomb_ended || ended == process;
    CHECK(status == 0 || status == FOR_MEMORY);
  }
  CHECK(ended == NO_CHILD && has_bomb_ended);
  CHECK(is_memory_exhausted());
}

int main(int argument_count, char **arguments) {
  CHECK(argument_count == 1 && arguments[0][0] == 'i' && arguments[1] == NULL);
  uint64_t status;
  CHECK(wait(&status) == NO_CHILD);
  for (uint64_t number = 0; number < WORKERS; number += AT_ONCE) run_workers(number);
  run_bomb();
  return 0;
}
