// SPDX-License-Identifier: GPL-2.0-or-later
//
// Real mode (SDM volume 1, chapter 3.3.1; volume 3, chapter 20), and 16-bit arithmetic.
#include "cases.inc"

    // ---- decimal arithmetic and its undefined flags
    .irpc form, 012
    .if \form == 0
    .set mode, REAL16
    .elseif \form == 1
    .set mode, PROT16
    .else
    .set mode, PROT32
    .endif
    CASE "daa \form", mode, fl=0x13, mask=0xfffff7ff
    mov al, 0x9a
    daa
    END
    CASE "daa, no carry \form", mode, mask=0xfffff7ff
    mov al, 0x0b
    daa
    END
    CASE "das \form", mode, fl=0x13, mask=0xfffff7ff
    mov al, 0x05
    das
    END
    CASE "das, borrow \form", mode, mask=0xfffff7ff
    mov al, 0x9b
    das
    END
    CASE "aaa \form", mode, mask=0xfffff73b
    mov ax, 0x01fa
    aaa
    END
    CASE "aaa, no carry \form", mode, mask=0xfffff73b
    mov ax, 0x0109
    aaa
    END
    CASE "aas \form", mode, mask=0xfffff73b
    mov ax, 0x010f
    aas
    END
    CASE "aam \form", mode, mask=0xfffff7ee
    mov al, 0x63
    aam
    END
    CASE "aam 7 \form", mode, mask=0xfffff7ee
    aam 7
    END
    CASE "aam 0 \form", mode, mask=0xfffff72a
    aam 0
    END
    CASE "aad \form", mode, mask=0xfffff7ee
    mov ax, 0x0905
    aad
    END
    CASE "aad 5 \form", mode, mask=0xfffff7ee
    aad 5
    END
    CASE "salc, carry \form", mode, fl=3
    .byte 0xd6
    END
    CASE "salc \form", mode
    .byte 0xd6
    END
    CASE "div by zero \form", mode, mask=0xfffff72a
    xor cx, cx
    div cx
    END
    CASE "div overflow \form", mode, mask=0xfffff72a
    mov bl, 1
    div bl
    END
    CASE "idiv overflow \form", mode, mask=0xfffff72a
    mov ax, 0x8000
    mov dx, 0xffff
    mov cx, 0xffff
    idiv cx
    END
    CASE "into, no overflow \form", mode
    into
    END
    CASE "into \form", mode, fl=0x802
    into
    END
    CASE "bound inside \form", mode
    mov dword ptr [bx], 0x20001000
    mov ax, 0x1000
    .if \form != 2
    bound ax, [bx]
    .else
    mov dword ptr [ebx + 4], 0x20001000
    mov eax, 0x20001000
    bound eax, [ebx]
    .endif
    END
    CASE "bound outside \form", mode
    .if \form != 2
    mov dword ptr [bx], 0x20001000
    mov ax, 0x0fff
    bound ax, [bx]
    .else
    mov dword ptr [ebx], 0x80000000
    mov dword ptr [ebx + 4], 5
    mov eax, 6
    bound eax, [ebx]
    .endif
    END
    CASE "pusha \form", mode
    pusha
    END
    CASE "pushad \form", mode
    pushad
    END
    CASE "popa \form", mode
    popa
    END
    CASE "popad \form", mode
    popad
    END
    CASE "push sp \form", mode
    push sp
    pop ax
    END
    CASE "push esp \form", mode
    push esp
    pop ax
    END
    CASE "enter 8, 0 \form", mode
    enter 8, 0
    END
    CASE "enter 8, 1 \form", mode
    enter 8, 1
    END
    CASE "enter 8, 5 and leave \form", mode
    enter 8, 5
    leave
    END
    CASE "enter 8, 32 \form", mode
    enter 8, 32
    END
    CASE "enter, other size \form", mode
    .byte 0x66
    enter 8, 3
    END
    CASE "leave, other size \form", mode
    .byte 0x66
    leave
    END
    CASE "loop \form", mode
    mov ecx, 0x10001
1:  inc eax
    loop 1b
    END
    CASE "loop, other address size \form", mode
    mov ecx, 0x10001
1:  inc dl
    cmp dl, 0xf3
    je 2f
    .byte 0x67
    loop 1b
2:
    END
    CASE "loope \form", mode
    mov ecx, 0x30005
1:  cmp cx, 4
    loopne 1b
    END
    CASE "jcxz \form", mode
    mov ecx, 0x10000
    jcxz 1f
    inc eax
1:
    END
    CASE "jecxz \form", mode
    mov ecx, 0x10000
    jecxz 1f
    inc eax
