/* What the kernel of the guide "Tessera in your kernel" has before it uses Tessera. */
#include <stddef.h>
#include <stdint.h>

/* The value written to QEMU's exit device. */
enum { PASSED = 0x10, FAILED = 0x11, CRASHED = 0x12 };

/* From kernel.ld. */
extern char kernel_start[], kernel_end[];

/** Writes `length` bytes to the serial port. */
void print(const char *text, size_t length);

/** Prints the verdict and powers off. */
_Noreturn void stop(int verdict);
