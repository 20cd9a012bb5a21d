// The first instructions of the user program, and the head of its image.
        .section .header, "a", @progbits
        .quad program_code_end, program_constants_end, program_data_end, program_zero_end, start

        .text
        .globl start
        .type start, @function
// rdi, rsi: the arguments of program_main. Every other register is zero: what is not ends up in the
// third argument.
start:
        orq %rax, %rdx
        orq %rbx, %rdx
        orq %rcx, %rdx
        orq %rbp, %rdx
        orq %r8, %rdx
        orq %r9, %rdx
        orq %r10, %rdx
        orq %r11, %rdx
        orq %r12, %rdx
        orq %r13, %rdx
        orq %r14, %rdx
        orq %r15, %rdx
        movl %ds, %eax
        orq %rax, %rdx
        movl %es, %eax
        orq %rax, %rdx
        movl %fs, %eax
        orq %rax, %rdx
        movl %gs, %eax
        orq %rax, %rdx
        call program_main
        ud2                                     // it does not return
        .size start, . - start

        .section .note.GNU-stack, "", @progbits
