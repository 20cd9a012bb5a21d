/* Interrupts, and the system calls among them. The kernel itself runs with interrupts off. */
#include "kernel.h"

static int64_t write_console(uint64_t address, uint64_t length) {
  char text[128];
  for (uint64_t total = 0; total < length;) {
    uint64_t done = 0, part = length - total < sizeof text ? length - total : sizeof text;
    tessera_result result = copy_in(address + total, text, part, &done);
    print_bytes(text, done);
    total += done;
    if (result != TESSERA_OK) return total > 0 ? (int64_t)total : error_of(result);
  }
  return (int64_t)length;
}

static struct descriptor *find_descriptor(uint64_t number) {
  if (number >= DESCRIPTORS || current->descriptors[number].kind == CLOSED) return NULL;
  return &current->descriptors[number];
}

static int64_t read_descriptor(uint64_t number, uint64_t address, uint64_t length) {
  const struct descriptor *descriptor = find_descriptor(number);
  if (!descriptor || descriptor->kind != READS_PIPE) return BAD_DESCRIPTOR;
  return read_pipe(descriptor->pipe, address, length);
}

static int64_t write_descriptor(uint64_t number, uint64_t address, uint64_t length) {
  const struct descriptor *descriptor = find_descriptor(number);
  if (!descriptor || descriptor->kind == READS_PIPE) return BAD_DESCRIPTOR;
  if (descriptor->kind == WRITES_CONSOLE) return write_console(address, length);
  return write_pipe(descriptor->pipe, address, length);
}

static int64_t close_number(uint64_t number) {
  struct descriptor *descriptor = find_descriptor(number);
  if (!descriptor) return BAD_DESCRIPTOR;
  close_descriptor(descriptor);
  return 0;
}

static int64_t perform_call(const struct registers *registers) {
  const uint64_t first = registers->rdi, second = registers->rsi, third = registers->rdx;
  switch (registers->rax) {
    case CALL_EXIT: end_process(first & 0xff);
    case CALL_FORK: return fork_process();
    case CALL_EXEC: return exec_program(first, second);
    case CALL_WAIT: return wait_for_child(first);
    case CALL_SBRK: return change_heap((int64_t)first);
    case CALL_PIPE: return open_pipe(first);
    case CALL_READ: return read_descriptor(first, second, third);
    case CALL_WRITE: return write_descriptor(first, second, third);
    case CALL_CLOSE: return close_number(first);
    default: return NO_SUCH_CALL;
  }
}

static void handle_call(struct registers *registers) {
  const bool is_exec = registers->rax == CALL_EXEC;
  const int64_t result = perform_call(registers);
  if (result == BAD_ADDRESS) counts[BAD_ADDRESSES]++;
  if (result == NO_MEMORY) counts[CALLS_WITHOUT_MEMORY]++;
  /* The registers are those of a new program after exec. */
  if (!is_exec || result != 0) registers->rax = (uint64_t)result;
}

void handle_interrupt(struct registers *registers) {
  switch (registers->vector) {
    case PAGE_FAULT: handle_page_fault(registers); return;
    case SYSTEM_CALL: handle_call(registers); return;
    case TIMER_VECTOR:
      acknowledge_timer();
      give_way();
      return;
    default: break;
  }
  if (registers->vector >= EXCEPTION_COUNT) return; /* a spurious interrupt, which has no owner */
  if (registers->cs != USER_CODE) fail("the kernel", "has an exception of its own");
  counts[EXCEPTIONS]++;
  end_process(BY_EXCEPTION + registers->vector);
}
