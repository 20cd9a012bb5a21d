// The C library's memory functions, which the compiler calls by name, and accesses that may fault.

        .code64
// void *memcpy(void *destination, const void *source, size_t count)
        .section .text.memcpy, "ax", @progbits
        .globl memcpy
        .type memcpy, @function
memcpy:
        movq %rdi, %rax
        movq %rdx, %rcx
        rep movsb
        ret
        .size memcpy, . - memcpy

// void *memmove(void *destination, const void *source, size_t count)
        .section .text.memmove, "ax", @progbits
        .globl memmove
        .type memmove, @function
memmove:
        movq %rdi, %rax
        movq %rdx, %rcx
        movq %rdi, %r8
        subq %rsi, %r8                          // below `count`: the source would be overwritten
        cmpq %rdx, %r8
        jb 1f
        rep movsb
        ret
1:      leaq -1(%rdi, %rcx), %rdi               // so the last byte goes first
        leaq -1(%rsi, %rcx), %rsi
        std
        rep movsb
        cld
        ret
        .size memmove, . - memmove

// void *memset(void *destination, int value, size_t count)
        .section .text.memset, "ax", @progbits
        .globl memset
        .type memset, @function
memset:
        movq %rdi, %r8
        movl %esi, %eax
        movq %rdx, %rcx
        rep stosb
        movq %r8, %rax
        ret
        .size memset, . - memset

// int memcmp(const void *left, const void *right, size_t count)
        .section .text.memcmp, "ax", @progbits
        .globl memcmp
        .type memcmp, @function
memcmp:
        xorl %eax, %eax
        movq %rdx, %rcx
        cmpq %rcx, %rcx                         // equal, should there be no byte at all
        repe cmpsb
        je 1f
        movzbl -1(%rdi), %eax
        movzbl -1(%rsi), %ecx
        subl %ecx, %eax
1:      ret
        .size memcmp, . - memcmp

// Adds an entry to the exception table: after a fault at `from`, execution continues at `to`.
.macro RECOVER from, to
        .pushsection .extable, "a", @progbits
        .quad \from, \to
        .popsection
.endm

// bool boot_probe_read(uint64_t address, uint64_t *value)
        .section .text.boot_probe_read, "ax", @progbits
        .globl boot_probe_read
        .type boot_probe_read, @function
boot_probe_read:
1:      movq (%rdi), %rax
        movq %rax, (%rsi)
        movl $1, %eax
        ret
2:      xorl %eax, %eax
        ret
        RECOVER 1b, 2b
        .size boot_probe_read, . - boot_probe_read

// bool boot_probe_write(uint64_t address, uint64_t value)
        .section .text.boot_probe_write, "ax", @progbits
        .globl boot_probe_write
        .type boot_probe_write, @function
boot_probe_write:
1:      movq %rsi, (%rdi)
        movl $1, %eax
        ret
2:      xorl %eax, %eax
        ret
        RECOVER 1b, 2b
        .size boot_probe_write, . - boot_probe_write

// bool boot_probe_execute(uint64_t address)
//
// The address holds a return instruction, or cannot be executed: then the fault is at that address,
// and the handler recognizes it by the return address on top of the stack.
        .section .text.boot_probe_execute, "ax", @progbits
        .globl boot_probe_execute, boot_probe_executed, boot_probe_not_executed
        .type boot_probe_execute, @function
boot_probe_execute:
        call *%rdi
boot_probe_executed:
        movl $1, %eax
        ret
boot_probe_not_executed:
        xorl %eax, %eax
        ret
        .size boot_probe_execute, . - boot_probe_execute

        .section .note.GNU-stack, "", @progbits
