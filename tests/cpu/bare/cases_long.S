// SPDX-License-Identifier: GPL-2.0-or-later
//
// Long mode: 64-bit and compatibility code, system calls, gates, canonical addresses (SDM volume 3, chapter
// 5.8 and 6.14; APM volume 2, chapter 6).
#include "cases.inc"
    .set NONCANONICAL, 0x800000000000
    .macro bad name, instruction
    CASE "long: \name", LONG64
    mov rdi, 0x0000800000000000
    mov r8, 0xffff7fffffffffff
    \instruction
    END
    CASE "user: \name", LONG64U
    mov rdi, 0x0000800000000000
    mov r8, 0xffff7fffffffffff
    \instruction
    END
    .endm
    bad "read", "mov eax, [rdi]"
    bad "read below", "mov eax, [r8]"
    bad "read across the edge", "mov rax, [rdi - 4]"
    bad "write", "mov [rdi], eax"
    bad "read by rbp", "mov rbp, rdi; mov eax, [rbp]"
    bad "read by rsp", "mov r9, rsp; mov rsp, rdi; mov eax, [rsp]; mov rsp, r9"
    bad "ds override with rbp", "mov rbp, rdi; mov eax, ds:[rbp]"
    bad "fs override with rbp", "mov rbp, rdi; mov eax, fs:[rbp]"
    bad "ss override", "mov eax, ss:[rdi]"
    bad "jmp", "jmp rdi"
    bad "call through memory", "call [rdi]"
    bad "ret", "push rdi; ret"
    bad "lea is free", "lea rax, [rdi + 5]"
    bad "invlpg", "invlpg [rdi]"
    bad "clflush", "clflush [rdi]"
    bad "prefetch", "prefetchw [rdi]"
    bad "nop", "nop dword ptr [rdi]"
    bad "stos", "stosd"
    bad "movs", "mov rsi, r8; movsb"
    bad "fxsave", "fxsave [rdi]"
    bad "fxsave, not aligned", "fxsave [rbx + 8]"
    bad "movaps, not aligned", "movaps xmm0, [rbx + 8]"
    bad "cmpxchg16b, not aligned", "cmpxchg16b [rbx + 8]"
    bad "cmpxchg16b", "cmpxchg16b [rbx]"
    bad "cmpxchg8b", "cmpxchg8b [rbx]"
    bad "push and pop 16", "push ax; pop cx"
    bad "32-bit operations zero the upper half", "mov rax, -1; mov eax, eax; mov rcx, -1; add ecx, 1; mov rdx, -1; xor dx, dx; mov rsi, -1; mov sil, 0; bswap r9d"
    bad "a cmov that isn't taken zeroes too", "mov rax, -1; cmp eax, eax; cmovne eax, edi"
    bad "movsxd", "mov eax, 0x80000000; movsxd rcx, eax"
    bad "xchg eax, eax is a nop", "mov rax, -1; .byte 0x90; .byte 0x41, 0x90"
    bad "xchg r8d, eax", "xchg r8d, eax"
    bad "bsf of 0", "xor ecx, ecx; mov rax, -1; bsf rax, rcx"
    bad "div 64 overflow", "mov edx, 5; mov ecx, 5; div rcx"
    bad "idiv of the smallest", "mov rax, 1 << 63; cqo; mov rcx, -1; idiv rcx"
    bad "rip-relative", "mov eax, [rip + 1f]; jmp 2f; 1: .long 0x12345678; 2: nop"
    bad "address of 32 bits wraps", "mov rax, -1; mov rbx, 0x500000100; mov ecx, [ebx + 0x10000]"
    bad "loop with ecx", "mov rcx, 0x100000001; .byte 0x67; loop 1f; inc eax; 1: nop"
    bad "jrcxz and jecxz", "mov rcx, 0x100000000; jrcxz 1f; inc eax; 1: jecxz 2f; inc eax; 2: nop"
    bad "string with 32-bit addresses", "mov rcx, 0x500000002; mov rdi, 0x700010300 + 0x40800000; mov rsi, 0x700010200 + 0x40800000; .byte 0x67; rep movsb"
    bad "enter and leave", "enter 32, 3; leave"
    bad "enter 16", ".byte 0x66; enter 8, 1"
    bad "pushfq", "pushfq; pop rax; push 0x247ed7; popfq; pushfq; pop rcx; push 2; popfq"
    bad "pushfw", "pushfw; pop ax; push word ptr 0x0ed7; popfw"
    bad "lahf, sahf", "mov ah, 0xd7; sahf; lahf"
    bad "push fs and pop gs", "push fs; pop gs"
    bad "mov to ss null", "xor eax, eax; mov ss, eax"
    bad "mov to ss null with RPL 3", "mov eax, 3; mov ss, eax"
    bad "mov to ds null", "xor eax, eax; mov ds, eax; mov eax, [rbx]"
    bad "mov to fs of user data", "mov eax, 0x43; mov fs, eax; mov ax, fs"
    bad "mov from ss", "mov rax, -1; mov eax, ss; mov rcx, -1; mov cx, ss"
    bad "mov from cs to memory", "mov [rbx], cs"
    bad "sldt str", "mov rax, -1; sldt ax; mov rcx, -1; str ecx; mov rdx, -1; sldt rdx"
    bad "smsw", "mov rax, -1; smsw ax; mov rcx, -1; smsw ecx; smsw rdx"
    bad "lar and lsl", "mov ecx, 0x43; mov rax, -1; lar eax, ecx; mov rdx, -1; lsl edx, ecx"
    bad "lar of a call gate", "mov ecx, 0xf0; lar eax, ecx"
    bad "lar of a TSS", "mov ecx, 0x58; lar eax, ecx"
    bad "verr, verw", "mov ecx, 0x43; verr cx; setz al; verw cx; setz ah"
    bad "into is not there", ".byte 0xce"
    bad "daa is not there", ".byte 0x27"
    bad "pusha is not there", ".byte 0x60"
    bad "push es is not there", ".byte 0x06"
    bad "les is a VEX prefix", ".byte 0xc4, 0x00"
    bad "far call to an immediate is not there", ".byte 0x9a, 0, 0, 0, 0, 8, 0"
    bad "salc is not there", ".byte 0xd6"
    bad "82 is not there", ".byte 0x82, 0xc0, 1"
    bad "aam is not there", ".byte 0xd4, 0x0a"
    bad "bound is EVEX", ".byte 0x62, 0x00"
    bad "REX before a prefix is lost", ".byte 0x48, 0x66; mov eax, 0x1234; .byte 0x48, 0x26; inc ecx"
    bad "two REX", ".byte 0x48, 0x41; inc ecx"
    bad "66 and REX.W", ".byte 0x66, 0x48; inc ecx"
    bad "swapgs", "swapgs"
    bad "rdtscp aux", "mov ecx, 0xc0000103; mov eax, 0x77; xor edx, edx; wrmsr; rdtscp; xor eax, eax; xor edx, edx"
    bad "int 0x58", "int 0x58"
    bad "int of DPL 0", "int 0x57"
    bad "int not present", "int 0x51"
    bad "int to 32-bit code", "int 0x52"
    bad "int to a non-canonical address", "int 0x53"
    bad "int trap gate", "int 0x54"
    bad "int task gate", "int 0x55"
    bad "int IST", "int 0x50"
    bad "int3", "int3"
    bad "icebp", ".byte 0xf1"
    bad "int with rsp not aligned", "sub rsp, 5; int 0x58"
    bad "syscall", "mov r10, rsp; syscall"
    bad "syscall with flags", "push 0x3ed7; popfq; syscall"
    bad "sysenter", "sysenter"
    bad "hlt in a bad place", "mov ecx, cs; test cl, 3; jz 1f; hlt; 1: nop"
    bad "mov cr8", "mov eax, 5; mov cr8, rax; mov rcx, cr8; xor eax, eax; mov cr8, rax"
    bad "mov cr8 reserved", "mov eax, 0x10; mov cr8, rax"
    bad "mov from cr2 and cr3", "mov rax, cr2; mov rcx, cr3"
    bad "mov to cr2", "mov cr2, rdi; mov rax, cr2"
    bad "mov to dr7, upper half", "mov rax, 0x100000400; mov dr7, rax"
    bad "rdmsr of nothing", "mov ecx, 0x12345; rdmsr"
    bad "wrmsr of a non-canonical LSTAR", "mov ecx, 0xc0000082; mov edx, 0x8000; xor eax, eax; wrmsr"
    bad "wrmsr of a non-canonical FS base", "mov ecx, 0xc0000100; mov edx, 0x8000; xor eax, eax; wrmsr"
    bad "wrmsr EFER reserved", "mov ecx, 0xc0000080; mov edx, 1; xor eax, eax; wrmsr"
    bad "wrfsbase", "mov rax, 0x10100; wrfsbase rax; mov ecx, fs:[0]"
    bad "far jmp to compatibility code", "mov dword ptr [rbx], 0x102000; mov word ptr [rbx + 4], 0; jmp fword ptr [rbx]"
    bad "retfq to null", "push 0; push 0; rex.W retf"
    bad "retfq to data", "push 0x10; push 0; rex.W retf"
    bad "retf to a TSS", "push 0x58; push 0; rex.W retf"
    bad "far call through the 64-bit gate", "mov dword ptr [rbx], 0; mov word ptr [rbx + 4], 0xf3; call fword ptr [rbx]"
    bad "far call through a 32-bit gate", "mov dword ptr [rbx], 0; mov word ptr [rbx + 4], 0x7b; call fword ptr [rbx]"
    bad "far call to a TSS", "mov dword ptr [rbx], 0; mov word ptr [rbx + 4], 0x68; call fword ptr [rbx]"
    bad "iretq to null", "push 0x10; push rsp; push 2; push 0; push 0; iretq"
    bad "lgdt in ring", "sgdt [rbx]; mov eax, cs; test al, 3; jz 1f; lgdt [rbx]; 1: nop"
    bad "xgetbv without OSXSAVE", "xor ecx, ecx; xgetbv"
    bad "avx without OSXSAVE", "vaddps xmm0, xmm0, xmm0"
    bad "sse without OSFXSR", "addps xmm0, xmm0"
    bad "mmx", "paddb mm0, mm0; emms"
    bad "lzcnt or bsr", "mov ecx, 0x10; lzcnt eax, ecx"
    bad "tzcnt or bsf", "mov ecx, 0x10; tzcnt eax, ecx"
    bad "popcnt", "popcnt eax, edi"
    bad "crc32", "crc32 eax, dl"
    bad "vmrun", "vmrun"
    bad "vmxon", ".byte 0xf3, 0x0f, 0xc7, 0x33"
    bad "getsec", ".byte 0x0f, 0x37"
    bad "xbegin", ".byte 0xc7, 0xf8, 0, 0, 0, 0"
    bad "rdpid", ".byte 0xf3, 0x0f, 0xc7, 0xf8"
    bad "ud0", ".byte 0x0f, 0xff, 0xc0"
    bad "lock mov", ".byte 0xf0; mov [rbx], eax"
    bad "lock add", "lock add [rbx], eax"
    bad "lock cmpxchg of a register", ".byte 0xf0, 0x0f, 0xb1, 0xc0"
    bad "mov cs", ".byte 0x8e, 0xc8"
    bad "mov cr1", ".byte 0x0f, 0x20, 0xc8"
    bad "mov cr9", ".byte 0x44, 0x0f, 0x20, 0xc8"
    bad "mov dr8", ".byte 0x44, 0x0f, 0x21, 0xc0"

    CASE "imul 64", LONG64, mask=0xffffff2b
    mov rax, -3
    imul rdi, rax, 5
    imul r8
    END
    CASE "shifts by 64 and more", LONG64, mask=0xfffff7ef
    mov ecx, 65
    shl rdi, cl
    mov cl, 33
    shl eax, cl
    END

    // ---- frames
    CASE "long: call", LONG64
    mov rdi, NONCANONICAL
    call rdi
    END
    CASE "iretq to ring 3", LONG64
    push USER_DATA32
    push STACK_BASE + USER_ALIAS + 0x800
    push 0x3202
    push USER_CODE64
    lea rax, [rip + 1f + USER_ALIAS]
    push rax
    iretq
