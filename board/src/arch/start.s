// From the loader's jump to kmain: exception level, translation, relocation, stacks.
//
// In:  x0 = physical address of the device tree, MMU and data cache off (Linux arm64 boot
//      protocol, Documentation/arch/arm64/booting.rst). Any of EL3, EL2, EL1.
// Out: kmain(x0 = device tree, x1 = first unused translation table, x2 = level of entry) at EL1 with SP_EL0, MMU and
//      caches on, addresses equal to physical ones.
// Registers that survive the whole file: x19 device tree, x20 image base, x21 root table,
// x23 next unused table, x24 the level of entry. Everything else is scratch.

    .section .head, "ax"
    .global _start
_start:
    // Linux arm64 Image header, 64 bytes.
    b       entry                   // code0: the loader jumps to the first byte
    .long   0                       // code1
    .quad   0                       // text_offset from a 2 MiB boundary
    .quad   __image_size            // bytes in memory, beyond the end of the file
    .quad   {IMAGE_FLAGS}           // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0                 // reserved
    .ascii  "ARMd"                  // magic, 0x644d5241
    .long   0                       // no PE header

entry:
    // No interrupts until somebody asks for them; keep the device tree; find ourselves.
    msr     daifset, #0xf
    mov     x19, x0
    adrp    x20, __image_start

    // CurrentEL holds the level in bits 3:2.
    mrs     x0, CurrentEL
    ubfx    x24, x0, #2, #2
    cmp     x0, #(3 << 2)
    b.eq    from_el3
    cmp     x0, #(2 << 2)
    b.eq    from_el2
    b       at_el1

from_el3:
    // The next level runs AArch64, non-secure, may use HVC and SMC; nothing traps to EL3.
    ldr     x0, ={SCR_EL3}
    msr     scr_el3, x0
    msr     cptr_el3, xzr
    msr     mdcr_el3, xzr
    // Without EL2 an eret into it is illegal: go straight to EL1.
    mrs     x0, id_aa64pfr0_el1
    tst     x0, #(0xf << 8)
    b.eq    1f
    ldr     x0, ={SCTLR_EL2}
    msr     sctlr_el2, x0
    mov     x0, #{SPSR_EL2H}
    adr     x1, from_el2
    b       2f
1:  ldr     x0, ={SCTLR_EL1_OFF}
    msr     sctlr_el1, x0
    mov     x0, #{SPSR_EL1H}
    adr     x1, at_el1
2:  msr     spsr_el3, x0
    msr     elr_el3, x1
    eret

from_el2:
    // EL1 is AArch64 and untrapped: floating point, timers, debug.
    mov     x0, #{HCR_EL2_RW}
    msr     hcr_el2, x0
    isb
    mov     x0, #{CPTR_EL2}
    msr     cptr_el2, x0
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    // EL1 reads the physical counter and its timer; the virtual counter equals it.
    mrs     x0, cnthctl_el2
    orr     x0, x0, #3
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    // EL1 sees the real core in MIDR and MPIDR.
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    // Give all event counters to EL1, if the core has a performance monitor at all.
    mov     x1, xzr
    mrs     x0, id_aa64dfr0_el1
    ubfx    x0, x0, #8, #4
    sub     x0, x0, #1              // 0 (none) and 15 (not ours) both become >= 14
    cmp     x0, #14
    b.hs    1f
    mrs     x0, pmcr_el0
    ubfx    x1, x0, #11, #5
1:  msr     mdcr_el2, x1
    // Down to EL1 with its MMU off.
    ldr     x0, ={SCTLR_EL1_OFF}
    msr     sctlr_el1, x0
    mov     x0, #{SPSR_EL1H}
    msr     spsr_el2, x0
    adr     x0, at_el1
    msr     elr_el2, x0
    eret

at_el1:
    // A known state, whoever was here before: MMU off, FP and SIMD on, IEEE defaults in FPCR.
    ldr     x0, ={SCTLR_EL1_OFF}
    msr     sctlr_el1, x0
    mov     x0, #{CPACR_FP}
    msr     cpacr_el1, x0
    isb
    msr     fpcr, xzr

    // Clear the tables. They are the only memory written with caches off, so stale lines over
    // them are thrown away before (they could be written back on top) and after (walks are cached).
    adrp    x21, __tables_start
    adrp    x22, __tables_end
    bl      discard_table_lines
    mov     x0, x21
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x22
    b.lo    1b
    add     x23, x21, #4096         // the root is in use, the next one is free

    // Map the image, all of it writable until kmain knows which pages are code.
    mov     x0, x20
    adrp    x1, __image_end
    sub     x1, x1, #1
    ldr     x2, ={PAGE_BOOT}
    bl      map_pages

    // Map the page of the device tree's header (8 bytes, 8-byte aligned, so never in two pages);
    // kmain maps the rest. A page more could be RAM behind a small tree, and would stay read-only.
    cbz     x19, 1f
    mov     x0, x19
    mov     x1, x19
    ldr     x2, ={PAGE_READ_ONLY}
    bl      map_pages
