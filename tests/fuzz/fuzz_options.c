// SPDX-License-Identifier: GPL-2.0-or-later
//
// Any words as a command line and, when they are understood, as lines of the human monitor.
#include "guest/control/hmp.h"
#include "guest/control/options.h"
#include "tests/unit/control_fake.h"

enum { WORDS = 24, BYTES = 2048 };

static void parse(char *text)
{
    static struct options options;
    struct err err = {0};
    char *argv[WORDS] = {(char *)"qemu-system-x86_64"};
    int argc = 1;
    for (char *word = strtok(text, "\n"); word && argc < WORDS; word = strtok(NULL, "\n"))
        if (!strstr(word, "help") && !strchr(word, '?') && !strstr(word, "version") && strcmp(word, "-h") && strcmp(word, "--h"))
            argv[argc++] = word;
    options_parse(&options, argc, argv, &err);
    options_finish(&options);
}

static void type(char *line)
{
    struct text text = {0};
    hmp_execute(&fake.vm, line, &text);
    text_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct mem *memory, *ports;
    char text[BYTES] = {0};
    if (!memory) {
        mem_thread_online();
        memory = mem_create(1 << 20);
        ports = mem_create(65536);
    }
    fake_init(memory, ports);
    memcpy(text, bytes, size_bytes < BYTES ? size_bytes : BYTES - 1);
    type(text);
    parse(text);
    fake_forget();
    return 0;
}
