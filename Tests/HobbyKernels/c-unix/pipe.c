/* Pipes. The bytes of a pipe are a frame, and what else there is to it fits into the kernel's own
 * data about that frame: a pipe is named by its frame. */
#include "kernel.h"

struct pipe {
  uint32_t readers, writers;
  /** The bytes from `first` on, up to the end of the frame and then from its start. */
  uint32_t first, count;
};

_Static_assert(sizeof(struct pipe) <= TESSERA_FRAME_DATA_SIZE, "a pipe fits");

static struct pipe *pipe_of(tessera_frame frame) {
  struct pipe *pipe = tessera_frame_data(frame);
  EXPECT(pipe != NULL);
  return pipe;
}

/* Ends ----------------------------------------------------------------------------------------- */

static int32_t find_closed_descriptor(int32_t first) {
  while (first < DESCRIPTORS && current->descriptors[first].kind != CLOSED) first++;
  return first;
}

int64_t open_pipe(uint64_t address) {
  int32_t ends[2];
  uint64_t done;
  ends[0] = find_closed_descriptor(0);
  ends[1] = find_closed_descriptor(ends[0] + 1);
  if (ends[1] >= DESCRIPTORS) return TOO_MANY_FILES;
  tessera_frame frame;
  tessera_result result = tessera_allocate(&frame);
  if (result != TESSERA_OK) return error_of(result);
  result = copy_out(address, ends, sizeof ends, &done);
  if (result != TESSERA_OK) {
    TRY(tessera_drop(frame));
    return error_of(result);
  }
  *pipe_of(frame) = (struct pipe){.readers = 1, .writers = 1};
  current->descriptors[ends[0]] = (struct descriptor){READS_PIPE, frame};
  current->descriptors[ends[1]] = (struct descriptor){WRITES_PIPE, frame};
  return 0;
}

void share_descriptor(const struct descriptor *descriptor) {
  if (descriptor->kind == READS_PIPE) pipe_of(descriptor->pipe)->readers++;
  if (descriptor->kind == WRITES_PIPE) pipe_of(descriptor->pipe)->writers++;
}

void close_descriptor(struct descriptor *descriptor) {
  if (descriptor->kind == READS_PIPE || descriptor->kind == WRITES_PIPE) {
    struct pipe *pipe = pipe_of(descriptor->pipe);
    if (descriptor->kind == READS_PIPE) pipe->readers--;
    if (descriptor->kind == WRITES_PIPE) pipe->writers--;
    wake(pipe);
    if (pipe->readers + pipe->writers == 0) TRY(tessera_drop(descriptor->pipe));
  }
  *descriptor = (struct descriptor){0};
}

/* Bytes ---------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t left, uint64_t right) { return left < right ? left : right; }

int64_t read_pipe(tessera_frame frame, uint64_t address, uint64_t length) {
  struct pipe *pipe = pipe_of(frame);
  const char *bytes = tessera_frame_bytes(frame);
  while (pipe->count == 0 && pipe->writers > 0 && length > 0) wait_for(pipe);
  uint64_t total = 0;
  while (pipe->count > 0 && total < length) {
    uint64_t part = least(length - total, least(pipe->count, PIPE_SIZE - pipe->first));
    uint64_t done = 0;
    tessera_result result = copy_out(address + total, bytes + pipe->first, part, &done);
    pipe->first = (uint32_t)((pipe->first + done) % PIPE_SIZE);
    pipe->count -= (uint32_t)done;
    total += done;
    counts[BYTES_READ] += done;
    wake(pipe);
    if (result != TESSERA_OK) return total > 0 ? (int64_t)total : error_of(result);
  }
  return (int64_t)total;
}

int64_t write_pipe(tessera_frame frame, uint64_t address, uint64_t length) {
  struct pipe *pipe = pipe_of(frame);
  char *bytes = tessera_frame_bytes(frame);
  uint64_t total = 0;
  while (total < length) {
    while (pipe->count == PIPE_SIZE && pipe->readers > 0) wait_for(pipe);
    if (pipe->readers == 0) return total > 0 ? (int64_t)total : BROKEN_PIPE;
    uint64_t end = (pipe->first + pipe->count) % PIPE_SIZE, done = 0;
    uint64_t part = least(length - total, least(PIPE_SIZE - pipe->count, PIPE_SIZE - end));
    tessera_result result = copy_in(address + total, bytes + end, part, &done);
    pipe->count += (uint32_t)done;
    total += done;
    counts[BYTES_WRITTEN] += done;
    wake(pipe);
    if (result != TESSERA_OK) return total > 0 ? (int64_t)total : error_of(result);
  }
  return (int64_t)total;
}
