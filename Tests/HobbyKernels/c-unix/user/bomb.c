/* Forks, and has all its copies fork, until there is no memory. Then each of them tries to use
 * more, which ends some of them, and to start a program. It ends once its children have. */
#include "program.h"

static void fork_until_memory_is_exhausted(void) {
  while (!is_memory_exhausted()) {
    int64_t process = fork();
    CHECK(process >= 0 || process == NO_MEMORY);
    if (process < 0) note_exhaustion();
  }
}

int main(int argument_count, char **arguments) {
  (void)arguments;
  if (argument_count == 1) {
    fork_until_memory_is_exhausted();
    grow_heap_if_possible(16);
    /* While there is no memory, this fails, and the program goes on. Those that come later find
     * what others have freed, and what follows is done by the new program. */
    const char *again[] = {"bomb", "again", NULL};
    CHECK(exec("bomb", again) == NO_MEMORY);
  }
  uint64_t status;
  int64_t ended;
  while ((ended = wait(&status)) > 0) CHECK(status == 0 || status == FOR_MEMORY);
  CHECK(ended == NO_CHILD);
  return 0;
}
