/* What the kernel and its programs agree on: system calls, addresses, and what both count. */
#ifndef CALLS_H
#define CALLS_H

/* System calls, by `int $0x80`: the number in RAX, arguments in RDI, RSI and RDX, the result in
 * RAX. */
#define SYSTEM_CALL 0x80

enum call {
  CALL_EXIT,
  CALL_FORK,
  CALL_EXEC,
  CALL_WAIT,
  CALL_SBRK,
  CALL_PIPE,
  CALL_READ,
  CALL_WRITE,
  CALL_CLOSE,
};

/* Errors, as negative results. */
enum error {
  NO_FILE = -2,
  TOO_BIG = -7,
  BAD_DESCRIPTOR = -9,
  NO_CHILD = -10,
  NO_MEMORY = -12,
  BAD_ADDRESS = -14,
  WRONG_ARGUMENT = -22,
  TOO_MANY_FILES = -24,
  BROKEN_PIPE = -32,
  NO_SUCH_CALL = -38,
};

/* The status of a process that has ended: what it passed to `exit`, below 256, or why the kernel
 * ended it. */
#define BY_FAULT 0x100     /* and the error code of the page fault */
#define BY_EXCEPTION 0x200 /* and the number of the exception */
#define FOR_MEMORY 0x300

/* The addresses of a program. All are in one gibibyte, which saves page tables. */
#define PROGRAM_START 0x400000
#define HEAP_START 0x10000000
#define HEAP_LIMIT 0x18000000
#define LEDGER 0x20000000
#define STACK_TOP 0x40000000
#define STACK_PAGES 64

#define PAGE 4096
#define PIPE_SIZE PAGE
#define CONSOLE 1
#define DESCRIPTORS 16
#define ARGUMENTS 8

/* What happens to programs. The kernel counts each event, and so do the programs, which know what
 * they cause: in the ledger, a page that all of them share. Both must agree. */
#define EVENTS(X) \
  X(PROGRAMS_STARTED, "programs started") \
  X(FORKS, "forks") \
  X(PROCESSES_ENDED, "processes waited for") \
  X(PAGES_LOADED, "pages of programs loaded") \
  X(ZEROS_READ, "first reads of zeroed pages") \
  X(PAGES_ZEROED, "first writes of zeroed pages") \
  X(PAGES_COPIED, "first writes of pages after a fork") \
  X(FAULTS_DENIED, "page faults that end a process") \
  X(EXCEPTIONS, "other exceptions that do") \
  X(ENDED_FOR_MEMORY, "page faults without memory, which do") \
  X(CALLS_WITHOUT_MEMORY, "system calls without memory") \
  X(BAD_ADDRESSES, "system calls with a bad pointer") \
  X(BYTES_WRITTEN, "bytes written to pipes") \
  X(BYTES_READ, "bytes read from pipes")

#define EVENT_NUMBER(event, text) event,
enum event { EVENTS(EVENT_NUMBER) EVENT_COUNT };

#endif
