/* What the kernel of the page "Tessera in your kernel" has before it knows Tessera. */
#include <stddef.h>
#include <stdint.h>

/* What QEMU is told at the end. */
enum { PASSED = 0x10, FAILED = 0x11, CRASHED = 0x12 };

/* From kernel.ld. */
extern char kernel_start[], kernel_end[];

/** Writes `length` bytes to the serial port. */
void print(const char *text, size_t length);

/** Says how it went, and stops the machine. */
_Noreturn void stop(int verdict);
