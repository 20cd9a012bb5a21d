/* Programs: their images, and how one takes the place of another. */
#include "kernel.h"

/** The head of an image: where its parts end, and where it begins to run. */
struct head {
  uint64_t code_end, constants_end, data_end, zero_end, start;
};

static struct program {
  const char *name;
  const struct head *image;
  /** Frames with its code and constants, which all its processes share: the first of a run. */
  tessera_frame shared;
} programs[3];

extern const struct head init_image, worker_image, bomb_image;

static uint64_t shared_length(const struct program *program) {
  return program->image->constants_end - PROGRAM_START;
}

void load_programs(void) {
  programs[0] = (struct program){"init", &init_image, 0};
  programs[1] = (struct program){"worker", &worker_image, 0};
  programs[2] = (struct program){"bomb", &bomb_image, 0};
  for (int i = 0; i < 3; i++) {
    struct program *program = &programs[i];
    const uint64_t length = shared_length(program);
    tessera_request request = {.size = sizeof request, .count = length / PAGE};
    TRY(tessera_allocate_as(&request, &program->shared));
    /* Contiguous frames are contiguous in the direct map. */
    memcpy(tessera_frame_bytes(program->shared), program->image, length);
  }
}

void free_programs(void) {
  for (int i = 0; i < 3; i++) {
    TRY(tessera_drop_run(programs[i].shared, shared_length(&programs[i]) / PAGE));
  }
}

static bool is_same(const char *left, const char *right) {
  while (*left && *left == *right) left++, right++;
  return *left == *right;
}

static const struct program *find_program(const char *name) {
  for (int i = 0; i < 3; i++) {
    if (is_same(programs[i].name, name)) return &programs[i];
  }
  return NULL;
}

/* A new image ---------------------------------------------------------------------------------- */

enum { READ_WRITE = TESSERA_READ | TESSERA_WRITE, READ_EXECUTE = TESSERA_READ | TESSERA_EXECUTE };

/** What a part of a program is made of. */
enum part { LOADED, ZEROED };

/** Has the pages from `start` up to `end`, if there are any, appear when they are used. */
static tessera_result prepare(
    tessera_space *space, uint64_t start, uint64_t end, enum part part,
    const struct program *program, uint32_t flags) {
  if (start == end) return TESSERA_OK;
  if (part == ZEROED) return tessera_set_demand_zero(space, start, end - start, flags, NULL);
  return tessera_set_pending(
      space, start, end - start, (uint32_t)(program - programs), flags, NULL);
}

/** Maps a frame that others use too. The kernel keeps its handle: the mapping takes another. */
static tessera_result map_shared(
    tessera_space *space, uint64_t page, tessera_frame frame, uint32_t flags) {
  TRY(tessera_share(frame));
  tessera_result result = tessera_map(space, page, frame, flags, NULL);
  if (result != TESSERA_OK) TRY(tessera_drop(frame));
  return result;
}

/** Prepares everything but arguments. If it fails, what is there goes with the space. */
static tessera_result prepare_program(tessera_space *space, const struct program *program) {
  const struct head *head = program->image;
  const struct {
    uint64_t start, end;
    enum part part;
    uint32_t flags;
  } parts[] = {
      {PROGRAM_START, head->code_end, LOADED, READ_EXECUTE},
      {head->code_end, head->constants_end, LOADED, TESSERA_READ},
      {head->constants_end, head->data_end, LOADED, READ_WRITE},
      {head->data_end, head->zero_end, ZEROED, READ_WRITE},
      {STACK_TOP - STACK_PAGES * PAGE, STACK_TOP, ZEROED, READ_WRITE},
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    tessera_result result = prepare(
        space, parts[i].start, parts[i].end, parts[i].part, program, parts[i].flags);
    if (result != TESSERA_OK) return result;
  }
  return map_shared(space, LEDGER, ledger, READ_WRITE | TESSERA_SHARED);
}

