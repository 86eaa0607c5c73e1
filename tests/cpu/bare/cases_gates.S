// SPDX-License-Identifier: GPL-2.0-or-later
//
// Transfers between levels and code sizes: gates, returns, IRET to every kind, limits of the stacks involved,
// stacks of 16 bits (SDM volume 3, 5.8 and 6.12; volume 2, CALL, RET, IRET).
#include "cases.inc"
    .set TSS_SP1, 12
    .set TSS_SS1, 16
    .set small_stack, SMALL_STACK
    .set stack16, STACK16
    .set dpl1_data, DPL1_DATA
    .set dpl1_code, DPL1_CODE
    .set conforming, CONFORMING
    .set read_only, READ_ONLY
    .set code16, CODE16
    .set call_gate, CALL_GATE & ~7
    .set code64, CODE64
    .set user_alias, USER_ALIAS

    // ---- through the gate at CALL_GATE (32 bits, two parameters) from ring 3, after `prepare`
    .macro gate_call name, prepare
    CASE "gate: \name", USER32
    push 0x1111
    push 0x2222
    \prepare
    .byte 0x9a
    .long 0
    .word CALL_GATE
    END
    .endm
    gate_call "plain", "nop"
    .macro to_ring1 stack, sp
    mov word ptr [gdt + call_gate + 2], dpl1_code
    mov word ptr [tss32 + TSS_SS1], \stack
    .ifnb \sp
    mov dword ptr [tss32 + TSS_SP1], \sp
    or byte ptr [gdt + small_stack + 5], 0x20
    or byte ptr [gdt + stack16 + 5], 0x20
    .endif
    .endm
    gate_call "inner stack absent", "to_ring1 absent_data+1"
    gate_call "inner stack null", "to_ring1 0"
    gate_call "inner stack null with RPL", "to_ring1 1"
    gate_call "inner stack of ring 3", "to_ring1 user_data32"
    gate_call "inner stack of ring 0", "to_ring1 data32+1"
    gate_call "inner stack with RPL 3", "to_ring1 dpl1_data+3"
    gate_call "inner stack read-only", "to_ring1 read_only+1"
    gate_call "inner stack code", "to_ring1 execute_only+1"
    gate_call "inner stack beyond the table", "to_ring1 0x1001"
    gate_call "inner stack just fits", "to_ring1 small_stack+1, 0x18"
    gate_call "inner stack of 16 bits", "to_ring1 stack16+1, 0x12340800"
    gate_call "to ring 1", "mov word ptr [gdt + call_gate + 2], dpl1_code"
    gate_call "to ring 1, RPL 3 in the gate", "mov word ptr [gdt + call_gate + 2], dpl1_code + 3"
    gate_call "to conforming code", "mov word ptr [gdt + call_gate + 2], conforming"
    gate_call "to absent code", "mov word ptr [gdt + call_gate + 2], absent_code"
    gate_call "to null", "mov word ptr [gdt + call_gate + 2], 0"
    gate_call "to null with RPL", "mov word ptr [gdt + call_gate + 2], 3"
    gate_call "to code of ring 3", "mov word ptr [gdt + call_gate + 2], user_code32"
    gate_call "beyond the code's limit", "mov word ptr [gdt + call_gate + 2], code_limited; mov word ptr [gdt + call_gate + 6], 0x7000"
    gate_call "to 16-bit code", "mov word ptr [gdt + call_gate + 2], code16; mov dword ptr [gdt + call_gate], offset gate_target16; mov word ptr [gdt + call_gate + 2], code16; mov word ptr [gdt + call_gate + 6], 0"
    gate_call "to 64-bit code", "mov word ptr [gdt + call_gate + 2], code64"
    gate_call "with 31 parameters", "mov byte ptr [gdt + call_gate + 4], 31"
    gate_call "with reserved bits", "or byte ptr [gdt + call_gate + 4], 0xe0"
    gate_call "of DPL 0", "and byte ptr [gdt + call_gate + 5], 0x9f"
    gate_call "absent", "and byte ptr [gdt + call_gate + 5], 0x7f"
    gate_call "absent and of DPL 0", "and byte ptr [gdt + call_gate + 5], 0x1f"

    .macro gate_jump name, prepare
    CASE "jmp by gate: \name", PROT32
    \prepare
    .byte 0xea
    .long 0
    .word CALL_GATE
    END
    CASE "jmp by gate, ring 3: \name", USER32
    \prepare
    .byte 0xea
    .long 0
    .word CALL_GATE
    END
    .endm
    gate_jump "plain", "nop"
    gate_jump "to ring 1", "mov word ptr [gdt + call_gate + 2], dpl1_code"
    gate_jump "to conforming code", "mov word ptr [gdt + call_gate + 2], conforming"
    gate_jump "to code of ring 3", "mov word ptr [gdt + call_gate + 2], user_code32"

    // ---- interrupts to inner stacks
    .macro inner_int name, prepare
    CASE "int: \name", USER32
    \prepare
    int 0x58
    END
    .endm
    inner_int "inner stack absent", "mov word ptr [tss32 + TSS_SS1], 0; mov word ptr [idt32 + 0x58 * 8 + 2], dpl1_code"
    inner_int "inner stack of ring 1 absent", "mov word ptr [tss32 + TSS_SS1], absent_data + 1; mov word ptr [idt32 + 0x58 * 8 + 2], dpl1_code"
    inner_int "inner stack of ring 1 has DPL 0", "mov word ptr [tss32 + TSS_SS1], data32 + 1; mov word ptr [idt32 + 0x58 * 8 + 2], dpl1_code"
    inner_int "to ring 1", "mov word ptr [idt32 + 0x58 * 8 + 2], dpl1_code"
    inner_int "to absent code", "mov word ptr [idt32 + 0x58 * 8 + 2], absent_code"
    inner_int "trap gate of 16 bits", "mov dword ptr [idt32 + 0x58 * 8], offset gate_target16; mov word ptr [idt32 + 0x58 * 8 + 2], code16; mov dword ptr [idt32 + 0x58 * 8 + 4], 0xe700"
    inner_int "call gate in the table", "mov byte ptr [idt32 + 0x58 * 8 + 5], 0xec"

    // ---- far returns in rings and limits
    .macro far_return name, mode, pushes
    CASE "retf: \name", \mode
    \pushes
    retf