1:  mov ecx, cs
    END
    CASE "iretq to compatibility code", LONG64
    push USER_DATA32
    push STACK_BASE + USER_ALIAS + 0x800
    push 0x202
    push USER_CODE32
    lea rax, [rip + 1f + USER_ALIAS]
    push rax
    iretq
1:  .byte 0x48                  // dec eax there, a prefix here
    .byte 0x40
    END
    CASE "iretq with a null stack to ring 0", LONG64
    mov rax, rsp
    push 0
    push rax
    push 2
    push CODE64
    lea rax, [rip + 1f]
    push rax
    iretq
1:  mov ecx, ss
    END
    CASE "iretq with a null stack to ring 3", LONG64
    push 3
    push STACK_BASE + USER_ALIAS + 0x800
    push 2
    push USER_CODE64
    push 0
    iretq
    END
    CASE "iretq to a non-canonical address", LONG64
    mov rax, rsp
    push DATA32
    push rax
    push 2
    push CODE64
    mov rcx, NONCANONICAL
    push rcx
    iretq
    END
    CASE "iretq to a non-canonical address in ring 3", LONG64
    push USER_DATA32
    push STACK_BASE + USER_ALIAS + 0x800
    push 2
    push USER_CODE64
    mov rcx, NONCANONICAL
    push rcx
    iretq
    END
    CASE "iretq in ring 3", LONG64U
    mov rax, rsp
    push USER_DATA32
    push rax
    push 0x3202
    push USER_CODE64
    lea rax, [rip + 1f]
    push rax
    iretq
