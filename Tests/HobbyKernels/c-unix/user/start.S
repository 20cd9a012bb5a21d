# The head of a program's image, and its first instructions.
        .section .header, "a", @progbits
        .quad code_end, constants_end, data_end, zero_end, start

# RDI and RSI: the number of arguments and the arguments.
        .text
        .globl start
start:
        call begin
        ud2                                     # begin does not return

        .section .note.GNU-stack, "", @progbits