1:  nop
    END
    .endm
    far_return "same ring", PROT32, "push 0x08; push offset 1f"
    far_return "same ring beyond the limit", PROT32, "push 0x130; push 0xfffffff0"
    far_return "absent", PROT32, "push 0xc8; push offset 1f"
    far_return "conforming with RPL 3", PROT32, "push 0x43; push 0x20800; push 0xbb; push offset 1f"
    far_return "DPL 3, RPL 0", PROT32, "push 0x38; push offset 1f"
    far_return "to ring 1", PROT32, "push 0xd1; push 0x20800; push 0xd9; push offset 1f"
    far_return "to ring 1 with the stack of 3", PROT32, "push 0x43; push 0x20800; push 0xd9; push offset 1f"
    far_return "to ring 3, stack absent", PROT32, "push 0xc3; push 0x20800; push 0x3b; push offset 1f"
    far_return "to ring 3, stack beyond the table", PROT32, "push 0x1003; push 0x20800; push 0x3b; push offset 1f"
    far_return "to ring 3, stack code", PROT32, "push 0xb3; push 0x20800; push 0x3b; push offset 1f"
    far_return "to 16-bit code of ring 3", PROT32, "push 0x43; push 0x20800; push 0x123; push offset gate_target16"
    far_return "from a stack that ends", PROT32, "mov eax, 0x108; mov ss, eax; mov esp, 0xfc"
    far_return "outer, from a stack that ends", PROT32, "mov eax, 0x108; mov ss, eax; mov esp, 0xf8; mov dword ptr ss:[esp], offset 1f; mov dword ptr ss:[esp + 4], 0x3b"
    far_return "to the LDT's code", PROT32, "push 0x14; push offset 1f"
    far_return "to a call gate", PROT32, "push 0x7b; push offset 1f"

    // ---- IRET
    .macro interrupt_return name, mode, pushes
    CASE "iret: \name", \mode
    \pushes
    iretd