1:
    END
    CASE "iretd in 64-bit code", LONG64
    mov eax, esp
    sub rsp, 64
    lea rcx, [rip + 1f]
    mov [rsp], ecx
    mov dword ptr [rsp + 4], CODE64
    mov dword ptr [rsp + 8], 2
    mov [rsp + 12], eax
    mov dword ptr [rsp + 16], DATA32
    iretd
1:
    END
    CASE "iretq with NT", LONG64
    push 0x4002
    popfq
    iretq
    END
    CASE "iretq to VM", LONG64
    mov rax, rsp
    push DATA32
    push rax
    push 0x20002
    push CODE64
    lea rax, [rip + 1f]
    push rax
    iretq
1:
    END
    CASE "sysretq", LONG64
    lea rcx, [rip + 1f + USER_ALIAS]
    mov r11, 0xffffffffffffffd7 & ~0x100
    and r11d, 0x3f7ed7
    mov rsp, STACK_BASE + USER_ALIAS + 0x800
    rex.W sysret
1:  mov eax, cs
    mov edx, ss
    END
    CASE "sysretl", LONG64
    lea rcx, [rip + 1f + USER_ALIAS]
    mov r11d, 0x202
    mov rsp, STACK_BASE + USER_ALIAS + 0x800
    .byte 0x0f, 0x07
