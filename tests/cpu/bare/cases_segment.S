// SPDX-License-Identifier: GPL-2.0-or-later
//
// Protected mode without paging: segments, privilege, gates (SDM volume 3, chapters 3 and 5).
#include "cases.inc"

    // ---- loading segment registers
    .macro load name, register, selector, mode=PROT32
    CASE "\name", \mode
    mov eax, \selector
    mov \register, eax
    END
    .endm
    load "ds null", ds, 0
    load "ds null with RPL 3", ds, 3
    load "ss null", ss, 0
    load "ds absent", ds, ABSENT_DATA
    load "ss absent", ss, ABSENT_DATA
    load "ds read-only", ds, READ_ONLY
    load "ss read-only", ss, READ_ONLY
    load "ds execute-only", ds, EXECUTE_ONLY
    load "ds readable code", ds, CODE32
    load "ss code", ss, CODE32
    load "ds conforming code with RPL 3", ds, CONFORMING|3
    load "ds beyond the table", ds, 0x1230
    load "ds at the end of the table", ds, 8*GDT_ENTRIES
    load "ds TSS", ds, TASK_OTHER
    load "ds call gate", ds, CALL_GATE
    load "ds of a table that is empty there", ds, 0x88
    load "ss DPL 3", ss, USER_DATA32
    load "ss RPL 1", ss, DATA32|1
    load "ss DPL 1", ss, DPL1_DATA
    load "es DPL 3 with RPL 0", es, USER_DATA32&~3
    load "fs local", fs, 0x0c
    load "gs local beyond", gs, 0x24
    load "gs local code", gs, 0x14
    load "fs sets accessed", fs, SMALL
    load "ds DPL 0 from ring 3", ds, DATA32, USER32
    load "ds DPL 0 and RPL 3 from ring 3", ds, DATA32|3, USER32
    load "ds DPL 1 from ring 3", ds, DPL1_DATA|3, USER32
    load "ds conforming from ring 3", ds, CONFORMING, USER32
    load "ds code DPL 3 from ring 3", ds, USER_CODE32, USER32
    load "ss null from ring 3", ss, 3, USER32
    load "ss RPL 0 from ring 3", ss, USER_DATA32&~3, USER32
    load "ss DPL 0 from ring 3", ss, DATA32|3, USER32
    load "fs local DPL 0 from ring 3", fs, 0x1f, USER32

    CASE "pop ds absent", PROT32
    push ABSENT_DATA
    pop ds
    END
    CASE "pop ss", PROT32
    push SMALL_STACK
    pop ss
    mov esp, 0x80
    END
    CASE "lss", PROT32
    mov dword ptr [ebx], 0x80
    mov dword ptr [ebx + 4], SMALL_STACK
    lss esp, [ebx]
    push eax
    END
    CASE "lds absent leaves both", PROT32
    mov dword ptr [ebx + 4], ABSENT_DATA
    lds eax, [ebx]
    END
    CASE "lgs", PROT32
    mov dword ptr [ebx + 4], SMALL
    lgs ax, [ebx + 2]
    lgs ecx, [ebx]
    mov ecx, gs:[0]
    END
    CASE "push and pop fs of 32 bits", PROT32
    push 0x5555aaaa
    add esp, 4
    push 0
    pop fs
    END

    // ---- limits
    .macro access name, selector, offset, size=dword, mode=PROT32
    CASE "read \name", \mode
    mov eax, \selector
    mov es, eax
    cmp \size ptr es:[\offset], 0
    END
    CASE "write \name", \mode
    mov eax, \selector
    mov es, eax
    mov \size ptr es:[\offset], 0x77
    END
    .endm
    access "small at its end", SMALL, 0xfc
    access "small across its end", SMALL, 0xfd
    access "small byte at its end", SMALL, 0xff, byte
    access "small beyond", SMALL, 0x100, byte
    access "small by a wrap", SMALL, 0xffffffff
    access "down inside", DOWN32, 0x100
    access "down below", DOWN32, 0xff
    access "down across", DOWN32, 0xfd
    access "down 16 inside", DOWN16, 0xfffc
    access "down 16 beyond 64K", DOWN16, 0xfffd
    access "down 16 far beyond", DOWN16, 0x10000
    access "null", 0, 0x10
    access "read-only", READ_ONLY, 0x10
    access "code", CODE32, 0x10010
    access "conforming", CONFORMING, 0x10010
    access "flat at 4G - 1", DATA32, 0xffffffff, word
    access "small across its end from ring 3", USER_SMALL, 0xfd, dword, USER32
    access "null from ring 3", 3, 0x10, dword, USER32
    access "null at 0 from ring 3", 2, 0, byte, USER32

    CASE "read execute-only code", PROT32
    jmp EXECUTE_ONLY:offset 1f