1:
    END
    CASE "string, other address size \form", mode
    mov ecx, 0x00010002
    mov esi, 0x00010200
    mov edi, 0x00010300
    .byte 0x67
    rep movsb
    END
    CASE "pushf and popf \form", mode
    push 0xffff
    popfw
    pushfw
    pop ax
    push 2
    popfw
    END
    CASE "pushfd and popfd \form", mode
    push dword ptr 0x00247ed5
    popfd
    pushfd
    pop eax
    push dword ptr 2
    popfd
    END
    CASE "xlat \form", mode
    mov al, 0x30
    xlatb
    END
    CASE "les \form", mode
    les ax, [bx]
    END
    CASE "mov to cs \form", mode
    .byte 0x8e, 0xc8
    END
    CASE "mov from sreg 6 \form", mode
    .byte 0x8c, 0xf0
    END
    CASE "lock nop \form", mode
    .byte 0xf0, 0x90
    END
    CASE "lock add register \form", mode
    .byte 0xf0, 0x01, 0xc0
    END
    CASE "fifteen bytes \form", mode
    .rept 14
    .byte 0x26
    .endr
    nop
    END
    CASE "sixteen bytes \form", mode
    .rept 15
    .byte 0x26
    .endr
    nop
    END
    CASE "lea with register \form", mode
    .byte 0x8d, 0xc0
    END
    CASE "bswap 16 \form", mode
    bswap eax
    END
    CASE "movsx sizes \form", mode
    mov bl, 0x80
    movsx cx, bl
    movsx edx, bl
    movzx esi, bx
    END
    CASE "cwd cdq \form", mode
    cwd
    cbw
    END
    CASE "cdq \form", mode
    cdq
    cwde
    END
    CASE "shld \form", mode, mask=0xfffff7ef
    shld ax, dx, 5
    END
    CASE "rcl by 17 \form", mode, mask=0xfffff7ff
    rcl ax, 17
    END
    CASE "rcr by 9 of a byte \form", mode, fl=3, mask=0xfffff7ff
    rcr al, 9
    END
    CASE "bts in memory \form", mode, mask=0xfffff76b
    mov edx, 0xfffffff1
    bts [bx + 0x40], dx
    END
    CASE "imul three \form", mode, mask=0xffffff2b
    imul ax, dx, 300
    END
    CASE "xchg and cmpxchg \form", mode
    mov ax, [bx]
    cmpxchg [bx], dx
    xadd [bx], cx
    END
    CASE "cmpxchg8b \form", mode
    cmpxchg8b [bx]
    END
    CASE "int3 \form", mode
    int3
    END
    CASE "icebp \form", mode
    .byte 0xf1
    END
    CASE "int 0x30 \form", mode, fl=0x602
    int 0x30
    END
    CASE "ud1 \form", mode
    .byte 0x0f, 0xb9, 0x00
    END
    CASE "ud0 \form", mode
    .byte 0x0f, 0xff, 0x00
    END
    CASE "smsw and lmsw \form", mode
    smsw ax
    smsw ebx
    END
    CASE "stos and scas \form", mode
    rep stosw
    mov cx, 3
    repne scasw
    END
    CASE "std movsd \form", mode, fl=0x402
    rep movsd
    END
    CASE "repe cmpsw \form", mode
    mov di, si
    mov cx, 5
    repe cmpsw
    END
    CASE "rep lodsb \form", mode
    rep lodsb
    END
    CASE "sahf lahf \form", mode
    mov ah, 0xff
    sahf
    lahf
    END
    CASE "cmc stc std cld \form", mode
    stc
    cmc
    std
    pushf
    cld
    pop ax
    END
    .endr

    // ---- wraps and limits of 64 KiB
    CASE "read at ffff", REAL16
    mov al, [0xffff]
    END
    CASE "word at ffff", REAL16
    mov si, 0xffff
    mov ax, [si]
    END
    CASE "dword at fffd", REAL16
    mov si, 0xfffd
    mov eax, [si]
    END
    CASE "word at ffff by the stack segment", REAL16
    mov bp, 0xffff
    mov [bp], ax
    END
    CASE "32-bit address beyond", REAL16
    mov esi, 0x10000
    mov al, [esi]
    END
    CASE "32-bit address wraps to small", REAL16
    mov esi, 0xffffffff
    mov al, [esi + 0x101]
    END
    CASE "16-bit index wraps", REAL16
    mov si, 0xfff0
    mov al, [bx + si + 0x20]
    END
    CASE "movsb wraps", REAL16
    mov si, 0xfffe
    mov di, 0x10
    mov cx, 4
    rep movsb
    END
    CASE "stosw wraps", REAL16
    mov di, 0xfffc
    mov cx, 4
    rep stosw
    END
    CASE "stosw across the end", REAL16
    mov di, 0xfffd
    mov cx, 4
    rep stosw
    END
    CASE "movsd down across 0", REAL16, fl=0x402
    mov si, 4
    mov di, 0x40
    mov cx, 3
    rep movsd
    END
    CASE "push at 0", REAL16
    mov sp, 0
    push ax
    END
    CASE "push dword at 2", REAL16
    mov sp, 2
    push eax
    mov sp, 0x1000
    END
    CASE "pop at fffe", REAL16
    mov sp, 0xfffe
    pop ax
    END
    CASE "pop at ffff", REAL16
    mov sp, 0xffff
    pop ax
    mov sp, 0x1000
    END
    CASE "pusha across 0", REAL16
    mov sp, 8
    pusha
    END
    CASE "pusha at an odd place", REAL16
    mov sp, 7
    pusha
    mov sp, 0x1000
    END
    CASE "the upper half of esp stays", REAL16
    mov esp, 0x12341000
    push ax
    END
    CASE "enter across 0", REAL16
    mov sp, 4
    mov bp, 4
    enter 4, 2
    END
    CASE "call and ret wrap", REAL16
    mov sp, 0
    call 1f
    nop
    jmp 2f
