// What the kernel and its user program agree on: the system calls, the places in memory, and what a
// program reports at its end. Included by both.
#pragma once
#include <stdint.h>

/// The number of a system call is in RAX, its arguments are in RDI, RSI and RDX; its result, in
/// RAX, is PROGRAM_FAILED if it has failed. All other registers are kept. The instruction is
/// `int $0x80`.
///
/// PROGRAM_EXIT(counts): ends the program, whose program_counts are at `counts`.
#define PROGRAM_EXIT 0
/// PROGRAM_FORK(): copies the program. Returns 0 in the copy, and its number in the original.
#define PROGRAM_FORK 1
/// PROGRAM_WAIT(number): waits until that child has ended. Returns 0 if it has called
/// PROGRAM_EXIT, and PROGRAM_ENDED_BY + the vector of the exception that ended it otherwise.
#define PROGRAM_WAIT 2
/// PROGRAM_MAP(address, size): memory that is zero, and is allocated when it is used.
#define PROGRAM_MAP 3
/// PROGRAM_UNMAP(address, size)
#define PROGRAM_UNMAP 4
/// PROGRAM_WRITE(text, length): prints up to 80 characters. Returns their number.
#define PROGRAM_WRITE 5
/// PROGRAM_SUM(address, size): returns the sum of the bytes there.
#define PROGRAM_SUM 6
/// PROGRAM_FILL(address, size, byte): writes the byte everywhere there. Returns the size. Bytes
/// before the first that cannot be written may have been written if it fails.
#define PROGRAM_FILL 7
/// PROGRAM_THREAD(entry, stack, argument): starts a thread in the same space. Returns its number,
/// for PROGRAM_WAIT.
#define PROGRAM_THREAD 8
/// PROGRAM_STOP(): makes PROGRAM_TURN(), which threads call again and again, return 1 instead of 0.
/// PROGRAM_TURNS() returns how often it was called. These words are not in the memory of a program:
/// another thread might not see there what was written last.
#define PROGRAM_STOP 9
#define PROGRAM_TURN 10
#define PROGRAM_TURNS 11

/// The second argument of a program that only measures, on PROGRAM_COST_PAGES pages of the heap,
/// the least cost of what makes the first read or write of a page more than the second; or of a
/// system call. It ends with PROGRAM_EXIT(cost), which it is the only one to call so.
#define PROGRAM_COST_READ 0x100
#define PROGRAM_COST_WRITE 0x101
#define PROGRAM_COST_CALL 0x102
#define PROGRAM_COST_PAGES 32

/// The most threads besides the first that a program can be asked to start.
#define PROGRAM_MOST_THREADS 16

#define PROGRAM_FAILED 0xffffffffffffffff
#define PROGRAM_ENDED_BY 0x100

/// Where the image begins, and above it, in whole pages, what PROGRAM_MAP is called with, and the
/// end of the stack, which grows on demand.
#define PROGRAM_START 0x400000
#define PROGRAM_HEAP 0x10000000
#define PROGRAM_STACK_END 0x80000000
#define PROGRAM_STACK_SIZE 0x100000

/// The head of the image: the addresses at which its parts end, each a multiple of the page size:
/// code, constants, variables, and variables that begin as zero; and the address of the entry.
typedef struct {
  uint64_t code_end, constants_end, data_end, zero_end, entry;
} program_header;

/// What a program has done, by its own count.
typedef struct {
  /// First reads and first writes of pages of zeroed memory.
  uint64_t zero_reads, zero_writes;
  /// First writes of pages that a fork has shared.
  uint64_t shared_writes;
  /// Children that were ended by a page fault, and by another exception.
  uint64_t rejected, exceptions;
  uint64_t forks;
  /// System calls with pointers to memory that the program may use so, and with others.
  uint64_t good_pointers, bad_pointers;
  /// Comparisons of what is in memory, or was returned, with what should be; those that have
  /// failed, and the line of the first of them.
  uint64_t checks, failures, failed_line;
} program_counts;