1:  nop
    END
    .endm
    interrupt_return "same ring with all flags", PROT32, "push 0x247ed7 - 0x4000 - 0x100; push 0x08; push offset 1f"
    interrupt_return "VIF and VIP", PROT32, "push 0x180002; push 0x08; push offset 1f"
    interrupt_return "to ring 3 with IOPL", PROT32, "push 0x43; push 0x20800; push 0x3202; push 0x3b; push offset 1f"
    interrupt_return "to ring 3 with RF", PROT32, "push 0x43; push 0x20800; push 0x10002; push 0x3b; push offset 1f"
    interrupt_return "to 16-bit code", PROT32, "push 2; push 0x18; push offset gate_target16"
    interrupt_return "to 16-bit code of ring 3, 16-bit stack", PROT32, "push 0x12b; push 0x12340080; push 2; push 0x123; push offset gate_target16"
    interrupt_return "to conforming", PROT32, "push 2; push 0xb8; push offset 1f"
    interrupt_return "to conforming with RPL 3", PROT32, "push 0x43; push 0x20800; push 2; push 0xbb; push offset 1f"
    interrupt_return "to data", PROT32, "push 2; push 0x10; push offset 1f"
    interrupt_return "to null with RPL 3", PROT32, "push 2; push 3; push offset 1f"
    interrupt_return "beyond the limit", PROT32, "push 2; push 0x130; push 0xfffffff0"
    interrupt_return "to ring 3 from a stack that ends", PROT32, "mov eax, 0x108; mov ss, eax; mov esp, 0xf4; mov dword ptr ss:[esp], offset 1f; mov dword ptr ss:[esp + 4], 0x3b; mov dword ptr ss:[esp + 8], 2"
    interrupt_return "from ring 3 to ring 0", USER32, "push 2; push 0x08; push offset 1f"
    interrupt_return "from ring 3, IOPL and IF stay", USER32, "push 0x3202; push 0x3b; push offset 1f"
    interrupt_return "to 64-bit code outside long mode", PROT32, "push 2; push 0x30; push offset 1f"

    .macro long_return name, pushes
    CASE "iretq: \name", LONG64
    mov r15, rsp
    \pushes
    iretq
1:  nop
    END
    .endm
    long_return "to ring 3, 64 bits", "push 0x43; push 0x40820800; push 2; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_return "to ring 3, 32 bits", "push 0x43; push 0x40820800; push 2; push 0x3b; lea rax, [rip + 1f + user_alias]; push rax"
    long_return "to ring 3, 16 bits", "push 0x43; push 0x40820800; push 2; push 0x123; push offset gate_target16"
    long_return "to ring 0, 32 bits", "push 0x10; push r15; push 2; push 0x08; lea rax, [rip + 1f]; push rax"
    long_return "to ring 0, 16 bits and a 16-bit stack", "push 0x28; push 0x800; push 2; push 0x18; push offset gate_target16"
    long_return "to ring 0 with a null stack", "push 0; push r15; push 2; push 0x30; lea rax, [rip + 1f]; push rax"
    long_return "to ring 0, 32 bits with a null stack", "push 0; push r15; push 2; push 0x08; lea rax, [rip + 1f]; push rax"
    long_return "to ring 3 with a null stack", "push 3; push 0x40820800; push 2; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_return "to ring 3 with the stack of ring 0", "push 0x10; push 0x40820800; push 2; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_return "to ring 3 with an absent stack", "push 0xc3; push 0x40820800; push 2; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_return "to ring 1", "push 0xd1; push r15; push 2; push 0xd9; lea rax, [rip + 1f]; push rax"
    long_return "to L and D", "or dword ptr [gdt + 0xb8 + 4], 0x200000; push 0x10; push r15; push 2; push 0xb8; lea rax, [rip + 1f]; push rax"
    long_return "to a non-canonical address", "push 0x10; push r15; push 2; push 0x30; mov rax, 0x800000000000; push rax"
    long_return "to a non-canonical address in ring 3", "push 0x43; push 0x40820800; push 2; push 0x4b; mov rax, 0x800000000000; push rax"
    long_return "32-bit code beyond its limit", "push 0x10; push r15; push 2; push 0x130; mov eax, 0xfffffff0; push rax"
    long_return "VM is not for long mode", "push 0x10; push r15; push 0x20002; push 0x30; lea rax, [rip + 1f]; push rax"
    long_return "NT", "pushfq; or qword ptr [rsp], 0x4000; popfq; push 0x10; push r15; push 2; push 0x30; lea rax, [rip + 1f]; push rax"
    long_return "a non-canonical rsp is taken", "push 0x43; mov rax, 0x800000000000; push rax; push 2; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    .macro long_retf name, pushes
    CASE "retfq: \name", LONG64
    mov r15, rsp
    \pushes
    rex.W retf
