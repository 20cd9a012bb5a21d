// Copies between the kernel and user memory, during which faults are expected.
#include "CTessera.h"

#if defined(__x86_64__)
// A fault at an instruction between `hw_user_copy` and `hw_user_copy_end` continues at the latter,
// which returns the number of bytes that are left. The functions use no stack.
__asm__(
    "  .pushsection .text.hw_user_copy, \"ax\", @progbits\n"
    "  .globl hw_user_copy, hw_user_copy_end\n"
    "  .hidden hw_user_copy, hw_user_copy_end\n"
    "  .type hw_user_copy, @function\n"
    "hw_user_copy:\n"
    "  movq %rdx, %rcx\n"
    "  rep movsb\n"
    "hw_user_copy_end:\n"
    "  movq %rcx, %rax\n"
    "  ret\n"
    "  .size hw_user_copy, . - hw_user_copy\n"
    "  .popsection\n");
#endif
