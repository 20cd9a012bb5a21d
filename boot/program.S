// The image of the user program, which the kernel copies into the memory of its processes.
        .section .rodata.program, "a", @progbits
        .balign 16
        .globl boot_program, boot_program_end
boot_program:
        .incbin "user/program.bin"
boot_program_end:

        .section .note.GNU-stack, "", @progbits