1:  .byte 0x40
    END
    CASE "sysretq to a non-canonical address", LONG64
    mov rcx, NONCANONICAL
    mov r11d, 2
    rex.W sysret
    END
    CASE "sysret in ring 3", LONG64U
    rex.W sysret
    END
    CASE "syscall and sysret", LONG64U
    lea rax, [rip + 1f]
    sub rax, USER_ALIAS
    mov r8, rsp
    push rax
    mov r9, 0x12
    syscall
1:
    END
    CASE "SCE off", LONG64
    mov ecx, 0xc0000080
    rdmsr
    and al, 0xfe
    wrmsr
    syscall
    END
    CASE "swapgs and the bases", LONG64
    mov ecx, 0xc0000102
    mov eax, 0x10100
    xor edx, edx
    wrmsr
    swapgs
    mov esi, gs:[8]
    rdmsr
    swapgs
    mov edi, gs:[0x10108]
    END
    CASE "loading fs clears its base to 32 bits", LONG64
    mov ecx, 0xc0000100
    mov eax, 0x10100
    mov edx, 0xffff8000
    wrmsr
    mov eax, DATA32
    mov fs, eax
    rdmsr
    END
    CASE "null in fs and its base", LONG64
    mov ecx, 0xc0000100
    mov eax, 0x10100
    xor edx, edx
    wrmsr
    xor eax, eax
    mov fs, eax
    rdmsr
    END
    CASE "fs base non-canonical sum", LONG64
    mov ecx, 0xc0000100
    mov eax, 0xfffffff0
    mov edx, 0x7fff
    wrmsr
    mov eax, fs:[0x20]
    END
    CASE "fs base wraps", LONG64
    mov ecx, 0xc0000100
    mov eax, 0x10100
    xor edx, edx
    wrmsr
    mov rbx, -0x10
    mov esi, fs:[rbx + 0x18]
    mov edi, fs:[ebx + 0x18]
    END
    CASE "ds base is ignored", LONG64
    mov eax, DATA_BASED
    mov ds, eax
    mov es, eax
    mov ecx, [rbx]
    mov eax, STACK_BASED
    mov ss, eax
    mov edx, [rbp]
    END
    CASE "ds limit is ignored", LONG64
    mov eax, SMALL
    mov ds, eax
    mov ecx, [rbx + 0x1000]
    END
    CASE "read-only data is ignored", LONG64
    mov eax, READ_ONLY
    mov es, eax
    stosd
    END
    CASE "IST from ring 0", LONG64
    int 0x50
    END
    CASE "double fault on IST: rsp is bad", LONG64
    mov rsp, NONCANONICAL
    push 1
    END
    CASE "double fault: rsp leads to nothing", LONG64
    mov esp, 0x80000000
    push 1
    END
    CASE "ltr in 64-bit code", LONG64
    mov ax, TASK64
    and byte ptr [gdt + TASK64 + 5], 0xfd
    ltr ax
    str ecx
    END
    CASE "ltr of a 32-bit TSS with an upper half", LONG64
    mov ax, TASK_OTHER
    ltr ax
    END
    CASE "lldt with a bad upper half", LONG64
    mov ax, SMALL
    lldt ax
    END
    CASE "lgdt of 10 bytes", LONG64
    sgdt [rbx]
    lgdt [rbx]
    sidt [rbx + 16]
    END
    CASE "lgdt to a non-canonical address", LONG64
    mov word ptr [rbx], 0x7f
    mov rax, NONCANONICAL
    mov [rbx + 2], rax
    lgdt [rbx]
    END
    CASE "far jmp to ring 0 compatibility code", LONG64
    mov dword ptr [rbx], offset 1f
    mov word ptr [rbx + 4], CODE32
    jmp fword ptr [rbx]
