// double ceil(double number): `Dictionary` and `Set` compute with it how large to be.
//
// Without vector registers a double is passed on the stack, and returned in ST(0). No C compiler
// compiles such a function: all say that the ABI returns it in XMM0. Who calls it has used the x87
// already. Its registers are as they were afterwards, but for the result.

        .code64
        .section .text.ceil, "ax", @progbits
        .globl ceil
        .type ceil, @function
ceil:
        fldl 8(%rsp)
        subq $8, %rsp
        fnstcw (%rsp)
        movzwl (%rsp), %eax
        andl $~0x0c00, %eax                     // how to round: bits 10 and 11
        orl $0x0800, %eax                       // upwards
        movw %ax, 4(%rsp)
        fldcw 4(%rsp)
        frndint
        fldcw (%rsp)
        addq $8, %rsp
        ret
        .size ceil, . - ceil

        .section .note.GNU-stack, "", @progbits
