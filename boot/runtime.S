// What code that is not optimised asks of Swift's runtime, with CONFIG=debug.
//
// Without heap allocations there is nothing to release, and the compiler leaves `swift_release`
// out. It still calls it for the context of a closure that has none, which is null.

        .code64
// void swift_release(void *object)
        .section .text.swift_release, "ax", @progbits
        .weak swift_release
        .type swift_release, @function
swift_release:
        testq %rdi, %rdi
        jnz 1f
        ret
1:      ud2                                     // an object on a heap that does not exist
        .size swift_release, . - swift_release

        .section .note.GNU-stack, "", @progbits
