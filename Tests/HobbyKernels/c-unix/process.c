/* Processes: how they begin, take turns, fork, wait for each other, and end. */
#include "kernel.h"

/** Four pages: Tessera needs about one, and a page fault may come on top of a system call. */
enum { KERNEL_STACK = 4 * 4096 };

/** What runs while no process can: kernel_main. It is not in the ring of processes. */
static struct process boot = {.state = READY};

struct process *current = &boot;
uint64_t process_count, most_processes, switches;

/** The ring of processes begins and ends here. It is never ready. */
static struct process ring = {.next = &ring, .previous = &ring, .state = WAITING};
static struct process *init;

/* Beginning and end ---------------------------------------------------------------------------- */

/** Returns a process that will return to its program, or null if there is no memory. */
static struct process *make_process(void) {
  static uint64_t last_number;
  tessera_kernel_stack stack;
  tessera_result result = tessera_kernel_stack_allocate(KERNEL_STACK, &stack);
  if (result == TESSERA_ERROR_OUT_OF_FRAMES) return NULL;
  TRY(result);
  struct process *process = (struct process *)stack.top - 1;
  *process = (struct process){
      .parent = current, .number = ++last_number, .state = READY, .stack = stack};
  uint64_t *top = (uint64_t *)registers_of(process);
  *--top = (uint64_t)return_to_program; /* where switch_stacks returns to */
  process->stack_pointer = (uint64_t)(top - 6);
  return process;
}

/** Lets `process` take its turns. */
static void begin_process(struct process *process) {
  process->previous = ring.previous;
  process->next = &ring;
  ring.previous->next = process;
  ring.previous = process;
  if (++process_count > most_processes) most_processes = process_count;
}

/** Frees the stack of a process, and so the process. */
static void free_stack(struct process *process) {
  const tessera_kernel_stack stack = process->stack;
  TRY(tessera_kernel_stack_free(&stack));
}

/** Frees what is left of a process that has ended. */
static void free_process(struct process *process) {
  process->previous->next = process->next;
  process->next->previous = process->previous;
  process_count--;
  free_stack(process);
}

void end_process(uint64_t status) {
  for (int i = 0; i < DESCRIPTORS; i++) close_descriptor(&current->descriptors[i]);
  for (struct process *other = ring.next; other != &ring; other = other->next) {
    if (other->parent != current) continue;
    other->parent = init;
    if (other->state == ENDED) wake(init);
  }
  TRY(tessera_space_activate(tessera_kernel_space()));
  TRY(tessera_space_destroy(current->space));
  current->space = NULL;
  current->status = status;
  current->state = ENDED;
  /* It runs on its stack until it gives way, and its parent frees that later. */
  wake(current->parent);
  give_way();
  fail("a process", "runs although it has ended");
}

/* Taking turns --------------------------------------------------------------------------------- */

static void switch_to(struct process *next) {
  if (next == current) return;
  struct process *previous = current;
  current = next;
  switches++;
  set_kernel_stack((uint64_t)next);
  TRY(tessera_space_activate(next->space ? next->space : tessera_kernel_space()));
  switch_stacks(&previous->stack_pointer, next->stack_pointer);
}

void give_way(void) {
  struct process *first = current == &boot ? &ring : current, *next = first->next;
  while (next != first && next->state != READY) next = next->next;
  switch_to(next->state == READY ? next : &boot);
}

void wait_for(const void *awaited) {
  current->awaited = awaited;
  current->state = WAITING;
  give_way();
}

void wake(const void *awaited) {
  for (struct process *process = ring.next; process != &ring; process = process->next) {
    if (process->state == WAITING && process->awaited == awaited) process->state = READY;
  }
}

uint64_t run_init(void) {
  static const struct arguments arguments = {.count = 1, .length = 5, .text = "init"};
  init = make_process();
  EXPECT(init != NULL);
  EXPECT(make_image("init", &arguments, &init->space, registers_of(init)) == 0);
  init->heap_end = HEAP_START;
  init->descriptors[CONSOLE].kind = WRITES_CONSOLE;
  begin_process(init);
  give_way();
  if (init->state != ENDED) fail("every process", "waits for another");
  const uint64_t status = init->status;
  free_process(init);
  return status;
}

/* System calls --------------------------------------------------------------------------------- */

#ifdef SHARES_HEAP
/** A mistake: what is on the heap is the same memory on both sides, and both may write it. */
static void share_heap(struct process *child) {
  const uint32_t read_write = TESSERA_READ | TESSERA_WRITE;
  for (uint64_t page = HEAP_START; page < child->heap_end; page += PAGE) {
    tessera_frame frame;
    TRY(tessera_allocate(&frame));
    TRY(tessera_share(frame));
    TRY(tessera_read_user(child->space, page, tessera_frame_bytes(frame), PAGE, NULL));
    TRY(tessera_replace(current->space, page, frame, read_write, NULL));
    TRY(tessera_replace(child->space, page, frame, read_write, NULL));
  }
}
#endif

int64_t fork_process(void) {
  struct process *child = make_process();
  tessera_result result = TESSERA_ERROR_OUT_OF_FRAMES;
  if (child) result = tessera_space_fork(current->space, &child->space);
  if (result == TESSERA_ERROR_OUT_OF_FRAMES) {
    if (child) free_stack(child);
    return NO_MEMORY;
  }
  TRY(result);
  child->heap_end = current->heap_end;
  for (int i = 0; i < DESCRIPTORS; i++) {
    child->descriptors[i] = current->descriptors[i];
    share_descriptor(&child->descriptors[i]);
  }
  *registers_of(child) = *registers_of(current);
  registers_of(child)->rax = 0;
#ifdef SHARES_HEAP
  share_heap(child);
#endif
  begin_process(child);
  counts[FORKS]++;
  return (int64_t)child->number;
}

int64_t wait_for_child(uint64_t status_address) {
  for (;;) {
    bool has_child = false;
    for (struct process *child = ring.next; child != &ring; child = child->next) {
      if (child->parent != current) continue;
      has_child = true;
      if (child->state != ENDED) continue;
      /* First the status: with a bad pointer, the child can still be waited for. */
      tessera_result result = store_word(status_address, child->status);
      if (result != TESSERA_OK) return error_of(result);
      const int64_t number = (int64_t)child->number;
      free_process(child);
      counts[PROCESSES_ENDED]++;
      return number;
    }
    if (!has_child) return NO_CHILD;
    wait_for(current);
  }
}
