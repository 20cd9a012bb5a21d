/* Bad pointers, passed to every system call that takes one. */
#include "program.h"
#include "worker.h"

/** The kernel's image, and its direct map. A call that does not check these uses them. */
static const uint64_t kernel_addresses[] = {
    0xffffffff80200000, LEVELS == 5 ? 0xff00000000100000 : 0xffff800000100000};

static const uint64_t bad_addresses[] = {
    0,
    PAGE - 4,                             /* null, at the end of the page */
    STACK_TOP - STACK_PAGES * PAGE - 16,  /* the guard below the stack */
    STACK_TOP,                            /* and what is above it */
    0x00007ffffffffffc, 0x00fffffffffffffc, /* to what is not canonical, with four levels or five */
    0x0000800000000000, 0x8000000000000000, /* which the last is with either */
    0xfffffffffffffff8,                     /* to null, if it wraps around */
};

enum { BAD = sizeof bad_addresses / sizeof bad_addresses[0], LENGTH = 24 };

/** Reads from a pipe in which there is something, which must stay there. */
static void read_to(uint64_t address, const int32_t ends[2]) {
  CHECK(call(CALL_READ, (uint64_t)ends[0], address, LENGTH) == BAD_ADDRESS);
}

static void pass_everywhere(uint64_t address, const int32_t ends[2]) {
  CHECK(call(CALL_WRITE, (uint64_t)ends[1], address, LENGTH) == BAD_ADDRESS);
  read_to(address, ends);
  CHECK(call(CALL_PIPE, address, 0, 0) == BAD_ADDRESS);
  CHECK(exec((const char *)address, NULL) == BAD_ADDRESS);
  CHECK(call(CALL_WRITE, CONSOLE, address, LENGTH) == BAD_ADDRESS);
  CHECK(exec("worker", (const char *const *)address) == BAD_ADDRESS);
  const char *arguments[] = {"worker", (const char *)address, NULL};
  if (address != 0) CHECK(exec("worker", arguments) == BAD_ADDRESS);
}

/** Data of the program that is loaded when the kernel uses it, a page for each kind of use. */
static struct __attribute__((aligned(PAGE))) {
  char name[PAGE];
  uint8_t written[PAGE], read[PAGE];
  int32_t ends[PAGE / 4];
} unused __attribute__((section(".later"))) = {
    "no program has this name", {1, 2, 3}, {4, 5, 6}, {7, 8, 9}};

/** Passes pages that the kernel has to load before it can use them. */
static void pass_unused_pages(void) {
  char *name = unused.name;
  CHECK(exec(name, NULL) == NO_FILE);
  CHECK(open_pipe(unused.ends) == 0 && unused.ends[2] == 9);
  /* From the end of one page, which is there by now, to the next one. */
  CHECK(write(unused.ends[1], unused.written - 5, 8) == 8);
  CHECK(read(unused.ends[0], unused.read - 6, 8) == 8);
  CHECK(unused.written[PAGE - 2] == 0 && unused.read[1] == 3 && unused.read[2] == 6);
  CHECK(close(unused.ends[0]) == 0 && close(unused.ends[1]) == 0);
  count(PAGES_LOADED, 4);
}

void pass_bad_pointers(uint64_t number) {
  int32_t ends[2];
  uint8_t bytes[LENGTH];
  pass_unused_pages();
  CHECK(open_pipe(ends) == 0);
  for (uint64_t i = 0; i < LENGTH; i++) bytes[i] = pipe_byte(number, i);
  CHECK(write(ends[1], bytes, LENGTH) == LENGTH);

  pass_everywhere(kernel_addresses[number % 2], ends);
  for (uint64_t i = 0; i < 2; i++) pass_everywhere(bad_addresses[(number + i) % BAD], ends);
  read_to((uint64_t)main, ends);                /* code */
  read_to((uint64_t)bad_addresses, ends);     /* constants */
  read_to(heap_end, ends);                      /* what is not there yet */

  /* What begins well is done as far as it goes. */
  CHECK(write(ends[1], (const void *)(heap_end - 5), LENGTH) == 5);
  CHECK(read(ends[0], (void *)(heap_end - 3), LENGTH) == 3);
  for (uint64_t i = 0; i < 3; i++) CHECK(((uint8_t *)heap_end)[(int64_t)i - 3] == bytes[i]);
  uint8_t left[LENGTH];
  CHECK(read(ends[0], left, LENGTH) == LENGTH);
  for (uint64_t i = 0; i < LENGTH - 3; i++) CHECK(left[i] == bytes[i + 3]);
  CHECK(read(ends[0], left, LENGTH) == 2);
  CHECK(exec("no such program", NULL) == NO_FILE);
  CHECK(read(DESCRIPTORS, left, 1) == BAD_DESCRIPTOR && close(-1) == BAD_DESCRIPTOR);
  CHECK(close(ends[0]) == 0);
  CHECK(write(ends[1], left, 1) == BROKEN_PIPE);
  CHECK(close(ends[1]) == 0);
}