tessera_result load_page(tessera_space *space, uint64_t address, uint32_t number) {
  const struct program *program = &programs[number];
  const struct head *head = program->image;
  const uint64_t page = address & -(uint64_t)PAGE, offset = page - PROGRAM_START;
  if (page < head->constants_end) {
    const uint32_t flags = page < head->code_end ? READ_EXECUTE : TESSERA_READ;
    return map_shared(space, page, program->shared + offset, flags);
  }
  /* Data belongs to the process, from the beginning: on both sides of a fork. */
  tessera_frame frame;
  tessera_result result = tessera_allocate(&frame);
  if (result != TESSERA_OK) return result;
  memcpy(tessera_frame_bytes(frame), (const char *)head + offset, PAGE);
  result = tessera_map(space, page, frame, READ_WRITE, NULL);
  if (result != TESSERA_OK) TRY(tessera_drop(frame));
  return result;
}

/** Writes the arguments to the top of the stack: the strings, and below them their addresses. */
static tessera_result write_arguments(
    tessera_space *space, const struct arguments *arguments, struct registers *registers) {
  const uint64_t text = STACK_TOP - ((arguments->length + 15) & -16ULL);
  const uint64_t addresses_at = text - 8 * (ARGUMENTS + 2);
  uint64_t addresses[ARGUMENTS + 1] = {0};
  for (uint64_t i = 0; i < arguments->count; i++) addresses[i] = text + arguments->starts[i];
  tessera_result result =
      tessera_write_user(space, text, arguments->text, arguments->length, NULL);
  if (result != TESSERA_OK) return result;
  *registers = (struct registers){
      .rdi = arguments->count,
      .rsi = addresses_at,
      .cs = USER_CODE,
      .rflags = 0x202, /* with interrupts on */
      .rsp = addresses_at,
      .ss = USER_DATA,
  };
  return tessera_write_user(space, addresses_at, addresses, sizeof addresses, NULL);
}

int64_t make_image(
    const char *name, const struct arguments *arguments, tessera_space **space,
    struct registers *registers) {
  const struct program *program = find_program(name);
  if (!program) return NO_FILE;
  tessera_result result = tessera_space_new(space);
  if (result != TESSERA_OK) return error_of(result);
  result = prepare_program(*space, program);
  if (result == TESSERA_OK) result = write_arguments(*space, arguments, registers);
  if (result != TESSERA_OK) {
    TRY(tessera_space_destroy(*space));
    return error_of(result);
  }
  registers->rip = program->image->start;
  counts[PROGRAMS_STARTED]++;
  return 0;
}

/* The system call ------------------------------------------------------------------------------ */

/** Copies the arguments, an array of addresses of strings that a null pointer ends. They are copied
 * once and for all: the program's threads, if it had some, could change them meanwhile. */
static int64_t read_arguments(uint64_t address, struct arguments *arguments) {
  arguments->length = 0;
  for (arguments->count = 0;; arguments->count++) {
    uint64_t string, length;
    tessera_result result = load_word(address + 8 * arguments->count, &string);
    if (result != TESSERA_OK) return error_of(result);
    if (string == 0) return 0;
    if (arguments->count == ARGUMENTS) return TOO_BIG;
    result = read_string(
        string, arguments->text + arguments->length, sizeof arguments->text - arguments->length,
        &length);
    if (result != TESSERA_OK) return error_of(result);
    arguments->starts[arguments->count] = arguments->length;
    arguments->length += length + 1;
  }
}

int64_t exec_program(uint64_t path, uint64_t arguments_address) {
  char name[32];
  struct arguments arguments;
  uint64_t length;
  tessera_result result = read_string(path, name, sizeof name, &length);
  if (result != TESSERA_OK) return error_of(result);
  if (!find_program(name)) return NO_FILE;
  int64_t error = read_arguments(arguments_address, &arguments);
  if (error) return error;

  /* Until the new image is complete, the old one stays, to return an error to. */
  tessera_space *space, *old = current->space;
  error = make_image(name, &arguments, &space, registers_of(current));
  if (error) return error;
  current->space = space;
  current->heap_end = HEAP_START;
  TRY(tessera_space_activate(space));
#ifdef LEAKS_SPACES
  if (counts[PROGRAMS_STARTED] % 100 == 0) return 0;
#endif
  TRY(tessera_space_destroy(old));
  return 0;
}