1:  .byte 0x48, 0x40
    END
    CASE "far jmp to a code segment with L and D", LONG64
    or dword ptr [gdt + CONFORMING + 4], 0x200000
    mov dword ptr [rbx], offset 1f
    mov word ptr [rbx + 4], CONFORMING
    jmp fword ptr [rbx]
1:
    END

    // ---- compatibility mode
    CASE "compat: segment limits", COMPAT32
    mov eax, USER_SMALL
    mov es, eax
    mov eax, es:[0xfc]
    mov eax, es:[0xfd]
    END
    CASE "compat: int 0x58", COMPAT32
    int 0x58
    END
    CASE "compat: syscall", COMPAT32
    .byte 0x0f, 0x05
    END
    CASE "compat: call gate 64", COMPAT32
    .byte 0x9a
    .long 0
    .word CALL_GATE64|3
    END
    CASE "compat: call gate of 32 bits", COMPAT32
    .byte 0x9a
    .long 0
    .word CALL_GATE
    END
    CASE "compat: jmp to 64-bit code", COMPAT32
    .byte 0xea
    .long 1f + USER_ALIAS
    .word USER_CODE64
1:  .byte 0x48, 0x83, 0xc0, 1
    END
    CASE "compat: push and pop", COMPAT32
    push eax
    push 7
    pop ecx
    pusha
    END
    CASE "compat: address wraps at 4G", COMPAT32
    mov eax, [ebx + 0xfffffff0]
    mov ecx, [ebx + ebx]
    END
    CASE "compat: task switch", COMPAT32
    .byte 0xea
    .long 0
    .word TASK_GATE
    END
    CASE "compat: sysenter", COMPAT32
    sysenter
    END
    CASE "compat: arpl is there", COMPAT32
    mov ax, 8
    arpl ax, bx
    END
    CASE "compat: bcd is there", COMPAT32, mask=0xfffff7ff
    mov al, 0x9a
    daa
    END
    CASE "compat 16: segments", COMPAT16
    mov ax, [bx]
    mov [bx + 2], ax
    push eax
    pop cx
    END
    CASE "compat 16: limit", COMPAT16
    mov esi, 0x10000
    mov al, [esi]
    END
    CASE "compat 16: int 0x58", COMPAT16
    int 0x58
    END
    CASE "compat 16: div by zero", COMPAT16, mask=0xfffff72a
    xor cx, cx
    div cx
    END
    CASE "compat 16: far jump to 64-bit code", COMPAT16
    .byte 0x66, 0xea
    .long gate_target64
    .word CODE64
    END
