# Interrupts, the switch of stacks, and the images of the programs.

# Each vector has a stub that pushes its number, and a zero where the processor pushes no error
# code.
        .text
        .set vector, 0
        .rept 256
        .balign 16
        .ifeq vector
        .globl stubs
stubs:
        .endif
        .if vector <> 8 && (vector < 10 || vector > 14) && vector <> 17 && vector <> 21
        pushq $0
        .endif
        pushq $vector
        jmp save_registers
        .set vector, vector + 1
        .endr

save_registers:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rbx
        pushq %rbp
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        pushfq                                  # AC, which a program may have set, would let the
        andl $~0x40000, (%rsp)                  # kernel use the memory of programs
        popfq
        movq %rsp, %rdi
        call handle_interrupt
        .globl return_to_program
return_to_program:
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rbp
        popq %rbx
        popq %rdx
        popq %rcx
        popq %rax
        addq $16, %rsp                          # the vector and the error code
        iretq

# void switch_stacks(uint64_t *from, uint64_t to): C expects these registers to be kept.
        .globl switch_stacks
switch_stacks:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, (%rdi)
        movq %rsi, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

        .section .rodata
        .macro PROGRAM name
        .globl \name\()_image, \name\()_image_end
        .balign 16
\name\()_image:
        .incbin "\name\().bin"
\name\()_image_end:
        .endm

        PROGRAM init
        PROGRAM worker
        PROGRAM bomb

        .section .note.GNU-stack, "", @progbits