1:  bl      discard_table_lines

    // Translation on: 39-bit addresses, 4 KiB granule, physical size as the core reports (at most
    // 48 bits), walks write-back cacheable and inner shareable.
    ldr     x0, ={MAIR}
    msr     mair_el1, x0
    ldr     x0, ={TCR}
    mrs     x1, id_aa64mmfr0_el1
    and     x1, x1, #0xf
    cmp     x1, #5
    mov     x2, #5
    csel    x1, x1, x2, lo
    orr     x0, x0, x1, lsl #32
    msr     tcr_el1, x0
    msr     ttbr0_el1, x21
    isb
    tlbi    vmalle1
    dsb     nsh
    ic      iallu
    dsb     nsh
    isb
    ldr     x0, ={SCTLR_EL1_ON}
    msr     sctlr_el1, x0
    isb

    // Relocate: the image was linked at 0 and runs at x20.
    adrp    x0, __rela_start
    add     x0, x0, :lo12:__rela_start
    adrp    x1, __rela_end
    add     x1, x1, :lo12:__rela_end
1:  cmp     x0, x1
    b.hs    2f
    ldp     x2, x3, [x0], #16       // offset, type
    ldr     x4, [x0], #8            // addend
    cmp     x3, #{R_AARCH64_RELATIVE}
    b.ne    park
    add     x4, x4, x20
    str     x4, [x2, x20]
    b       1b

    // Clear .bss (16-byte aligned at both ends by the linker script).
2:  adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    adrp    x1, __bss_end
    add     x1, x1, :lo12:__bss_end
3:  cmp     x0, x1
    b.hs    4f
    stp     xzr, xzr, [x0], #16
    b       3b

    // Exceptions run on SP_EL1, kmain on SP_EL0: a fault finds a good stack even when the main
    // one has overflowed.
4:  adrp    x0, exception_vectors
    add     x0, x0, :lo12:exception_vectors
    msr     vbar_el1, x0
    msr     spsel, #1
    adrp    x0, __exception_stack_top
    mov     sp, x0
    msr     spsel, #0
    adrp    x0, __stack_top
    mov     sp, x0
    isb

    mov     x0, x19
    mov     x1, x23
    mov     x2, x24
    mov     x29, xzr
    mov     x30, xzr
    b       {kmain}

park:
    wfe
    b       park

// Discards cache lines over the tables. Scratch: x0, x1, x2.
discard_table_lines:
    // With the MMU off stores are to device memory, which nothing else orders before `dc ivac`
    // (Arm ARM DDI 0487, on the ordering of cache maintenance by address).
    dmb     sy
    mrs     x1, ctr_el0             // DminLine: log2 of the words in the smallest line
    ubfx    x1, x1, #16, #4
    mov     x2, #4
    lsl     x2, x2, x1
    mov     x0, x21
1:  dc      ivac, x0
    add     x0, x0, x2
    cmp     x0, x22
    b.lo    1b
    dsb     sy
    ret

// Maps the pages of [x0, x1] one to one with the attributes x2. Scratch: x0, x3, x4, x5.
map_pages:
    and     x0, x0, #~0xfff
1:  ubfx    x3, x0, #30, #9         // level 1: 1 GiB each
    add     x3, x21, x3, lsl #3
    ldr     x4, [x3]
    cbnz    x4, 2f
    orr     x4, x23, #3             // a fresh table
    str     x4, [x3]
    add     x23, x23, #4096
2:  and     x4, x4, #~0xfff
    ubfx    x3, x0, #21, #9         // level 2: 2 MiB each
    add     x3, x4, x3, lsl #3
    ldr     x4, [x3]
    cbnz    x4, 3f
    orr     x4, x23, #3
    str     x4, [x3]
    add     x23, x23, #4096
3:  and     x4, x4, #~0xfff
    ubfx    x3, x0, #12, #9         // level 3: 4 KiB each
    orr     x5, x0, x2
    str     x5, [x4, x3, lsl #3]
    add     x0, x0, #4096
    cmp     x0, x1
    b.ls    1b
    ret