1:  nop
    END
    .endm
    long_retf "to ring 3", "push 0x43; push 0x40820800; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_retf "to ring 3, 32 bits", "push 0x43; push 0x40820800; push 0x3b; lea rax, [rip + 1f + user_alias]; push rax"
    long_retf "to ring 3, null stack", "push 3; push 0x40820800; push 0x4b; lea rax, [rip + 1f + user_alias]; push rax"
    long_retf "same ring keeps the stack segment", "push 0x30; lea rax, [rip + 1f]; push rax"
    long_retf "to compatibility code", "push 0x08; lea rax, [rip + 1f]; push rax"
    long_retf "non-canonical", "push 0x30; mov rax, 0x800000000000; push rax"
    long_retf "non-canonical in ring 3", "push 0x43; push 0x40820800; push 0x4b; mov rax, 0x800000000000; push rax"

    // ---- 16-bit stacks under 16- and 32-bit code
    .macro short_stack name, instructions
    CASE "stack16: \name", PROT32
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x12340006
    \instructions
    END
    .endm
    short_stack "push wraps below 0", "push ax; push cx; push dx; push bx"
    short_stack "pop to esp", "push 0x5678; pop esp"
    short_stack "enter 4, 2", "mov ebp, 0x12348800; mov esp, 0x12348800; enter 4, 2"
    short_stack "leave", "mov ebp, 0x1234; mov dword ptr ss:[0x1234], 0x77778888; leave"
    short_stack "call and ret 2", "mov esp, 0x12340800; call 1f; 1: ret 2"
    short_stack "lss", "mov esp, 0x12340800; push 0x10; push 0x20800; lss esp, ss:[esp]"
    short_stack "popf", "mov esp, 0x1234fffc; mov dword ptr ss:[0xfffc], 0x8d7; popf"
    short_stack "pop beyond the end", "mov esp, 0x1234fffe; pop eax"
    short_stack "int", "mov esp, 0x12340800; int 0x58"
    short_stack "iret same ring", "mov esp, 0x12340800; pushf; push cs; push offset 1f; iretd; 1: nop"

    // ---- descriptor tables from compatibility mode, and busy TSSs
    CASE "compat: lgdt in ring 3", COMPAT32
    lgdt [ebx]
    END
    CASE "compat 16: lgdt and sgdt", COMPAT16
    sgdt [bx]
    lgdt [bx]
    sidt [bx + 16]
    lidt [bx + 16]
    END
    CASE "compat 16: lldt, sldt", COMPAT16
    mov ax, LOCAL
    lldt ax
    sldt cx
    str dx
    END
    CASE "compat 16: ltr busy", COMPAT16
    mov ax, TASK64
    ltr ax
    END
    CASE "long: ltr busy", LONG64
    mov ax, TASK64
    ltr ax
    END
    CASE "long: ltr absent", LONG64
    mov ax, TASK64
    and byte ptr [gdt + TASK64 + 5], 0x7d
    ltr ax
    END
    CASE "long: ltr 16-bit TSS", LONG64
    mov ax, TASK16
    ltr ax
    END
    CASE "long: ltr at the table's end", LONG64
    sgdt [rbx]
    mov word ptr [rbx], TASK64 + 7
    lgdt [rbx]
    mov ax, TASK64
    and byte ptr [gdt + TASK64 + 5], 0xfd
    ltr ax
    END
    CASE "long: ltr of a non-canonical base", LONG64
    mov ax, TASK64
    and byte ptr [gdt + TASK64 + 5], 0xfd
    mov dword ptr [gdt + TASK64 + 8], 0x8000
    ltr ax
    END
    CASE "long: lldt of a non-canonical base", LONG64
    mov ax, LOCAL
    mov dword ptr [gdt + LOCAL + 8], 0x8000
    lldt ax
    END
    CASE "long: ltr in the LDT", LONG64
    mov ax, 0xc
    ltr ax
    END
    // What LAR and LSL give, and whether each of the four succeeds.
    .macro tell attributes
    mov byte ptr [gdt + DPL1_DATA + 5], \attributes
    mov edi, DPL1_DATA
    mov eax, -1
    mov edx, -1
    lar eax, edi
    setz bl
    lsl edx, edi
    setz bh
    verr di
    setz cl
    verw di
    setz ch
    .endm
    .irp type, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    CASE "long: lar, lsl, verr, verw of system type \type", LONG64
    mov byte ptr [gdt + DPL1_DATA + 5], 0x80 + \type
    mov dword ptr [gdt + DPL1_DATA + 12], 0  // the upper half's type
    mov ecx, DPL1_DATA
    mov eax, -1
    mov edx, -1
    lar eax, ecx
    setz r8b
    lsl edx, ecx
    setz r9b
    verr cx
    setz r10b
    verw cx
    setz r11b
    END
    CASE "lar, lsl, verr, verw of system type \type", PROT32
    tell 0x80 + \type
    END
    CASE "lar, lsl, verr, verw of type \type", PROT32
    tell 0xf0 + \type
    END
    CASE "lldt of system type \type", PROT32
    mov byte ptr [gdt + DPL1_DATA + 5], 0x80 + \type
    mov ecx, DPL1_DATA
    lldt cx
    END
    .if \type != 1  // with which the next case could not enter long mode
    CASE "ltr of system type \type", PROT32
    mov byte ptr [gdt + DPL1_DATA + 5], 0x80 + \type
    mov ecx, DPL1_DATA
    ltr cx
    END
    .endif
    .endr