1:  mov eax, cs:[0x10000]
    END
    CASE "read its own code", PROT32
    mov eax, cs:[1f]
    jmp 2f
1:  .long 0x12121212
2:
    END
    CASE "write its own code", PROT32
    mov cs:[1f], eax
1:
    END
    CASE "stack limit, push", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x102
    push eax
    END
    CASE "stack limit, pop", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0xfe
    pop eax
    END
    CASE "stack limit, call", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x104
    call 1f
1:
    END
    CASE "stack limit, enter", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x104
    enter 4, 0
    END
    CASE "stack limit, pusha", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x110
    pusha
    END
    CASE "stack limit, ebp", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x80
    mov ebp, 0xfd
    mov eax, [ebp]
    END
    CASE "stack limit, leave", USER32
    mov eax, USER_SMALL
    mov ss, eax
    mov esp, 0x80
    mov ebp, 0x100
    leave
    END
    CASE "16-bit stack keeps the upper half", PROT32
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x56780004
    push eax
    mov edx, esp
    pop ecx
    END
    CASE "16-bit stack with enter and leave", PROT32
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x56781000
    mov ebp, 0x9abc0800
    enter 8, 2
    mov edx, esp
    leave
    END
    CASE "movs over a limit", PROT32
    mov eax, SMALL
    mov es, eax
    mov edi, 0xf6
    mov ecx, 5
    rep movsd
    END
    CASE "stos over a limit", BASED32
    mov eax, SMALL
    mov es, eax
    mov edi, 0xf7
    mov ecx, 12
    rep stosb
    END
    CASE "segments with bases", BASED32
    mov eax, [bx]
    push [ebx + 4]
    mov es:[edi], ax
    mov edx, ss:[esp]
    mov ecx, [ebp]
    END
    CASE "address wraps at 4G", BASED32
    mov eax, [ebx + 0xfffff000]
    mov edx, [ebx + 0xffffff00]
    END
    CASE "code limit", PROT32
    jmp CODE_LIMITED:offset 1f
