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
void aml_begin_package(struct aml *a, uint8_t elements);
void aml_begin_resources(struct aml *a);  // a buffer; aml_end adds the end tag
void aml_end(struct aml *a);

void aml_name(struct aml *a, const char *path);  // Name(path, the next object)
void aml_path(struct aml *a, const char *path);  // a reference or an invocation
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *ascii);
void aml_eisa_id(struct aml *a, const char *id);  // "PNP0A03"
// Opcodes that take their operands from the calls after them: Return, Store, LNot ...
enum aml_op { AML_STORE = 0x70, AML_AND = 0x7b, AML_OR = 0x7d, AML_EQUAL = 0x93,
              AML_RETURN = 0xa4 };
void aml_op(struct aml *a, enum aml_op op);
void aml_argument(struct aml *a, unsigned number);  // Arg0 to Arg6
void aml_local(struct aml *a, unsigned number);     // Local0 to Local7

// Resource descriptors (6.4.2, 6.4.3), between aml_begin_resources and its aml_end.
void aml_io(struct aml *a, uint16_t base, uint8_t ports);
void aml_irq(struct aml *a, unsigned irq);  // ISA: edge-triggered, active high
void aml_memory32(struct aml *a, uint32_t base, uint32_t size_bytes, bool writable);
