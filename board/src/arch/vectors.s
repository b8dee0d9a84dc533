// Exception vectors: save the registers, then report. No exception returns.
//
// Every entry spills all general registers into a Frame on the exception stack (SP_EL1) and hands
// over exception_report(x0 = vector number 0..15, x1 = &Frame).

    .macro vector number
    .balign 128
    sub     sp, sp, #{FRAME_BYTES}
    stp     x0, x1, [sp]
    mov     x0, #\number
    b       save_and_report
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global exception_vectors
exception_vectors:
    // Current EL with SP_EL0 (kmain's code): synchronous, IRQ, FIQ, SError.
    vector 0
    vector 1
    vector 2
    vector 3
    // Current EL with SP_EL1 (a fault inside the report).
    vector 4
    vector 5
    vector 6
    vector 7
    // Lower EL, AArch64 and AArch32: nothing runs there.
    vector 8
    vector 9
    vector 10
    vector 11
    vector 12
    vector 13
    vector 14
    vector 15

    .balign 128
save_and_report:
    // x0 and x1 are saved already.
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    // The interrupted code ran on SP_EL0.
    mrs     x2, sp_el0
    stp     x30, x2, [sp, #240]
    mov     x1, sp
    b       {report}
