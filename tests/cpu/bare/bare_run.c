// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs a flat image at 0000:7c00 on the software engine, in a VM of one vCPU and memory, and writes what
// it sends to port 0xe9 to standard output. It ends when the image writes to port 0x8900, or after 10 s.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/cpu/jit/engine.h"
#include "guest/mem/mem.h"

enum { RAM_BYTES = 32 << 20, IMAGE_AT = 0x7c00, MARK_AT = 0x5fe, MARK = 0x4b4b, IMAGE_MAX = 1 << 20,
       SECONDS = 10, PRINT_MAX = 1 << 20 };

static struct vcpu *vcpu;
static bool ended;
static unsigned printed;

static uint64_t no_read(void *opaque, uint64_t offset, unsigned size_bytes)
{
    (void)opaque, (void)offset;
    return UINT64_MAX >> (64 - 8 * size_bytes);
}

static void print(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)size_bytes;
    if (!ended && printed++ < PRINT_MAX)
        putchar((int)(value & 0xff));
}

static void end(void *opaque, uint64_t offset, uint64_t value, unsigned size_bytes)
{
    (void)opaque, (void)offset, (void)value, (void)size_bytes;
    ended = true;
    vcpu->ops->kick(vcpu);
}

static const struct mem_ops print_ops = {no_read, print}, end_ops = {no_read, end};

static int no_interrupt(void *opaque) { (void)opaque; return 0xff; }
static void ignore_eoi(void *opaque, uint8_t vector) { (void)opaque, (void)vector; }

static int load_image(struct ram *ram, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    size_t bytes = fread(ram->host + IMAGE_AT, 1, IMAGE_MAX, file);
    fclose(file);
    uint16_t mark = MARK;  // there is no BIOS to read the rest of the image with, and no need to
    memcpy(ram->host + MARK_AT, &mark, sizeof mark);
    return bytes ? 0 : err_set(err, -EINVAL, "%s: empty", path);
}

static int make_vcpu(struct engine_config *config, struct err *err)
{
    int code = mem_add_ram(config->memory, GPA(0), config->ram, 0, RAM_BYTES, false, err);
    if (code == 0)
        code = mem_add_io(config->ports, GPA(0xe9), 1, &print_ops, NULL, "print", err);
    if (code == 0)
        code = mem_add_io(config->ports, GPA(0x8900), 1, &end_ops, NULL, "end", err);
    struct engine *engine = code == 0 ? jit_engine_create(config, err) : NULL;
    vcpu = engine ? engine->ops->create_vcpu(engine, 0, err) : NULL;
    return vcpu ? 0 : -EINVAL;
}

// As a BIOS leaves it.
static void start_at_image(void)
{
    vcpu->state->seg[X86_CS].selector = 0;
    vcpu->state->seg[X86_CS].base = 0;
    vcpu->state->rip = IMAGE_AT;
    vcpu->ops->put_state(vcpu);
}

// An image in a loop is kicked out of it; the process ends before this thread does.
static void *watch(void *opaque)
{
    sleep(SECONDS + 1);
    vcpu->ops->kick(vcpu);
    return opaque;
}

static int run(void)
{
    time_t limit = time(NULL) + SECONDS;
    enum vcpu_exit why = VCPU_EXIT_KICKED;
    pthread_t watchdog;
    if (pthread_create(&watchdog, NULL, watch, NULL))
        return 2;
    while (!ended && why == VCPU_EXIT_KICKED && time(NULL) < limit) {
        why = vcpu->ops->run(vcpu);
        mem_quiescent();
    }
    fflush(stdout);
    if (!ended)
        fprintf(stderr, "bare_run: exit %d at %#llx\n", why, (unsigned long long)vcpu->state->rip);
    return ended ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct ram ram;
    struct x86_model model;
    bool single = argc == 3 && !strcmp(argv[1], "--single");
    if (argc != 2 + single) {
        fprintf(stderr, "Usage: bare_run [--single] IMAGE\n");
        return 2;
    }
    mem_thread_online();
    int code = ram_open(&ram, RAM_BYTES, &err);
    if (code == 0)
        code = x86_model_parse(&model, "max", jit_support(), &err);
    if (code == 0)
        code = load_image(&ram, argv[1 + single], &err);
    struct engine_config config = {
        .memory = mem_create(UINT64_C(1) << 46), .ports = mem_create(1 << 16), .ram = &ram,
        .clock = clock_create_manual(), .model = &model, .vcpus = 1, .pic_acknowledge = no_interrupt,
        .eoi = ignore_eoi, .one_instruction_blocks = single,
    };
    if (code == 0)
        code = make_vcpu(&config, &err);
    if (code < 0) {
        fprintf(stderr, "bare_run: %s\n", err.text);
        return 2;
    }
    start_at_image();
    return run();
}