1:  ret
2:
    END
    CASE "call far and return", REAL16
    .byte 0x9a
    .word 1f, LOW_SEGMENT
    jmp 2f
1:  mov ax, cs
    retf 4
2:
    END
    CASE "call far to another paragraph", REAL16
    .byte 0x9a
    .word 1f - 0x100, LOW_SEGMENT + 0x10
    jmp 2f
1:  mov ax, cs
    retf
2:
    END
    CASE "jmp far through memory", REAL16
    mov word ptr [bx], offset 1f - 0x20
    mov word ptr [bx + 2], LOW_SEGMENT + 2
    jmp dword ptr [bx]
    inc ax
1:  mov dx, cs
    push LOW_SEGMENT
    push offset 2f
    retf
2:
    END
    CASE "jmp near 32 beyond the limit", REAL16
    mov eax, 0x10000
    jmp eax
    END
    CASE "retd beyond the limit", REAL16
    push dword ptr 0x20000
    .byte 0x66
    ret
    END
    CASE "int and iret", REAL16, fl=0xed7
    mov word ptr es:[bx], 0
    push ds
    push 0
    pop ds
    mov dword ptr ds:[4 * 0x60], (LOW_SEGMENT << 16)
    mov word ptr ds:[4 * 0x60], offset 1f
    pop ds
    int 0x60
    jmp 2f
1:  pushf
    pop cx
    iret
2:
    END
    CASE "iretd", REAL16
    push dword ptr 0x00247ed7
    push dword ptr LOW_SEGMENT
    push dword ptr offset 1f
    .byte 0x66
    iret
1:  pushfd
    pop eax
    push 2
    popf
    END
    CASE "iret to odd flags", REAL16
    push 0xffff & ~0x100
    push LOW_SEGMENT
    push offset 1f
    iret
1:  pushf
    pop ax
    push 2
    popf
    END
    CASE "lgdt in real mode", REAL16
    sgdt [bx]
    sidt [bx + 8]
    END
    CASE "protected-mode instructions", REAL16
    verr ax
    END
    CASE "arpl", REAL16
    arpl ax, bx
    END
    CASE "sldt", REAL16
    sldt ax
    END
    CASE "ltr", REAL16
    ltr ax
    END
    CASE "lar", REAL16
    lar ax, bx
    END
    CASE "mov cr", REAL16
    mov eax, cr0
    mov edx, cr3
    END
    CASE "hidden base stays after moves", REAL16
    mov ax, 0xfff0
    mov es, ax
    mov al, es:[0x110]
    mov ax, DATA_SEGMENT
    mov es, ax
    mov es:[0x20], al
    END
    CASE "ivt limit", REAL16
    lidt cs:[1f]
    int 0x20
    jmp 2f
1:  .word 0x7f
    .long 0
2:
    END
    CASE "ivt elsewhere", REAL16
    mov dword ptr [0x40], LOW_SEGMENT << 16
    mov word ptr [0x40], offset 2f
    lidt cs:[1f]
    int 0x10
    inc ax
1:  .word 0x3ff
    .long DATA_BASE
2:  lidt cs:[3f]
    jmp 4f
3:  .word 0x3ff
    .long 0
4:
    END
    CASE "io", REAL16
    mov dx, 0x3ff
    mov al, 0x5a
    out dx, al
    mov al, 0
    in al, dx
    END