1:  mov eax, offset limit_end
    jmp eax
    END
    CASE "xlat over a limit", PROT32
    mov ecx, SMALL
    mov ds, ecx
    mov ebx, 0xf0
    mov al, 0x0f
    xlatb
    mov al, 0x10
    xlatb
    END
    CASE "bts over a limit", PROT32
    mov ecx, SMALL
    mov ds, ecx
    mov ecx, 0x800
    bts [0], ecx
    END
    CASE "cmpxchg that fails to a read-only segment", PROT32
    mov ecx, READ_ONLY
    mov es, ecx
    cmpxchg es:[0], edx
    END

    // ---- looking at descriptors
    .macro look name, selector, mode=PROT32
    CASE "lar lsl verr verw \name", \mode, mask=0x3f77d7
    mov esi, \selector
    mov eax, 0x11111111
    lar eax, esi
    mov edx, 0x22222222
    lsl edx, esi
    verr si
    setz cl
    verw si
    setz ch
    END
    .endm
    look "null", 0
    look "null 3", 3
    look "code", CODE32
    look "data", DATA32
    look "user data", USER_DATA32
    look "data from ring 3", DATA32, USER32
    look "data with RPL 3", DATA32|3
    look "user data from ring 3", USER_DATA32, USER32
    look "conforming from ring 3", CONFORMING, USER32
    look "execute-only", EXECUTE_ONLY
    look "read-only", READ_ONLY
    look "absent", ABSENT_DATA
    look "TSS", TASK_OTHER
    look "busy TSS", TASK32
    look "TSS 16", TASK16
    look "LDT", LOCAL
    look "call gate", CALL_GATE
    look "call gate 16", CALL_GATE16
    look "task gate", TASK_GATE
    look "type 0", BAD_TYPE
    look "long TSS", TASK64
    look "beyond", 0x7ff8
    look "local", 0x0c
    look "small", SMALL
    look "expand-down", DOWN32
    look "call gate from ring 3", CALL_GATE, USER32

    CASE "arpl raises", PROT32
    mov ax, 8
    mov dx, 3
    arpl ax, dx
    END
    CASE "arpl leaves", PROT32
    mov ax, 0x0a
    mov dx, 1
    arpl ax, dx
    END
    CASE "arpl in memory from ring 3", USER32
    mov word ptr [ebx], 0x10
    mov dx, 0xfffe
    arpl [ebx], dx
    END
    CASE "lar 16", PROT32
    mov cx, USER_CODE32
    lar ax, cx
    lsl dx, cx
    END
    CASE "sldt str sgdt sidt smsw", USER32
    sldt ax
    str cx
    smsw edx
    END
    CASE "sldt to memory writes 16 bits", PROT32
    sldt [ebx]
    str [ebx + 4]
    sldt ecx
    END

    // ---- what ring 3 may not do
    .macro forbidden name, instruction
    CASE "ring 3: \name", USER32
    \instruction
    END
    .endm
    forbidden "hlt", "hlt"
    forbidden "sti", "sti"
    forbidden "lgdt", "lgdt [ebx]"
    forbidden "lidt", "lidt [ebx]"
    forbidden "lldt", "lldt ax"
    forbidden "ltr", "ltr ax"
    forbidden "lmsw", "lmsw ax"
    forbidden "clts", "clts"
    forbidden "mov from cr0", "mov eax, cr0"
    forbidden "mov to cr3", "mov cr3, eax"
    forbidden "mov from dr7", "mov eax, dr7"
    forbidden "invlpg", "invlpg [ebx]"
    forbidden "invd", "invd"
    forbidden "wbinvd", "wbinvd"
    forbidden "rdmsr", "rdmsr"
    forbidden "wrmsr", "wrmsr"
    forbidden "rdpmc", "rdpmc"
    forbidden "in", "in al, 0x20"
    forbidden "in of the bitmap", "in al, 0x48"
    forbidden "in across the bitmap's end", "mov edx, 0x4f; in ax, dx"
    forbidden "in beyond the bitmap", "mov edx, 0x1000; in al, dx"
    forbidden "in at 3ff", "mov edx, 0x3ff; in al, dx"
    forbidden "outsb", "mov edx, 0x20; outsb"
    forbidden "insb with a bad address", "mov edx, 0x20; xor eax, eax; mov es, eax; insb"
    forbidden "mov from cr1", ".byte 0x0f, 0x20, 0xc8"
    forbidden "sysexit", ".byte 0x0f, 0x35"
    forbidden "xsetbv", ".byte 0x0f, 0x01, 0xd1"
    forbidden "swapgs outside 64-bit mode", ".byte 0x0f, 0x01, 0xf8"
    forbidden "rsm", "rsm"
    forbidden "monitor", ".byte 0x0f, 0x01, 0xc8"
    forbidden "popf leaves IF and IOPL", "push 0x3202; popfd; pushfd; pop eax"
    forbidden "popf without IF", "push 0x202; popfd; pushfd; pop eax"
    CASE "ring 3, IOPL 3: cli sti in popf", USER32, fl=0x3002
    sti
    cli
    in al, 0x48
    push 0x202
    popfd
    pushfd
    pop eax
    cli
    END
    CASE "TSD", USER32, cr4=4
    rdtsc
    END
    CASE "mov to cr0: PG without PE", PROT32
    mov eax, 0x80000030
    mov cr0, eax
    END
    CASE "mov to cr0: NW without CD", PROT32
    mov eax, 0x20000033
    mov cr0, eax
    END
    CASE "mov to cr4: reserved", PROT32
    mov eax, 0x80000000
    mov cr4, eax
    END
    CASE "mov from cr5", PROT32
    .byte 0x0f, 0x20, 0xe8
    END
    CASE "mov from dr4 and dr5", PROT32
    mov eax, dr6
    .byte 0x0f, 0x21, 0xe1
    .byte 0x0f, 0x21, 0xea
    END
    CASE "mov from dr4 with DE", PROT32, cr4=8
    .byte 0x0f, 0x21, 0xe1
    END
    CASE "mov to dr7: reserved bits", PROT32
    mov eax, 0xdc00
    mov dr7, eax
    mov ecx, dr7
    mov eax, 0x400
    mov dr7, eax
    END
    CASE "general detect", PROT32
    mov eax, 0x2400
    mov dr7, eax
    mov ecx, dr3
    END
    CASE "lmsw does not clear PE", PROT32
    mov ax, 0x3a
    lmsw ax
    smsw ecx
    clts
    END
    CASE "ltr busy", PROT32
    mov ax, TASK32
    ltr ax
    END
    CASE "ltr null", PROT32
    xor eax, eax
    ltr ax
    END
    CASE "ltr data", PROT32
    mov ax, DATA32
    ltr ax
    END
    CASE "ltr other", PROT32
    mov ax, TASK_OTHER
    ltr ax
    END
    CASE "lldt null", PROT32
    xor eax, eax
    lldt ax
    mov ax, 0x0c
    mov fs, eax
    END
    CASE "lldt data", PROT32
    mov ax, DATA32
    lldt ax
    END
    CASE "lldt local", PROT32
    mov ax, 0x0c
    lldt ax
    END

    // ---- far transfers
    .macro far_jump name, selector, mode=PROT32
    CASE "jmp far \name", \mode
    .byte 0xea
    .long 1f
    .word \selector
