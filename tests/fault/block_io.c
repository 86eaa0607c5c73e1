// SPDX-License-Identifier: GPL-2.0-or-later
//
// Opens an image as a guest's disk is opened, and does to it what lines on stdin say:
//
//     block-io PATH [threads] [none|directsync|writethrough|unsafe] [discard] [readonly]
//     write OFFSET SIZE BYTE      read OFFSET SIZE BYTE (compares)
//     flush    discard OFFSET SIZE     zero OFFSET SIZE     size
//
// Answers each line by one: "ok", "differs", a number, or the name of an errno. The first line says that the image
// is open; else the reason is on stderr and the status 1.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/block/block.h"

static const char *const caches[] = {"writeback", "writethrough", "none", "directsync", "unsafe"};

static void take_word(struct block_config *config, const char *word)
{
    for (unsigned i = 0; i < sizeof caches / sizeof caches[0]; i++)
        if (!strcmp(word, caches[i]))
            config->cache = i;
    if (!strcmp(word, "threads"))
        config->aio = BLOCK_AIO_THREADS;
    config->discard_unmap |= !strcmp(word, "discard");
    config->read_only |= !strcmp(word, "readonly");
}

static int run(struct block *b, enum block_operation operation, uint64_t offset, uint64_t size_bytes, void *bytes)
{
    struct iovec iov = {bytes, size_bytes};
    struct block_request r = {.operation = operation, .offset_bytes = offset, .size_bytes = size_bytes,
                              .iov = &iov, .iov_count = bytes ? 1 : 0};
    return block_call(b, &r);
}

static const char *transfer(struct block *b, bool write, uint64_t offset, uint64_t size_bytes, int byte)
{
    uint8_t *bytes = aligned_alloc(4096, (size_bytes + 4095) & ~UINT64_C(4095));
    memset(bytes, write ? byte : ~byte, size_bytes);
    int failed = run(b, write ? BLOCK_WRITE : BLOCK_READ, offset, size_bytes, bytes);
    bool same = true;
    for (uint64_t i = 0; i < size_bytes; i++)
        same &= bytes[i] == (uint8_t)byte;
    free(bytes);
    return failed ? strerrorname_np(-failed) : same ? "ok" : "differs";
}

static const char *named(int failed)
{
    return failed ? strerrorname_np(-failed) : "ok";
}

static const char *answer(struct block *b, const char *line)
{
    static char number[32];
    unsigned long long offset = 0, size_bytes = 0;
    int byte = 0;
    char verb[16] = "";
    sscanf(line, "%15s %lli %lli %i", verb, (long long *)&offset, (long long *)&size_bytes, &byte);
    if (!strcmp(verb, "write") || !strcmp(verb, "read"))
        return transfer(b, verb[0] == 'w', offset, size_bytes, byte);
    if (!strcmp(verb, "flush"))
        return named(run(b, BLOCK_FLUSH, 0, 0, NULL));
    if (!strcmp(verb, "discard"))
        return named(run(b, BLOCK_DISCARD, offset, size_bytes, NULL));
    if (!strcmp(verb, "zero"))
        return named(run(b, BLOCK_WRITE_ZEROES, offset, size_bytes, NULL));
    snprintf(number, sizeof number, "%llu", (unsigned long long)b->info.size_bytes);
    return number;
}

int main(int argc, char **argv)
{
    struct block_config config = {.path = argc > 1 ? argv[1] : "", .format = "raw"};
    struct err err = {0};
    char line[128];
    for (int i = 2; i < argc; i++)
        take_word(&config, argv[i]);
    struct io_thread *thread = io_thread_create("block-io", NULL, &err);
    struct block *b = thread ? block_open(&config, thread, &err) : NULL;
    if (!b) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("open %s\n", b->info.aio_name);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        puts(answer(b, line));
        fflush(stdout);
    }
    block_close(b);
    io_thread_destroy(thread);
    return 0;
}
