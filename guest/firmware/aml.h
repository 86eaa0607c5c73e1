// SPDX-License-Identifier: GPL-2.0-or-later
//
// Writes ACPI Machine Language (ACPI 6.4, chapter 20). Calls follow the grammar: a term's
// arguments are the calls after it, and whatever has a length is opened by aml_begin_* and closed
// by aml_end:
//     aml_begin_device(&a, "RTC");
//     aml_name(&a, "_HID"), aml_eisa_id(&a, "PNP0B00");
//     aml_end(&a);
//
// What is written is added to a struct bytes, which keeps a failure. Names, depths and identifiers
// are the program's own: wrong ones assert.
//
// Threads: none.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/firmware/bytes.h"

enum { AML_DEPTH = 16 };

struct aml {
    struct bytes *out;  // lent; may already hold a table's header
    unsigned depth;
    struct { size_t start; bool buffer; } open[AML_DEPTH];
};

void aml_init(struct aml *a, struct bytes *out);

void aml_begin_scope(struct aml *a, const char *path);  // "\\_SB", "PCI0.LPC", "^^X"
void aml_begin_device(struct aml *a, const char *name);
void aml_begin_method(struct aml *a, const char *name, unsigned arguments, bool serialized);
void aml_begin_if(struct aml *a);    // the condition comes first
void aml_begin_else(struct aml *a);  // at once after the aml_end of an if
void aml_begin_package(struct aml *a, uint8_t elements);
void aml_begin_resources(struct aml *a);  // a buffer; aml_end adds the end tag
// The registers of a region: aml_field and aml_field_gap until aml_end. Accessed by bytes, without the
// global lock; what is not written is preserved.
void aml_begin_fields(struct aml *a, const char *region);
void aml_end(struct aml *a);

void aml_name(struct aml *a, const char *path);  // Name(path, the next object)
void aml_path(struct aml *a, const char *path);  // a reference or an invocation
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *ascii);
void aml_eisa_id(struct aml *a, const char *id);  // "PNP0A03"
void aml_buffer(struct aml *a, const void *bytes, uint8_t size_bytes);
void aml_uuid(struct aml *a, const char *uuid);  // ToUUID: a buffer of 16 bytes

enum aml_space { AML_SYSTEM_IO = 1, AML_PCI_CONFIG = 2 };
void aml_region(struct aml *a, const char *name, enum aml_space space, uint64_t offset, uint64_t size_bytes);
void aml_field(struct aml *a, const char *name, unsigned bits);
void aml_field_gap(struct aml *a, unsigned bits);
// CreateDWordField(the next object, byte, name)
void aml_begin_dword_field(struct aml *a);
void aml_end_dword_field(struct aml *a, uint64_t byte, const char *name);
// Opcodes that take their operands from the calls after them: Return, Store, LNot ...
enum aml_op { AML_STORE = 0x70, AML_AND = 0x7b, AML_OR = 0x7d, AML_NOT = 0x92, AML_EQUAL = 0x93,
              AML_RETURN = 0xa4 };
void aml_op(struct aml *a, enum aml_op op);
void aml_argument(struct aml *a, unsigned number);  // Arg0 to Arg6
void aml_local(struct aml *a, unsigned number);     // Local0 to Local7

// Resource descriptors (6.4.2, 6.4.3), between aml_begin_resources and its aml_end.
void aml_io(struct aml *a, uint16_t base, uint8_t ports);
void aml_irq(struct aml *a, unsigned irq);  // ISA: edge-triggered, active high
void aml_memory32(struct aml *a, uint32_t base, uint32_t size_bytes, bool writable);
// Level-triggered, active high, shared (6.4.3.6): what PCI links lead to.
void aml_interrupts(struct aml *a, const uint32_t *gsis, uint8_t count);
// What a bridge passes on (6.4.3.5): bus numbers, ports, memory, from first to last.
void aml_bus_window(struct aml *a, uint16_t first, uint16_t last);
void aml_io_window(struct aml *a, uint16_t first, uint16_t last);
void aml_memory_window32(struct aml *a, uint32_t first, uint32_t last, bool cacheable);
void aml_memory_window64(struct aml *a, uint64_t first, uint64_t last);