1:  mov eax, cs
    END
    CASE "call far \name", \mode
    .byte 0x9a
    .long 1f
    .word \selector
1:  mov eax, cs
    END
    .endm
    far_jump "same", CODE32
    far_jump "RPL 3", CODE32|3
    far_jump "null", 0
    far_jump "data", DATA32
    far_jump "absent", ABSENT_CODE
    far_jump "DPL 3", USER_CODE32
    far_jump "DPL 1", DPL1_CODE
    far_jump "conforming", CONFORMING
    far_jump "conforming from ring 3", CONFORMING, USER32
    far_jump "DPL 0 from ring 3", CODE32, USER32
    far_jump "same from ring 3", USER_CODE32, USER32
    far_jump "same with RPL 0 from ring 3", USER_CODE32&~3, USER32
    far_jump "beyond", 0x2008
    far_jump "LDT", LOCAL
    far_jump "local code", 0x14
    far_jump "64-bit code outside long mode", CODE64
    far_jump "absent gate", ABSENT_GATE
    far_jump "gate to data", GATE_TO_DATA
    far_jump "gate", CALL_GATE
    far_jump "gate with RPL above its DPL", CALL_GATE16&~3
    far_jump "gate from ring 3", CALL_GATE, USER32
    far_jump "type 0", BAD_TYPE
    far_jump "busy TSS", TASK32
    CASE "jmp far beyond the limit", PROT32
    .byte 0xea
    .long limit_end
    .word CODE_LIMITED
    END
    CASE "call far into 16-bit code and back", PROT32
    .byte 0x66, 0x9a
    .word gate_target16, CODE16
    END
    CASE "call gate with parameters from ring 3", USER32
    push 0x1111
    push 0x2222
    .byte 0x9a
    .long 0
    .word CALL_GATE
    END
    CASE "call gate, stack shown", USER32, mask=0xffffffef
    push 0x1111
    push 0x2222
    mov eax, offset 1f
    mov [gdt + (CALL_GATE & ~7)], ax
    shr eax, 16
    mov [gdt + (CALL_GATE & ~7) + 6], ax
    .byte 0x9a
    .long 0
    .word CALL_GATE
1:  pop eax
    pop ecx
    pop edx
    pop ebx
    pop esi
    pop edi
    END
    CASE "call gate and retf 8", USER32, mask=0xffffffef
    push 0x1111
    push 0x2222
    mov eax, offset 1f
    mov [gdt + (CALL_GATE & ~7)], ax
    shr eax, 16
    mov [gdt + (CALL_GATE & ~7) + 6], ax
    .byte 0x9a
    .long 0
    .word CALL_GATE
    jmp 2f
1:  mov edx, DATA32
    mov ds, edx
    mov es, edx
    retf 8
2:
    END
    CASE "call gate 16 with parameters from ring 3", USER32
    push 0x11112222
    .byte 0x9a
    .long 0
    .word CALL_GATE16
    END
    CASE "call gate, same privilege", PROT32
    .byte 0x9a
    .long 0
    .word CALL_GATE
    END
    CASE "retf to ring 3", PROT32
    push USER_DATA32
    push 0x20800
    push USER_CODE32
    push offset 1f
    retf
1:  mov eax, cs
    END
    CASE "retf 12 to ring 3", PROT32
    push USER_DATA32
    push 0x20800
    push 7
    push 8
    push 9
    push USER_CODE32
    push offset 1f
    retf 12
1:  mov eax, cs
    END
    CASE "retf to ring 3, null stack", PROT32
    push 3
    push 0x20800
    push USER_CODE32
    push offset 1f
    retf
1:
    END
    CASE "retf to ring 3, stack of ring 0", PROT32
    push DATA32
    push 0x20800
    push USER_CODE32
    push offset 1f
    retf
