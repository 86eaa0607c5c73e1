// SPDX-License-Identifier: GPL-2.0-or-later
//
// Real-mode semantics, as a boot sector's program: each `try` runs one instruction from known registers
// and prints all of them and the defined flags on port 0xe9. Faults go through the vector table, whose
// handler prints the vector and resumes behind the instruction. Ends through Bochs' shutdown port.
    .code16
    .globl _start
    .set ALL, 0x0cd5        // OF, DF, SF, ZF, AF, PF, CF
    .set NO_AF, 0x0cc5
    .set CF_ONLY, 0x0401
    .set CF_OF, 0x0c01
    .set SZP, 0x04c4
    .set NONE, 0x0400

// Runs the instruction with flags \start; prints those in \mask.
    .macro try start, mask, instruction
    call registers
    push $\start
    popf
    movw $9f, %cs:resume
    \instruction
9:  pushf
    push $\mask
    call show
    .endm

_start:
    jmp loader
    .org 0x20
loader:
    ljmp $0, $1f
1:  cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7000, %sp
    call sector_two
    jmp begin

// The program is longer than the boot sector: reads the next ones with the BIOS, where there is one
// (the other runner loads the whole image and leaves a mark).
sector_two:
    cmpw $0x4b4b, 0x5fe
    je 1f
    mov $0x0200 + SECTORS, %ax
    mov $2, %cx
    mov $0, %dx
    mov $0x7e00, %bx
    int $0x13
1:  ret
    .org 510
    .word 0xaa55

begin:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7000, %sp
    .macro vector number
    movw $fault_\number, 4 * \number
    movw $0, 4 * \number + 2
    .endm
    vector 0
    vector 4
    vector 5
    vector 6
    vector 12
    vector 13

    try 0x0002, ALL, "daa"
    try 0x0013, ALL, "daa"
    try 0x0013, ALL, "das"
    try 0x0002, ALL, "das"
    try 0x0002, 0x0411, "aaa"
    try 0x0012, 0x0411, "aas"
    try 0x0002, SZP, "aam"
    try 0x0002, SZP, "aam $7"
    try 0x0002, SZP, "aad"
    try 0x0002, NONE, "aam $0"
    try 0x0002, NONE, "divb %ch"
    try 0x0002, NONE, "div %bx"
    try 0x0002, NONE, "idivw %cx"
    try 0x0002, NONE, "into"
    try 0x0802, NONE, "into"
    try 0x0002, CF_OF, "imul $300, %bx, %ax"
    try 0x0002, CF_OF, "mul %bl"
    try 0x0003, ALL, "adc %bx, %ax"
    try 0x0003, ALL, "sbb %cx, %dx"
    try 0x0003, ALL, "cmp $0x7f, %al"
    try 0x0002, ALL, "neg %cx"
    try 0x0003, ALL, "inc %dx"
    try 0x0002, NO_AF, "test $0x81, %ah"
    try 0x0002, 0x0cc5, "shl $1, %ax"
    try 0x0002, 0x04c5, "sar $5, %ax"
    try 0x0003, CF_OF, "rcl $1, %bx"
    try 0x0003, CF_ONLY, "rcr $9, %bl"
    try 0x0002, CF_ONLY, "ror $4, %dx"
    try 0x0002, 0x04c5, "shld $5, %dx, %ax"
    try 0x0002, CF_ONLY, "bts $3, %dx"
    try 0x0002, 0x0440, "bsf %bx, %ax"
    try 0x0002, ALL, "push %sp; pop %ax"
    try 0x0002, ALL, "pusha; popa"
    try 0x0002, ALL, "pushal; popal"
    try 0x0002, ALL, "enter $8, $2; leave"
    try 0x0002, ALL, "xlat"
    try 0x0002, ALL, "lahf"
    try 0x0002, ALL, "sahf"
    try 0x0402, ALL, "lodsw"
    try 0x0002, ALL, "cbw"
    try 0x0002, ALL, "cwd"
    try 0x0002, ALL, "movzx %bh, %ax"
    try 0x0002, ALL, "mov 0xffff(%bx), %ax"
    try 0x0002, ALL, ".byte 0x0f, 0x0b"
    try 0x0002, ALL, "mov %cs, %ax"
    try 0x0002, ALL, "smsw %ax; and $1, %ax"
    try 0x0002, ALL, "bound %ax, limits"
    try 0x0002, ALL, "bound %cx, limits"
    try 0x0002, ALL, "mov $0xffff, %si; mov (%si), %ax"
    try 0x0002, ALL, "mov $0x12345678, %eax; movl %eax, 0x600; mov 0x602, %bx"
    try 0x0002, ALL, "mov $0x10000, %esi; addr32 mov (%esi), %al"
    try 0x0002, ALL, "mov $0x600, %di; mov $4, %cx; mov $0x5a, %al; rep stosb; mov 0x603, %ax"
    try 0x0002, 0x0cd5, "mov $0x600, %si; mov $0x602, %di; mov $3, %cx; repe cmpsb"
    try 0x0002, ALL, "int $4"
    try 0x0002, ALL, "mov $1, %cx; loop 8f; mov $5, %ax; 8:"
    try 0x0002, ALL, "jcxz 8f; mov $6, %ax; 8:"
    try 0x0002, ALL, "lcall $0x10, $far_routine - 0x100"
    try 0x0002, ALL, "les pointer, %bx; mov %es, %ax; push %cs; pop %es"
    try 0x0002, ALL, "mov $0xff, %al; .byte 0xd6"
    try 0x0003, ALL, ".byte 0xd6"

    mov $shutdown, %si
    mov $0x8900, %dx
1:  lodsb
    test %al, %al
    jz 2f
    out %al, %dx
    jmp 1b
2:  cli
    hlt
    jmp 2b

registers:
    mov $0x1234a, %eax
    mov $0x00028765, %ebx
    mov $0x7ff0, %ecx
    mov $0x8001, %edx
    mov $limits, %si
    mov $0x640, %di
    mov $0x6e80, %bp
    ret

// Stack: return address, mask, flags.
show:
    pusha
    mov %sp, %bp
    mov $8, %cx
    mov $14, %si
1:  mov (%bp,%si), %ax
    call hex
    sub $2, %si
    loop 1b
    mov 20(%bp), %ax
    and 18(%bp), %ax
    call hex
    mov $'\n', %al
    out %al, $0xe9
    popa
    ret $4

hex:
    push %cx
    mov $4, %cx
1:  rol $4, %ax
    push %ax
    and $15, %al
    cmp $10, %al
    jb 2f
    add $39, %al
2:  add $'0', %al
    out %al, $0xe9
    pop %ax
    loop 1b
    mov $' ', %al
    out %al, $0xe9
    pop %cx
    ret

    .macro fault number
fault_\number:
    push %ax
    mov $\number, %ax
    call hex
    pop %ax
    jmp resume_behind
    .endm
    fault 0
    fault 4
    fault 5
    fault 6
    fault 12
    fault 13
// A fault's saved IP is the instruction's; it goes on behind it, with the flags as they were saved.
resume_behind:
    push %ax
    push %bp
    mov %sp, %bp
    mov %cs:resume, %ax
    mov %ax, 4(%bp)
    pop %bp
    pop %ax
    iret

far_routine:
    mov $0x77, %ax
    lret

limits:   .word 0x1000, 0x2000
pointer:  .word 0x4321, 0x0765
resume:   .word 0
shutdown: .asciz "Shutdown"
    .set SECTORS, 7
    .org 512 * (SECTORS + 1)
