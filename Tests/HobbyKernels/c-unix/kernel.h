/* The parts of the kernel, and what they share. */
#ifndef KERNEL_H
#define KERNEL_H

#include "calls.h"
#include "machine.h"
#include "tessera.h"

/* What ends the kernel (kernel.c) -------------------------------------------------------------- */

/** Fail the kernel if `call` fails, or `condition` is false. */
#define TRY(call) check_result(call, #call)
#define EXPECT(condition) check_condition(condition, #condition)

_Noreturn void fail(const char *what, const char *why);
void check_result(tessera_result result, const char *call);
void check_condition(bool condition, const char *what);

/** Where boot.S maps physical memory. */
#define DIRECT_MAP (LEVELS == 5 ? 0xff00000000000000 : 0xffff800000000000)

/** What has happened to programs. */
extern uint64_t counts[EVENT_COUNT];
/** The frame in which they count the same. */
extern tessera_frame ledger;

/** In machine.c. */
void *memcpy(void *to, const void *from, size_t count);

/* The processor (processor.c, entry.S) --------------------------------------------------------- */

enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, TASK = 0x28 };

enum { DOUBLE_FAULT = 8, PAGE_FAULT = 14, EXCEPTION_COUNT = 32, TIMER_VECTOR = 32 };

/** The registers of what an interrupt interrupted, as entry.S and the processor push them. */
struct registers {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
  uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

void prepare_processor(void);
/** Has interrupts of programs push their registers below `top`. */
void set_kernel_stack(uint64_t top);
/** Interrupts programs, never the kernel, after about a millisecond, again and again. */
void start_timer(void);
void acknowledge_timer(void);

/** Saves the stack pointer at `from`, and continues what was saved as `to`. */
void switch_stacks(uint64_t *from, uint64_t to);
/** Where a new process continues: pops its registers, and returns to the program. */
void return_to_program(void);

/* Processes (process.c) ------------------------------------------------------------------------ */

enum state { READY, WAITING, ENDED };

struct descriptor {
  enum { CLOSED, WRITES_CONSOLE, READS_PIPE, WRITES_PIPE } kind;
  tessera_frame pipe;
};

/** A process. It lies at the top of its kernel stack, and there is no table of processes: how many
 * there can be is a matter of memory. */
struct process {
  _Alignas(16) struct process *next, *previous;
  struct process *parent;
  uint64_t number;
  enum state state;
  /** What a process in the state WAITING waits for, and how it has ended in the state ENDED. */
  const void *awaited;
  uint64_t status;
  tessera_space *space;
  uint64_t heap_end;
  tessera_kernel_stack stack;
  uint64_t stack_pointer;
  uint64_t page_faults;
  struct descriptor descriptors[DESCRIPTORS];
};

/** The process that runs. */
extern struct process *current;
extern uint64_t process_count, most_processes, switches;

/** Where the registers of its program are while `process` is in the kernel. */
static inline struct registers *registers_of(struct process *process) {
  return (struct registers *)process - 1;
}

/** Runs the program `init`, and returns how it has ended, once no process is left. */
uint64_t run_init(void);
/** Lets another process run. */
void give_way(void);
/** Waits until `wake` is called with the same address. */
void wait_for(const void *awaited);
void wake(const void *awaited);
_Noreturn void end_process(uint64_t status);

int64_t fork_process(void);
int64_t wait_for_child(uint64_t status_address);

/* Programs (exec.c) ---------------------------------------------------------------------------- */

/** The arguments of a program: `count` strings, one after the other. */
struct arguments {
  uint64_t count, length;
  uint64_t starts[ARGUMENTS];
  char text[512];
};

/** Puts the code of all programs into frames, which all processes share; frees them at the end. */
void load_programs(void);
void free_programs(void);
/** Writes a space in which the program is ready to begin, and the registers that begin it. */
int64_t make_image(
    const char *name, const struct arguments *arguments, tessera_space **space,
    struct registers *registers);
/** Supplies the page of `address`, which is in program `number` and is used for the first time. */
tessera_result load_page(tessera_space *space, uint64_t address, uint32_t number);
int64_t exec_program(uint64_t path, uint64_t arguments);

/* Memory of programs (memory.c) ---------------------------------------------------------------- */

/** How faults of programs were resolved, beside what is in `counts`. */
extern uint64_t spurious_faults, takeovers, recoveries;

void handle_page_fault(struct registers *registers);
int64_t change_heap(int64_t length);
/** What a system call returns if `result` is that of an access to a program's memory. */
int64_t error_of(tessera_result result);
/** Access the memory of the running program, and load what is used for the first time. `done` is
 * how many bytes were copied. */
tessera_result copy_in(uint64_t address, void *buffer, uint64_t length, uint64_t *done);
tessera_result copy_out(uint64_t address, const void *buffer, uint64_t length, uint64_t *done);
tessera_result load_word(uint64_t address, uint64_t *word);
tessera_result store_word(uint64_t address, uint64_t word);
tessera_result read_string(uint64_t address, char *buffer, uint64_t size, uint64_t *length);

/* Pipes (pipe.c) ------------------------------------------------------------------------------- */

int64_t open_pipe(uint64_t address);
/** Adds an end of a pipe, or takes it away. A pipe without ends is freed. */
void share_descriptor(const struct descriptor *descriptor);
void close_descriptor(struct descriptor *descriptor);
int64_t read_pipe(tessera_frame pipe, uint64_t address, uint64_t length);
int64_t write_pipe(tessera_frame pipe, uint64_t address, uint64_t length);

/* System calls (call.c) ------------------------------------------------------------------------ */

/** Called by entry.S for every interrupt. */
void handle_interrupt(struct registers *registers);

#endif