1:
    END
    CASE "retf to inner ring", USER32
    push CODE32
    push offset 1f
    retf
1:
    END
    CASE "retf to null", PROT32
    push 0
    push offset 1f
    retf
1:
    END
    CASE "iret to ring 3 clears inner segments", PROT32, fl=0xcd7
    push USER_DATA32
    push 0x20800
    push 0x3ed7
    push USER_CODE32
    push offset 1f
    mov eax, DPL1_DATA
    mov fs, eax
    mov eax, CONFORMING
    mov gs, eax
    mov eax, USER_DATA32
    mov es, eax
    iretd
1:  mov eax, cs
    pushfd
    pop ecx
    END
    CASE "iret to ring 1", PROT32
    push DPL1_DATA | 1
    push 0x20800
    push 0x1002
    push DPL1_CODE | 1
    push offset 1f
    iretd
1:  cli
    hlt
    END
    CASE "iret same ring keeps esp", PROT32
    pushfd
    push CODE32
    push offset 1f
    iretd
1:
    END
    CASE "iret from ring 3 does not change IF", USER32
    push 0x3202
    push USER_CODE32
    push offset 1f
    iretd
1:
    END
    CASE "iret absent", PROT32
    push 2
    push ABSENT_CODE
    push offset 1f
    iretd
1:
    END
    CASE "iret to a bad stack", PROT32
    push ABSENT_DATA | 3
    push 0x20800
    push 2
    push USER_CODE32
    push offset 1f
    iretd
1:
    END
    CASE "iretw", PROT32
    push word ptr 0x2ed7
    push word ptr CODE16
    push word ptr offset gate_target16
    .byte 0x66
    iretd
    END
    .macro interrupt name, number, mode=PROT32, fl=2
    CASE "int \name", \mode, \fl
    int \number
    END
    .endm
    interrupt "not present", 0x51
    interrupt "to data", 0x52
    interrupt "to null", 0x53
    interrupt "trap gate", 0x54, PROT32, 0x202
    interrupt "interrupt gate", 0x58, PROT32, 0x202
    interrupt "no gate", 0x56
    interrupt "DPL 0 from ring 3", 0x57, USER32
    interrupt "DPL 0", 0x57
    interrupt "from ring 3", 0x58, USER32, 0x202
    interrupt "not present from ring 3", 0x51, USER32
    CASE "int 3 from ring 3", USER32
    int3
    END
    CASE "int 1 from ring 3", USER32
    int 1
    END
    CASE "icebp from ring 3", USER32
    .byte 0xf1
    END
    CASE "int 13 pushes no code", PROT32, no_error=1
    int 13
    END
    CASE "int beyond the table", PROT32
    lidt [1f]
    mov ax, 0x1f
    int 0x58
1:  .word 8 * 0x58 - 1
    .long idt32
    END
    CASE "NT and iret without a back link", PROT32
    pushfd
    or dword ptr [esp], 0x4000
    popfd
    iretd
    END

    // ---- 16-bit protected mode
    CASE "p16 limits", PROT16
    mov si, 0xffff
    mov ax, [si]
    END
    CASE "p16 limits by 32 bits", PROT16
    mov esi, 0x10000
    mov al, [esi]
    END
    CASE "p16 stack wraps", PROT16
    mov sp, 0
    push ax
    pop cx
    END
    CASE "p16 movsb wraps", PROT16
    mov si, 0xfffe
    mov di, 0x10
    mov cx, 4
    rep movsb
    END
    CASE "p16 ip wraps", PROT16
    mov eax, 0x10000
    jmp eax
    END
    CASE "p16 jmp short wraps to 16 bits", PROT16
    mov ax, offset 1f
    jmp ax
    inc cx
1:
    END
    CASE "p16 call 32", PROT16
    .byte 0x66
    call 1f
    .word 0
1:  pop eax
    END
    CASE "p16 far call to 32-bit code", PROT16
    .byte 0x66, 0x9a
    .long gate_target
    .word CODE32
    END
    CASE "p16 lgdt of 24 bits", PROT16
    sgdt [bx]
    .byte 0x66
    sgdt [bx + 8]
    sidt [bx + 16]
    END
    CASE "p16 int 0x58", PROT16
    int 0x58
    END
    CASE "p16 gate 16", PROT16
    .byte 0x9a
    .word 0, CALL_GATE16
    END
    CASE "p16 iret", PROT16
    pushf
    push cs
    push offset 1f
    iret
    inc ax
1:
    END
    CASE "p16 smsw", PROT16
    smsw ax
    END
